"""Speaking to people: messages and a progress line on stderr, answers on stdout."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from paragon_core.cli import streams
from paragon_core.cli.events import Events
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Most characters of a line: two paths of the greatest length, and words around them.
_LONGEST_LINE: Final = 10_000

_DELETE: Final = "\x7f"

#: Columns of a terminal that does not say how many it has.
_USUAL_COLUMNS: Final = 80

_NO_EVENTS: Final = Events()

#: What a terminal calls itself that cannot go back to the beginning of a line.
_DUMB: Final = "dumb"


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
    gone, the disk behind it is full), nothing more is printed, and the work goes on. There are no colours and no escape
    sequences: every terminal shows the same, and so does a log.
    """

    def __init__(self, *, quiet: bool = False, events: Events = _NO_EVENTS) -> None:
        """Begin with nothing printed.

        Args:
            quiet: print errors and warnings only.
            events: the same for programs; if they go to stderr themselves, nothing else does.

        """
        is_usable = sys.stderr is not None and not sys.stderr.closed and not events.silences_messages
        self._stream = sys.stderr if is_usable else None
        self._quiet = quiet
        self._shows_progress = (
            not quiet and self._stream is not None and self._stream.isatty() and os.environ.get("TERM") != _DUMB
        )
        self._drawn = ""
        self.events = events
        """Where events for programs go."""

    @property
    def shows_progress(self) -> bool:
        """Whether there is a progress line: then lines about every single file would only scroll by."""
        return self._shows_progress

    @property
    def logs_progress(self) -> bool:
        """Whether how far long work is has to be said in lines now and then, as in a log."""
        return not (self._quiet or self._shows_progress or self._stream is None)

    @property
    def columns(self) -> int:
        """Columns of the terminal that a line may take; those of this moment."""
        found = 0
        with suppress(OSError, ValueError, AttributeError):  # no terminal, no real file, no stream
            found = os.get_terminal_size(self._stream.fileno()).columns  # type: ignore[union-attr]  # see above
        if found <= 0:
            with suppress(KeyError, ValueError):
                found = int(os.environ["COLUMNS"])
        return max(found if found > 0 else _USUAL_COLUMNS, 2) - 1

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

    def note(self, text: str, *, about: str = "") -> None:
        """Print what people should know, even with ``--quiet``, and what it is about."""
        self.insist(f"paragon: note: {about}: {text}" if about else f"paragon: note: {text}")
        self.events.emit("note", text=text, source=about or None)

    def error(self, error: Exception, *, about: str = "") -> None:
        """Report an error with its hint, and what it is about if it does not say so itself."""
        subject = f"{about}: " if about and about not in str(error) else ""
        self.insist(f"paragon: error: {subject}{error}")
        if hint := getattr(error, "hint", ""):
            self.insist(f"  hint: {hint}")

    def draw(self, text: str) -> None:
        """Draw or redraw the progress line."""
        if self._shows_progress and self._stream is not None:
            columns = self.columns
            self._leave_wrapped(columns)
            text = _shortened(streams.encodable(self._stream, one_line(text)), columns)
            self._write("\r" + text + " " * max(columns_of(self._drawn) - columns_of(text), 0))
            self._drawn = text

    def erase(self) -> None:
        """Remove the progress line."""
        if self._drawn:
            self._leave_wrapped(self.columns)
            if self._drawn:
                self._write("\r" + " " * columns_of(self._drawn) + "\r")
            self._drawn = ""

    def _leave_wrapped(self, columns: int) -> None:
        """Leave a line that has more than one row since the terminal became narrower: there is no way back up."""
        if columns_of(self._drawn) > columns:
            self._write("\n")
            self._drawn = ""

    def _write(self, text: str) -> None:
        if self._stream is not None:
            try:
                streams.write(self._stream, text)
            except OSError:
                self._stream, self._shows_progress = None, False


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes; East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _shortened(text: str, columns: int) -> str:
    while columns_of(text) > columns:
        text = text[:-1]
    return text


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as aligned columns, a line each whatever they hold; the last column is not padded."""
    rows = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell + " " * (width - columns_of(cell)) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)
