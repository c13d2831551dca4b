"""Timing in turns, and the description of the machine."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

from paragon_core.benchmark.bench import Timing, describe_machine, time_interleaved


def busy(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_every_action_warms_up_once_and_then_has_its_turn_in_every_round() -> None:
    calls: list[str] = []
    timings = time_interleaved({name: partial(calls.append, name) for name in "abc"}, rounds=4)
    assert calls[:3] == ["a", "b", "c"]
    rounds = [calls[start : start + 3] for start in range(3, len(calls), 3)]
    assert [turn[0] for turn in rounds] == ["a", "b", "c", "a"]
    assert Counter(calls) == {"a": 5, "b": 5, "c": 5}
    assert [(len(timing.cpu), len(timing.wall)) for timing in timings.values()] == [(4, 4)] * 3


def test_cpu_time_counts_work_and_not_waiting() -> None:
    timings = time_interleaved({"work": lambda: busy(0.02), "wait": lambda: time.sleep(0.02)}, rounds=3)
    assert timings["work"].cpu_median >= 0.02
    assert timings["wait"].wall_median >= 0.02
    assert timings["wait"].cpu_median < timings["work"].cpu_median / 2


def test_a_ratio_is_taken_round_by_round() -> None:
    slow = Timing(cpu=(2.0, 20.0, 3.0), wall=(1.0, 1.0, 1.0))
    fast = Timing(cpu=(1.0, 10.0, 2.0), wall=(1.0, 1.0, 1.0))
    assert slow.ratio_to(fast) == 2
    assert fast.ratio_to(slow) == 0.5


def test_the_machine_is_named_with_the_versions_that_are_there() -> None:
    machine = describe_machine(["numpy", "a-package-that-nobody-has"])
    assert machine["cpu"]
    assert int(machine["cores"]) >= 1
    assert {"system", "python", "numpy"} < set(machine)
    assert "a-package-that-nobody-has" not in machine


def test_both_clocks_can_be_asked() -> None:
    fast = Timing(cpu=(1.0, 2.0, 3.0), wall=(2.0, 4.0, 9.0))
    slow = Timing(cpu=(3.0, 6.0, 9.0), wall=(4.0, 8.0, 18.0))
    assert (slow.median("cpu"), slow.median("wall")) == (slow.cpu_median, slow.wall_median)
    assert (slow.ratio_to(fast), slow.ratio_to(fast, "wall")) == (3, 2)
