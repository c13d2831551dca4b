"""How a run of a network that is under way is ended from another thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cancellation:
    """Ends the runs that were given it; whoever waits for them need not wait for their results."""

    def __init__(self) -> None:
        """Begin with nothing cancelled."""
        self.cancelled = False
        """Whether `cancel` was called; from then on, for ever."""
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """End the runs that are under way, and those that begin later; from any thread."""
        with self._lock:
            self.cancelled = True
            for end in self._ends:
                end()

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Have ``end`` called during this block if the runs are cancelled, at once if they were before.

        Never after the block: what the runtime runs by then is somebody else's. ``end`` returns at once.
        """
        with self._lock:
            self._ends.append(end)
            if self.cancelled:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)
