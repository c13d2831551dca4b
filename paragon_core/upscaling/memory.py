"""How much memory there is and how much a network takes."""

from __future__ import annotations

from typing import Final

import psutil

from paragon_core.models.spec import HEADS, ModelSpec

#: Most that a session takes by default for a network that can be tiled exactly.
DEFAULT_LIMIT: Final = 2 * 2**30

#: Share of a card's free memory that a run may take; the rest is for kernels' own needs and for other programs.
_SHARE_OF_CARD: Final = 0.75

_FLOAT_BYTES: Final = 4

#: Bytes of a pixel with three channels of 8 bits, the least that images are held in.
_IMAGE_BYTES: Final = 3


def default_limit(spec: ModelSpec, *, on_card: int | None = None) -> int:
    """Return the default memory limit in bytes: half of what is free, or three quarters of what is free on a card.

    Where tiles give the same pixels as the whole image, more than 2 GiB gains next to nothing on a processor, so that
    is the most there.

    Args:
        spec: the network.
        on_card: free bytes of a device that has memory of its own; None for a processor.

    """
    if on_card is not None:
        return int(on_card * _SHARE_OF_CARD)
    half = psutil.virtual_memory().available // 2
    return int(half if spec.receptive_radius is None else min(DEFAULT_LIMIT, half))


def lacks_for_image(pixels: int) -> tuple[int, int] | None:
    """Return the bytes that an image takes at least and those that are free, if these are less; else None."""
    return lacks(pixels * _IMAGE_BYTES)


def lacks(needed: int) -> tuple[int, int] | None:
    """Return the bytes that are needed and those that are free if these are less, else None."""
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    return (needed, free) if needed > free else None


def pixels_that_fit(spec: ModelSpec, limit: int, *, streams: int, stores_attention: bool) -> int:
    """Return how many low-resolution pixels a tile may have so that ``streams`` of them take ``limit`` bytes."""
    return max(limit // (streams * bytes_per_pixel(spec, stores_attention=stores_attention)), 1)


def bytes_per_pixel(spec: ModelSpec, *, stores_attention: bool) -> int:
    """Return roughly how many bytes a session needs for each low-resolution pixel of a tile.

    This many maps as wide as the features, and as the result, are alive at once: measured in ONNX Runtime and OpenVINO,
    rounded up (benchmarks/memory.py). A runtime that stores attention's weights instead of computing them on the fly
    needs, besides more maps, two rows of weights over its window for each pixel and head.
    """
    floats = {"realtime": 8, "stream": 12, "photo": 11, "pro": 14}[spec.variant] * spec.channels
    if spec.attention and stores_attention:
        floats += 18 * spec.channels + 2 * HEADS * spec.window_size**2
    return _FLOAT_BYTES * (floats + 8 * spec.scale**2)
