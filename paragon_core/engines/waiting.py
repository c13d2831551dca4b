"""Report the progress of builds, and wait for those of other processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from paragon_core.trusted_files import remove_impostor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Called with a share from 0 to 1 and what is being done; an exception from it ends the work and reaches the caller.
BuildProgress = Callable[[float, str], None]

WAITING: Final = "another process is building this engine"

_PATIENCE: Final = 0.2
_OWNER_ONLY: Final = 0o600


def ignore_progress(share: float, doing: str) -> None:
    """Report to nobody."""
    del share, doing


@contextmanager
def alone(lock_file: Path, progress: BuildProgress) -> Iterator[None]:
    """Keep others from the same work until the block ends; the system frees the lock of a process that dies.

    Where no lock can be made (a read-only folder), the work is done twice rather than not at all.
    """
    remove_impostor(lock_file)
    lock = FileLock(lock_file, mode=_OWNER_ONLY)
    held = False
    while not held:
        try:
            lock.acquire(timeout=_PATIENCE)
            held = True
        except Timeout:
            progress(0.0, WAITING)
        except OSError:
            break
    try:
        yield
    finally:
        if held:
            lock.release()


def try_lock(lock_file: Path) -> FileLock | None:
    """Return a lock that was free, to be released from any thread or by forgetting it; None if somebody has it."""
    remove_impostor(lock_file)
    lock = FileLock(lock_file, mode=_OWNER_ONLY, thread_local=False)
    with suppress(OSError):  # Timeout is one
        lock.acquire(blocking=False)
        return lock
    return None
