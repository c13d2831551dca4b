"""The plugin ``ncnn``: graphics cards of any maker, through Vulkan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import vapoursynth as vs
import vsutil

from paragon_core.errors import BackendUnavailableError, InputError
from vs_paragon.mlrt.base import OnnxPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vs_paragon.frames import Settings

#: While one frame is computed, another one is copied.
_STREAMS: Final = 2


class NcnnPlugin(OnnxPlugin):
    """ncnn in VapourSynth. It approximates GELU, so its fp32 is up to half a level of 8 bits off that of all others."""

    namespace = "ncnn"
    merges_base = True
    is_portable = True
    is_automatic = False

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """See `OnnxPlugin.arguments`."""
        kind, _, number = settings.device.partition(":")
        if kind not in {"auto", "gpu"} or (number and not number.isdecimal()):
            msg = f"the plugin ncnn knows no device {settings.device!r}"
            raise InputError(msg, hint="gpu, or gpu:1 for the second card; processors have faster plugins")
        if settings.precision not in {"auto", "fp32", "fp16"}:
            raise InputError(f"the plugin ncnn runs no {settings.precision}", hint="choose one of auto, fp32, fp16")
        return {"device_id": int(number or 0), "fp16": settings.precision == "fp16"}

    def run(self, clips: Sequence[vs.VideoNode], settings: Settings) -> vs.VideoNode:
        """See `Plugin.run`."""
        try:
            return super().run(clips, settings)
        except vs.Error as error:
            if "get_gpu_device" not in str(error):
                raise
            msg = f"the plugin ncnn finds no card {settings.device!r} with Vulkan"
            hint = 'install the driver of the card, on Linux also libvulkan1; or use backend="auto"'
            raise BackendUnavailableError(msg, hint=hint) from error

    def streams(self, settings: Settings) -> int:
        """See `OnnxPlugin.streams`."""
        return int(vsutil.fallback(settings.streams, _STREAMS))

    def device(self, name: str) -> str:
        """See `Plugin.device`; the plugin counts cards as they are asked for here."""
        return name
