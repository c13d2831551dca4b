"""The exit codes of the commands."""

from __future__ import annotations

from typing import Final

from paragon_core.errors import BackendError, EngineCacheError, OutOfMemoryError

OK: Final = 0
CHECK_FAILED: Final = 1
BAD_INPUT: Final = 2
NO_BACKEND: Final = 3
OUR_BUG: Final = 70
#: Ctrl-C; after another signal 128 plus its number (`paragon_core.cli.signals`).
INTERRUPTED: Final = 130
#: The program that reads from a pipe has ended: 128 plus the number of SIGPIPE, as shells say it.
READER_GONE: Final = 141


def exit_code(error: Exception) -> int:
    """Return the exit code for an error that was raised on purpose."""
    # An image that is too large for the machine is an input it cannot take, whichever runtime noticed, and a folder
    # that must not be used is the user's to change.
    if isinstance(error, BackendError) and not isinstance(error, OutOfMemoryError | EngineCacheError):
        return NO_BACKEND
    return BAD_INPUT
