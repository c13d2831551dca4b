"""The sessions that an upscaler keeps open."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends import Backend, Network, Precision, RunSettings, Session

#: A session for one size is faster than one for any size, and worth compiling after so many pixels of that size.
_PIXELS_WORTH_COMPILING: Final = 2**22

#: The same where that takes seconds: about a hundred frames of 1920x1080.
PIXELS_WORTH_AN_ENGINE: Final = 2**28
_SESSIONS_KEPT: Final = 6


class Sessions:
    """Opens sessions when they are first asked for, and keeps the last few; safe to use from several threads."""

    def __init__(self, backend: Backend, settings: RunSettings) -> None:
        self._backend = backend
        self._settings = settings
        self._sessions: dict[tuple[Network, Precision], Session] = {}
        self._pixels_of_size: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def get(self, network: Network, precision: Precision) -> Session:
        """Return the session of a network in a precision; raises what `Backend.open` raises."""
        key = network, precision
        with self.kept_open():
            session = self._sessions.pop(key, None)
            if session is None:
                session = self._backend.open(network, replace(self._settings, precision=precision))
            self._sessions[key] = session  # the newest last
            while len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.pop(next(iter(self._sessions)))  # whoever still runs it keeps it alive
            return session

    def pays_to_compile(self, size: tuple[int, int], windows: int) -> bool:
        """Count so many windows of a size (width, height); return whether it deserves a session of its own by now."""
        with self._lock:
            pixels = self._pixels_of_size.get(size, 0) + windows * size[0] * size[1]
            self._pixels_of_size[size] = pixels
        return pixels >= (PIXELS_WORTH_AN_ENGINE if self._backend.compiles_slowly else _PIXELS_WORTH_COMPILING)

    def forget(self) -> None:
        """Let go of all sessions: runtimes hold on to what they had before memory ran out."""
        with self._lock:
            self._sessions.clear()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Hold off `refuse` until the block ends.

        Raises:
            BackendUnavailableError: `refuse` was called before.

        """
        with self._lock:
            if self._closed:
                msg = "this upscaler was closed"
                raise BackendUnavailableError(msg, hint="open a new Upscaler")
            yield

    def refuse(self) -> None:
        """Hand out no more sessions."""
        with self._lock:
            self._closed = True

    def close(self) -> None:
        """Release the runtime's memory."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
