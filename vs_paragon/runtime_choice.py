"""Which runtime does what a script asks for: not every one knows each precision and each name of a device."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paragon_core.backends import BACKENDS, choose
from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.upscaling.border import Border
from vs_paragon.mlrt import ENGINE_PLUGINS, ONNX_PLUGINS, OV, PLUGINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.backends import Backend
    from vs_paragon.frames import Settings
    from vs_paragon.mlrt.base import Plugin

_GPU: Final = "gpu"

_log = logging.getLogger(__name__)


def suited(settings: Settings, size: tuple[int, int]) -> Settings:
    """Return the settings with a backend and a device that fit together.

    "gpu" becomes the name of the graphics card that the backend has. Where the backend is "auto", and the fastest one
    cannot compute in the precision or on the device, the first that can takes its place.

    Args:
        settings: model and runtime, as the script asks.
        size: width and height of the frames.

    Raises:
        BackendUnavailableError: there is none.

    """
    if settings.backend != "auto":
        return replace(settings, device=_device_of(settings.backend, settings.device))
    is_gpu = settings.device.partition(":")[0] == _GPU
    if is_gpu:
        accelerator = _accelerator()
        if accelerator:
            return suited(replace(settings, device=settings.device.replace(_GPU, accelerator, 1)), size)
    if OV.alone_has(settings.device):
        return replace(settings, backend=OV.namespace)
    if is_gpu:
        if named := _backend_by_name(settings.device):
            return replace(settings, backend=named)
        raise BackendUnavailableError(
            "no runtime here can use a graphics card without being asked to",
            hint='paragon doctor says why; try device="webgpu" or backend="ncnn"; device="cpu" works everywhere',
        )
    if settings.precision in {"fp16", "bf16"}:
        return replace(settings, backend=_backend_for(settings, size))
    return settings


def plugin_for(settings: Settings, size: tuple[int, int]) -> Plugin | None:
    """Return the plugin of vs-mlrt that shall run the network, or None for frames through Python.

    Args:
        settings: what `suited` returned.
        size: width and height of the frames.

    Raises:
        BackendUnavailableError: a plugin was asked for by name and is not installed.
        InputError: it was asked for by name and cannot do what the settings want.

    """
    size = Border.of(settings.model.spec, settings.padding).grown(size)
    if settings.backend in ONNX_PLUGINS:
        return _named_plugin(settings, size)
    automatic = _choose(settings) if settings.backend == "auto" else None
    if (automatic.name if automatic else settings.backend) in {"tensorrt", *ENGINE_PLUGINS}:
        return _engine_plugin(settings, size)
    if automatic is None or settings.precision not in {"auto", "fp32"}:
        return None
    is_on_card = settings.device.partition(":")[0] in automatic.named_devices or (
        automatic.may_accelerate() and automatic.probe().accelerator
    )
    if automatic.in_place or is_on_card:
        # A graphics card through Python beats the processor without; so does a runtime that needs no copies of frames.
        return None
    # Not only what `choose` chose: with its plugin in the process, Python's OpenVINO does not load.
    plugins = (plugin for plugin in ONNX_PLUGINS.values() if plugin.is_automatic and not plugin.missing)
    return next((plugin for plugin in plugins if not plugin.obstacle(settings, size)), None)


def _choose(settings: Settings, without: Sequence[str] = ()) -> Backend:
    """Return the fastest backend for the network; see `choose`."""
    return choose("auto", settings.device, spec=settings.model.spec, precision=settings.precision, without=without)


def _named_plugin(settings: Settings, size: tuple[int, int]) -> Plugin:
    plugin = ONNX_PLUGINS[settings.backend]
    if plugin.missing:
        raise BackendUnavailableError(plugin.missing, hint=f"pip install vapoursynth-mlrt-{plugin.namespace}")
    if obstacle := plugin.obstacle(settings, size):
        raise InputError(obstacle, hint='leave backend out, or use backend="onnxruntime"')
    return plugin


def _engine_plugin(settings: Settings, size: tuple[int, int]) -> Plugin | None:
    """Return the first TensorRT plugin that suits; log why none does, for Paragon's executor to take the frames."""
    by_name = settings.backend in ENGINE_PLUGINS
    plugins = [ENGINE_PLUGINS[settings.backend]] if by_name else list(ENGINE_PLUGINS.values())
    obstacles: list[str] = []
    for plugin in plugins:
        obstacle = plugin.missing or plugin.obstacle(settings, size)
        if not obstacle:
            return plugin
        obstacles.append(obstacle)
    _log.log(logging.WARNING if by_name else logging.INFO, "frames pass through Python: %s", "; ".join(obstacles))
    return None


def _device_of(backend: str, device: str) -> str:
    """Return what a backend calls a device."""
    if backend in PLUGINS:
        return PLUGINS[backend].device(device)
    if device.partition(":")[0] != _GPU or backend not in BACKENDS:
        return device
    accelerator = BACKENDS[backend].probe().accelerator
    return device.replace(_GPU, accelerator, 1) if accelerator else device


def _accelerator() -> str:
    """Return the device beyond the CPU that the fastest backend would use; empty if it has none."""
    try:
        return choose("auto").probe().accelerator
    except BackendUnavailableError:
        return ""


def _backend_by_name(device: str) -> str:
    """Return the name of the backend that calls its device so, and has it here; empty if there is none."""
    for name, backend in BACKENDS.items():
        if device.partition(":")[0] in backend.named_devices:
            with suppress(BackendUnavailableError):
                backend.reduced_precisions(device)
                return name
    return ""


def _backend_for(settings: Settings, size: tuple[int, int]) -> str:
    """Return the first backend that computes in a reduced precision; the plugin `ov` comes before all on the CPU."""
    plugin = settings.device in {"auto", "cpu"} and not OV.missing and not OV.obstacle(settings, size)
    tried: list[str] = []
    while True:
        try:
            backend = _choose(settings, without=tried)
        except BackendUnavailableError:
            if plugin:
                return OV.namespace
            if not tried:
                raise
            raise BackendUnavailableError(
                f"no runtime here computes in {settings.precision}",
                hint="leave precision out, or pip install vapoursynth-mlrt-ov",
            ) from None
        if plugin and not backend.probe().accelerator:
            return OV.namespace
        if _computes_in(backend.name, settings):
            return backend.name if tried else "auto"
        tried.append(backend.name)


def _computes_in(name: str, settings: Settings) -> bool:
    try:
        return settings.precision in BACKENDS[name].reduced_precisions(settings.device)
    except BackendUnavailableError:  # it has no such device
        return False
