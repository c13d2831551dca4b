"""What the tests of the upscaler share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paragon_core.backends import BACKENDS
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]

RUNTIMES = ("native", "openvino", "onnxruntime")
PRESENT_RUNTIMES = tuple(name for name in RUNTIMES if BACKENDS[name].probe().available)
#: How far results in fp32, of 0..1, may lie apart when sums are taken in another order: by another runtime, for another
#: size of tiles, on another processor. The bundled networks were seen to differ by 3e-6; a level of 16 bits is 1.5e-5.
ROUNDING: Final = 1e-5

DTYPES = ("uint8", "uint16", "float16", "float32")
CHANNELS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (4,))


@functools.cache
def shared_upscaler(runtime: str = "onnxruntime", *, clip: bool = True, padding: Any = "auto") -> Upscaler:
    """For tests that need nothing special: compiling takes most of their time."""
    return Upscaler(MODEL, backend=runtime, precision="fp32", padding=padding, clip=clip, streams=2)


def totals(upscaler: Upscaler, image: Pixels) -> tuple[Pixels, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    return upscaler(image, progress=lambda done, total: calls.append((done, total))), calls


def same(result: Pixels, expected: Pixels) -> bool:
    """Compare results in fp32 that may come from sums in another order: few pixels, then, are rounded otherwise."""
    difference = np.abs(result.astype(np.float64) - expected)
    if result.dtype != expected.dtype or result.shape != expected.shape:
        return False
    if result.dtype.kind == "f":
        return bool(difference.max() <= ROUNDING)
    return bool(difference.max() <= 1 and difference.mean() < (1e-3 if result.dtype == np.uint8 else 0.1))
