"""Probe TensorRT where no library of a driver can be loaded."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

real = ctypes.CDLL


def without_cuda(name: str | None, *arguments: Any, **named: Any) -> ctypes.CDLL:
    if "cuda" in str(name):
        raise OSError(name)
    return real(name, *arguments, **named)


ctypes.CDLL = without_cuda  # type: ignore[assignment, misc]
from paragon_core.backends import BACKENDS

info = BACKENDS["tensorrt"].probe()
print(info.available, "driver is not installed" in info.reason, "nvidia.com/drivers" in info.hint)
print([name for name in ("tensorrt", "tensorrt_rtx", "cuda") if name in sys.modules])
