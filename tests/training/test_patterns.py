"""Patterns are hard, always the same for the same seed, and answered as Lanczos answers them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import InputError
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.patterns import pattern_pair


@given(seed=st.integers(0, 2**32), size=st.integers(8, 40), scale=st.integers(2, 4))
def test_a_pattern_comes_with_lanczos_answer(seed: int, size: int, scale: int) -> None:
    low, high = pattern_pair(np.random.default_rng(seed), size, scale)
    assert low.shape == (size, size, 3)
    assert high.shape == (scale * size, scale * size, 3)
    assert low.dtype == high.dtype == np.uint8
    again = pattern_pair(np.random.default_rng(seed), size, scale)
    assert np.array_equal(low, again[0])
    reduced = np.asarray(Image.fromarray(high).resize((size, size), Image.Resampling.BOX)).astype(int)
    assert np.abs(reduced - low).mean() < 100  # the same place, and the same way up; another one is off by 128


def test_most_patterns_change_from_pixel_to_pixel() -> None:
    random = np.random.default_rng(0)
    steps = [np.abs(np.diff(pattern_pair(random, 32, 2)[0].astype(int), axis=axis)).max() for axis in (0, 1) * 100]
    assert np.mean(np.array(steps) == 255) > 0.6


def source(pattern_share: float) -> PatchSource:
    grey = np.full((60, 60, 3), 128, np.uint8)
    options = PatchOptions(low_size=16, batch_size=100, pattern_share=pattern_share)
    return PatchSource([[grey]], scale=2, options=options)


def test_a_share_of_the_patches_is_patterns() -> None:
    drawn = source(0.3).draw(np.random.default_rng(0))
    hard = [patch for patch in drawn.low if patch.std() > 0 or patch[0, 0, 0] != 128]
    assert 20 <= len(hard) <= 40
    assert (source(0).draw(np.random.default_rng(0)).low == 128).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_outside_of_0_to_1_are_refused(share: float) -> None:
    with pytest.raises(InputError, match="pattern_share"):
        PatchOptions(pattern_share=share)
