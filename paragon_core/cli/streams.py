"""The standard streams as users leave them: a reader that has gone, a full disk behind them, closed, absent."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from paragon_core.errors import InputError, JobError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDIN, _STDOUT, _STDERR = range(3)

#: Errors that mean that the reader of a pipe or a terminal has gone; Windows says so in its own way.
_GONE: Final = {errno.EPIPE, errno.EIO, *([errno.EINVAL] if sys.platform == "win32" else [])}


def occupy() -> None:
    """Open the null device where standard streams are closed, such as by ``>&-``.

    Else the next file that is opened gets the number of a closed stream, and what libraries print goes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null == number:
                os.set_inheritable(number, True)  # noqa: FBT003 - the function takes no keyword
            else:
                os.dup2(null, number)
                os.close(null)


def encodable(stream: TextIO, text: str) -> str:
    """Return a text in which characters are escaped that the stream's encoding does not have."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write(stream: TextIO, text: str) -> None:
    """Write text at once; characters that the stream's encoding does not have are escaped.

    Raises:
        OSError: it cannot be written. What was to be written is dropped, and so is all that follows.

    """
    try:
        stream.write(encodable(stream, text))
        stream.flush()
    except OSError:
        let_go(stream)
        raise


def answer(text: str) -> None:
    """Write text to stdout; a reader that has gone has read enough, and without a stdout nobody wants to.

    Raises:
        JobError: it cannot be written, because of a full disk for example.

    """
    if sys.stdout is None or sys.stdout.closed:
        return
    try:
        write(sys.stdout, text)
    except OSError as error:
        if error.errno not in _GONE:
            msg = f"the output cannot be written to stdout: {error.strerror or error}"
            raise JobError(msg, hint="if it goes into a file, free some space on the disk") from error


class ReaderGoneError(Exception):
    """The program that was to read from stdout has ended."""


class DataOutput:
    """Stdout for data: all of what is written goes out at once."""

    def __init__(self, descriptor: int) -> None:
        """Take a descriptor, which somebody else closes."""
        self._stream = io.FileIO(descriptor, "wb", closefd=False)

    def write(self, data: bytes | memoryview, /) -> None:
        """Write all of some bytes.

        Raises:
            ReaderGoneError: nobody reads them any more.
            JobError: they cannot be written, because of a full disk for example.

        """
        rest = memoryview(data).cast("B")
        try:
            while rest:
                rest = rest[self._stream.write(rest) or 0 :]
        except OSError as error:
            if error.errno in _GONE:
                raise ReaderGoneError from error
            msg = f"the output cannot be written to stdout: {error.strerror or error}"
            raise JobError(msg, hint="if it goes into a file, free some space on the disk") from error

    def flush(self) -> None:
        """Do nothing: there is nothing left to write."""


@contextmanager
def data_output() -> Iterator[DataOutput]:
    """Lend stdout for data; whatever else is printed there meanwhile, by libraries too, goes to stderr.

    Raises:
        InputError: it is a terminal.

    """
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()
    if os.isatty(_STDOUT):
        raise InputError("stdout is a terminal", hint="pipe it into another program, such as: | ffmpeg -i - ...")
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        yield DataOutput(kept)
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


@contextmanager
def data_input() -> Iterator[io.FileIO]:
    """Lend stdin for data.

    Raises:
        InputError: it is a terminal.

    """
    if os.isatty(_STDIN):
        raise InputError(
            "stdin is a terminal", hint="pipe a y4m video into it, such as: ffmpeg ... | paragon upscale -"
        )
    with io.FileIO(_STDIN, "rb", closefd=False) as stream:
        yield stream


def flush_errors() -> None:
    """Write what others have left in the buffer of stderr; what cannot be written is dropped."""
    if sys.stderr is not None and not sys.stderr.closed:
        with suppress(OSError):
            write(sys.stderr, "")


def let_go(stream: TextIO) -> None:
    """Point a stream to the null device, or Python complains once more when it writes the rest at the end."""
    with suppress(OSError, ValueError):  # there is no real file behind it
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
    with suppress(OSError, ValueError):
        stream.flush()
