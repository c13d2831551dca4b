"""The cache of engines: get one, and whatever happened to it, get the right one."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from paragon_core import __version__
from paragon_core.engines.files import ENGINE, MANIFEST, PART, USED, EngineFiles, Manifest, UnusableError
from paragon_core.engines.folder import cache_folder, own_folders, prepare, resolved, trusted
from paragon_core.engines.profiles import Profile, Size, choose
from paragon_core.engines.waiting import BuildProgress, alone, ignore_progress, try_lock
from paragon_core.errors import EngineCacheError, EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from filelock import FileLock

    from paragon_core.engines.key import EngineKey

T = TypeVar("T")

#: Bytes of all engines together; after a build the least recently used ones above that are removed.
DEFAULT_LIMIT: Final = 4 * 2**30

_LAYOUT: Final = PurePosixPath("engines", "v1")

#: In the year 2116: a clock beyond that is wrong.
_LATEST_CLOCK: Final = 2**62
_LOG = logging.getLogger(__name__)


class Engine:
    """An engine in memory, whole and verified. While it is open, the cache does not remove its file."""

    def __init__(self, manifest: Manifest, data: bytes, files: EngineFiles | None) -> None:
        self.manifest = manifest
        """What it was made from and how."""
        self.data = data
        """The engine, as the runtime takes it."""
        self.path = files.engine if files else None
        """Its file; None if it could not be kept."""
        self._lease: FileLock | None = files.lease() if files else None

    def close(self) -> None:
        """Mark the engine as not in use any more; dropping the last reference does so, too."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """An engine in the cache, as a list shows it."""

    files: EngineFiles
    """Where it is."""
    manifest: Manifest | None
    """What is known of it; None if that cannot be read."""
    size: int
    """Bytes on the disk."""
    last_used: int
    """Number of its last use: they only grow. With a clock that was always right, nanoseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class _BuildRequest(Generic[T]):
    """What `EngineCache.get_or_build` was asked for."""

    key: EngineKey
    profile: Profile
    build: Callable[[BuildProgress], bytes]
    load: Callable[[Engine], T]
    progress: BuildProgress
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Loaded(Generic[T]):
    value: T


