"""Ctrl-C, and other signals that end a program, that wait for the end of a step."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], bool]]:
    """Remember the first signal that would interrupt instead of raising at once; a second one raises as usual.

    Yields a function that returns whether there was one. The body answers it with KeyboardInterrupt, on which the
    signal goes to its former handler. Those are signals that Python code handles: Ctrl-C, and on the command line
    SIGTERM and its like. Outside the main thread, where Python delivers no signals, nothing changes.
    """
    pressed = 0

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            handlers[number](number, frame)
        pressed = number

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, remember)
    try:
        yield lambda: pressed != 0
    except KeyboardInterrupt:
        if pressed:
            handlers[pressed](pressed, None)
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
