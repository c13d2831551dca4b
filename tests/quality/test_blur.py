from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.quality.blur import blurred


def test_no_blur_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(blurred(image, 0), image)


@given(st.floats(0.1, 3), st.integers(0, 255))
def test_a_flat_image_stays_flat(sigma: float, level: int) -> None:
    assert (blurred(np.full((11, 5, 3), level, np.uint8), sigma) == level).all()


def test_a_point_becomes_a_gaussian() -> None:
    image = np.zeros((31, 31, 1), np.uint8)
    image[15, 15] = 255
    spread = blurred(image, 1.5)[..., 0].astype(float)
    assert np.array_equal(spread, spread.T)
    assert np.array_equal(spread, spread[::-1, ::-1])
    offsets = np.arange(31) - 15
    assert (spread.sum(0) * offsets**2).sum() / spread.sum() == pytest.approx(1.5**2, rel=0.1)
