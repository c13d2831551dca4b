"""Details smoothed over time: the recursion of upstream's video mode, from a finite window of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import vapoursynth as vs

from paragon_core.upscaling.temporal import window_length
from tests.vs_paragon.clips import clip_of, natural_clip, planes_of
from vs_paragon.smoothing import smoothed

if TYPE_CHECKING:
    from collections.abc import Collection

#: What the dropped weights amount to: each is below 1/1024, and they fall by the strength from one to the next.
BOUND = 1 / 1024


def recursion(clip: vs.VideoNode, strength: float, starts: Collection[int] = (0,)) -> list[Any]:
    """Return what upstream's loop makes of the frames: state = (1 - strength) * frame + strength * state."""
    states: list[Any] = []
    for n in range(clip.num_frames):
        frame = np.stack(planes_of(clip, n))
        states.append(frame if n in starts else (1 - strength) * frame + strength * states[-1])
    return states


def flashing(length: int, cuts: Collection[int]) -> vs.VideoNode:
    """Return frames of noise around a grey that changes by 0.2 at the cuts."""
    generator = np.random.default_rng(0)
    level, frames = 0.3, []
    for n in range(length):
        level = 0.8 - level if n in cuts else level
        frames.append(list((level + 0.2 * (generator.random((3, 16, 24)) - 0.5)).astype(np.float32)))
    return clip_of(frames, vs.RGBS)


@pytest.mark.parametrize("strength", [0.05, 0.2, 0.5, 0.9])
def test_equals_the_recursion(strength: float) -> None:
    clip = flashing(80, ())
    result = smoothed(clip, strength)
    for n, wanted in enumerate(recursion(clip, strength)):
        assert np.abs(np.stack(planes_of(result, n)) - wanted).max() <= BOUND / (1 - strength)


def test_a_jump_of_the_mean_luma_starts_again() -> None:
    clip = flashing(14, {5, 6, 11})
    result = smoothed(clip, 0.6)
    for n, wanted in enumerate(recursion(clip, 0.6, {0, 5, 6, 11})):
        assert np.abs(np.stack(planes_of(result, n)) - wanted).max() <= 2 * BOUND
    for n in (0, 5, 6, 11):
        assert np.array_equal(planes_of(result, n), planes_of(clip, n))


def test_marks_of_a_scene_filter_go_before_the_rule() -> None:
    clip = flashing(10, {5})
    marked = clip.std.FrameEval(lambda n: clip.std.SetFrameProps(_SceneChangePrev=int(n == 7)))
    result = smoothed(marked, 0.6)
    for n, wanted in enumerate(recursion(clip, 0.6, {0, 7})):
        assert np.abs(np.stack(planes_of(result, n)) - wanted).max() <= 2 * BOUND


def test_grey() -> None:
    clip = flashing(6, {3}).std.ShufflePlanes(0, vs.GRAY)
    result = smoothed(clip, 0.3)
    for n, wanted in enumerate(recursion(clip, 0.3, {0, 3})):
        assert np.abs(np.stack(planes_of(result, n)) - wanted).max() <= 2 * BOUND


def test_only_the_window_is_asked_for() -> None:
    asked = []

    def watch(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        asked.append(n)
        return f

    clip = natural_clip(width=16, height=16, length=20)
    smoothed(clip.std.ModifyFrame(clip, watch), 0.2).get_frame(15)
    assert sorted(set(asked)) == list(range(16 - window_length(0.2), 16))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "ov", "ort"])
def test_the_base_path_is_not_smoothed(backend: str) -> None:
    still = clip_of([planes_of(natural_clip(length=1))] * 4, vs.RGBS)
    plain = vs.core.paragon.Upscale(still, backend=backend, precision="fp32")
    result = vs.core.paragon.Upscale(still, backend=backend, precision="fp32", temporal=0.5)
    assert np.abs(np.stack(planes_of(result, 3)) - planes_of(plain, 3)).max() < 1e-5
    moving = natural_clip()
    plain = vs.core.paragon.Upscale(moving, backend=backend, precision="fp32")
    result = vs.core.paragon.Upscale(moving, backend=backend, precision="fp32", temporal=0.5)
    assert np.array_equal(planes_of(result, 0), planes_of(plain, 0))
    assert np.abs(np.stack(planes_of(result, 4)) - planes_of(plain, 4)).max() > 1e-3
