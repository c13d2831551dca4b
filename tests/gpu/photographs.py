"""Images for the tests on cards, and what the processor makes of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core import Upscaler
from paragon_core.upscaling.trial_images import natural_image

Pixels = npt.NDArray[Any]

#: Results that are about 1, in fp32.
EXACT: Final = 1e-4


def reference(image: Pixels, model: Any = "realtime-2x", **options: Any) -> Pixels:
    """Return what ONNX Runtime makes of an image on the processor, in fp32."""
    with Upscaler(model, backend="onnxruntime", precision="fp32", device="cpu", **options) as upscaler:
        return upscaler(image)


def photograph(dtype: str = "uint8", height: int = 96, width: int = 96) -> Pixels:
    """Return the test image, repeated to a size."""
    tile = np.moveaxis(natural_image()[0], 0, 2)
    image = np.tile(tile, (height // 96 + 1, width // 96 + 1, 1))[:height, :width]
    return np.rint(image * 255).astype(np.uint8) if dtype == "uint8" else image.astype(dtype)


def psnr(result: Pixels, expected: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    peak = 255 if expected.dtype == np.uint8 else 1
    error = float(np.mean(((result.astype(np.float64) - expected) / peak) ** 2))
    return float("inf") if error == 0 else -10 * float(np.log10(error))
