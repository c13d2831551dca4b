"""Frames through `paragon_core.Upscaler`, several at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import vapoursynth as vs
import vsutil

from paragon_core.cores import usable_cores
from paragon_core.errors import BackendUnavailableError
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.upscaler import Upscaler
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from paragon_core.models.model import Model


#: Namespaces of vs-mlrt's plugins (`vs_paragon.native`), the fastest first.
PLUGINS: Final = ("ov", "ort")

#: The backend that does what a plugin would, where the plugin does not suit.
_INSTEAD: Final = {"ov": "auto", "ort": "auto", "trt_rtx": "tensorrt", "trt": "tensorrt"}


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


def upscaler(settings: Settings) -> Upscaler:
    """Return what the settings describe, for as many frames at once as it has streams.

    Raises:
        ParagonError: it does not work here.

    """
    precision, device = settings.precision, settings.device
    if settings.backend in PLUGINS:  # for transparency, where what the plugin can do, Python's runtimes may not
        precision = "fp32" if precision == "fp32" else "auto"
        device = "cpu" if device == "cpu" else "auto"
    options = replace(
        settings,
        backend=_INSTEAD.get(settings.backend, settings.backend),
        precision=precision,
        device=device,
        concurrency=settings.frames_at_once,
        clip=False,  # float clips may hold what lies beyond 0..1; for integers the conversion clips
    )
    try:
        return Upscaler(settings.model, options)
    except BackendUnavailableError as error:
        if settings.backend == "openvino" and hasattr(vs.core, "ov"):
            message = "Python's OpenVINO does not load beside vs-mlrt's plugin ov, which has a copy of its own"
            raise BackendUnavailableError(message, hint='use backend="ov"') from error
        raise


def enlarged(clips: Sequence[vs.VideoNode], settings: Settings) -> vs.VideoNode:
    """Enlarge an RGBS or GRAYS clip.

    Args:
        clips: the clip, and if there is a second one, what the detail path shall see instead of it.
        settings: model and runtime; refused here, not at the first frame, if they do not work.

    """
    source = clips[0]
    upscale = upscaler(settings)
    width, height = source.width * upscale.scale, source.height * upscale.scale
    video_format = source.format

    def enlarge(_n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        result = vs.core.create_video_frame(video_format, width, height)
        image, *detail = (planes(frame) for frame in inputs)
        upscale.upscale_planes(image, planes(result), detail=detail[0] if detail else None, bits=settings.bits)
        return result

    template = source.std.BlankClip(width=width, height=height, keep=True)
    return modify_frames(template, clips, enlarge)


def planes(frame: vs.VideoFrame) -> list[npt.NDArray[Any]]:
    """Return the planes of a frame as arrays over its own memory."""
    return [np.asarray(frame[index]) for index in range(frame.format.num_planes)]
