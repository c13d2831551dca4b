"""How Python and libraries say that there is too little memory: by the type of an error, or only in its words."""

from __future__ import annotations

import errno
from typing import Final

HINT: Final = "close other programs, give --jobs 1 and a smaller --max-memory, or use a machine with more memory"

_MARKS: Final = (
    "alloc_failed",
    "bad allocation",
    "bad_alloc",
    "can't alloc",
    "can't start new thread",  # its stack does not fit
    "cannot allocate memory",
    "failed to allocate",
    "failed to map segment",  # of a library that is being loaded
    "not enough memory",
    "out of memory",
    "out_of_memory",
)


def is_low_memory(error: BaseException) -> bool:
    """Return whether an error says that there is too little memory."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = str(error).lower()
    return any(mark in text for mark in _MARKS)


def lacks(size: int) -> bool:
    """Return whether ``size`` bytes cannot be had now.

    Libraries may call it damage when they are refused memory. Where the system promises more than it has, as Linux does
    unless limits are set, nothing is refused, and it never lacks.
    """
    import numpy as np  # noqa: PLC0415 - `is_low_memory` is asked where numpy could not be loaded, too

    try:
        np.empty(size, np.uint8)
    except MemoryError:
        return True
    return False
