"""The clip that the detail path sees when details are smoothed over time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from paragon_core.upscaling.temporal import blend, frames_since_cut, is_scene_cut, smoothing_weights, window_length
from vs_paragon.frames import planes
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

#: PlaneStats writes the mean of the luma here.
_MEAN = "_ParagonLumaAverage"


def smoothed(clip: vs.VideoNode, strength: float) -> vs.VideoNode:
    """Average an RGBS or GRAYS clip over its last frames, not beyond a cut.

    Each frame is made from the frames of a finite window, so that it is the same wherever one seeks from. A scene
    starts where the frame property ``_SceneChangePrev`` says so, and where no filter has set it, where the mean luma
    jumps (`paragon_core.upscaling.temporal.is_scene_cut`).
    """
    offsets = range(window_length(strength))
    clip = _with_mean_luma(clip)

    def smooth(n: int, window: list[vs.VideoFrame]) -> vs.VideoFrame:
        result = window[0].copy()
        weights = smoothing_weights(strength, frames_since_cut(_starts(n, window)))
        images = [planes(frame) for frame in window[: len(weights)]]
        for plane, values in zip(planes(result), blend(images, weights), strict=True):
            plane[...] = values
        return result

    return modify_frames(clip, [clip] * len(offsets), smooth, offsets=offsets)


def _with_mean_luma(clip: vs.VideoNode) -> vs.VideoNode:
    luma = clip if clip.format.color_family is vs.GRAY else clip.resize.Bicubic(format=vs.GRAYS, matrix_s="470bg")
    return clip.std.CopyFrameProps(luma.std.PlaneStats(prop=_MEAN.removesuffix("Average")), props=[_MEAN])


def _starts(n: int, window: Sequence[vs.VideoFrame]) -> list[bool]:
    """Return for each frame in the window whether a scene starts there; of the oldest only if the clip does."""
    properties: list[Any] = [frame.props for frame in window]
    cuts = [_is_cut(now, before) for now, before in pairwise(properties)]
    return [cut or back == n for back, cut in enumerate([*cuts, False])]


def _is_cut(now: Any, before: Any) -> bool:  # noqa: ANN401 - properties have any type
    if "_SceneChangePrev" in now:
        return bool(now["_SceneChangePrev"])
    return is_scene_cut(now[_MEAN], before[_MEAN])
