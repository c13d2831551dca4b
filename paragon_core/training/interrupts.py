"""Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], bool]]:
    """Remember the first Ctrl-C instead of raising at once; a second one raises as usual.

    Yields a function that tells whether there was one. Outside the main thread, where Python delivers no signals,
    nothing changes.
    """
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            signal.default_int_handler(number, frame)
        pressed = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
