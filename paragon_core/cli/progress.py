"""The progress line: how far work is, how fast it goes, and how long the rest will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from paragon_core.cli.console import Console

_REDRAW_SECONDS: Final = 0.1
_BAR_COLUMNS: Final = 20
_SECONDS_BEFORE_AN_ESTIMATE: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class ProgressState:
    """How far work is at one moment."""

    share: float
    """Share of the work that is done, 0 to 1."""
    text: str
    """What follows the bar, such as 3/7."""
    done: float = 0.0
    """Work since the beginning, in any unit; 0 where the time that is left is unknown."""
    left: float = 0.0
    """Work that is left, in the same unit."""
    amount: float = 0.0
    """What the speed is measured in, since the beginning; 0 for no speed."""
    speed: str = ""
    """How a speed is written, such as ``{:.1f} MB/s``."""

    def line(self, seconds: float) -> str:
        """Return the progress line, ``seconds`` after the beginning of the work."""
        text = f"[{bar(self.share)}] {self.text}"
        if seconds >= _SECONDS_BEFORE_AN_ESTIMATE and self.done > 0:
            if self.amount:
                text += "  " + self.speed.format(self.amount / seconds)
            text += f"  {duration(seconds / self.done * self.left)} left"
        return text


class ProgressLine:
    """The line on the terminal; it is redrawn at most ten times a second, and only where stderr is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._drawn = 0.0

    def restart(self) -> None:
        """Measure times from now on."""
        self._start = time.monotonic()

    def show(self, state: ProgressState) -> None:
        """Redraw the line, unless that was done just now."""
        now = time.monotonic()
        if self._console.shows_progress and now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            self._console.draw(state.line(now - self._start))


class CountProgress:
    """Progress of something that is counted from a number on, which a continued run has reached before."""

    def __init__(self, console: Console, total: int, *, text: str, speed: str, unit: float = 1.0) -> None:
        """Begin before the first count.

        Args:
            console: where the line is drawn.
            total: the last count.
            text: what follows the bar, such as ``step {}/{}``; the count and the total are filled in.
            speed: how a speed is written, such as ``{:.1f} steps/s``.
            unit: counts for one of the units of ``text`` and ``speed``.

        """
        self._line = ProgressLine(console)
        self._total = total
        self._text = text
        self._speed = speed
        self._unit = unit
        self._first: int | None = None

    def report(self, count: int) -> None:
        """Note a count; one below the first means that the work began again."""
        if self._first is None or count < self._first:
            self._first = count
            self._line.restart()
        self._line.show(self.state(count, since=self._first))

    def state(self, count: int, *, since: int) -> ProgressState:
        """Return how far the work is that began at a count."""
        return ProgressState(
            share=count / self._total,
            text=self._text.format(count / self._unit, self._total / self._unit),
            done=count - since,
            left=self._total - count,
            amount=(count - since) / self._unit,
            speed=self._speed,
        )


def bar(share: float) -> str:
    """Return a bar of which a share from 0 to 1 is filled."""
    return ("#" * round(share * _BAR_COLUMNS)).ljust(_BAR_COLUMNS, "-")


def duration(seconds: float) -> str:
    """Return a time as people write it: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
