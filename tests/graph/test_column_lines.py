"""The columns of the border in one step are those of two steps, corners included, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.graph.column_lines import compose_columns
from paragon_core.graph.fuse import fuse
from tests.graph.numpy_networks import convolve
from tests.random_models import random_model, spec


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@settings(max_examples=20)
@given(height=st.integers(1, 7), seed=st.integers(0, 99))
def test_one_step_is_as_good_as_two(scale: int, height: int, seed: int) -> None:
    border = fuse(random_model(spec("realtime", scale=scale))).border
    features = np.random.default_rng(seed).normal(size=(8, height, 2))
    ends = np.concatenate([features[:, :, :1], features[:, :, -1:]])
    outside = convolve(ends, border.column_up).reshape(-1, scale, height).swapaxes(1, 2).reshape(-1, height * scale, 1)
    expected = convolve(outside, border.column_out).reshape(2, -1, height * scale)

    lines = compose_columns(border, scale)
    columns = convolve(ends, lines.columns).reshape(2, -1, scale, height).swapaxes(2, 3).reshape(expected.shape)
    for row in (0, -1):
        for column in (0, -1):
            corner = features[:, row : row + 1 or None, column : column + 1 or None]
            columns[column, :, row] -= convolve(corner, lines.corners[row][column])[:, 0, 0]
    assert np.abs(columns - expected).max() <= 1e-12 * np.abs(expected).max()
