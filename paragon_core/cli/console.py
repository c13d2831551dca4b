"""Speaking to people: messages and a progress line on stderr, answers on stdout."""

from __future__ import annotations

import json
import shutil
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Final

from paragon_core.cli import streams
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_REDRAW_SECONDS = 0.1
_BAR_COLUMNS = 20
_SECONDS_BEFORE_AN_ESTIMATE = 1.0


#: Most characters of a line: two paths of the greatest length, and words around them.
_LONGEST_LINE: Final = 10_000

_DELETE: Final = "\x7f"


def one_line(text: str) -> str:
    """Return a text that may come from a file or its name as one printable line."""
    return printable(text, limit=_LONGEST_LINE)


def answer(text: str) -> None:
    """Write what the command was asked for to stdout, printable whatever it holds.

    Lines stay lines: what comes from files goes through `one_line` or `table` first.

    Raises:
        JobError: it cannot be written, because of a full disk for example.

    """
    streams.answer("\n".join(map(one_line, text.split("\n"))) + "\n")


def answer_json(value: object) -> None:
    """Write an answer for programs: JSON in ASCII, indented for the people who look at it as well.

    Raises:
        JobError: as `answer`.

    """
    # The one character of ASCII that is not printable and that JSON leaves as it is.
    streams.answer(json.dumps(value, indent=2).replace(_DELETE, "\\u007f") + "\n")


class Console:
    """Messages on stderr, above a progress line that is drawn there if it is a terminal.

    Lines are printable whatever file names and files put into them. Where stderr cannot be written (its reader has
    gone, the disk behind it is full), nothing more is told, and the work goes on.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._stream = None if sys.stderr is None or sys.stderr.closed else sys.stderr
        self._quiet = quiet
        self._shows_progress = not quiet and self._stream is not None and self._stream.isatty()
        self._drawn = ""

    @property
    def shows_progress(self) -> bool:
        """Whether there is a progress line: then lines about every single file would only scroll by."""
        return self._shows_progress

    def say(self, text: str) -> None:
        """Tell how things are going, unless ``--quiet`` was given."""
        if not self._quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Tell in one line what has to be told even to those who want it quiet: errors and warnings."""
        drawn = self._drawn
        self.erase()
        self._write(one_line(text) + "\n")
        if drawn:
            self.draw(drawn)

    def error(self, error: Exception, *, about: str = "") -> None:
        """Tell an error with its remedy, and what it is about if it does not say so itself."""
        subject = f"{about}: " if about and about not in str(error) else ""
        self.insist(f"paragon: error: {subject}{error}")
        if hint := getattr(error, "hint", ""):
            self.insist(f"  hint: {hint}")

    def draw(self, text: str) -> None:
        """Draw or redraw the progress line."""
        if self._shows_progress:
            columns = shutil.get_terminal_size().columns - 1
            text = _shortened(one_line(text), columns)
            self._write("\r" + text + " " * max(_columns(self._drawn) - _columns(text), 0))
            self._drawn = text

    def erase(self) -> None:
        """Remove the progress line."""
        if self._drawn:
            self._write("\r" + " " * _columns(self._drawn) + "\r")
            self._drawn = ""

    def _write(self, text: str) -> None:
        if self._stream is not None:
            try:
                streams.write(self._stream, text)
            except OSError:
                self._stream, self._shows_progress = None, False


class Progress:
    """How far a job over many images is, how fast, and how long it will take."""

    def __init__(self, console: Console, images: int) -> None:
        self._console = console
        self._images = images
        self._finished = 0
        self._upscaled = 0
        self._pixels = 0
        self._part = 0.0
        self._inner = (0, 1)
        self._start = time.monotonic()
        self._last_drawn = 0.0

    def advance(self, done: int, total: int) -> None:
        """Note how much of the image in the network is done."""
        before, count = self._inner
        self._part = (before + (done / total if done < total else count > 1)) / count
        self._draw()

    def within(self, done: int, total: int) -> None:
        """Note how many of an animation's frames, or of a file's pages, are done."""
        self._inner = (done, total)

    def finish(self, *, pixels: int) -> None:
        """Note that an image is finished; ``pixels`` are those of its result, none if it was skipped or failed."""
        self._finished += 1
        self._part, self._inner = 0.0, (0, 1)
        self._upscaled += pixels > 0
        self._pixels += pixels
        self._draw()

    def building(self, share: float, doing: str) -> None:
        """Note how far the build of an engine is."""
        self._draw(f"[{bar(share)}] engine: {doing}")

    def _draw(self, text: str = "") -> None:
        now = time.monotonic()
        if self._console.shows_progress and now - self._last_drawn >= _REDRAW_SECONDS:
            self._last_drawn = now
            self._console.draw(text or self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """Return the progress line after a time."""
        share = min((self._finished + self._part) / self._images, 1.0)
        text = f"[{bar(share)}] {self._finished}/{self._images}"
        worked = self._upscaled + self._part
        if seconds >= _SECONDS_BEFORE_AN_ESTIMATE and worked > 0:
            left = seconds / worked * (self._images - self._finished - self._part)
            if self._pixels:
                text += f"  {self._pixels / 1e6 / seconds:.1f} Mpixel/s"
            text += f"  {duration(left)} left"
        return text


def bar(share: float) -> str:
    """Return a bar of which a share from 0 to 1 is filled."""
    return ("#" * round(share * _BAR_COLUMNS)).ljust(_BAR_COLUMNS, "-")


def duration(seconds: float) -> str:
    """Return a time as people write it: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes; East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _shortened(text: str, columns: int) -> str:
    while _columns(text) > columns:
        text = text[:-1]
    return text


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as aligned columns, a line each whatever they hold; the last column is not padded."""
    rows = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell + " " * (width - _columns(cell)) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)
