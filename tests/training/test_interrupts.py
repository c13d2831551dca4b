from __future__ import annotations

import signal

import pytest

from paragon_core.cli.signals import Signals
from paragon_core.training.interrupts import postponed_interrupt
from tests.signals import ENDING


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_waits_and_then_counts(number: int) -> None:
    saved = False

    def step() -> None:
        nonlocal saved
        with postponed_interrupt() as interrupted:
            assert not interrupted()
            signal.raise_signal(number)
            assert interrupted()
            saved = True
            raise KeyboardInterrupt

    with Signals() as signals, pytest.raises(KeyboardInterrupt):
        step()
    assert saved
    assert signals.exit_code == 128 + number


def test_the_second_one_interrupts_at_once() -> None:
    def step() -> None:
        with postponed_interrupt():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it goes on")

    with Signals() as signals, pytest.raises(KeyboardInterrupt):
        step()
    assert signals.received


def test_signals_that_python_does_not_handle_keep_their_meaning() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with postponed_interrupt() as interrupted:
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert not interrupted()
    assert [signal.getsignal(number) for number in ENDING] == before
