"""The folders in which users keep checkpoints, and the names by which they are loaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import platformdirs

#: Environment variable with the user's folders, separated as in PATH.
VARIABLE: Final = "PARAGON_MODELS"

#: Extensions of checkpoints; of two files that differ only in the extension, the name means the first in this order.
SUFFIXES: Final = (".safetensors", ".pth")


def model_folders() -> tuple[Path, ...]:
    r"""Return the folders in the order in which they are searched; they need not exist.

    Those in the environment variable come first, then the platform's folder for application data, such as
    ``~/.local/share/paragon/models`` or ``%LOCALAPPDATA%\paragon\models``.
    """
    named = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    own = platformdirs.user_data_path("paragon", appauthor=False) / "models"
    # os.path: unlike Path.expanduser, it leaves alone what it cannot expand.
    expanded = [Path(os.path.expanduser(part)).absolute() for part in named]  # noqa: PTH111
    return tuple(dict.fromkeys([*expanded, own]))


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files in a folder that have the extension of a checkpoint, sorted by name; subfolders are not read.

    Raises:
        OSError: the folder is missing or may not be read.

    """
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(files, key=lambda path: (path.stem, SUFFIXES.index(path.suffix.lower()), path.suffix))


def by_name() -> dict[str, Path]:
    """Return the checkpoints in the user's folders by name: the file's, without extension."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        with suppress(OSError):
            for path in checkpoint_files(folder):
                found.setdefault(path.stem, path)
    return found


def find(name: str) -> Path | None:
    """Return the checkpoint that a name means in the user's folders, or None."""
    return by_name().get(name)
