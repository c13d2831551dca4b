"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from paragon_core.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Ending of the files in which new content grows until it is complete.
UNFINISHED = ".part"

_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, or choose another output folder",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another output folder",
    errno.EFBIG: "the disk's file system, or a limit set for this process, holds no file of that size",
    errno.EACCES: "choose an output folder that you may write to, and close programs that have the file open",
    errno.EPERM: "choose an output folder that you may write to, and close programs that have the file open",
    errno.EROFS: "the disk is write-protected: choose another output folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "a folder of that name exists: choose another name",
    errno.ENOENT: "make the output folder first",
    errno.EEXIST: "one of the folders in the output's path is a file: choose another output folder",
    errno.ENOTDIR: "one of the folders in the output's path is a file: choose another output folder",
}


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once its content is complete and on the disk.

    The content grows in a hidden file beside it. When the body raises, whatever it is (Ctrl-C included), the hidden
    file is removed and an older file of that name stays as it was.

    Raises:
        MediaError: when the file cannot be written.

    """
    unfinished = path.with_name(f".paragon-{secrets.token_hex(6)}{UNFINISHED}")
    try:
        with unfinished.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except BaseException as error:
        with suppress(OSError):  # where its folder is none, for example: the first error is the one to report
            unfinished.unlink()
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
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
    probe = path.with_name(f".paragon-{secrets.token_hex(6)}{UNFINISHED}")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise unwritable(path, error) from error
