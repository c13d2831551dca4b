"""Hard images are always the same and what their names say; deviations from them are measured in levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.quality.hard_images import Deviation, hard_images, measure, worst


def test_every_image_is_fixed_and_of_one_size() -> None:
    first, second = hard_images(), hard_images()
    for kind, images in first.items():
        assert len({image.tobytes() for image in images.values()}) == len(images), kind
        for name, image in images.items():
            assert image.shape == (96, 96, 3)
            assert image.dtype == np.uint8
            assert np.array_equal(image, second[kind][name]), (kind, name)


@pytest.mark.parametrize("kind", ["lines", "checkers", "dots", "halftones", "1-bit text", "dither"])
def test_patterns_are_black_and_white_and_change_often(kind: str) -> None:
    for name, image in hard_images()[kind].items():
        assert set(np.unique(image)) == {0, 255}, name
        changes = (np.diff(image.astype(int), axis=0) != 0).mean() + (np.diff(image.astype(int), axis=1) != 0).mean()
        assert changes > 0.05, name


def test_dither_and_halftones_get_brighter_towards_a_corner() -> None:
    for kind in ("halftones", "dither"):
        for image in hard_images()[kind].values():
            assert image[:32, :32].mean() < 90
            assert image[-32:, -32:].mean() > 165


def test_a_single_line_has_one_pixel_a_row_or_column() -> None:
    for name, image in hard_images()["single lines"].items():
        mask = image[:, :, 0] > 0
        assert set(mask.sum(axis=0)) <= {0, 1} or set(mask.sum(axis=1)) <= {0, 1}, name
        assert mask.sum() >= 48, name


@given(low=st.integers(0, 255), high=st.integers(0, 255), beyond=st.floats(0, 300), sign=st.sampled_from([-1, 1]))
def test_excess_is_how_far_a_pixel_leaves_the_range(low: int, high: int, beyond: float, sign: int) -> None:
    low, high = min(low, high), max(low, high)
    image = np.full((4, 4, 3), low, np.uint8)
    image[0] = high
    result = image.repeat(2, axis=0).repeat(2, axis=1) / 255
    unchanged = measure(image, result)
    assert unchanged.excess == 0
    assert unchanged.shift == pytest.approx(0, abs=1e-9)
    result[3, 3, 1] = (low if sign < 0 else high) / 255 + sign * beyond / 255
    assert measure(image, result).excess == pytest.approx(beyond, abs=1e-9)


def test_shift_is_that_of_the_saved_image() -> None:
    image = np.full((4, 4, 3), 250, np.uint8)
    assert measure(image, np.full((8, 8, 3), 247 / 255)).shift == pytest.approx(-3)
    assert measure(image, np.full((8, 8, 3), 300 / 255)).shift == pytest.approx(5)


def test_limits_and_the_worst() -> None:
    assert Deviation(excess=24, shift=-2).allowed
    assert not Deviation(excess=24.1, shift=0).allowed
    assert not Deviation(excess=0, shift=-2.1).allowed
    assert not Deviation(excess=float("nan"), shift=0).allowed
    several = worst([Deviation(excess=3, shift=1), Deviation(excess=1, shift=-2)])
    assert several == Deviation(excess=3, shift=-2)
    assert str(several) == "3 beyond, mean -2.00"
