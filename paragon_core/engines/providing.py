"""One way to get an engine: from the cache, else by building it, else in one of its other forms."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from paragon_core.engines.waiting import BuildProgress, ignore_progress
from paragon_core.errors import OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.engines.cache import Engine, EngineCache
    from paragon_core.engines.key import EngineKey
    from paragon_core.engines.profiles import Profile, Size

T = TypeVar("T")

#: Returns an engine's bytes; raises what `EngineCache.get_or_build` allows.
BuildEngine = Callable[["Profile", "EngineKey", BuildProgress], bytes]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """Which engine is wanted."""

    key: EngineKey
    """What it is made from."""
    profile: Profile
    """The sizes to build it for if the cache has none that will do."""
    size: Size | None = None
    """Width and height: any engine in the cache that takes them will do; None for exactly ``profile``."""
    batch: int = 1
    """Images at once."""
    only_static: bool = False
    """Whether of the engines in the cache only those for exactly ``size`` will do."""
    capability: str = ""
    """That of the GPU, such as "sm_86", to accept engines that were built for other GPUs as well."""
    fallback: Profile | None = None
    """What to build where memory does not suffice for an engine of many sizes."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the manifest, as JSON knows them."""


def provide(
    cache: EngineCache,
    request: EngineRequest,
    build: BuildEngine,
    load: Callable[[Engine], T],
    *,
    progress: BuildProgress = ignore_progress,
) -> T:
    """Find an engine, else build it, and load it; where it takes too much memory, the same with the request's fallback.

    Args:
        cache: where engines are.
        request: which one is wanted.
        build: builds it for a profile and a key.
        load: hands it to the runtime; what it returns is returned.
        progress: called while it is built, or while another process builds it.

    Raises:
        EngineRefusedError: ``load`` refused the engine that was just built.
        EngineCacheError: the folder must not be used.
        OutOfMemoryError: the device is full.
        Exception: whatever ``build``, ``load`` and ``progress`` raise.

    """

    def get(key: EngineKey, profile: Profile) -> T:
        def build_now(progress: BuildProgress) -> bytes:
            _LOG.info("building an engine of %s for %s", key.model, profile.name)
            return build(profile, key, progress)

        return cache.get_or_build(key, profile, build_now, load, progress=progress, notes=request.notes)

    found = None
    if request.size is not None:
        found = cache.find(request.key, request.size, batch=request.batch, capability=request.capability)
    if found is None or (request.only_static and not found[1].is_static):
        found = request.key, request.profile
    try:
        return get(*found)
    except OutOfMemoryError:  # an engine takes memory for the largest size of its profile
        if found[1].is_static or request.fallback is None:
            raise
    return get(request.key, request.fallback)
