"""Ask NVIDIA's driver itself what is there: the libraries above it may crash the process where it is missing."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any, Final

from paragon_core.errors import BackendUnavailableError

_LIBRARY: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_HINT: Final = "install NVIDIA's driver: https://www.nvidia.com/drivers"
_LONGEST_NAME: Final = 256

# From cuda.h.
_NO_DEVICE: Final = 100
_MULTIPROCESSORS: Final = 16
_CAPABILITY: Final = (75, 76)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """An NVIDIA GPU."""

    index: int
    """Its number, as in "cuda:1"."""
    name: str
    """What it is called."""
    capability: str
    """Compute capability, such as "sm_86"."""
    multiprocessors: int
    """How many it has: cards of one name may differ."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver."""

    cuda: tuple[int, int]
    """The newest CUDA that it knows."""
    gpus: tuple[Gpu, ...]
    """The GPUs that this process may use, at least one."""


def find() -> Driver:
    """Return the driver and its GPUs.

    Raises:
        BackendUnavailableError: there is none, or it has no GPU.

    """
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        msg = f"NVIDIA's driver is not installed ({_LIBRARY} is missing)"
        raise BackendUnavailableError(msg, hint=f"for NVIDIA cards: {_HINT}") from None
    return ask(library)


def ask(library: Any) -> Driver:  # noqa: ANN401 - ctypes makes its functions on demand
    """Return what the driver's library reports.

    Raises:
        BackendUnavailableError: it does not work, or has no GPU.

    """
    _check(library.cuInit(0))
    version = _number(library.cuDriverGetVersion)
    gpus = []
    for index in range(_number(library.cuDeviceGetCount)):
        device = _number(library.cuDeviceGet, index)
        name = ctypes.create_string_buffer(_LONGEST_NAME)
        _check(library.cuDeviceGetName(name, _LONGEST_NAME, device))
        major, minor = (_number(library.cuDeviceGetAttribute, what, device) for what in _CAPABILITY)
        gpus.append(
            Gpu(
                index=index,
                name=name.value.decode("utf-8", "replace"),
                capability=f"sm_{major}{minor}",
                multiprocessors=_number(library.cuDeviceGetAttribute, _MULTIPROCESSORS, device),
            )
        )
    if not gpus:
        _check(_NO_DEVICE)
    return Driver(cuda=(version // 1000, version % 1000 // 10), gpus=tuple(gpus))


def free_memory(index: int, library: Any = None) -> int | None:  # noqa: ANN401 - as in ask
    """Return the free memory of a GPU in bytes; None where the driver does not say.

    Args:
        index: its number, as in "cuda:1".
        library: the driver's library; None finds it.

    """
    try:
        library = library or ctypes.CDLL(_LIBRARY)
        _check(library.cuInit(0))
        device = _number(library.cuDeviceGet, index)
        # It is asked of a context: the one that CUDA's runtime, and so everybody, uses for this GPU.
        context = ctypes.c_void_p()
        _check(library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
        try:
            _check(library.cuCtxPushCurrent_v2(context))
            try:
                free, total = ctypes.c_size_t(), ctypes.c_size_t()
                _check(library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
            finally:
                library.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        finally:
            library.cuDevicePrimaryCtxRelease_v2(device)
    except (OSError, AttributeError, BackendUnavailableError):  # AttributeError: a driver without these functions
        return None
    return free.value


def _number(function: Any, *arguments: int) -> int:  # noqa: ANN401 - as in ask
    value = ctypes.c_int()
    _check(function(ctypes.byref(value), *arguments))
    return value.value


def _check(code: int) -> None:
    if code == _NO_DEVICE:
        msg = "NVIDIA's driver finds no GPU"
        raise BackendUnavailableError(msg, hint="is it hidden by CUDA_VISIBLE_DEVICES, or from this container?")
    if code:
        msg = f"NVIDIA's driver does not work (CUDA error {code})"
        raise BackendUnavailableError(msg, hint=f"restart the machine; if that does not help, {_HINT}")
