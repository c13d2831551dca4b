"""Open files in folders that others may share, only if they are the user's own, and without ever blocking.

In ``/tmp``, a folder of models or an output folder, another user can put a link, a FIFO or a file of theirs in the
place of one of ours: a link leads the content elsewhere, a FIFO blocks whoever opens it, and a file of theirs can
change after it was checked. What is opened here is a regular file that belongs to the user (or, for reading only, to
the administrator). On Windows, owners are not compared: the folders of the user's profile are closed to others.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_OWNER_ONLY: Final = 0o600
_KINDS: Final = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)

#: Links are not followed, nobody is waited for, and no line ending is changed, where the system knows such flags.
_SAFELY: Final = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
_LOG = logging.getLogger(__name__)


class UntrustedFileError(PermissionError):
    """Something else than a file of the user's own is there; ``strerror`` says what."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EPERM, reason, str(path))


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes.

    Raises:
        FileNotFoundError: there is none.
        UntrustedFileError: it is not a regular file, belongs to another user, or is longer.
        OSError: it cannot be read.

    """
    with open_ours(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(size + 1) if size <= limit else b""  # no more: that much memory is taken before it is read
    if max(size, len(data)) > limit:
        raise UntrustedFileError(path, f"it is too long: {max(size, len(data))} bytes")
    return data


def open_ours(path: Path, *, write: bool = False, create: bool = False, mode: int = _OWNER_ONLY) -> BinaryIO:
    """Open a file at its beginning, with its content as it is.

    Args:
        path: the file.
        write: open it for reading and writing. Then it must be the user's own, and have no other name (hard link)
            through which something else would be written.
        create: make an empty file, to be written, where there is none.
        mode: permissions of a file that is made, before the umask.

    Raises:
        FileNotFoundError: there is none, and ``create`` is off.
        UntrustedFileError: it is not a regular file, belongs to another user, or has another name.
        OSError: it cannot be opened, or was made by somebody else in this very moment.

    """
    flags = _SAFELY | (os.O_RDWR if write or create else os.O_RDONLY)
    made = create and not os.path.lexists(path)
    if made:
        flags |= os.O_CREAT | os.O_EXCL
    else:
        check_ours(path, path.lstat(), write=write or create)  # first, because opening a device can have an effect
    descriptor = os.open(path, flags, mode)
    try:
        if not made:  # on network drives, even what one makes oneself can seem to belong to another user
            check_ours(path, os.fstat(descriptor), write=write or create)
        return os.fdopen(descriptor, "r+b" if write or create else "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_ours(path: Path, status: os.stat_result, *, write: bool) -> None:
    """Make sure of a status that it is one of a regular file of the user's own; see `open_ours`.

    Raises:
        UntrustedFileError: it is not.

    """
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedFileError(path, f"it is {_kind(status.st_mode)}, not a file")
    if sys.platform != "win32" and status.st_uid not in ({os.geteuid()} if write else {os.geteuid(), 0}):
        raise UntrustedFileError(path, "it belongs to another user")
    if write and status.st_nlink > 1:
        raise UntrustedFileError(path, "it has another name as well (a hard link)")


def check_way(folder: Path) -> None:
    """Make sure that no link on the way to a folder, which need not exist, is another user's trap.

    That is one of another user in a folder that all may write to, such as ``/tmp``; many systems, but not all, follow
    no such links themselves. Links that an owner made in a folder of their own are followed.

    Raises:
        UntrustedFileError: there is one.
        OSError: a folder may not be entered.

    """
    if sys.platform == "win32":
        return
    way = folder.absolute()
    for place in (way, *way.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            link = place.lstat()
            if not stat.S_ISLNK(link.st_mode) or link.st_uid in {os.geteuid(), 0}:
                continue
            if place.parent.stat().st_mode & stat.S_IWOTH:
                raise UntrustedFileError(place, f"{place} is a link that another user made")


def check_closed(path: Path) -> None:
    """Make sure that not everybody may write to a file, or put another in its place, links on the way followed.

    For files of an installation, whose owner can be anybody. On Windows, nothing is checked.

    Raises:
        UntrustedFileError: everybody may.
        OSError: it is not there.

    """
    if sys.platform == "win32":
        return
    real = path.resolve(strict=True)
    for place in (real, real.parent):
        if place.stat().st_mode & stat.S_IWOTH:
            raise UntrustedFileError(path, f"everybody may write to {place}")


def remove_impostor(path: Path) -> None:
    """Remove what is in the place of a file and is none: a link (not what it leads to), a FIFO, an empty folder.

    A regular file stays, whoever it belongs to. What cannot be removed stays, too. Only for folders of the user's own.
    """
    with suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return
        if stat.S_ISDIR(mode):
            path.rmdir()
        else:
            path.unlink()
        _LOG.warning("%s was removed: it was %s, not a file", path, _kind(mode))


def _kind(mode: int) -> str:
    return next((text for is_kind, text in _KINDS if is_kind(mode)), "a device")
