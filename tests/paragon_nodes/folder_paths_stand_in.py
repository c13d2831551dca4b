"""What the pack asks of ComfyUI's ``folder_paths``, for tests that need nothing else of ComfyUI."""

from __future__ import annotations

import os
from pathlib import Path

models_dir = os.environ["MODELS"]
_folders: dict[str, list[str]] = {"upscale_models": [str(Path(models_dir) / "upscale_models")]}


def add_model_folder_path(kind: str, folder: str) -> None:
    _folders.setdefault(kind, []).append(folder)


def get_folder_paths(kind: str) -> list[str]:
    return list(_folders[kind])


def get_filename_list(kind: str) -> list[str]:
    return sorted(
        str((Path(above) / name).relative_to(folder))
        for folder in _folders[kind]
        for above, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def get_full_path(kind: str, name: str) -> str | None:
    held = os.path.relpath(Path("/") / name, "/")
    paths = (str(Path(folder) / held) for folder in _folders[kind])
    return next((path for path in paths if os.path.isfile(path)), None)  # noqa: PTH113 - as ComfyUI does: never raises
