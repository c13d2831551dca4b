from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paragon_core.quality.metrics import luma
from paragon_core.report.heat import RAMP, full_heat, heat_map

HEATS = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 255).map(float))
)


@settings(max_examples=50)
@given(heat=HEATS, side=st.integers(1, 40))
def test_the_largest_difference_stays_visible_at_any_size(heat: np.ndarray, side: int) -> None:
    drawn = heat_map(heat, full=255, width=side, height=side)
    assert drawn.shape == (min(side, heat.shape[0]), min(side, heat.shape[1]), 3)
    alone = heat_map(heat.max(keepdims=True), full=255, width=1, height=1)
    assert abs(luma(drawn).max() - luma(alone).max()) < 1e-9  # products of matrices round by their shape


@given(one=st.floats(0, 300), other=st.floats(0, 300))
def test_larger_differences_are_never_darker(one: float, other: float) -> None:
    small, large = (
        luma(heat_map(np.full((1, 1), each), full=64, width=1, height=1)).item() for each in sorted((one, other))
    )
    assert large >= small - 1.0  # colours are rounded


def test_the_ends_of_the_ramp() -> None:
    drawn = heat_map(np.array([[0.0, 64.0, 255.0]]), full=64, width=3, height=1)
    assert drawn.tolist() == [[list(RAMP[0]), list(RAMP[-1]), list(RAMP[-1])]]


def test_small_differences_are_not_blown_up_and_outliers_do_not_darken_the_rest() -> None:
    calm = np.ones((100, 100))
    assert full_heat([calm]) == 8
    spoiled = np.full((100, 100), 20.0)
    spoiled[0, 0] = 255
    assert full_heat([calm, spoiled]) == 20
