"""How many cores there are to work with."""

from __future__ import annotations

import os
from typing import Final

import psutil

#: The environment variable that limits them: for processes that share a machine.
CORES: Final = "PARAGON_CORES"


def usable_cores() -> int:
    """Return the physical cores that this process may use: a second thread on a core gets in the way of the first.

    The environment variable ``PARAGON_CORES`` makes them fewer.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get(CORES, "")
    return max(min(usable, psutil.cpu_count(logical=False) or usable, int(limit) if limit.isdecimal() else usable), 1)
