"""Speaking to people: messages and a progress line on stderr, answers on stdout."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

from paragon_core.cli import streams
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    gone, the disk behind it is full), nothing more is printed, and the work goes on.
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
        """Report progress, unless ``--quiet`` was given."""
        if not self._quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Print one line even with ``--quiet``: errors and warnings."""
        drawn = self._drawn
        self.erase()
        self._write(one_line(text) + "\n")
        if drawn:
            self.draw(drawn)

    def error(self, error: Exception, *, about: str = "") -> None:
        """Report an error with its hint, and what it is about if it does not say so itself."""
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
