"""Transparency: the clip in the frame property ``_Alpha``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import vapoursynth as vs

from paragon_core.errors import InputError
from vs_paragon.frames import upscaler
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from vs_paragon.frames import Settings

PROPERTY: Final = "_Alpha"

_FULL: Final = 1


def with_enlarged_alpha(result: vs.VideoNode, clip: vs.VideoNode, settings: Settings) -> vs.VideoNode:
    """Return ``result`` with the transparency of ``clip``, enlarged.

    It passes through `Upscaler.upscale_alpha`, which keeps what is opaque opaque, in 0..1 of the full range.

    Raises:
        InputError: the transparency is not a grey plane of the clip's size.

    """
    alpha = clip.std.PropToClip(PROPERTY)
    if alpha.format.color_family is not vs.GRAY or (alpha.width, alpha.height) != (clip.width, clip.height):
        raise InputError(
            f"the transparency ({alpha.width}x{alpha.height} {alpha.format.name}) does not fit the clip",
            hint="attach a grey clip of the same size with std.ClipToProp",
        )
    upscale = upscaler(settings)

    def enlarge(_n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        frame = vs.core.create_video_frame(vs.GRAYS, result.width, result.height)
        np.asarray(frame[0])[...] = upscale.upscale_alpha(np.asarray(inputs[0][0]))
        return frame

    source = alpha.resize.Point(format=vs.GRAYS, range_in=_FULL)
    template = source.std.BlankClip(width=result.width, height=result.height, keep=True)
    enlarged = modify_frames(template, [source], enlarge)
    back = enlarged.resize.Point(format=alpha.format.id, range_in=_FULL, range=_FULL).std.CopyFrameProps(alpha)
    return result.std.ClipToProp(back, prop=PROPERTY)
