from __future__ import annotations

import io
import sys

import pytest

from paragon_core.cli.console import Console
from paragon_core.cli.progress import CountProgress, ProgressLine, ProgressState, duration


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def console_on(stream: io.StringIO) -> Console:
    with pytest.MonkeyPatch.context() as patch:  # in the test itself: pytest sets stderr again after the fixtures
        patch.setattr(sys, "stderr", stream)
        return Console()


def test_without_a_terminal_there_is_no_progress() -> None:
    stream = io.StringIO()
    console = console_on(stream)
    CountProgress(console, 9, text="{:.0f}/{:.0f}", speed="{:.0f}").report(1)
    assert not console.shows_progress
    assert stream.getvalue() == ""


def test_the_line_is_redrawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    terminal = Terminal()
    line = ProgressLine(console_on(terminal))
    for step in range(100):
        now = 100.0 + step / 50
        line.show(ProgressState(share=step / 100, text=f"{step}"))
    assert 10 <= terminal.getvalue().count("\r") <= 21


def test_counts_that_a_continued_run_begins_with_took_no_time() -> None:
    progress = CountProgress(
        console_on(io.StringIO()), 4_000_000, text="{:.2f}/{:.2f} MB", speed="{:.2f} MB/s", unit=1e6
    )
    begun = progress.state(1_000_000, since=1_000_000)
    assert begun.line(0.0) == begun.line(5.0) == "[#####---------------] 1.00/4.00 MB"
    half = progress.state(2_000_000, since=1_000_000)
    assert half.line(2.0) == "[##########----------] 2.00/4.00 MB  0.50 MB/s  0:04 left"


def test_a_count_that_begins_again_is_measured_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    terminal = Terminal()
    progress = CountProgress(console_on(terminal), 100, text="step {:.0f}/{:.0f}", speed="{:.1f} steps/s")
    for count, moment in ((50, 110.0), (60, 120.0), (0, 130.0), (40, 140.0)):
        now = moment
        progress.report(count)
    shown = [text.rstrip() for text in terminal.getvalue().split("\r")[1:]]
    assert shown == [
        "[##########----------] step 50/100",
        "[############--------] step 60/100  1.0 steps/s  0:40 left",
        "[--------------------] step 0/100",
        "[########------------] step 40/100  4.0 steps/s  0:15 left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03"), (-1, "0:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
