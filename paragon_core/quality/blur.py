"""An image that is less sharp."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from paragon_core.quality.resize import round_to_uint8

Pixels = npt.NDArray[np.uint8]


def blurred(image: Pixels, sigma: float) -> Pixels:
    """Blur HxWx3 with a Gaussian of standard deviation ``sigma`` pixels, cut off at three of them."""
    reach = math.ceil(3 * sigma)
    if not reach:
        return image
    weights = np.exp(-(np.arange(-reach, reach + 1, dtype=np.float32) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    result: npt.NDArray[np.floating] = image.astype(np.float32)
    for axis in range(2):
        padding = [(reach, reach) if each == axis else (0, 0) for each in range(3)]
        padded = np.pad(result, padding, mode="symmetric")
        length = result.shape[axis]
        shifted = (np.take(padded, range(start, start + length), axis) for start in range(len(weights)))
        result = np.sum([weight * each for weight, each in zip(weights, shifted, strict=True)], axis=0)
    return round_to_uint8(result.astype(np.float64))
