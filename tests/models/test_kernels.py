"""The base path's kernels against the published numbers and against doing it step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS, Array, base_phases, softening_kernel
from paragon_core.models.spec import SCALES

EVERY_SCALE = (*SCALES, 5, 7)


def upscaled_step_by_step(samples: Array, scale: int) -> Array:
    """Upscale by nearest neighbour, then blur with zeros outside, along the last axis (spec §1)."""
    outside = np.pad(np.repeat(samples, scale, axis=-1), [(0, 0)] * (samples.ndim - 1) + [(2, 2)])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(outside, 5, axis=-1) @ BINOMIAL_TAPS)


def upscaled_by_phases(samples: Array, scale: int) -> Array:
    """Apply `base_phases` with zeros outside along the last axis."""
    outside = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(outside, 3, axis=-1)
    return np.asarray(np.einsum("...it,pt->...ip", windows, base_phases(scale)).reshape(*samples.shape[:-1], -1))


@pytest.mark.parametrize("scale", EVERY_SCALE)
@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_phases_are_upscaling_and_blur_at_every_pixel(scale: int, size: int) -> None:
    samples = np.random.default_rng(size).standard_normal((4, size))
    np.testing.assert_allclose(
        upscaled_by_phases(samples, scale), upscaled_step_by_step(samples, scale), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("scale", SCALES)
def test_phases_are_right_on_both_axes_and_in_the_corners(scale: int) -> None:
    image = np.random.default_rng(scale).standard_normal((5, 7))
    steps = upscaled_step_by_step(upscaled_step_by_step(image, scale).T, scale).T
    phases = upscaled_by_phases(upscaled_by_phases(image, scale).T.copy(), scale).T
    np.testing.assert_allclose(phases, steps, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("scale", "sixteenths"),
    [
        (2, [[5, 10, 1], [1, 10, 5]]),
        (3, [[5, 11, 0], [1, 14, 1], [0, 11, 5]]),
        (4, [[5, 11, 0], [1, 15, 0], [0, 15, 1], [0, 11, 5]]),
        (8, [[5, 11, 0], [1, 15, 0], *[[0, 16, 0]] * 4, [0, 15, 1], [0, 11, 5]]),
    ],
)
def test_phases_have_the_published_weights(scale: int, sixteenths: list[list[int]]) -> None:
    assert (base_phases(scale) * 16).tolist() == sixteenths  # spec §8


@pytest.mark.parametrize("scale", EVERY_SCALE)
def test_phases_keep_the_mean_and_mirror_each_other(scale: int) -> None:
    phases = base_phases(scale)
    assert phases.shape == (scale, 3)
    assert phases.sum(axis=1).tolist() == [1.0] * scale
    assert np.array_equal(phases, phases[::-1, ::-1])


def test_base_darkens_the_border_as_published() -> None:
    flat = upscaled_by_phases(upscaled_by_phases(np.ones((8, 8)), 2).T.copy(), 2)  # spec §9, B3
    assert flat[8, :3].tolist() == [0.6875, 0.9375, 1.0]
    assert flat[0, 0] == pytest.approx(0.473, abs=1e-3)
    row = np.array([*[0.0] * 3, *[1.0] * 8, *[0.0] * 3])
    softened = 0.6 * row[3:-3] + 0.4 * np.convolve(row, SOFTENING_TAPS, "valid")
    border = upscaled_by_phases(softened[None], 2)[0, :3]
    along = upscaled_by_phases(np.ones((1, 8)), 2)[0, 8]
    assert border[1] * along == pytest.approx(0.879, abs=1e-3)


@pytest.mark.parametrize(
    ("frequency", "gain"), [(0, 1.0), (np.pi / 4, 0.94), (np.pi / 2, 0.5), (3 * np.pi / 4, 0.06), (np.pi, 0.0)]
)
def test_softening_has_the_published_gain(frequency: float, gain: float) -> None:
    assert SOFTENING_TAPS @ np.cos(frequency * np.arange(-3, 4)) == pytest.approx(gain, abs=0.005)  # spec §9, B2


@pytest.mark.parametrize(("alpha", "slope"), [(0.0, 0.375), (0.4, 0.314), (1.0, 0.223)])
def test_softening_flattens_an_edge_as_published(alpha: float, slope: float) -> None:
    edge = np.repeat([0.0, 1.0], 12)
    across = softening_kernel(alpha).sum(axis=0)  # the edge is the same in every row
    softened = np.convolve(edge, across, "valid")
    assert np.diff(upscaled_by_phases(softened[None], 2)[0])[8:-8].max() == pytest.approx(slope, abs=1e-3)


@given(alpha=st.floats(-2, 2))
def test_softening_kernel_is_the_blend(alpha: float) -> None:
    image = np.random.default_rng(1).standard_normal((9, 11))
    rows = np.lib.stride_tricks.sliding_window_view(image, 7, axis=1) @ SOFTENING_TAPS
    filtered = np.lib.stride_tricks.sliding_window_view(rows, 7, axis=0) @ SOFTENING_TAPS
    middle = image[3:-3, 3:-3]
    windows = np.lib.stride_tricks.sliding_window_view(image, (7, 7))
    result = np.einsum("ijyx,yx->ij", windows, softening_kernel(alpha))
    np.testing.assert_allclose(result, middle + alpha * (filtered - middle), rtol=0, atol=1e-13)
    assert softening_kernel(alpha).sum() == pytest.approx(1)
