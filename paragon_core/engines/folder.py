"""Where the cache is, and whether it may be trusted.

Engines are native code: who can write into the cache can run code as its user. So its folders are made for their
owner only, and folders that others could have filled are refused. On POSIX, owner and permissions decide. On
Windows the system's defaults are relied upon: the platform's folder for caches is in the user's profile, which
other users cannot enter, and Python (from 3.11.10 and 3.12.4 on) makes folders with mode 0o700 for their owner only.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from paragon_core.errors import EngineCacheError
from paragon_core.trusted_files import UntrustedFileError, check_way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

#: Environment variable with the folder of the cache.
VARIABLE: Final = "PARAGON_CACHE"

_OWNER_ONLY: Final = 0o700
_OTHERS: Final = stat.S_IWOTH | stat.S_IWGRP
_HINT: Final = f"choose a folder of your own: set {VARIABLE}, or unset it for the platform's folder"


def cache_folder(given: Path | None = None) -> Path:
    r"""Return the folder of the cache, which need not exist.

    The given one, else the one in the environment variable, else the platform's folder for caches, such as
    ``~/.cache/paragon`` or ``%LOCALAPPDATA%\paragon\Cache``.
    """
    if given is not None:
        return given.absolute()
    if named := os.environ.get(VARIABLE, "").strip():
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111 - leaves alone what it cannot expand
    return platformdirs.user_cache_path("paragon", appauthor=False)


def resolved(folder: Path) -> Path:
    """Return where the way to a folder leads, which need not exist."""
    return Path(os.path.realpath(folder))  # unlike Path.resolve, it takes links that lead in circles


def trusted(folder: Path) -> Path:
    """Return where the way to a folder leads, which need not exist, unless another user leads it there.

    Raises:
        EngineCacheError: another user does.
        OSError: a folder on the way may not be entered.

    """
    try:
        check_way(folder)
    except UntrustedFileError as error:
        raise EngineCacheError(f"the engine cache is not used: {error.strerror}", hint=_HINT) from error
    return resolved(folder)


def own_folders(base: Path, below: PurePosixPath, pattern: str) -> Iterator[Path]:
    """Yield the folders of the cache that match a pattern, without those that are links or not the user's own.

    Args:
        base: the folder of the cache, not by way of links.
        below: a folder of it, seen from there.
        pattern: a pattern for names of folders in there, whose own folders are meant.

    Raises:
        EngineCacheError: ``base`` or ``below`` are not the user's own.

    """
    try:
        check(base, others_may_not=stat.S_IWOTH)
        for part in below.parts:
            base /= part
            check(base, others_may_not=_OTHERS)
    except OSError:
        return
    for outer in base.glob(pattern):
        if _is_own(outer):
            yield from filter(_is_own, outer.glob("*"))


def _is_own(folder: Path) -> bool:
    try:
        check(folder, others_may_not=_OTHERS)
    except (EngineCacheError, OSError):
        return False
    return True


def prepare(base: Path, below: PurePosixPath) -> Path:
    """Make a folder of the cache and those above it, check them all, and return it.

    Args:
        base: the folder of the cache, not by way of links.
        below: the wanted folder, seen from there.

    Raises:
        EngineCacheError: one of them is not the user's own.
        OSError: they cannot be made.

    """
    if not base.exists():
        base.parent.mkdir(parents=True, exist_ok=True)
        base.mkdir(mode=_OWNER_ONLY, exist_ok=True)
    check(base, others_may_not=stat.S_IWOTH)
    for part in below.parts:
        base /= part
        base.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        check(base, others_may_not=_OTHERS)
    return base


def check(folder: Path, *, others_may_not: int) -> None:
    """Find out whether nobody but the user, and the administrator, can have filled a folder.

    Raises:
        EngineCacheError: somebody else can.
        OSError: it is not there.

    """
    status = folder.lstat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if sys.platform == "win32":  # which has a kind of link that looks like a folder
        is_folder = is_folder and status.st_reparse_tag != stat.IO_REPARSE_TAG_MOUNT_POINT
    if not is_folder:
        msg = f"{folder} is in the place of a folder of the engine cache"
        raise EngineCacheError(msg, hint=f"remove it, or {_HINT}")
    if sys.platform == "win32":
        return
    if status.st_uid not in {os.geteuid(), 0}:
        msg = f"{folder} belongs to another user, who could put any program there as an engine"
        raise EngineCacheError(msg, hint=_HINT)
    if status.st_mode & others_may_not:
        msg = f"{folder} can be written by other users, who could put any program there as an engine"
        raise EngineCacheError(msg, hint=f"chmod go-w {folder}, or {_HINT}")
