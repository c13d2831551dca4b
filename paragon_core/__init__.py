"""ParagonSR2 super-resolution: from a checkpoint to a fused graph, a session and upscaled images.

Importing this package loads no runtime; each name below is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # without typing, so that the program can handle signals a moment after it was started
if TYPE_CHECKING:
    from typing import Any, Final

    from paragon_core.backends import BackendInfo, available_backends, backends
    from paragon_core.errors import AssumptionWarning, ParagonError
    from paragon_core.graph.export import export_onnx
    from paragon_core.media.files import upscale_file, upscale_video
    from paragon_core.models.model import Model, bundled, load
    from paragon_core.models.spec import ModelSpec
    from paragon_core.shaders.export import export_shader
    from paragon_core.upscaling.image import upscale
    from paragon_core.upscaling.options import UpscaleOptions
    from paragon_core.upscaling.output_size import OutputSize
    from paragon_core.upscaling.upscaler import Upscaler

__version__ = "0.1.0"

__all__ = [
    "AssumptionWarning",
    "BackendInfo",
    "Model",
    "ModelSpec",
    "OutputSize",
    "ParagonError",
    "UpscaleOptions",
    "Upscaler",
    "__version__",
    "available_backends",
    "backends",
    "bundled",
    "export_onnx",
    "export_shader",
    "load",
    "upscale",
    "upscale_file",
    "upscale_video",
]

_HOMES: Final = {
    "AssumptionWarning": "errors",
    "BackendInfo": "backends",
    "Model": "models.model",
    "ModelSpec": "models.spec",
    "OutputSize": "upscaling.output_size",
    "ParagonError": "errors",
    "UpscaleOptions": "upscaling.options",
    "Upscaler": "upscaling.upscaler",
    "available_backends": "backends",
    "backends": "backends",
    "bundled": "models.model",
    "export_onnx": "graph.export",
    "export_shader": "shaders.export",
    "load": "models.model",
    "upscale": "upscaling.image",
    "upscale_file": "media.files",
    "upscale_video": "media.files",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the signature of PEP 562
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
