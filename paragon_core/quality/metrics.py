"""PSNR on luma and SSIM, in the conventions of published super-resolution tables.

Luma is BT.601 in studio range, not rounded. A border as wide as the scale is left out. SSIM uses the 11x11 Gaussian
window with sigma 1.5 over positions where it fits entirely (Z. Wang et al., "Image quality assessment: from error
visibility to structural similarity", 2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedFormatError, UnsupportedSizeError

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.generic]

#: BT.601 weights of R, G, B in 0..255, and the studio-range black level that is added (ITU-R BT.601-7, 2.5.3).
_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_LUMA_BLACK = 16.0

#: Side of the window of SSIM in pixels, and the standard deviation of its Gaussian.
WINDOW = 11
_SIGMA = 1.5
_GAUSSIAN = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * _SIGMA**2))
_GAUSSIAN /= _GAUSSIAN.sum()

_PEAK = 255.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """How close an upscaled image is to the original."""

    psnr_y: float
    """Peak signal-to-noise ratio of luma in dB; infinite when no pixel differs."""
    ssim: float
    """Structural similarity of luma, at most 1; 1 only when no pixel differs."""


def luma(image: Image) -> Floats:
    """Return BT.601 luma in studio range, ``16 + (65.481 R + 128.553 G + 24.966 B) / 255``.

    Args:
        image: HxWx3 in RGB order, or HxW grey (taken as R = G = B), values in 0..255.

    Returns:
        HxW float64 in 16..235, not rounded.

    Raises:
        UnsupportedFormatError: for any other shape.

    """
    if image.ndim == 2:  # noqa: PLR2004  (a plane has two dimensions)
        return np.asarray(_LUMA_BLACK + _LUMA_WEIGHTS.sum() * image.astype(np.float64))
    if image.ndim == 3 and image.shape[2] == 3:  # noqa: PLR2004  (height, width, RGB)
        return np.asarray(_LUMA_BLACK + image.astype(np.float64) @ _LUMA_WEIGHTS)
    msg = f"luma is defined for grey and RGB images, not for the shape {image.shape}"
    raise UnsupportedFormatError(msg, hint="drop the alpha channel first")


def psnr(image: Image, reference: Image) -> float:
    """Return the peak signal-to-noise ratio in dB for a peak of 255; ``math.inf`` when no value differs.

    An infinite score stays infinite in a mean: equality is reported, never averaged away.

    Raises:
        UnsupportedSizeError: if the shapes differ or are empty.

    """
    _same_shape(image, reference)
    error = float(np.mean((image.astype(np.float64) - reference.astype(np.float64)) ** 2))
    return 10 * math.log10(_PEAK**2 / error) if error else math.inf


def ssim(image: Image, reference: Image) -> float:
    """Return the mean structural similarity of two planes with values in 0..255 (K1 = 0.01, K2 = 0.03).

    Raises:
        UnsupportedSizeError: if the shapes differ, are not HxW, or a side is shorter than the window of 11 pixels.

    """
    _same_shape(image, reference)
    if image.ndim != 2 or min(image.shape) < WINDOW:  # noqa: PLR2004  (a plane has two dimensions)
        msg = f"SSIM needs planes of at least {WINDOW}x{WINDOW} pixels, not the shape {image.shape}"
        raise UnsupportedSizeError(msg, hint="use larger images, or look at PSNR alone")
    a, b = image.astype(np.float64), reference.astype(np.float64)
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a**2
    variance_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float(similarity.mean())


def score(image: Image, reference: Image, *, border: int) -> Score:
    """Compare an upscaled image with the original image on luma, without the outermost ``border`` pixels.

    Args:
        image: HxW or HxWx3 in 0..255, rounded to the levels that a viewer would get.
        reference: the original, same shape.
        border: pixels left out on every side; the scale, by convention.

    Raises:
        UnsupportedSizeError: if the shapes differ, or too little is left inside the border.
        UnsupportedFormatError: if the images are neither grey nor RGB.

    """
    _same_shape(image, reference)
    inside = (slice(border, image.shape[0] - border), slice(border, image.shape[1] - border))
    luma_of_image, luma_of_reference = luma(image)[inside], luma(reference)[inside]
    return Score(psnr_y=psnr(luma_of_image, luma_of_reference), ssim=ssim(luma_of_image, luma_of_reference))


def mean_score(scores: list[Score]) -> Score:
    """Return the arithmetic mean over the images of a set, as published tables do.

    Raises:
        InputError: if the list is empty.

    """
    if not scores:
        msg = "there is no score to average"
        raise InputError(msg, hint="a set needs at least one image")
    return Score(
        psnr_y=sum(each.psnr_y for each in scores) / len(scores),
        ssim=sum(each.ssim for each in scores) / len(scores),
    )


def _same_shape(image: Image, reference: Image) -> None:
    if image.shape != reference.shape or not image.size:
        msg = f"cannot compare an image of shape {image.shape} with one of shape {reference.shape}"
        raise UnsupportedSizeError(msg, hint="both must have the same size and channels, and not be empty")


def _blur(plane: Floats) -> Floats:
    """Convolve with the Gaussian window along both axes, valid positions only: (H, W) becomes (H-10, W-10)."""
    height, width = plane.shape[0] - WINDOW + 1, plane.shape[1] - WINDOW + 1
    rows = sum(weight * plane[i : i + height] for i, weight in enumerate(_GAUSSIAN))
    return np.asarray(sum(weight * rows[:, i : i + width] for i, weight in enumerate(_GAUSSIAN)))
