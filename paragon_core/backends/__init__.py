"""The runtimes that Paragon can use, fastest first."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from paragon_core.backends.base import (
    Backend,
    BackendInfo,
    ImageInPlace,
    InPlaceSession,
    Piece,
    PlaneSession,
    Precision,
    Session,
    SessionOptions,
    is_on_cpu,
)
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.failures import refuse_obstacle
from paragon_core.backends.native import NativeBackend
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.backends.tensorrt import TensorRtRuntime
from paragon_core.backends.torch import TorchBackend
from paragon_core.errors import BackendUnavailableError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from paragon_core.models.spec import ModelSpec

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendInfo",
    "ImageInPlace",
    "InPlaceSession",
    "Piece",
    "PlaneSession",
    "Precision",
    "Session",
    "SessionOptions",
    "available_backends",
    "backends",
    "choose",
    "is_on_cpu",
]

BACKENDS: Final[dict[str, Backend]] = {
    backend.name: backend
    for backend in (
        EngineBackend(TensorRtRuntime()),
        NativeBackend(),
        OpenVinoBackend(),
        OnnxRuntimeBackend(),
        TorchBackend(),
    )
}


def available_backends() -> list[BackendInfo]:
    """Probe every backend: what works here, and if not, why and which pip line helps."""
    return [backend.probe() for backend in BACKENDS.values()]


def choose(
    name: str,
    device: str = "auto",
    *,
    spec: ModelSpec | None = None,
    fused: bool = True,
    precision: Precision | Literal["auto"] = "auto",
    without: Collection[str] = (),
) -> Backend:
    """Return the backend of a name; "auto" is the fastest that works here.

    A backend with an accelerator comes before those on the CPU; among equals the order of `BACKENDS` decides, which is
    the order of the measured speeds (docs/benchmarks.md). No more runtimes are loaded than it takes to tell.

    Args:
        name: of a backend, or "auto".
        device: where it shall compute.
        spec: the network that it shall run; None for any that it can.
        fused: in which form.
        precision: in which precision.
        without: names of those that "auto" leaves out.

    Raises:
        InputError: there is no backend of that name.
        BackendUnavailableError: it does not work here, or does not run that network; the hint says what helps.

    """

    def suits(backend: Backend) -> bool:
        return spec is None or not backend.obstacle(spec, fused=fused, precision=precision)

    if name != "auto":
        return _named(name, spec, fused=fused, precision=precision)
    kind = device.partition(":")[0]
    candidates = [backend for backend in BACKENDS.values() if backend.name not in without and suits(backend)]
    on_card = None if kind == "cpu" else _with_device(kind, candidates)
    if on_card is not None:
        return on_card
    if kind in {"auto", "cpu"}:
        for backend in candidates:
            if backend.runs_on_cpu and backend.probe().available:
                return backend
    msg = "no runtime works here" + ("" if kind in {"auto", "cpu"} else f" on {device}")
    raise BackendUnavailableError(msg, hint="pip install openvino onnxruntime; then: paragon doctor")


def _with_device(kind: str, candidates: Sequence[Backend]) -> Backend | None:
    """Return the first backend with an accelerator, for a kind other than "auto" with one of that kind."""
    for backend in candidates:
        accelerator = backend.probe().accelerator if backend.may_accelerate() else ""
        if accelerator and kind in {"auto", accelerator}:
            return backend
    return next((each for each in candidates if kind in each.named_devices and each.probe().available), None)


def _named(name: str, spec: ModelSpec | None, *, fused: bool, precision: Precision | Literal["auto"]) -> Backend:
    if name not in BACKENDS:
        msg = f"there is no backend {name!r}"
        raise InputError(msg, hint=f"choose one of auto, {', '.join(BACKENDS)}")
    backend = BACKENDS[name]
    info = backend.probe()
    if not info.available:
        raise BackendUnavailableError(info.reason, hint=info.hint)
    if spec:
        refuse_obstacle(backend, spec, fused=fused, precision=precision)
    return backend


def backends() -> list[BackendInfo]:
    """Old name of `available_backends`."""
    msg = "paragon_core.backends() is now called paragon_core.available_backends()"
    warnings.warn(msg, DeprecationWarning, stacklevel=2)
    return available_backends()


class _CallableModule(ModuleType):
    """Lets the old ``paragon_core.backends()`` work although ``paragon_core.backends`` is also this package."""

    __call__ = staticmethod(backends)


sys.modules[__name__].__class__ = _CallableModule
