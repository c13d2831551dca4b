from __future__ import annotations

import pytest

from paragon_core.errors import InputError
from paragon_core.training.options import TrainingOptions, learning_rate


def test_the_rate_rises_then_falls_to_nothing() -> None:
    options = TrainingOptions(steps=1000, learning_rate=1.0, warmup_share=0.1)
    rates = [learning_rate(options, step) for step in range(1001)]
    assert rates[0] == 0
    assert max(rates) == rates[100] == pytest.approx(0.97553, abs=1e-5)  # a tenth of the way down a cosine
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[1000] == pytest.approx(0, abs=1e-12)


def test_every_cycle_is_like_a_run_of_its_own() -> None:
    cycle = TrainingOptions(steps=50, warmup_share=0.1)
    options = TrainingOptions(steps=150, warmup_share=0.1, cycles=3)
    expected = [learning_rate(cycle, step) for step in range(50)]
    assert [learning_rate(options, step) for step in range(150)] == 3 * expected
    assert [step for step in range(151) if options.is_end_of_cycle(step)] == [50, 100, 150]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("cycles", 0),
        ("cycles", 3),
        ("ema_decay", 1.5),
        ("luma_share", -0.1),
        ("learning_rate", float("nan")),
        ("charbonnier_epsilon", 0),
        ("clip_norm", -1),
        ("ms_ssim_weight", float("inf")),
        ("l1_weight", 0),
        ("weight_decay", 0.1),
    ],
)
def test_impossible_options_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        TrainingOptions(**{"steps": 10, field: value})  # type: ignore[arg-type]


def test_weight_decay_goes_with_adamw() -> None:
    assert TrainingOptions(steps=10, optimiser="adamw", weight_decay=0.1).weight_decay == 0.1
