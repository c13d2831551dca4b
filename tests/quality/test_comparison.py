from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.quality.comparison import compare, difference, mean_of
from paragon_core.quality.metrics import luma, psnr, ssim

SIZES = st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(SIZES)
    return draw(arrays(np.uint8, shape)), draw(arrays(np.uint8, shape))


@given(pair=pairs())
def test_figures_are_those_of_the_metrics_in_either_order(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, reference = pair
    found = compare(image, reference)
    assert found == compare(reference, image)
    assert found.psnr_y == psnr(luma(image), luma(reference))
    assert found.psnr_rgb == psnr(image, reference)
    large = min(image.shape[:2]) >= 11
    assert found.ssim == (ssim(luma(image), luma(reference)) if large else None)


@given(pair=pairs())
def test_the_largest_difference_is_where_it_is_said_to_be(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, reference = pair
    found = compare(image, reference)
    column, row = found.place
    off = np.abs(image.astype(int) - reference.astype(int))
    assert found.max_difference == off.max() == off[row, column].max()
    np.testing.assert_array_equal(difference(image, reference), off.max(axis=2))


@given(pair=pairs(), scale=st.floats(0.1, 1))
def test_levels_between_those_of_8_bits_count(pair: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    image = pair[0].astype(np.float64)
    shifted = image * scale
    assert compare(shifted, image).max_difference == pytest.approx(image.max() * (1 - scale))


def test_equal_images() -> None:
    image = np.zeros((12, 12, 3), np.uint8)
    found = compare(image, image)
    assert (found.psnr_y, found.ssim, found.psnr_rgb, found.max_difference) == (math.inf, 1.0, math.inf, 0.0)


def test_a_border_is_left_out() -> None:
    image = np.zeros((20, 24, 3), np.uint8)
    other = image.copy()
    other[:2] = other[:, :2] = 9
    other[5, 7] = 3
    found = compare(image, other, border=2)
    assert (found.max_difference, found.place) == (3.0, (7, 5))
    with pytest.raises(UnsupportedSizeError, match="nothing is left of 24x20 pixels without a border of 10"):
        compare(image, other, border=10)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedSizeError, match="one image has 5x4 pixels and the other 4x5") as caught:
        compare(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4, 3), np.uint8))
    assert "resize" in caught.value.hint


def test_means() -> None:
    black, grey, white = (np.full((12, 12, 3), level, np.uint8) for level in (0, 128, 255))
    found = [compare(black, grey), compare(black, white)]
    mean = mean_of(found)
    assert mean.psnr_y == pytest.approx((found[0].psnr_y + found[1].psnr_y) / 2)
    assert mean.max_difference == 255
    assert mean_of([compare(black[:5], grey[:5]), found[0]]).ssim is None
    with pytest.raises(InputError, match="no comparison"):
        mean_of([])
