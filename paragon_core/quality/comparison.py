"""Two images next to each other, in numbers: of the whole, and where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.quality.metrics import WINDOW, Floats, luma, psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.quality.viewed import Levels


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far two images are apart."""

    psnr_y: float
    """Peak signal-to-noise ratio of luma in dB; infinite when no pixel differs."""
    ssim: float | None
    """Structural similarity of luma, at most 1; None for images smaller than its window."""
    psnr_rgb: float
    """Peak signal-to-noise ratio of R, G and B together in dB; infinite when no pixel differs."""
    max_difference: float
    """Largest difference of a channel, in levels of 0..255."""
    place: tuple[int, int]
    """Column and row of the pixel with that difference, from the top left of the whole image."""


@dataclass(frozen=True, kw_only=True)
class MeanComparison:
    """How far several pairs of images are apart: means, as published tables have them, and one largest difference."""

    psnr_y: float
    """Mean over the pairs in dB; infinite when a pair does not differ at all."""
    ssim: float | None
    """Mean over the pairs; None if one has none."""
    psnr_rgb: float
    """Mean over the pairs in dB; infinite when a pair does not differ at all."""
    max_difference: float
    """Largest of all pairs, in levels of 0..255."""


def compare(image: Levels, reference: Levels, *, border: int = 0) -> Comparison:
    """Compare two images.

    Args:
        image: [h, w, 3], RGB of 0..255.
        reference: the same shape.
        border: pixels that are left out on every side.

    Raises:
        UnsupportedSizeError: their sizes differ, or nothing is left inside the border.

    """
    check_same_size(image, reference)
    height, width = image.shape[:2]
    if border and min(height, width) <= 2 * border:
        msg = f"nothing is left of {width}x{height} pixels without a border of {border}"
        raise UnsupportedSizeError(msg, hint="choose a smaller border, 0 for none")
    inside = (slice(border, height - border), slice(border, width - border))
    image, reference = image[inside], reference[inside]
    luma_of_image, luma_of_reference = luma(image), luma(reference)
    error = difference(image, reference)
    row, column = np.unravel_index(int(error.argmax()), error.shape)
    return Comparison(
        psnr_y=psnr(luma_of_image, luma_of_reference),
        ssim=ssim(luma_of_image, luma_of_reference) if min(error.shape) >= WINDOW else None,
        psnr_rgb=psnr(image, reference),
        max_difference=float(error[row, column]),
        place=(int(column) + border, int(row) + border),
    )


def difference(image: Levels, reference: Levels) -> Floats:
    """Return the largest difference of the channels of each pixel: [h, w] in levels of 0..255.

    Raises:
        UnsupportedSizeError: their sizes differ.

    """
    check_same_size(image, reference)
    # A channel at a time: at 4K, three of them in 64 bits are 200 MB.
    channels = (
        np.abs(image[..., each].astype(np.float64) - reference[..., each].astype(np.float64)) for each in range(3)
    )
    result = next(channels)
    for channel in channels:
        np.maximum(result, channel, out=result)
    return result


def mean_of(comparisons: Sequence[Comparison | MeanComparison]) -> MeanComparison:
    """Return the means of several comparisons, and the largest difference of all.

    Raises:
        InputError: there are none.

    """
    if not comparisons:
        msg = "there is no comparison to average"
        raise InputError(msg, hint="compare at least one pair")
    similarities = [each.ssim for each in comparisons if each.ssim is not None]
    count = len(comparisons)
    return MeanComparison(
        psnr_y=sum(each.psnr_y for each in comparisons) / count,
        ssim=sum(similarities) / count if len(similarities) == count else None,
        psnr_rgb=sum(each.psnr_rgb for each in comparisons) / count,
        max_difference=max(each.max_difference for each in comparisons),
    )


def check_same_size(image: Levels, reference: Levels) -> None:
    """Refuse images of two sizes.

    Raises:
        UnsupportedSizeError: their sizes differ.

    """
    if image.shape != reference.shape:
        first, second = (f"{shape[1]}x{shape[0]}" for shape in (image.shape, reference.shape))
        msg = f"one image has {first} pixels and the other {second}"
        raise UnsupportedSizeError(msg, hint="only images of one size can be compared: resize one of them first")
