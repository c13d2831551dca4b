"""Videos in the folder that ComfyUI empties when it starts and when it ends."""

from __future__ import annotations

import secrets
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import folder_paths
from comfy_api.input_impl import VideoFromFile

from paragon_core.atomic_files import prepare_folder


def new_path(ending: str) -> Path:
    """Return the path of a file that is not there yet, in a folder that can be written to.

    Raises:
        MediaError: it cannot.

    """
    path = Path(folder_paths.get_temp_directory()) / f"paragon_{secrets.token_hex(8)}{ending}"
    prepare_folder(path)
    return path


class TemporaryVideo(VideoFromFile):
    """A video whose file is removed once nobody holds it, nor a trimmed one made of it.

    ComfyUI's caches keep a result for as long as they see fit. The file is there as long, and no longer: otherwise
    each run with another option would leave one behind until ComfyUI ends.
    """

    def __init__(self, file: TemporaryFile, *, start_time: float = 0, duration: float = 0) -> None:
        super().__init__(str(file.path), start_time=start_time, duration=duration)
        self._file = file

    def as_trimmed(self, *window: Any, **options: Any) -> Self | None:  # noqa: ANN401 - core's arguments
        """Return a part, as core does."""
        trimmed = super().as_trimmed(*window, **options)
        if trimmed is None:
            return None
        start, duration = trimmed.get_active_trim_window()
        return type(self)(self._file, start_time=start, duration=duration)


class TemporaryFile:
    """A file that is removed once nobody holds this object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, _remove, path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows does not let go of open files; ComfyUI removes it in the end
        path.unlink()
