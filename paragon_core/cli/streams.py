"""The standard streams as users leave them: a reader that has gone, a full disk behind them, closed, absent."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

from paragon_core.errors import JobError

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
