"""Signals end the program as Ctrl-C does, whenever they come: the right exit code, and no traceback."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from paragon_core.cli.main import main
from paragon_core.cli.signals import Signals
from tests.fresh_python import PROGRAMS, run
from tests.signals import ENDING

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("module", "times"), [("argparse", 1), ("paragon_core.cli.upscale", 2), ("numpy", 2)])
def test_while_modules_load(tmp_path: Path, module: str, times: int) -> None:
    result = run(
        PROGRAMS / "interrupted_while_importing.py", module, times, "upscale", tmp_path / "missing.png", check=False
    )
    assert result.returncode == 130, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", ENDING)
def test_while_the_interpreter_ends(number: int) -> None:
    result = run(PROGRAMS / "signalled_at_exit.py", int(number), check=False)
    assert result.returncode == 128 + number, result.stderr
    assert result.stdout.startswith("paragon ")
    assert result.stderr == ""


@pytest.mark.parametrize("number", ENDING)
def test_a_command_ends_with_the_code_of_the_first_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    cleaned_up = False

    def work(*_: object) -> int:
        nonlocal cleaned_up
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned_up = True
        return 0

    monkeypatch.setattr("paragon_core.cli.models.run", work)
    before = [signal.getsignal(each) for each in ENDING]
    assert main(["models"]) == 128 + number
    assert cleaned_up
    assert "paragon: interrupted" in capsys.readouterr().err
    assert [signal.getsignal(each) for each in ENDING] == before


def test_whatever_the_interrupt_becomes_on_its_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("half-loaded") from error
        return 0

    monkeypatch.setattr("paragon_core.cli.models.run", work)
    assert main(["models"]) == 130
    assert "half-loaded" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timer that sends signals")
def test_at_any_moment_while_other_threads_work() -> None:
    run(PROGRAMS / "interrupted_beside_threads.py", 1500)


def test_an_interrupt_that_a_finalizer_swallows_comes_again() -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def work() -> None:
        del finalized[:]
        for _ in range(1000):
            time.sleep(0.01)

    finalized = [Finalized()]
    with Signals() as signals, pytest.raises(KeyboardInterrupt):
        work()
    assert signals.exit_code == 130


def test_signals_that_are_ignored_stay_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGINT)
        assert signals.received == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_last_resort() -> None:
    result = run(PROGRAMS / "last_resort.py", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (143, "", "")


def test_outside_the_main_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    during = []

    def work() -> None:
        with Signals():
            during.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]
    assert signal.getsignal(signal.SIGINT) == before
