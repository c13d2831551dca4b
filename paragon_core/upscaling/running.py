"""The runtime that an upscaler uses, and what takes over where it has no engine."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from paragon_core.backends import Backend, Precision, SessionOptions, choose
from paragon_core.cores import usable_cores
from paragon_core.upscaling.precision import Precisions
from paragon_core.upscaling.sessions import Sessions

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.engines import BuildProgress
    from paragon_core.errors import EngineError
    from paragon_core.models.model import Model

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a network is to run; `Upscaler` describes it."""

    model: Model
    """The checkpoint."""
    fused: bool
    """Whether its fused form runs."""
    backend: str | Backend
    """Name, or the backend itself."""
    precision: Precision | Literal["auto"]
    """Of the arithmetic."""
    streams: int | None
    """Windows computed at once."""
    pictures_at_once: int
    """Calls side by side."""
    device: str
    """The backend's name of a device."""
    cache: Path | None
    """The folder of the engine cache."""
    building: BuildProgress
    """Told how the build of an engine goes."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A runtime in use."""

    wish: Wish
    """What it was chosen for."""
    backend: Backend
    """The runtime."""
    settings: SessionOptions
    """How its sessions compute, but for the precision."""
    precisions: Precisions
    """In which precision they compute."""
    sessions: Sessions
    """Those that are open."""
    pool: ThreadPoolExecutor
    """A thread for each stream."""

    @classmethod
    def start(cls, wish: Wish, *, without: tuple[str, ...] = ()) -> Self:
        """Choose a runtime, but none of those ``without``.

        Raises:
            InputError: there is no backend of that name.
            BackendUnavailableError: it, the device or the precision does not work here.

        """
        backend = wish.backend
        if isinstance(backend, str):
            backend = choose(backend, wish.device, without=without)
        found = backend.probe()
        on_cpu = wish.device == "cpu" or not found.accelerator
        cores = usable_cores() if on_cpu else found.streams
        whole = wish.model.spec.receptive_radius is None
        most = min(wish.pictures_at_once, cores) if whole else cores
        streams = most if wish.streams is None else wish.streams
        settings = SessionOptions(
            streams=streams,
            threads=max(cores // streams, 1) if whole else 1,
            device=wish.device,
            cache=wish.cache,
            on_build_progress=wish.building,
        )
        return cls(
            wish=wish,
            backend=backend,
            settings=settings,
            precisions=Precisions(wish.precision, backend, wish.model, settings, fused=wish.fused),
            sessions=Sessions(backend, wish.model, settings),
            pool=ThreadPoolExecutor(streams, thread_name_prefix="paragon"),
        )

    def after(self, error: EngineError) -> Self:
        """Return what takes over because there is no engine; who still uses this one goes on with it.

        Raises:
            EngineError: the one given, if the backend was asked for by name, or none is left.

        """
        if self.wish.backend != "auto":
            raise error
        following = type(self).start(self.wish, without=(self.backend.name,))
        _LOG.warning("%s takes over, because %s has no engine: %s", following.backend.name, self.backend.name, error)
        return following

    def close(self) -> None:
        """Release threads and the runtime's memory once the calls under way have ended."""
        self.sessions.refuse()
        self.pool.shutdown(wait=True)  # not cancel_futures: nobody would tell the calls that wait for those futures
        self.sessions.close()
