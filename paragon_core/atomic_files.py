"""Atomic writes: a file appears complete or not at all, whatever the disk does and however the process ends.

New content grows next to its target, in a part file ``.paragon-TOKEN-SEAL.part``, on which its writer holds a lock
(POSIX), or which it keeps open so that nobody can remove it (Windows). The system ends both when the process dies, so
that a later run tells a dead part file from one that grows. The seal is a digest of the token and of this computer's
name: only files with the right one are ever removed, because locks of other computers may not reach this one. Where
no lock can be had, the name has no seal.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import stat
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from paragon_core.errors import MediaError, ParagonError
from paragon_core.trusted_files import check_way

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Extension of the files in which new content grows until it is complete.
PART: Final = ".part"

_NAME: Final = re.compile(rf"\.paragon-([0-9a-f]{{12}})-([0-9a-f]{{8}}){re.escape(PART)}")
#: Seconds for which Windows may leave a part file closed before it has its final name.
_MOVE_SECONDS: Final = 60.0
#: What file systems answer that cannot flush a file, or not this kind of file.
_NO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})

_NO_SPACE = "the disk is full, or holds no more files: free some space, or choose another output folder"
_NOT_ALLOWED = "choose an output folder that you may write to, and close programs that have the file open"
_FILE_IN_PATH = "one of the folders in the output's path is a file: choose another output folder"
_DISK_FAULT = "check the disk and its connection, or choose an output folder on another one"
_HINTS: Final = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another output folder",
    errno.EFBIG: "the disk's file system, or a limit set for this process, holds no file of that size",
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: "the disk is write-protected: choose another output folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "a folder of that name exists: choose another name",
    errno.ENOENT: "make the output folder first, and do not move or remove it meanwhile",
    errno.EEXIST: _FILE_IN_PATH,
    errno.ENOTDIR: _FILE_IN_PATH,
    errno.EIO: _DISK_FAULT,
    errno.ENXIO: _DISK_FAULT,
    errno.ENODEV: _DISK_FAULT,
    errno.ESTALE: _DISK_FAULT,
    errno.EMFILE: "too many files are open: close other programs, or raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open: close other programs",
}


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once its content is complete and on the disk.

    When the body raises, whatever it is (Ctrl-C included), nothing is left of the new content and an older file of
    that name stays as it was. What a killed process leaves is for `remove_leftovers`. The stream's ``name`` is the
    path of the part file.

    Raises:
        MediaError: when the file cannot be written; an OSError from the body counts as such.

    """
    try:
        with ExitStack() as stack:
            part, stream = _create(path, stack)
            yield stream
            complete(stream, part, path)
    except ParagonError:  # some are an OSError as well
        raise
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def marker(folder: Path) -> Iterator[Path]:
    """Keep an empty part file in a folder for the time of a block: who sees it looks at the same disk.

    Raises:
        OSError: it cannot be made.

    """
    with ExitStack() as stack:
        part, _ = _create(folder / "marker", stack)
        yield part


def complete(stream: BinaryIO, part: Path, path: Path) -> None:
    """Close a part file once its content is on the disk, and give it its final name, in place of an older file.

    Args:
        stream: the part file, open for writing.
        part: its path, in the same folder as ``path``.
        path: the final name.

    Raises:
        OSError: the disk failed.

    """
    stream.flush()
    sync(stream.fileno())
    stream.close()  # before the move: network disks report errors here, and Windows moves no open file
    part.replace(path)


def sync(descriptor: int) -> None:
    """Have the content of an open file on the disk, where its file system can do that.

    Raises:
        OSError: the disk failed.

    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def unwritable(path: Path, error: OSError) -> MediaError:
    """Return the error to raise when a file or folder cannot be written."""
    hint = _HINTS.get(error.errno or 0, "check the output's name, its folder and the disk")
    return MediaError(f"cannot write {path}: {error.strerror or error}", hint=hint)


def prepare_folder(path: Path) -> None:
    """Make the folder of a file that is to be written, and find out whether it can be before any work is spent.

    Raises:
        MediaError: when it cannot.

    """
    probe = _new_part(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        check_way(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.touch(exist_ok=False)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def remove_leftovers(folder: Path) -> None:
    """Remove the part files of processes that were killed; never one that grows, nor anybody else's.

    Left alone are files of other users and computers, links, whatever is not a regular file, and, on POSIX, files on
    disks without locks. Nothing is raised: what cannot be read or removed stays.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _is_sealed(entry.name)]
        for name in names:
            with suppress(OSError):
                _remove_if_dead(folder / name)


def _create(path: Path, stack: ExitStack) -> tuple[Path, BinaryIO]:
    """Create a part file; the stack closes and unlocks it, and removes what is left of it."""
    for sealed in (True, False):
        part = _new_part(path, sealed=sealed)
        stack.callback(_discard, part)  # before it exists, lest an interrupt come between
        stream = part.open("x+b")
        stack.callback(_close, stream)
        if not sealed or _lock(part, stack):
            break
    return part, stream


def _new_part(path: Path, *, sealed: bool = True) -> Path:
    """Return the path of a new part file; `remove_leftovers` leaves those without a seal alone."""
    token = secrets.token_hex(6)
    seal = f"-{_seal(token)}" if sealed else ""
    return path.with_name(f".paragon-{token}{seal}{PART}")


def _seal(token: str) -> str:
    return hashlib.blake2s(f"{platform.node()} {token}".encode(), digest_size=4).hexdigest()


def _is_sealed(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and match[2] == _seal(match[1])


def _close(stream: BinaryIO) -> None:
    with suppress(OSError):  # on the way out of another error, which is the one to report
        stream.close()


def _discard(part: Path) -> None:
    with suppress(OSError):  # it has its name already, or its folder is none: the first error is the one to report
        part.unlink()


if sys.platform == "win32":

    def _lock(part: Path, stack: ExitStack) -> bool:
        """Do nothing: as long as the file is open, nobody can remove it."""
        del part, stack
        return True

    def _remove_if_dead(part: Path) -> None:
        status = part.lstat()
        if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > _MOVE_SECONDS:
            part.unlink()  # which fails while anybody has it open

else:

    def _lock(part: Path, stack: ExitStack) -> bool:
        """Lock a new part file until the stack ends; return whether that worked.

        Some disks have no locks, and another run may just have taken the file for a leftover.
        """
        # A descriptor of its own, because the stream's is closed before the move. flock is tied to it; locks of fcntl
        # would end as soon as anybody in this process closes the file, such as FFmpeg.
        try:
            descriptor = _opened(part)
            stack.callback(_close_descriptor, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _is_at(part, descriptor)
        except OSError:
            return False

    def _remove_if_dead(part: Path) -> None:
        if not _is_own(part.lstat()):  # before it is opened: devices may mind
            return
        descriptor = _opened(part)
        try:
            if _is_own(os.fstat(descriptor)):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(part, descriptor):
                    part.unlink()
        finally:
            os.close(descriptor)

    def _opened(part: Path) -> int:
        # For writing, because on NFS a lock of this kind needs that.
        return os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    def _is_own(status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()

    def _is_at(part: Path, descriptor: int) -> bool:
        return os.path.samestat(part.lstat(), os.fstat(descriptor))

    def _close_descriptor(descriptor: int) -> None:
        with suppress(OSError):  # nothing was written through it
            os.close(descriptor)
