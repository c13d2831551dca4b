"""The files of one engine: written so that no moment leaves a half one, read so that no damage goes unnoticed.

====================  =====================================================================================
``NAME.engine``       the engine
``NAME.json``         the manifest: size, sha256 and everything that it was made from; without it there is no engine
``NAME.used``         when it was last used, as a number that only grows
``NAME.lock``         held while it is built or removed; stays, because removing locks breaks them
``NAME.lease0`` ...   held by processes that have the engine loaded
``NAME.part``         what is being written
====================  =====================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Final, NoReturn, Self

from paragon_core.atomic_files import complete, sync
from paragon_core.engines.key import SCHEMA, EngineKey, typed
from paragon_core.engines.profiles import Profile
from paragon_core.engines.waiting import try_lock
from paragon_core.trusted_files import UntrustedFileError, open_ours, read_bounded, remove_impostor

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock

ENGINE: Final = ".engine"
MANIFEST: Final = ".json"
USED: Final = ".used"
PART: Final = ".part"

_LARGEST_MANIFEST: Final = 2**16
_LARGEST_ENGINE: Final = 2**31
_LEASES: Final = 10
_STAMP_DIGITS: Final = 20
_LATEST_STAMP: Final = 2**63


class UnusableError(Exception):
    """There is no such engine, or it must not be used; the text says why. It stays inside this package."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of an engine."""

    key: EngineKey
    """What it was made from."""
    profile: Profile
    """For which sizes."""
    size: int
    """Bytes of the engine."""
    sha256: str
    """Hex digest of the engine."""
    made: dict[str, str | float | None] = field(default_factory=dict)
    """How, when and where it was made: for people."""

    def as_bytes(self) -> bytes:
        """Return the content of the manifest's file."""
        value = {
            "schema": SCHEMA,
            "id": self.key.id,
            "key": self.key.as_json(),
            "profile": self.profile.as_json(),
            "size": self.size,
            "sha256": self.sha256,
            "made": self.made,
        }
        return (json.dumps(value, indent=2) + "\n").encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a manifest's file.

        Raises:
            UnusableError: it is damaged, or of another schema.

        """
        try:
            value = json.loads(data, parse_constant=_no_number)
            if value["schema"] != SCHEMA:
                msg = "its manifest is of another version of Paragon"
                raise UnusableError(msg)
            json.dumps(value, ensure_ascii=False).encode()  # half a character could not be printed
            key, profile = EngineKey.from_json(value["key"]), Profile.from_json(value["profile"])
            size, sha256 = typed(value["size"], int), typed(value["sha256"], str)
            made = {name: typed(fact, str, int, float, bool, NoneType) for name, fact in value["made"].items()}
            whole = value["id"] == key.id and size >= 0
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            msg = "its manifest is damaged"
            raise UnusableError(msg) from error
        if not whole:
            msg = "its manifest is damaged"
            raise UnusableError(msg)
        return cls(key=key, profile=profile, size=size, sha256=sha256, made=made)


@dataclass(frozen=True, kw_only=True)
class EngineFiles:
    """Where an engine is kept."""

    folder: Path
    """Its folder."""
    name: str
    """Its profile's name."""

    @property
    def engine(self) -> Path:
        """The engine itself."""
        return self.folder / f"{self.name}{ENGINE}"

    @property
    def manifest(self) -> Path:
        """What is known of it."""
        return self.folder / f"{self.name}{MANIFEST}"

    @property
    def lock(self) -> Path:
        """Held while it is built or removed."""
        return self.folder / f"{self.name}.lock"

    @property
    def part(self) -> Path:
        """What is being written."""
        return self.folder / f"{self.name}{PART}"

    @property
    def used(self) -> Path:
        """When it was last used."""
        return self.folder / f"{self.name}{USED}"

    def read_manifest(self) -> Manifest:
        """Read what is known of the engine.

        Raises:
            UnusableError: nothing, or it is damaged.

        """
        return Manifest.from_bytes(_read(self.manifest, largest=_LARGEST_MANIFEST))

    def read(self) -> tuple[Manifest, bytes]:
        """Read the engine, and make sure that it is as it was written.

        Raises:
            UnusableError: it is not there, or it is damaged.

        """
        manifest = self.read_manifest()
        data = _read(self.engine, largest=min(manifest.size, _LARGEST_ENGINE))
        if len(data) != manifest.size:
            msg = f"it is cut off: {len(data)} bytes instead of {manifest.size}"
            raise UnusableError(msg)
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            msg = "it is damaged: its digest is wrong"
            raise UnusableError(msg)
        return manifest, data

    def write(self, manifest: Manifest, data: bytes) -> None:
        """Write an engine; only the holder of the lock may. The manifest comes last and makes it valid.

        Raises:
            OSError: it cannot be written.

        """
        try:
            _unlink(self.manifest)
            self._write(self.engine, data)
            self._write(self.manifest, manifest.as_bytes())
            _sync_folder(self.folder)
        except BaseException:
            with suppress(OSError):
                self.part.unlink(missing_ok=True)
            raise

    def _write(self, path: Path, data: bytes) -> None:
        _unlink(self.part)
        with open_ours(self.part, create=True) as stream:
            stream.write(data)
            remove_impostor(path)
            complete(stream, self.part, path)

    def remove(self) -> None:
        """Remove the engine, the manifest first; only the holder of the lock may.

        Raises:
            OSError: it cannot be removed (on Windows: as long as a program has it open).

        """
        for path in (self.manifest, self.engine, self.part, self.used):
            _unlink(path)

    def remove_part(self) -> None:
        """Remove what was being written; only the holder of the lock may.

        Raises:
            OSError: it cannot be removed.

        """
        _unlink(self.part)

    def size(self) -> int:
        """Return how many bytes the engine takes on the disk."""
        total = 0
        for path in (self.engine, self.part):
            with suppress(OSError):
                total += path.lstat().st_size
        return total

    def last_used(self) -> int:
        """Return the number of its last use, 0 if unknown."""
        try:
            stamp = int(read_bounded(self.used, _STAMP_DIGITS + 1))
        except (OSError, ValueError):
            return 0
        return stamp if 0 <= stamp < _LATEST_STAMP else 0

    def note_use(self, stamp: int) -> None:
        """Note the number of its last use, where that can be written; always as many bytes, so never half of them."""
        remove_impostor(self.used)
        with suppress(OSError), open_ours(self.used, create=True) as stream:
            stream.write(f"{stamp:0{_STAMP_DIGITS}}\n".encode("ascii"))
            stream.truncate()

    def lease(self) -> FileLock | None:
        """Return a lock that shows others that the engine is in use, if one can be had."""
        leases = (try_lock(self._lease_file(number)) for number in range(_LEASES))
        return next((lease for lease in leases if lease is not None), None)

    def in_use(self) -> bool:
        """Return whether a process has the engine loaded."""
        for number in range(_LEASES):
            if self._lease_file(number).exists():
                lease = try_lock(self._lease_file(number))
                if lease is None:
                    return True
                lease.release()
        return False

    def _lease_file(self, number: int) -> Path:
        return self.folder / f"{self.name}.lease{number}"


def _read(path: Path, *, largest: int) -> bytes:
    """Read a file of ours that has at most ``largest`` bytes."""
    try:
        return read_bounded(path, largest)
    except FileNotFoundError as error:
        msg = f"{path.name} is missing"
        raise UnusableError(msg) from error
    except UntrustedFileError as error:
        msg = f"{path.name} must not be read: {error.strerror}"
        raise UnusableError(msg) from error
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror or error}"
        raise UnusableError(msg) from error


def _no_number(name: str) -> NoReturn:
    """Refuse what Python's JSON has beyond the standard: NaN and infinities."""
    raise ValueError(name)


def _unlink(path: Path) -> None:
    """Remove a file, or what is in its place; a folder with something in it is an OSError."""
    remove_impostor(path)
    path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the names on the disk, too; Windows does that by itself and opens no folders."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)
