"""Which runtime does what a script asks for: not every one knows each precision and each name of a device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import vapoursynth as vs

from paragon_core.backends import BACKENDS, choose
from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    from vs_paragon.frames import Settings

_GPU: Final = "gpu"

#: Plugins of vs-mlrt that run on NVIDIA's cards, and what those are called there.
_CUDA_PLUGINS: Final = ("ort", "trt", "trt_rtx")
_CUDA: Final = "cuda"

#: Devices that OpenVINO makes out of others; a colon and their names follow.
_COMBINED: Final = frozenset({"auto", "hetero", "multi", "batch"})


def suited(settings: Settings) -> Settings:
    """Return the settings with a backend and a device that fit together.

    "gpu" becomes the name of the graphics card that the backend has. Where the backend is "auto", and the fastest one
    cannot compute in the precision or on the device, the first that can takes its place.

    Raises:
        BackendUnavailableError: there is none.

    """
    if settings.backend != "auto":
        return replace(settings, device=_device_of(settings.backend, settings.device))
    kind, _, rest = settings.device.partition(":")
    if kind == _GPU:
        accelerator = _accelerator()
        if accelerator:
            return suited(replace(settings, device=settings.device.replace(_GPU, accelerator, 1)))
    if _is_device_of_the_plugin(kind, rest):
        return replace(settings, backend="ov")
    if kind == _GPU:
        raise BackendUnavailableError(
            "no runtime here can use a graphics card", hint='paragon doctor tells why; device="cpu" works everywhere'
        )
    if settings.precision in {"fp16", "bf16"}:
        return replace(settings, backend=_backend_for(settings))
    return settings


def obstacle(settings: Settings) -> str:
    """Say what of the settings the plugins `ov` and `ort` cannot do; nothing if there is none."""
    if settings.reuse:
        return "reuse of what did not change"
    if settings.model.spec.receptive_radius is None:
        return f"a {settings.model.spec.variant} network"  # sizes must be multiples of its attention windows
    return ""


def _device_of(backend: str, device: str) -> str:
    """Return what a backend calls a device."""
    kind = device.partition(":")[0]
    if kind != _GPU or backend == "ov":
        return device
    accelerator = ""
    if backend in _CUDA_PLUGINS:
        accelerator = _CUDA
    elif backend in BACKENDS:
        accelerator = BACKENDS[backend].probe().accelerator
    return device.replace(_GPU, accelerator, 1) if accelerator else device


def _accelerator() -> str:
    """Return the device beyond the CPU that the fastest backend would use; nothing if it has none."""
    try:
        return choose("auto").probe().accelerator
    except BackendUnavailableError:
        return ""


def _is_device_of_the_plugin(kind: str, rest: str) -> bool:
    """Return whether only the plugin `ov` knows a device, such as GPU and NPU of Intel."""
    if kind in {"cpu", _CUDA} or (kind == "auto" and not rest) or not hasattr(vs.core, "ov"):
        return False
    if kind in _COMBINED:
        return bool(rest)
    found = vs.core.ov.AvailableDevices()
    names = found if isinstance(found, list | tuple) else [found]  # VapourSynth unpacks lists of one
    return any(_text(name).lower().partition(".")[0] == kind.partition(".")[0] for name in names)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _backend_for(settings: Settings) -> str:
    """Return the first backend that computes in a reduced precision; the plugin `ov` comes before all on the CPU."""
    plugin = settings.device in {"auto", "cpu"} and hasattr(vs.core, "ov") and not obstacle(settings)
    tried: list[str] = []
    while True:
        try:
            backend = choose("auto", settings.device, without=tried)
        except BackendUnavailableError:
            if plugin:
                return "ov"
            if not tried:
                raise
            raise BackendUnavailableError(
                f"no runtime here computes in {settings.precision}",
                hint="leave precision out, or pip install vapoursynth-mlrt-ov",
            ) from None
        if plugin and not backend.probe().accelerator:
            return "ov"
        if _computes_in(backend.name, settings):
            return backend.name if tried else "auto"
        tried.append(backend.name)


def _computes_in(name: str, settings: Settings) -> bool:
    try:
        return settings.precision in BACKENDS[name].reduced_precisions(settings.device)
    except BackendUnavailableError:  # it has no such device
        return False
