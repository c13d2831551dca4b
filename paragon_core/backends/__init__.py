"""The runtimes that Paragon can use, fastest first."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Final

from paragon_core.backends.base import Backend, BackendInfo, Precision, Session, SessionOptions
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.backends.tensorrt import TensorRtRuntime
from paragon_core.backends.torch import TorchBackend
from paragon_core.errors import BackendUnavailableError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendInfo",
    "Precision",
    "Session",
    "SessionOptions",
    "available_backends",
    "backends",
    "choose",
]

BACKENDS: Final[dict[str, Backend]] = {
    backend.name: backend
    for backend in (EngineBackend(TensorRtRuntime()), OpenVinoBackend(), OnnxRuntimeBackend(), TorchBackend())
}


def available_backends() -> list[BackendInfo]:
    """Probe every backend: what works here, and if not, why and which pip line helps."""
    return [backend.probe() for backend in BACKENDS.values()]


def choose(name: str, device: str = "auto", *, without: Collection[str] = ()) -> Backend:
    """Return the backend of a name; "auto" is the fastest that works here.

    A backend with an accelerator comes before those on the CPU; among equals the order of `BACKENDS` decides, which is
    the order of the measured speeds (docs/benchmarks.md). No more runtimes are loaded than it takes to tell. Those
    named in ``without`` are left out.

    Raises:
        InputError: there is no backend of that name.
        BackendUnavailableError: it does not work here; the hint holds the pip line.

    """
    if name != "auto":
        if name not in BACKENDS:
            msg = f"there is no backend {name!r}"
            raise InputError(msg, hint=f"choose one of auto, {', '.join(BACKENDS)}")
        info = BACKENDS[name].probe()
        if not info.available:
            raise BackendUnavailableError(info.reason, hint=info.hint)
        return BACKENDS[name]
    kind = device.partition(":")[0]
    candidates = [backend for backend in BACKENDS.values() if backend.name not in without]
    if kind != "cpu":
        for backend in candidates:
            accelerator = backend.probe().accelerator if backend.may_accelerate() else ""
            if accelerator and kind in {"auto", accelerator}:
                return backend
    if kind in {"auto", "cpu"}:
        for backend in candidates:
            if backend.runs_on_cpu and backend.probe().available:
                return backend
    msg = "no runtime works here" + ("" if kind in {"auto", "cpu"} else f" on {device}")
    raise BackendUnavailableError(msg, hint="pip install openvino onnxruntime; then: paragon doctor")


def backends() -> list[BackendInfo]:
    """Old name of `available_backends`."""
    msg = "paragon_core.backends() is now called paragon_core.available_backends()"
    warnings.warn(msg, DeprecationWarning, stacklevel=2)
    return available_backends()


class _CallableModule(ModuleType):
    """Lets the old ``paragon_core.backends()`` work although ``paragon_core.backends`` is also this package."""

    __call__ = staticmethod(backends)


sys.modules[__name__].__class__ = _CallableModule
