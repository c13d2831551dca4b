"""The runtime that an upscaler uses: its sessions, its threads, and what takes over where it has no engine."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self, TypeVar

from paragon_core.backends import SessionOptions, choose, is_on_cpu
from paragon_core.cores import usable_cores
from paragon_core.errors import BackendUnavailableError
from paragon_core.upscaling.precision import Precisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from paragon_core.backends import Backend, Precision, Session
    from paragon_core.errors import EngineError
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model
    from paragon_core.upscaling.options import UpscaleOptions

T = TypeVar("T")

#: A session for one size is faster than one for any size, and worth compiling after this many pixels of that size.
_PIXELS_WORTH_COMPILING: Final = 2**22

#: The same where that takes seconds: about a hundred frames of 1920x1080.
PIXELS_WORTH_AN_ENGINE: Final = 2**28
_SESSIONS_KEPT: Final = 6

#: What the names of the threads begin with that run sessions.
THREADS: Final = "paragon-network"

_LOG = logging.getLogger(__name__)


def session_options(model: Model, options: UpscaleOptions, backend: Backend) -> SessionOptions:
    """Return how the sessions of a model compute in a backend, but for the precision, which differs between them."""
    found = backend.probe()
    cores = usable_cores() if is_on_cpu(found, options.device) else found.streams
    if options.device.partition(":")[0] in backend.named_devices:  # what it found is about the device of "auto"
        cores = 1
    whole = model.spec.receptive_radius is None
    streams = (min(options.concurrency, cores) if whole else cores) if options.streams is None else options.streams
    return SessionOptions(
        streams=streams,
        threads=max(cores // streams, 1) if whole else 1,
        device=options.device,
        cache=options.cache,
        on_build_progress=options.on_build_progress,
    )


class SessionPool:
    """A runtime in use: opens sessions when they are first asked for, and keeps the last few; safe to use from threads.

    In a process forked from the one that made it, it hands out nothing, and the sessions stay as they are: the threads
    of the runtimes were not forked, and who uses or even frees a session there waits for them for ever.
    """

    def __init__(self, model: Model, options: UpscaleOptions, *, without: tuple[str, ...] = ()) -> None:
        """Choose a runtime, but none of those ``without``.

        Raises:
            InputError: there is no backend of that name.
            BackendUnavailableError: it, the device or the precision does not work here.

        """
        backend = options.backend
        if isinstance(backend, str):
            backend = choose(
                backend,
                options.device,
                spec=model.spec,
                fused=options.fused,
                precision=options.precision,
                without=without,
            )
        self.backend = backend
        """The runtime."""
        self.session_options = session_options(model, options, backend)
        """How its sessions compute, but for the precision."""
        self.memory_of_card = backend.free_memory(options.device)
        """Free bytes of a device that has memory of its own; None for a processor."""
        self.precisions = Precisions(options.precision, backend, model, self.session_options, fused=options.fused)
        """In which precision they compute."""
        self._model = model
        self._options = options
        self._sessions: dict[tuple[GraphSpec, Precision], Session] = {}
        self._pixels_of_size: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()
        self._threads = ThreadPoolExecutor(self.session_options.streams, thread_name_prefix=THREADS)

    @property
    def inherited(self) -> bool:
        """Whether this process was forked from the one that the sessions belong to."""
        return self._process != os.getpid()

    def __del__(self) -> None:
        """Have inherited sessions outlive the process."""
        if hasattr(self, "_process") and self.inherited:
            for session in self._sessions.values():
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))

    def get(self, spec: GraphSpec, precision: Precision) -> Session:
        """Return the session of a graph in a precision; raises what `Backend.open` raises."""
        key = spec, precision
        with self._kept_open():
            session = self._sessions.pop(key, None)
            if session is None:
                session = self.backend.open(self._model, spec, replace(self.session_options, precision=precision))
            self._sessions[key] = session  # the newest last
            while len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.pop(next(iter(self._sessions)))  # whoever still runs it keeps it alive
            return session

    def submit(self, work: Callable[[T], None], items: Iterable[T]) -> set[Future[None]]:
        """Have the threads do a work for each item, as many at once as there are streams.

        Raises:
            BackendUnavailableError: the pool was closed, or is inherited.

        """
        with self._kept_open():
            return {self._threads.submit(work, item) for item in items}

    def pays_to_compile(self, size: tuple[int, int], tiles: int, *, fixed_size: bool = False) -> bool:
        """Count ``tiles`` tiles of a size (width, height); return whether it deserves a session of its own by now.

        At once if more images of that ``fixed_size`` follow; never where one session is as fast for all sizes.

        Raises:
            BackendUnavailableError: the sessions are inherited.

        """
        self._refuse_inherited()
        if self.backend.takes_all_sizes:
            return False
        with self._lock:  # counted in any case: sizes that come again and again pay for a session, too
            pixels = self._pixels_of_size.get(size, 0) + tiles * size[0] * size[1]
            self._pixels_of_size[size] = pixels
        return fixed_size or pixels >= (
            PIXELS_WORTH_AN_ENGINE if self.backend.compiles_slowly else _PIXELS_WORTH_COMPILING
        )

    def forget(self) -> None:
        """Let go of all sessions: runtimes hold on to what they had before memory ran out."""
        with self._lock:
            self._sessions.clear()

    def after(self, error: EngineError) -> Self:
        """Return what takes over because there is no engine; who still uses this one goes on with it.

        Raises:
            EngineError: the one given, if the backend was asked for by name, or none is left.

        """
        if self._options.backend != "auto":
            raise error
        following = type(self)(self._model, self._options, without=(self.backend.name,))
        _LOG.warning("%s takes over, because %s has no engine: %s", following.backend.name, self.backend.name, error)
        return following

    def close(self) -> None:
        """Release threads and the runtime's memory once the calls under way have ended."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True)  # not cancel_futures: nobody would tell the calls that wait for those futures
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    @contextmanager
    def _kept_open(self) -> Iterator[None]:
        """Hold off `close` until the block ends."""
        self._refuse_inherited()  # first, because a thread of the other process may have had the lock
        with self._lock:
            if self._closed:
                msg = "this upscaler was closed"
                raise BackendUnavailableError(msg, hint="open a new Upscaler")
            yield

    def _refuse_inherited(self) -> None:
        if self.inherited:
            msg = "this upscaler belongs to the process from which this one was forked"
            raise BackendUnavailableError(
                msg, hint="open an Upscaler in each process, or start processes by spawn: see multiprocessing"
            )