class EngineCache:
    """Engines in a folder that many processes share."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = DEFAULT_LIMIT) -> None:
        """Take a folder; nothing is read or made before it is needed.

        Args:
            folder: the folder of the cache; None for the one that `cache_folder` returns.
            max_bytes: bytes of all engines together.

        """
        self._given = cache_folder(folder)
        self._max_bytes = max_bytes

    @property
    def folder(self) -> Path:
        """The folder of the engines; it need not exist."""
        return resolved(self._given) / _LAYOUT

    def get_or_build(
        self,
        key: EngineKey,
        profile: Profile,
        build: Callable[[BuildProgress], bytes],
        load: Callable[[Engine], T],
        *,
        progress: BuildProgress = ignore_progress,
        notes: Mapping[str, Any] | None = None,
    ) -> T:
        """Load an engine, and build it first if there is none that is whole, right and accepted by the runtime.

        Of all processes that want the same engine, one builds; the others wait and load what it built. An engine that
        is damaged, made from something else, or refused by ``load``, is removed and built once more. If the cache
        cannot be written, the engine is built all the same, with a warning in the log.

        Args:
            key: what the engine is made from.
            profile: for which sizes.
            build: returns the engine's bytes; it is handed ``progress``.
            load: hands the engine to the runtime; what it returns is returned. The engine counts as in use until it
                is closed or forgotten.
            progress: called with how the build goes, or that another process is at it.
            notes: facts for the manifest, as JSON knows them.

        Raises:
            EngineRefusedError: ``load`` refused the engine that was just built.
            EngineCacheError: the folder must not be used.
            Exception: whatever ``build``, ``load`` and ``progress`` raise.

        """
        request = _BuildRequest(key=key, profile=profile, build=build, load=load, progress=progress, notes=notes or {})
        files = self._prepared(key, profile)
        if files is None:
            return self._built(None, request)
        refused: set[str] = set()
        loaded = self._load(files, request, refused, drop=False)
        if loaded is None:
            with alone(files.lock, progress):
                loaded = self._load(files, request, refused, drop=True)
                if loaded is None:
                    loaded = _Loaded(value=self._built(files, request))
            self.prune(keep=files)
        return loaded.value

    def find(
        self, key: EngineKey, size: Size, *, batch: int = 1, capability: str = ""
    ) -> tuple[EngineKey, Profile] | None:
        """Return the engine in the cache to use for a size: see `profiles.choose`.

        Args:
            key: what the engine is made from.
            size: width and height.
            batch: images at once.
            capability: such as "sm_86": engines of TensorRT-RTX count, too, that differ in nothing but the GPUs and
                platforms that they were built for, and run on this one.

        """
        found: dict[Profile, EngineKey] = {}
        entries: list[CacheEntry] = []
        with suppress(EngineCacheError):  # whoever then builds gets the error
            entries += self._entries(f"{key.family}-*")
        for entry in entries:
            if entry.manifest is None:
                continue
            other = entry.manifest.key
            if other == key:
                found[entry.manifest.profile] = other
            elif (
                capability
                and key.flavour == "tensorrt_rtx"
                and replace(other, target=key.target, platform=key.platform) == key
                and other.target.runs_on(capability)
            ):
                found.setdefault(entry.manifest.profile, other)
        profile = choose(found, size, batch=batch)
        return None if profile is None else (found[profile], profile)

    def entries(self) -> list[CacheEntry]:
        """Return all engines, the last used first.

        Raises:
            EngineCacheError: the folder must not be used.

        """
        return sorted(self._entries(), key=lambda entry: (-entry.last_used, entry.files.engine))

    def verify(self, entry: CacheEntry) -> str:
        """Read an engine in full, and return what is wrong with it; empty if nothing is."""
        try:
            manifest, _ = entry.files.read()
        except UnusableError as error:
            return str(error)
        if entry.files != EngineFiles(folder=self.folder / manifest.key.folder, name=manifest.profile.name):
            return "it is not where it belongs"
        return ""

    def remove(self, entry: CacheEntry) -> bool:
        """Remove an engine, unless a process builds it or has it loaded; return whether it is gone."""
        return self._remove(entry.files)

    def prune(self, *, max_bytes: int | None = None, keep: EngineFiles | None = None) -> list[CacheEntry]:
        """Remove the least recently used engines until the others fit; return those that were removed.

        What killed processes have left unfinished is removed in any case, and not returned.

        Args:
            max_bytes: bytes of all engines together, if not as many as the cache was made with.
            keep: the engine that was just built.

        Raises:
            EngineCacheError: the folder must not be used.

        """
        limit = self._max_bytes if max_bytes is None else max_bytes
        entries = [entry for entry in self.entries() if not self._remove_unfinished(entry)]
        total = sum(entry.size for entry in entries)
        removed = []
        for entry in reversed(entries):
            if total <= limit:
                break
            if entry.files != keep and self._remove(entry.files):
                removed.append(entry)
                total -= entry.size
        return removed

    def _prepared(self, key: EngineKey, profile: Profile) -> EngineFiles | None:
        below = _LAYOUT / key.folder
        try:
            return EngineFiles(folder=prepare(trusted(self._given), below), name=profile.name)
        except OSError as error:
            _LOG.warning("engines cannot be kept in %s: %s", self._given, error.strerror or error)
            return None

    def _load(
        self, files: EngineFiles, request: _BuildRequest[T], refused: set[str], *, drop: bool
    ) -> _Loaded[T] | None:
        """Load an engine that is there, unless its digest is one of those that were refused; None if there is none.

        ``drop`` removes one that cannot be used, for which the lock must be held.
        """
        try:
            manifest, data = files.read()
            fault = "it was made from something else" * (
                (manifest.key, manifest.profile) != (request.key, request.profile)
            )
        except UnusableError as error:
            fault = str(error)
        else:
            if not fault and manifest.sha256 not in refused:
                engine = Engine(manifest, data, files)
                try:
                    value = request.load(engine)
                    self._note_use(files)
                    return _Loaded(value=value)
                except BaseException as error:
                    engine.close()
                    if not isinstance(error, EngineRefusedError):
                        raise
                    refused.add(manifest.sha256)
            fault = fault or "the runtime refuses it"
        if drop and (os.path.lexists(files.manifest) or os.path.lexists(files.engine)):
            _LOG.warning("engine %s is built again: %s", files.engine, fault)
            self._drop(files)
        return None

    def _built(self, files: EngineFiles | None, request: _BuildRequest[T]) -> T:
        """Build an engine, keep it if possible, and load it."""
        start = time.perf_counter()
        data = request.build(request.progress)
        made = {
            "paragon": __version__,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - start, 2),
            "system": platform.platform(),
            **request.notes,
        }
        digest = hashlib.sha256(data).hexdigest()
        manifest = Manifest(key=request.key, profile=request.profile, size=len(data), sha256=digest, made=made)
        if files is not None:
            try:
                files.write(manifest, data)
                self._note_use(files)
            except OSError as error:
                _LOG.warning("engine %s cannot be kept: %s", files.engine, error.strerror or error)
                files = None
        engine = Engine(manifest, data, files)
        try:
            return request.load(engine)
        except BaseException as error:
            engine.close()
            if isinstance(error, EngineRefusedError) and files is not None:
                self._drop(files)
            raise

    def _drop(self, files: EngineFiles) -> None:
        try:
            files.remove()
        except OSError as error:
            _LOG.warning("engine %s cannot be removed: %s", files.engine, error.strerror or error)

    def _remove(self, files: EngineFiles) -> bool:
        """Remove an engine that nobody builds or uses; return whether it is gone."""
        lock = try_lock(files.lock)
        if lock is None:
            return False
        try:
            if files.in_use():
                return False
            files.remove()
        except OSError:
            return False
        finally:
            lock.release()
        return True

    def _remove_unfinished(self, entry: CacheEntry) -> bool:
        """Remove what a process that died left of a build, and return whether nothing else was there."""
        files = entry.files
        if not os.path.lexists(files.manifest):
            return self._remove(files)
        if os.path.lexists(files.part) and (lock := try_lock(files.lock)) is not None:
            with suppress(OSError):
                files.remove_part()
            lock.release()
        return False

    def _note_use(self, files: EngineFiles) -> None:
        """Note that this engine was used last, even if the clock was set back."""
        used = (path for folder in self._folders("*") for path in folder.glob(f"*{USED}"))
        others = (EngineFiles(folder=path.parent, name=path.stem) for path in used)
        latest = max((other.last_used() for other in others), default=0)
        files.note_use(max(min(time.time_ns(), _LATEST_CLOCK), latest + 1))

    def _folders(self, pattern: str) -> Iterator[Path]:
        """Yield the folders of engines whose outer folders match a pattern; none where they cannot be read."""
        try:
            base = trusted(self._given)
        except OSError:
            return
        yield from own_folders(base, _LAYOUT, pattern)

    def _entries(self, pattern: str = "*") -> Iterator[CacheEntry]:
        """Yield what is in the cache, also engines and manifests that have lost each other, and unfinished files."""
        paths = (path for folder in self._folders(pattern) for path in folder.glob("*"))
        names = {(path.parent, path.stem) for path in paths if path.suffix in {ENGINE, MANIFEST, PART}}
        for folder, name in sorted(names):
            files = EngineFiles(folder=folder, name=name)
            try:
                manifest = files.read_manifest()
            except UnusableError:
                manifest = None
            yield CacheEntry(files=files, manifest=manifest, size=files.size(), last_used=files.last_used())
