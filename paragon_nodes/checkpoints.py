"""Which models a workflow can choose, and the files behind them."""

from __future__ import annotations

import logging
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import folder_paths

from paragon_core import __version__
from paragon_core.errors import AssumptionWarning, InputError, ParagonError, UnsupportedArchitectureError
from paragon_core.models.catalogue import names_paragon
from paragon_core.models.folders import SUFFIXES, model_folders
from paragon_core.models.model import Model, bundled, load

if TYPE_CHECKING:
    from collections.abc import Iterator

#: ComfyUI's names of the folders in which we look, in this order.
FOLDERS: Final = ("upscale_models", "paragon")

_LOG: Final = logging.getLogger(__name__)


def register_folders() -> None:
    """Add ``models/paragon`` and the folders that the command line uses to those that ComfyUI knows as "paragon"."""
    for folder in (Path(folder_paths.models_dir) / "paragon", *model_folders()):
        folder_paths.add_model_folder_path("paragon", str(folder))


def model_names() -> list[str]:
    """Return the bundled models, and the names of the files that hold a ParagonSR2 network, damaged ones included."""
    found = [name for name in _file_names() if (path := _path(name)) and _holds_paragon(path, *_stamp(path))]
    return [*bundled(), *dict.fromkeys(found)]


def files() -> list[Path]:
    """Return all files among which ParagonSR2 networks may be."""
    return [path for name in _file_names() if (path := _path(name))]


def check(name: str) -> None:
    """Check that the model behind a name can be used.

    Raises:
        InputError: there is no such model.
        CheckpointError: its file cannot be used.

    """
    if name not in bundled():
        path = _existing(name)
        if refusal := _refusal(path, *_stamp(path)):
            raise refusal.with_traceback(None)


def load_model(name: str) -> Model:
    """Load what a name of `model_names` means; assumptions go to the log.

    Raises:
        InputError: there is no such model.
        CheckpointError: its file cannot be used.

    """
    with warnings.catch_warnings(record=True) as assumed:
        warnings.simplefilter("always", AssumptionWarning)
        model = load(name if name in bundled() else _existing(name))
    for warning in assumed:
        _LOG.warning("%s", warning.message)
    return model


def fingerprint(name: str) -> str:
    """Return what changes when the model behind a name does."""
    if name in bundled():
        return f"{name} {__version__}"
    path = _path(name)
    return f"{path} {_stamp(path)}" if path else f"{name} is missing"


def _existing(name: str) -> Path:
    path = _path(name)
    if path is None:
        folders = ", ".join(folder for kind in FOLDERS for folder in folder_paths.get_folder_paths(kind))
        raise InputError(
            f"there is no model {name!r}",
            hint=f"choose another in the node, or put the file into one of {folders}",
        )
    return path


def _file_names() -> Iterator[str]:
    for kind in FOLDERS:
        yield from (name for name in folder_paths.get_filename_list(kind) if name.lower().endswith(SUFFIXES))


def _path(name: str) -> Path | None:
    """Return the file of a name, which ComfyUI holds to its folders; a name may come from a workflow of Windows."""
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        for kind in FOLDERS:
            path = folder_paths.get_full_path(kind, spelling)
            if path and Path(path).is_file():
                return Path(path)
    return None


def _stamp(path: Path) -> tuple[int, int]:
    """Return when a file was changed, in nanoseconds, and its size."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size


def _holds_paragon(path: Path, changed: int, size: int) -> bool:
    """Return whether a file is one of ours, damaged ones included: what is wrong with those is said when it is chosen.

    Of other networks only the table is read.
    """
    return _names_paragon(path, changed, size) and not isinstance(
        _refusal(path, changed, size), UnsupportedArchitectureError
    )


@lru_cache(maxsize=4096)
def _names_paragon(path: Path, changed: int, size: int) -> bool:
    """Look into the table; ``changed`` and ``size`` make it look again when the file is another."""
    del changed, size
    return names_paragon(path)


@lru_cache(maxsize=1024)
def _refusal(path: Path, changed: int, size: int) -> ParagonError | None:
    """Return why a file cannot be used, or None; the other arguments as in `_names_paragon`."""
    del changed, size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AssumptionWarning)
            load(path)
    except ParagonError as error:
        return error.with_traceback(None)
    return None
