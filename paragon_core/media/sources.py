"""Files that are to be read: whether they are files at all, and why they cannot be read, in words for the user."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from paragon_core.errors import MediaError, OutOfMemoryError, ParagonError

if TYPE_CHECKING:
    from pathlib import Path

_MISSING: Final = "{} does not exist", "check the name; names with spaces need quotes"
_FORBIDDEN: Final = "you may not read {}", "change its permissions, or copy it elsewhere"
_WORDS: Final = {
    errno.ENOENT: _MISSING,
    errno.ENOTDIR: _MISSING,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ELOOP: ("{} is a link that leads back to itself", "name the file that is meant"),
    errno.ENAMETOOLONG: ("{} has too long a name", "check the name, or shorten it"),
}


def check_regular(path: Path, *, kind: str) -> None:
    """Make sure that a path is not that of a folder, a pipe or a device, where opening could wait for ever.

    A path that does not exist passes: opening it reports why.

    Args:
        path: the file.
        kind: what is wanted, such as "an image file".

    Raises:
        MediaError: it is something else, or its folder cannot be entered.

    """
    try:
        is_other = path.exists() and not path.is_file()
        is_folder = is_other and path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_other:
        msg = f"{path} is {'a folder' if is_folder else 'not a regular file'}"
        raise MediaError(msg, hint=f"give the name of {kind}")


def unreadable(path: Path, error: OSError) -> ParagonError:
    """Return the error to raise when a file or folder cannot be read."""
    if isinstance(error, ParagonError):
        return error
    if error.errno == errno.ENOMEM:
        return out_of_memory(path)
    if error.errno in _WORDS:
        words, hint = _WORDS[error.errno]
        return MediaError(words.format(path), hint=hint)
    return MediaError(f"cannot read {path}: {error.strerror or error}", hint="check the name and the disk")


def out_of_memory(path: Path) -> OutOfMemoryError:
    """Return the error to raise when there is too little memory to read a file."""
    msg = f"{path} needs more memory than there is"
    return OutOfMemoryError(msg, hint="close other programs, give --jobs 1, or split it into smaller parts")
