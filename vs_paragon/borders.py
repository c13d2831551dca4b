"""Continue a clip beyond its border, for plugins that run the network on whole frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vapoursynth as vs

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.upscaling.border import Border


def continued(clip: vs.VideoNode, border: Border) -> vs.VideoNode:
    """Return a clip without subsampling with the margin of a border on each side."""
    if not border.margin:
        return clip
    wide = _with_lines(
        clip, clip.width, border, lambda source, place: source.std.CropAbs(1, source.height, left=place), "Horizontal"
    )
    return _with_lines(
        wide, clip.height, border, lambda source, place: source.std.CropAbs(source.width, 1, top=place), "Vertical"
    )


def cropped(clip: vs.VideoNode, border: Border, scale: int) -> vs.VideoNode:
    """Return an upscaled clip without the margin that `continued` gave its source."""
    margin = border.margin * scale
    return clip.std.Crop(margin, margin, margin, margin) if margin else clip


def _with_lines(
    clip: vs.VideoNode,
    length: int,
    border: Border,
    line: Callable[[vs.VideoNode, int], vs.VideoNode],
    direction: str,
) -> vs.VideoNode:
    before = [line(clip, int(place)) for place in border.places(-border.margin, 0, length)]
    after = [line(clip, int(place)) for place in border.places(length, length + border.margin, length)]
    stack: Callable[[list[vs.VideoNode]], vs.VideoNode] = getattr(vs.core.std, f"Stack{direction}")
    return stack([*before, clip, *after])
