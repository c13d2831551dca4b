"""Signals in programs that tests start."""

from __future__ import annotations

import signal
from typing import Final

#: Signals that end a program, as far as this system has them.
ENDING: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def restore_signals() -> None:
    """Handle signals as in a program of one's own: a background job ignores SIGINT, nohup SIGHUP, and children too."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
