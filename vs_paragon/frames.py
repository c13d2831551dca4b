"""Frames through `paragon_core.Upscaler`, several at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import vapoursynth as vs
import vsutil

from paragon_core.cores import usable_cores
from paragon_core.upscaling.border import Border, halo_of
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.tiling import cover
from paragon_core.upscaling.upscaler import Upscaler
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from paragon_core.models.model import Model


@dataclass(frozen=True, kw_only=True)
class Settings(UpscaleOptions):
    """What runs the network, and how: an upscaler's options, and what only a filter knows."""

    model: Model
    """The network."""
    backend: str = "auto"
    """A name of `UpscaleOptions`, or the namespace of one of vs-mlrt's plugins."""
    bits: int
    """Depth of the clip, to which a reduced precision must be the same as fp32."""

    @property
    def frames_at_once(self) -> int:
        """Number of frames computed at once."""
        return int(vsutil.fallback(self.streams, usable_cores()))


def check_tile(settings: Settings, size: tuple[int, int]) -> None:
    """Refuse tiles that are too small for the network, before there is a frame.

    Raises:
        InputError: they are; the hint says which are not.

    """
    tile, spec = settings.tile_size, settings.model.spec
    if not isinstance(tile, str):
        margin = Border.of(spec, settings.padding).margin
        for length, side in zip(size, tile, strict=True):
            cover(length, side, halo=halo_of(spec), multiple=spec.size_multiple, margin=margin)


def upscaler(settings: Settings) -> Upscaler:
    """Return what the settings describe, for as many frames at once as it has streams.

    Args:
        settings: model and runtime; the backend is one of `paragon_core.backends`, or "auto".

    Raises:
        ParagonError: it does not work here.

    """
    options = replace(
        settings,
        concurrency=settings.frames_at_once,
        clip=False,  # float clips may hold what lies beyond 0..1; for integers the conversion clips
    )
    return Upscaler(settings.model, options)


def upscaled(clips: Sequence[vs.VideoNode], upscaler: Upscaler, *, bits: int, finite: bool = False) -> vs.VideoNode:
    """Upscale an RGBS or GRAYS clip.

    Args:
        clips: the clip, and if there is a second one, what the detail path shall see instead of it.
        upscaler: computes the frames.
        bits: depth to which a reduced precision must be the same as fp32.
        finite: whether the clips are known to hold no NaN or infinity.

    """
    source = clips[0]
    width, height = source.width * upscaler.scale, source.height * upscaler.scale
    video_format = source.format

    def upscale(_n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        result = vs.core.create_video_frame(video_format, width, height)
        image, *detail = (planes(frame) for frame in inputs)
        upscaler.upscale_planes(image, planes(result), detail=detail[0] if detail else None, bits=bits, finite=finite)
        return result

    template = source.std.BlankClip(width=width, height=height, keep=True)
    return modify_frames(template, clips, upscale)


def planes(frame: vs.VideoFrame) -> list[npt.NDArray[Any]]:
    """Return the planes of a frame as arrays over its own memory."""
    return [np.asarray(frame[index]) for index in range(frame.format.num_planes)]
