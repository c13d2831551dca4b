"""Videos in the folder that ComfyUI empties when it starts and when it ends."""

from __future__ import annotations

import secrets
import weakref
from contextlib import suppress
from pathlib import Path

import folder_paths

from paragon_core.atomic_files import prepare_folder


def new_path(extension: str) -> Path:
    """Return the path of a file that is not there yet, in a folder that can be written to.

    Raises:
        MediaError: it cannot.

    """
    path = Path(folder_paths.get_temp_directory()) / f"paragon_{secrets.token_hex(8)}{extension}"
    prepare_folder(path)
    return path


class TemporaryPath(str):  # noqa: SLOT000 - core asks for a str; slots would forbid weak references
    """The path of a file that is removed once nobody holds this very string.

    ComfyUI's caches keep a video for as long as they see fit, and core makes new ones of it that are trimmed, cropped
    or resized: all of them hand on the path that they were given. The file is there as long, and no longer: otherwise
    each run with another option would leave one behind until ComfyUI ends.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        weakref.finalize(self, _remove, path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows does not let go of open files; ComfyUI removes it in the end
        path.unlink()
