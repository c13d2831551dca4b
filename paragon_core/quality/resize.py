"""Separable resampling with the semantics of MATLAB's ``imresize``, which published super-resolution scores rest on.

What matters for comparable numbers: sample centres are aligned (``u = x / factor + (1 - 1 / factor) / 2``), the kernel
is widened by ``1 / factor`` when shrinking (antialiasing), weights are normalised, and the image is mirrored at its
border including the border sample (``d c b a | a b c d``). Results are not clipped and not rounded;
:func:`round_to_uint8` does that the way MATLAB does.

Source of the semantics: MathWorks' documentation of ``imresize``; of the kernels: R. Keys, "Cubic convolution
interpolation for digital image processing", 1981 (a = -0.5), and C. Duchon, "Lanczos filtering in one and two
dimensions", 1979.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedSizeError

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]
Kernel = Literal["cubic", "lanczos3", "box", "linear"]


def _cubic(x: Floats) -> Floats:
    """Keys' cubic with a = -0.5, which reproduces second-degree polynomials."""
    x = np.abs(x)
    inner = 1.5 * x**3 - 2.5 * x**2 + 1
    outer = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0.0))  # noqa: PLR2004  (the radius of the kernel)


def _lanczos3(x: Floats) -> Floats:
    """Sinc windowed by the central lobe of a sinc three times as wide."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)  # noqa: PLR2004  (the radius of the kernel)


def _box(x: Floats) -> Floats:
    """Mean of what is nearest, of both where two are: shrinking by an integer averages squares."""
    return np.where(np.abs(x) < 0.5 + 1e-9, 1.0, 0.0)


def _linear(x: Floats) -> Floats:
    """Interpolate between neighbours: a triangle."""
    return np.where(np.abs(x) < 1, 1 - np.abs(x), 0.0)


#: Each kernel's function and the radius outside which it is zero, in samples of the grid it is defined on.
_KERNELS: dict[Kernel, tuple[Callable[[Floats], Floats], float]] = {
    "cubic": (_cubic, 2),
    "lanczos3": (_lanczos3, 3),
    "box": (_box, 0.5),
    "linear": (_linear, 1),
}


def _taps(length: int, new_length: int, kernel: Kernel) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return source indices and weights, both of shape (new_length, taps), along one axis."""
    factor = new_length / length
    stretch = min(factor, 1.0)
    function, radius = _KERNELS[kernel]
    reach = radius / stretch
    centres = (np.arange(new_length) + 0.5) / factor - 0.5
    positions = np.floor(centres - reach)[:, None] + np.arange(math.ceil(2 * reach) + 2)[None]
    weights = function((positions - centres[:, None]) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = positions.astype(np.intp) % (2 * length)
    return np.where(mirrored < length, mirrored, 2 * length - 1 - mirrored), weights


def _along_first_axis(image: Floats, new_length: int, kernel: Kernel) -> Floats:
    indices, weights = _taps(image.shape[0], new_length, kernel)
    weights = weights.reshape(*weights.shape, *[1] * (image.ndim - 1))
    result = np.zeros((new_length, *image.shape[1:]))
    for tap in range(indices.shape[1]):
        result += weights[:, tap] * image[indices[:, tap]]
    return result


def resize(image: npt.NDArray[np.generic], height: int, width: int, *, kernel: Kernel = "cubic") -> Floats:
    """Resample an image to ``height`` x ``width`` pixels.

    Args:
        image: HxW or HxWxC, real numbers of any type and range.
        height: rows of the result.
        width: columns of the result.
        kernel: ``"cubic"`` (a = -0.5), ``"lanczos3"``, ``"linear"`` or ``"box"``.

    Returns:
        float64 of shape (height, width) or (height, width, C), in the range of the input apart from overshoot at edges.

    Raises:
        UnsupportedSizeError: if the image or the wanted size is empty.
        InputError: if the image is not 2- or 3-dimensional, or the kernel is not known.

    """
    if image.ndim not in {2, 3}:
        msg = f"an image has 2 or 3 dimensions, not {image.ndim}"
        raise InputError(msg, hint="pass one image at a time, as height x width or height x width x channels")
    if kernel not in _KERNELS:
        msg = f"kernel {kernel!r} is not one of {', '.join(_KERNELS)}"
        raise InputError(msg)
    if not image.size or height < 1 or width < 1:
        msg = f"cannot resize an image of {image.shape[1]}x{image.shape[0]} pixels to {width}x{height}"
        raise UnsupportedSizeError(msg, hint="both sizes must be at least 1x1")
    tall = _along_first_axis(image.astype(np.float64), height, kernel)
    return _along_first_axis(tall.swapaxes(0, 1), width, kernel).swapaxes(0, 1)


def round_to_uint8(image: Floats) -> npt.NDArray[np.uint8]:
    """Clip to 0..255 and round to the nearest integer, halves upwards (numpy's own rounding goes to the even one)."""
    return np.floor(np.clip(image, 0, 255) + 0.5).astype(np.uint8)
