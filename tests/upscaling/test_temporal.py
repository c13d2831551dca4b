"""Smoothing over time: upstream's recursion on features, as weights of frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from paragon_core.backends import BACKENDS
from paragon_core.errors import InputError
from paragon_core.models.model import load
from paragon_core.upscaling.temporal import (
    SCENE_CUT,
    SMALLEST_WEIGHT,
    blend,
    frames_since_cut,
    is_scene_cut,
    mean_luma,
    smoothing_weights,
    window_length,
)
from paragon_core.upscaling.upscaler import Upscaler
from tests.upscalers import RUNTIMES

if TYPE_CHECKING:
    from pathlib import Path

STRENGTHS = st.floats(0, 0.9)


@given(strength=STRENGTHS, age=st.integers(0, 100), seed=st.integers(0, 99))
def test_the_weighted_sum_is_the_recursion_within_the_stated_bound(strength: float, age: int, seed: int) -> None:
    frames = np.random.default_rng(seed).random((age + 1, 8))  # oldest first, in 0..1
    recursive = frames[0]
    for frame in frames[1:]:
        recursive = (1 - strength) * frame + strength * recursive
    weights = smoothing_weights(strength, age)
    (smoothed,) = blend([[frame] for frame in frames[::-1]], weights)
    exact = all(weights) and len(weights) == age + 1
    bound = 0 if exact else SMALLEST_WEIGHT / (1 - strength)
    assert np.abs(smoothed - recursive).max() <= bound + 1e-6


@given(strength=STRENGTHS, age=st.integers(0, 10_000))
def test_weights_add_up_and_stay_in_the_window(strength: float, age: int) -> None:
    weights = smoothing_weights(strength, age)
    assert math.fsum(weights) == pytest.approx(1, abs=1e-12)
    assert 1 <= len(weights) <= min(window_length(strength), age + 1)
    assert weights[-1] > 0
    assert all(weight == 0 or weight >= SMALLEST_WEIGHT for weight in weights)
    if age >= window_length(strength):
        assert weights == smoothing_weights(strength, window_length(strength))


def test_known_weights() -> None:
    assert smoothing_weights(0.2, 0) == smoothing_weights(0, 7) == (1.0,)
    assert smoothing_weights(0.2, 2) == pytest.approx((0.8, 0.16, 0.04))
    assert [window_length(strength) for strength in (0, 0.2, 0.5, 0.8, 0.9)] == [1, 5, 11, 32, 66]
    far = smoothing_weights(0.9, 60)  # the scene's first frame still counts, those just after it no longer do
    assert len(far) == 61
    assert 0 in far


@pytest.mark.parametrize("strength", [-0.01, 0.91, 1, math.nan, math.inf])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    for refuses in (window_length, lambda value: smoothing_weights(value, 3)):
        with pytest.raises(InputError) as caught:
            refuses(strength)
        assert "0.2" in caught.value.hint
    with pytest.raises(InputError):
        smoothing_weights(0.2, -1)


def test_a_scene_begins_where_the_mean_jumps_by_more_than_thirty_levels() -> None:
    for low in range(226):
        assert not is_scene_cut((low + 30) / 255, low / 255)
        assert not is_scene_cut(low / 255, (low + 30) / 255)
        assert is_scene_cut((low + 30.001) / 255, low / 255)
    assert not is_scene_cut(0.5, 0.5)
    assert pytest.approx(30 / 255) == SCENE_CUT


def test_luma_is_bt601_of_rgb_and_grey_itself() -> None:
    planes = [np.full((3, 4), value, np.float16) for value in (1, 0.5, 0.25)]
    assert mean_luma(planes) == pytest.approx(0.299 + 0.587 / 2 + 0.114 / 4)
    assert mean_luma([planes[0], planes[0], planes[0]]) == pytest.approx(mean_luma(planes[:1])) == 1


@given(before=st.lists(st.just(False), max_size=9), after=st.lists(st.booleans(), max_size=9))  # noqa: FBT003
def test_the_newest_first_frame_counts(before: list[bool], after: list[bool]) -> None:
    assert frames_since_cut([*before, True, *after]) == len(before)
    assert frames_since_cut(before) == len(before)


def test_a_frame_that_weighs_nothing_is_not_looked_at() -> None:
    plane = np.ones((2, 3), np.float16)
    (result,) = blend([[plane], [np.full((2, 3), np.nan, np.float16)], [plane]], (0.75, 0.0, 0.25))
    assert np.array_equal(result, plane)
    assert result.dtype == np.float16


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_upstreams_video_comes_out(shared: Path, runtime: str, fused: bool) -> None:
    """Its recursion on features with 0.2; in the first frames of a scene nothing is dropped."""
    tensors = load_file(shared / "vectors/head_stream_x2_video_io.safetensors")
    model = load(shared / "vectors/head_stream_x2.safetensors", upsampler_alpha=0.0)
    if obstacle := BACKENDS[runtime].obstacle(model.spec, fused=fused, precision="fp32"):
        pytest.skip(obstacle)
    with Upscaler(model, backend=runtime, precision="fp32", fused=fused, clip=False, padding="zero") as upscaler:
        for number in range(3):
            frames = [list(tensors[f"f{number - age}.in"][0]) for age in range(number + 1)]
            expected = tensors[f"f{number}.out"][0]
            out = list(np.empty_like(expected))
            detail = blend(frames, smoothing_weights(0.2, number))
            upscaler.upscale_planes(frames[0], out, detail=detail)
            assert np.abs(np.stack(out) - expected).max() <= 1e-5
