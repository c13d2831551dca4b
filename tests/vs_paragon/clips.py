"""Clips with content, made in memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import vapoursynth as vs

from paragon_core.upscaling.trial_images import natural_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Array = npt.NDArray[Any]


def clip_of(images: Sequence[Sequence[Array]], video_format: int) -> vs.VideoNode:
    """Return a clip whose frames have these planes."""
    height, width = images[0][0].shape
    blank = vs.core.std.BlankClip(format=video_format, width=width, height=height, length=len(images), keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for index, plane in enumerate(images[n]):
            np.asarray(frame[index])[...] = plane
        return frame

    return blank.std.ModifyFrame(blank, fill)


def natural_clip(width: int = 60, height: int = 44, length: int = 5) -> vs.VideoNode:
    """Return an RGBS clip: a part that wanders over an image with the statistics of a photograph."""
    image = natural_image()[0]
    return clip_of(
        [image[:, 2 * n : 2 * n + height, 3 * n : 3 * n + width] for n in range(length)],
        vs.RGBS,
    )


def natural_yuv(video_format: int = vs.YUV420P8, **size: int) -> vs.VideoNode:
    """Return the same clip in a YUV or grey format, BT.709."""
    return natural_clip(**size).resize.Bicubic(format=video_format, matrix_s="709")


def planes_of(clip: vs.VideoNode, n: int = 0) -> list[Array]:
    """Return copies of the planes of a frame."""
    with clip.get_frame(n) as frame:
        return [np.array(plane) for plane in frame]


def digest(clip: vs.VideoNode, n: int) -> str:
    """Return a hash of the pixels of a frame."""
    return hashlib.sha256(b"".join(plane.tobytes() for plane in planes_of(clip, n))).hexdigest()


def digests(clip: vs.VideoNode, order: Iterable[int]) -> dict[int, str]:
    """Return the hashes of frames, asked for in this order."""
    return {n: digest(clip, n) for n in order}
