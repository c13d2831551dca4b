"""The sessions that an upscaler keeps open."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends import Backend, Precision, Session, SessionOptions
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

#: A session for one size is faster than one for any size, and worth compiling after so many pixels of that size.
_PIXELS_WORTH_COMPILING: Final = 2**22

#: The same where that takes seconds: about a hundred frames of 1920x1080.
PIXELS_WORTH_AN_ENGINE: Final = 2**28
_SESSIONS_KEPT: Final = 6


class Sessions:
    """Opens sessions when they are first asked for, and keeps the last few; safe to use from several threads.

    In a process forked from the one that made it, it hands out nothing, and the sessions stay as they are: the threads
    of the runtimes were not forked, and who uses or even frees a session there waits for them for ever.
    """

    def __init__(self, backend: Backend, model: Model, settings: SessionOptions) -> None:
        self._backend = backend
        self._model = model
        self._settings = settings
        self._sessions: dict[tuple[GraphSpec, Precision], Session] = {}
        self._pixels_of_size: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    @property
    def inherited(self) -> bool:
        """Whether this process was forked from the one that the sessions belong to."""
        return self._process != os.getpid()

    def __del__(self) -> None:
        """Have inherited sessions outlive the process."""
        if self.inherited:
            for session in self._sessions.values():
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))

    def get(self, spec: GraphSpec, precision: Precision) -> Session:
        """Return the session of a graph in a precision; raises what `Backend.open` raises."""
        key = spec, precision
        with self.kept_open():
            session = self._sessions.pop(key, None)
            if session is None:
                session = self._backend.open(self._model, spec, replace(self._settings, precision=precision))
            self._sessions[key] = session  # the newest last
            while len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.pop(next(iter(self._sessions)))  # whoever still runs it keeps it alive
            return session

    def pays_to_compile(self, size: tuple[int, int], windows: int) -> bool:
        """Count so many windows of a size (width, height); return whether it deserves a session of its own by now.

        Raises:
            BackendUnavailableError: the sessions are inherited.

        """
        self._refuse_inherited()
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
            BackendUnavailableError: `refuse` was called before, or the sessions are inherited.

        """
        self._refuse_inherited()  # first, because a thread of the other process may have had the lock
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

    def _refuse_inherited(self) -> None:
        if self.inherited:
            msg = "this upscaler belongs to the process from which this one was forked"
            raise BackendUnavailableError(
                msg, hint="open an Upscaler in each process, or start processes by spawn: see multiprocessing"
            )
