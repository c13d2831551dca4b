"""How many cores there are to work with."""

from __future__ import annotations

import os

import psutil


def usable_cores() -> int:
    """Return the physical cores that this process may use: a second thread on a core gets in the way of the first."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(usable, psutil.cpu_count(logical=False) or usable), 1)
