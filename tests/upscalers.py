"""What the tests of the upscaler share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from paragon_core.upscaler import Upscaler
from tests.random_models import MODEL

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]

RUNTIMES = ("openvino", "onnxruntime")
DTYPES = ("uint8", "uint16", "float16", "float32")
CHANNELS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (4,))


@functools.cache
def shared_upscaler(runtime: str = "onnxruntime", *, clip: bool = True) -> Upscaler:
    """For tests that need nothing special: compiling takes most of their time."""
    return Upscaler(MODEL, backend=runtime, precision="fp32", clip=clip, streams=2)


def totals(upscaler: Upscaler, image: Pixels) -> tuple[Pixels, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    return upscaler(image, progress=lambda done, total: calls.append((done, total))), calls
