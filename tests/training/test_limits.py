"""What becomes of a pattern that has no answer is left alone within limits, and drawn back to them outside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.options import TrainingOptions
from paragon_core.training.patterns import PATTERN_KINDS, USUAL_KINDS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.adversarial import AdversarialOptions, AdversarialTrainer
from paragon_core.training.limits import MARGIN, SHIFT, limit_weights, within_limits
from paragon_core.training.trainer import Trainer
from tests.training.short_runs import REALTIME, SHORT, trainer_on

if TYPE_CHECKING:
    from torch import Tensor

    from tests.training.short_runs import Images

PATTERNS = PatchOptions(low_size=24, batch_size=4, pattern_share=0.5, pattern_answer="limits")


def pattern(seed: int) -> Tensor:
    """Return two patches, each of two greys and pixels between them, [2, 3, 8, 8]."""
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, 2, 1, 1, 1, generator=generator)
    patches: Tensor = torch.lerp(first, second, torch.rand(2, 3, 8, 8, generator=generator))
    return patches


@given(seed=st.integers(0, 2**32))
def test_what_keeps_to_range_and_mean_is_left_alone(seed: int) -> None:
    low = pattern(seed)
    upscaled = low.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.allclose(within_limits(upscaled, low), upscaled, atol=1e-6)
    assert torch.allclose(within_limits(upscaled + 0.9 * SHIFT, low), upscaled + 0.9 * SHIFT, atol=1e-6)


@given(seed=st.integers(0, 2**32), sign=st.sampled_from([-1, 1]), far=st.floats(0.01, 10))
def test_a_pixel_that_ran_away_is_drawn_back_to_the_limit(seed: int, sign: int, far: float) -> None:
    low = pattern(seed)
    limit = low[1].max() + MARGIN if sign == 1 else low[1].min() - MARGIN
    made = low.clone()
    made[1, 0, 3, 3] = limit + sign * far
    wanted = within_limits(made, low)
    assert float(wanted[1, 0, 3, 3]) == pytest.approx(float(limit), abs=1 / 64)  # its weight in the mean of 64 pixels
    assert torch.equal(wanted[0], made[0])


@given(seed=st.integers(0, 2**32), shift=st.floats(-0.04, 0.04))
def test_a_shift_of_the_mean_is_wanted_back_up_to_its_limit(seed: int, shift: float) -> None:
    low = 0.1 + 0.8 * pattern(seed)
    wanted = within_limits(low + shift, low)
    kept = max(-SHIFT, min(SHIFT, shift))
    assert torch.allclose(wanted, low + kept, atol=1e-6)


@given(level=st.floats(0, 10), sign=st.sampled_from([-1, 1]), steepness=st.floats(0, 10))
def test_errors_count_more_the_larger_they_are(level: float, sign: int, steepness: float) -> None:
    error = torch.full((1, 3, 2, 2), sign * level * MARGIN, requires_grad=True)
    weights = limit_weights(error, steepness)
    assert torch.allclose(weights, torch.full_like(weights, 1 + steepness * level), rtol=1e-5)
    (weights * error).sum().backward()
    assert torch.equal(error.grad, weights)  # as a factor, whatever the error is


@pytest.mark.parametrize(
    "changes",
    [{}, {"l1_weight": 0.0, "charbonnier_weight": 1.0}, {"limit_steepness": 0.0}, {"ms_ssim_weight": 0.2}],
)
def test_a_network_that_runs_away_comes_back(images: Images, changes: dict[str, Any]) -> None:
    options = replace(TrainingOptions(steps=120, learning_rate=0.01), **changes)
    source = PatchSource([images[:4]], scale=2, options=PATTERNS)
    trainer = Trainer(REALTIME, source, options)
    losses = [float(trainer.advance()) for _ in range(120)]
    assert np.mean(losses[-30:]) < 0.5 * np.mean(losses[:30])


def test_the_first_tail_is_not_solved_for_what_has_no_answer(images: Images) -> None:
    source = PatchSource([images[:4]], scale=2, options=PATTERNS)
    with_patterns, without = Trainer(REALTIME, source, SHORT), trainer_on(images, SHORT)
    ratio = with_patterns.arrays()["up.0.weight"].std() / without.arrays()["up.0.weight"].std()
    assert 0.5 < ratio < 2


def test_patterns_without_an_answer_are_as_real_as_they_are_made(images: Images) -> None:
    adversarial = AdversarialOptions(perceptual_weight=0, discriminator_warmup=1)
    first = trainer_on(images, SHORT).arrays()
    source = PatchSource([images[:4]], scale=2, options=PATTERNS)
    trainer = AdversarialTrainer(REALTIME, source, SHORT, adversarial=adversarial, start_from=first)
    assert all(np.isfinite(float(trainer.advance())) for _ in range(3))


def test_patches_say_which_of_them_have_no_answer(images: Images) -> None:
    patches = PatchSource([images], scale=2, options=replace(PATTERNS, batch_size=50)).draw(np.random.default_rng(0))
    assert 10 <= patches.limited.sum() <= 40
    assert not patches.high[patches.limited].any()
    assert patches.high[~patches.limited].any(axis=(1, 2, 3)).all()
    answered = PatchSource([images], scale=2, options=replace(PATTERNS, pattern_answer="hamming"))
    assert not answered.draw(np.random.default_rng(0)).limited.any()


def test_all_kinds_are_held_to_limits() -> None:
    assert set(USUAL_KINDS["limits"]) == set(PATTERN_KINDS)


def test_most_patches_have_to_have_an_answer() -> None:
    with pytest.raises(InputError, match="pattern_share"):
        replace(PATTERNS, pattern_share=0.6)
