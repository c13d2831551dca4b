"""Encoders that claim a processor for themselves, brought back to the priority that people gave the program."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_THREADS: Final = Path("/proc/self/task")


@contextmanager
def own_priority() -> Iterator[None]:
    """Undo what an encoder that is opened in the context does to the scheduling of threads; only Linux has that.

    SVT-AV1 gives its threads, and the one that opens it, the highest real-time priority where it may, which is so for
    root and in many containers. Nothing else runs then: not the network, not the desktop, not even Ctrl-C.
    """
    if sys.platform != "linux":
        yield
        return
    before = _scheduling()
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread, changed in _scheduling().items():
            if changed != before.get(thread, policy):
                with suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, before.get(thread, policy), priority)


def _scheduling() -> dict[int, int]:
    """Return the scheduling policy of each thread of this process."""
    if sys.platform != "linux":  # the type checker does not know the caller's condition
        return {}
    found = {}
    with suppress(OSError):  # there is no /proc
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it has ended
                found[int(thread.name)] = os.sched_getscheduler(int(thread.name))
    return found
