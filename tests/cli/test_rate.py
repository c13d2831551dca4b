from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.cli.rate import RateMeter


def fed(meter: RateMeter, *, count: int, apart: float, since: float = 0.0, first: int = 1) -> float:
    """Have a meter see counts that come at even distances; return the moment of the last one."""
    for number in range(count):
        meter.add(since + number * apart, first + number)
    return since + (count - 1) * apart


@given(st.floats(0.001, 20.0), st.integers(4, 200), st.floats(0, 1e6))
def test_an_even_rate_is_found(apart: float, count: int, since: float) -> None:
    meter = RateMeter()
    end = fed(meter, count=count, apart=apart, since=since)
    if end - since >= 1.0:
        assert meter.rate == pytest.approx(1 / apart, rel=1e-3)
    else:
        assert meter.rate is None


def test_there_is_no_rate_before_the_second_count_and_without_progress() -> None:
    meter = RateMeter()
    assert meter.rate is None
    meter.add(5.0, 1)
    assert meter.rate is None
    meter.add(15.0, 1)
    assert meter.rate is None


def test_what_comes_before_the_first_count_does_not_matter() -> None:
    meter = RateMeter()
    fed(meter, count=40, apart=0.1, since=500.0)
    assert meter.rate == pytest.approx(10)


@given(st.integers(50, 500), st.floats(5, 5000))
def test_a_stall_changes_nothing(at: int, stall: float) -> None:
    meter = RateMeter()
    moment = fed(meter, count=at, apart=0.2)
    fed(meter, count=500, apart=0.2, since=moment + stall, first=at + 1)
    assert meter.rate == pytest.approx(5, rel=0.01)
    meter = RateMeter()
    moment = fed(meter, count=at, apart=0.2)
    meter.add(moment + stall, at + 1)
    assert meter.rate == pytest.approx(5, rel=0.25)


def test_it_follows_a_rate_that_changes() -> None:
    meter = RateMeter()
    moment = fed(meter, count=1000, apart=0.1)
    fed(meter, count=31, apart=1.0, since=moment, first=1000)
    assert meter.rate == pytest.approx(1, rel=0.1)


def test_frames_that_are_done_at_the_same_moment() -> None:
    meter = RateMeter()
    for burst in range(20):
        for number in range(4):
            meter.add(4.0 * burst + 0.001 * number, 4 * burst + number + 1)
    assert meter.rate == pytest.approx(1, rel=0.01)


def test_memory_does_not_grow() -> None:
    meter = RateMeter()
    fed(meter, count=100_000, apart=0.001)
    fed(meter, count=100_000, apart=1.0, since=100.0, first=100_001)
    assert len(meter._counts) < 400  # noqa: SLF001 - what is kept
