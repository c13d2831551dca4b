"""The plugin ``ort``: ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragon_core.errors import InputError
from vs_paragon.mlrt.base import OnnxPlugin

if TYPE_CHECKING:
    from vs_paragon.frames import Settings


class OnnxRuntimePlugin(OnnxPlugin):
    """ONNX Runtime in VapourSynth, on the CPU and with CUDA."""

    namespace = "ort"

    def arguments(self, settings: Settings) -> dict[str, Any]:
        """See `OnnxPlugin.arguments`; the plugin has fp32 only."""
        kind, _, number = settings.device.partition(":")
        if kind not in {"auto", "cpu", "cuda"} or (number and not number.isdecimal()):
            raise InputError(f"the plugin ort knows no device {settings.device!r}", hint="cpu, cuda, or cuda:1")
        if settings.precision not in {"auto", "fp32"}:
            raise InputError(
                f"the plugin ort runs no {settings.precision} here",
                hint='use precision="fp32", or backend="onnxruntime"',
            )
        return {"provider": "CUDA", "device_id": int(number or 0)} if kind == "cuda" else {}
