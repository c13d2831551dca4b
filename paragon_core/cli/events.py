"""What the command does, for programs: one JSON object a line, whole, in order, and at once.

docs/command-line.md describes the events. A thread writes them, so that neither Ctrl-C can cut a line in two nor a slow
reader hold the work up; where the reader has gone, the work goes on without.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from paragon_core import __version__
from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Version of the events; it rises when a field changes its meaning or goes. New fields and events may come at any time.
SCHEMA: Final = 1

#: Seconds between two events that only say how far the work is, and how many of them may wait for a slow reader.
INTERVAL: Final = 0.5
_MOST_WAITING: Final = 100
#: Seconds for which the end of the program waits for a reader.
_PATIENCE: Final = 5.0
#: Seconds until a stream is tried again that takes no more just now.
_PAUSE: Final = 0.02

#: What a file begins with that may be written again.
_BEGINNING: Final = b'{"event": "start"'


class Events:
    """Takes events and drops them: nobody asked for any."""

    #: Whether they take the place of messages for people.
    silences_messages = False

    def emit(self, event: str, /, **fields: object) -> None:
        """Report an event."""

    def emit_some(self, event: str, fields: Callable[[], Mapping[str, object]]) -> None:
        """Report how far something is, unless that was done just now; the fields are asked for if it was not."""

    def error(self, error: Exception, *, hint: str = "", **fields: object) -> None:
        """Report why the command ends."""
        self.emit("error", **{**described(error), **({"hint": hint} if hint else {})}, **fields)

    def sum_up(self, summary: Callable[[], Mapping[str, object]]) -> None:
        """Take what returns, at the end, what the last event is to say of the work."""

    def end(self, code: int, *, signal: str | None = None) -> None:
        """Report the end: the exit code of the program, and the signal that interrupted it."""


class EventStream(Events):
    """Writes events."""

    def __init__(self, write: Callable[[bytes], None], *, silences_messages: bool = False) -> None:
        """Report that the command starts.

        Args:
            write: writes all of some bytes, or raises an OSError; called in another thread.
            silences_messages: whether there are to be no messages for people.

        """
        self.silences_messages = silences_messages
        self._write = write
        self._start = time.monotonic()
        self._emitted = 0.0
        self._summary: Callable[[], Mapping[str, object]] = dict
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()  # a signal that comes while it is used does no harm
        self._writer = threading.Thread(target=self._write_lines, name="paragon-events", daemon=True)
        self._writer.start()
        self.emit("start", schema=SCHEMA, version=__version__, time=round(time.time(), 3), process=os.getpid())

    def emit(self, event: str, /, **fields: object) -> None:
        """Report an event."""
        elapsed = round(time.monotonic() - self._start, 3)
        line = json.dumps({"event": event, "elapsed": elapsed, **fields}, default=str)
        self._lines.put(line.encode("ascii") + b"\n")

    def emit_some(self, event: str, fields: Callable[[], Mapping[str, object]]) -> None:
        """Report how far something is, unless that was done just now; the fields are asked for if it was not."""
        now = time.monotonic()
        if now - self._emitted >= INTERVAL and self._lines.qsize() < _MOST_WAITING:
            self._emitted = now
            self.emit(event, **fields())

    def sum_up(self, summary: Callable[[], Mapping[str, object]]) -> None:
        """Take what returns, at the end, what the last event is to say of the work."""
        self._summary = summary

    def end(self, code: int, *, signal: str | None = None) -> None:
        """Report the end, and wait until all is written, unless the reader takes too long."""
        status = "interrupted" if signal else "failed" if code else "done"
        self.emit("end", status=status, exit_code=code, signal=signal, **self._summary())
        self._lines.put(None)
        self._writer.join(_PATIENCE)

    def _write_lines(self) -> None:
        goes_on = True
        while (line := self._lines.get()) is not None:
            if goes_on:
                try:
                    self._write(line)
                except (OSError, ValueError):  # the reader has gone, the disk is full, the stream was closed
                    goes_on = False


def described(error: Exception) -> dict[str, Any]:
    """Return an error as a program reads it."""
    return {"type": type(error).__name__, "message": str(error), "hint": getattr(error, "hint", "")}


def opened(*, on_stderr: bool, target: str | None) -> Events:
    """Return where events go.

    Args:
        on_stderr: whether they go there, in the place of messages for people.
        target: the number of an open file descriptor, or the path of a file, instead.

    Raises:
        InputError: it cannot be written to, or the file holds something else.

    """
    if target is not None:
        descriptor = int(target) if target.isdecimal() else _file(Path(target))
        return EventStream(_writer_to(_writable(descriptor)), silences_messages=_is_stderr(descriptor))
    if not on_stderr or sys.stderr is None or sys.stderr.closed:
        return Events()
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):  # there is no real file behind it
        return EventStream(_write_text, silences_messages=True)
    return EventStream(_writer_to(descriptor), silences_messages=True)


def _file(path: Path) -> int:
    """Open a file to be written from its beginning; a pipe waits for its reader."""
    hint = "give a file that does not exist yet, or a pipe"
    try:
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as stream:
                if stream.read(len(_BEGINNING)) != _BEGINNING:
                    raise InputError(f"{path} is there already and is no record of events", hint=hint)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise InputError(f"events cannot be written to {path}: {error.strerror or error}", hint=hint) from error


def _writable(descriptor: int) -> int:
    """Return a file descriptor if something can be written to it."""
    try:
        os.write(descriptor, b"")
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"events cannot be written to file descriptor {descriptor}: {reason}",
            hint="let the program that starts paragon open it and hand it on; on Windows, give the name of a file",
        ) from error
    return descriptor


def _is_stderr(descriptor: int) -> bool:
    """Return whether messages would come between the lines."""
    with suppress(OSError, ValueError, AttributeError):  # there is no stderr, or no real file behind it
        ours, theirs = os.fstat(descriptor), os.fstat(sys.stderr.fileno())
        # Windows has no numbers for pipes.
        return descriptor == sys.stderr.fileno() or (bool(ours.st_ino) and os.path.samestat(ours, theirs))
    return False


def _writer_to(descriptor: int) -> Callable[[bytes], None]:
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def write(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:  # whoever started us left it so
                if regular:
                    raise
                time.sleep(_PAUSE)

    return write


def _write_text(data: bytes) -> None:
    sys.stderr.write(data.decode("ascii"))
    sys.stderr.flush()
