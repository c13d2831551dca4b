"""List of the models to choose from: the bundled ones, and the checkpoints in the user's folders."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from zipfile import ZIP_STORED, BadZipFile

from paragon_core.errors import AssumptionWarning, ParagonError
from paragon_core.models.folders import by_name, checkpoint_files, model_folders
from paragon_core.models.model import Model, bundled, load
from paragon_core.models.releases import release_of
from paragon_core.models.torch_archive import open_archive
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A tensor that ParagonSR2 networks of all versions have and few others, with what wrappers put before its name.
_MARK: Final = re.compile(rb"(?<![\w.])(?:(?:module|_orig_mod)\.)*conv_in\.weight")

#: What comes early in the tables of .safetensors files, which are sorted: a truncated one may hold no more of it.
_EARLY_MARK: Final = re.compile(
    rb"(?<![\w.])(?:(?:module|_orig_mod)\.)*base(?:\.blur\.h|_upsampler\.resample_conv\.conv_h)\.weight"
    rb'|"upsampler_alpha"'
)

_ARCHIVE: Final = b"PK\x03\x04"

#: The table of tensors of the largest ParagonSR2 network takes 0.1 MB.
_LONGEST_TABLE: Final = 4 * 2**20
_PART: Final = 2**16

#: A file may note scores on many test sets; these are as many as a line of a list can show. Their unit is the decibel.
_MOST_SCORES: Final = 10
_LONGEST_SET_NAME: Final = 40
_HIGHEST_PSNR: Final = 1000

_LONGEST_REASON: Final = 1000

#: What is neither of the two formats and still small is looked at, to say what it is instead.
_SMALL: Final = 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class CatalogueEntry:
    """A model that can be used."""

    use: str
    """What `paragon_core.load` and ``--model`` take for it: its name, or its path where the name means another."""
    path: Path | None
    """Its file; None for a bundled model."""
    model: Model
    """The model itself."""


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A file or folder that no model comes from."""

    path: Path
    """Where it is."""
    reason: str
    """What it is instead, in one line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """All models that can be used here."""

    bundled: tuple[CatalogueEntry, ...]
    """Those that come with Paragon."""
    found: tuple[CatalogueEntry, ...]
    """Those in the user's folders."""
    unusable: tuple[Unusable, ...]
    """Other files there that look like checkpoints, and folders that cannot be read."""
    folders: tuple[Path, ...]
    """The folders that were searched, missing ones included."""


def catalogue(further_folders: Iterable[str | Path] = ()) -> Catalogue:
    """List the bundled models, and those in the user's folders and in further ones.

    Of files that are no ParagonSR2 networks, only the table of their tensors is read.
    """
    folders = tuple(dict.fromkeys([*model_folders(), *(Path(folder).absolute() for folder in further_folders)]))
    named = {name: path for name, path in by_name().items() if name not in bundled()}
    found: list[CatalogueEntry] = []
    unusable: list[Unusable] = []
    for folder in folders:
        try:
            files = checkpoint_files(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            unusable.append(Unusable(path=folder, reason=f"cannot be read: {error.strerror or error}"))
            continue
        for path in files:
            if reason := foreign(path):
                unusable.append(Unusable(path=path, reason=reason))
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", AssumptionWarning)  # shown when the model is used
                    model = load(path)
            except ParagonError as error:
                unusable.append(Unusable(path=path, reason=printable(" ".join(str(error).split()), _LONGEST_REASON)))
            else:
                by_its_name = named.get(path.stem) == path
                found.append(CatalogueEntry(use=path.stem if by_its_name else str(path), path=path, model=model))
    return Catalogue(
        bundled=tuple(CatalogueEntry(use=name, path=None, model=load(name)) for name in bundled()),
        found=tuple(found),
        unusable=tuple(unusable),
        folders=folders,
    )


def scores(model: Model) -> dict[str, float]:
    """Return PSNR of luma in dB by test set: of official releases from their table, else what the file itself says.

    A file may hold anything: what is not a list of scores in decibels counts as none.
    """
    if release := release_of(model.sha256):
        return {"Set5": release.set5, "Set14": release.set14}
    try:
        noted = json.loads(model.metadata.get("scores", "{}"))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(noted, dict) or len(noted) > _MOST_SCORES:
        return {}
    found = {}
    for name in sorted(noted, key=lambda name: (len(name), name)):
        psnr_y = noted[name].get("psnr_y") if isinstance(noted[name], dict) else None
        if not isinstance(psnr_y, int | float) or isinstance(psnr_y, bool) or not 0 <= psnr_y <= _HIGHEST_PSNR:
            return {}  # NaN, too
        found[printable(name, _LONGEST_SET_NAME)] = float(psnr_y)
    return found


def foreign(path: Path) -> str:
    """Return why a file is no ParagonSR2 network, judged by its table of tensors alone; empty if it may be one."""
    try:
        table, is_whole = _table(path)
        is_small = path.stat().st_size <= _SMALL
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except MemoryError:
        return "cannot be read: there is not enough memory"
    if table is None:
        return "" if is_small else "not a checkpoint"
    if not is_whole and table.startswith(_ARCHIVE):
        return "not a checkpoint, or damaged: not an archive that torch wrote"
    return "" if _is_marked(table, is_whole=is_whole) else "another network than ParagonSR2"


def names_paragon(path: Path) -> bool:
    """Return whether a file's table of tensors names those of ParagonSR2, or what is left of it if it is truncated.

    False for what cannot be read.
    """
    try:
        table, is_whole = _table(path)
    except (OSError, MemoryError):
        return False
    return table is not None and _is_marked(table, is_whole=is_whole)


def _is_marked(table: bytes, *, is_whole: bool) -> bool:
    return bool(_MARK.search(table) or (not is_whole and _EARLY_MARK.search(table)))


def _table(path: Path) -> tuple[bytes | None, bool]:
    """Return the part of a file that names its tensors, and whether it is whole; None if it is no checkpoint.

    Raises:
        OSError: it cannot be read.

    """
    with path.open("rb") as stream:
        beginning = stream.read(9)
        if beginning.startswith(_ARCHIVE):
            try:
                return _pickle_of(stream), True
            except (OSError, MemoryError):
                raise
            except Exception:  # noqa: BLE001 - zipfile raises many kinds of errors for damaged archives
                stream.seek(0)
                return stream.read(_LONGEST_TABLE), False
        if beginning[8:] == b"{":
            length = int.from_bytes(beginning[:8], "little")
            table = b"{" + stream.read(min(length - 1, _LONGEST_TABLE))
            return table, len(table) >= min(length, _LONGEST_TABLE)
    return None, False


def _pickle_of(stream: BinaryIO) -> bytes:
    """Return the beginning of the pickle in a torch archive."""
    with open_archive(stream) as archive:
        pickles = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
        if pickles[0].compress_type != ZIP_STORED:  # torch never compresses, and some methods take much memory
            raise BadZipFile(pickles[0].filename)
        with archive.open(pickles[0]) as pickled:
            parts = iter(lambda: pickled.read(_PART), b"")
            return b"".join(islice(parts, _LONGEST_TABLE // _PART))
