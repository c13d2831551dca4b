"""How much memory there is and how much a network takes."""

from __future__ import annotations

from typing import Final

import psutil

from paragon_core.spec import HEADS, ModelSpec

#: What one picture may take by default where the machine has more: larger windows gain next to nothing.
DEFAULT_LIMIT: Final = 2 * 2**30

_FLOAT_BYTES: Final = 4


def default_limit() -> int:
    """Return the default memory limit in bytes: 2 GiB, or half of what is free if that is less."""
    return int(min(DEFAULT_LIMIT, psutil.virtual_memory().available // 2))


def bytes_per_pixel(spec: ModelSpec) -> int:
    """Return roughly how many bytes a session needs for each low-resolution pixel of a window.

    A few maps of the widest layer are alive at once (twelve times the channels covers what ONNX Runtime and OpenVINO
    were measured to take for realtime and twenty times for stream, see benchmarks/README.md); attention adds the
    queries, keys and values and, for every pixel, two rows of weights over its window for each head.
    """
    maps = {"realtime": 12, "stream": 20, "photo": 14, "pro": 16}[spec.variant] * spec.channels
    if spec.attention:
        maps += 9 * spec.channels + 2 * HEADS * spec.window_size**2
    return _FLOAT_BYTES * (maps + 6 * spec.scale**2)
