"""Paths that may lead to one file: through links, and on disks for which upper and lower case are the same."""

from __future__ import annotations

import os
import sys
import unicodedata
from itertools import islice
from pathlib import Path
from typing import Final

#: Systems whose disks take names that differ in case for one, as a rule.
_CASELESS: Final = sys.platform in {"win32", "darwin"}

#: Names in a folder that are looked at to find out what it takes for one.
_MOST_NAMES: Final = 1000


def resolved(path: Path) -> str:
    """Return a path without links; as it is where there is none, because the current folder is gone for example."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.normpath(path)


def folded(path: Path) -> str:
    """Return a text that is equal for all paths that may lead to the same file on any disk, and rarely for others."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", resolved(path)).casefold())


def are_one(first: Path, second: Path) -> bool:
    """Return whether two paths lead to the same file, or would if both existed. In doubt, they do."""
    if folded(first) != folded(second):
        return False
    if resolved(first) == resolved(second):
        return True
    try:
        return first.samefile(second)
    except OSError:  # one of them does not exist
        return folds_names(first.parent)


def folds_names(folder: Path) -> bool:
    """Return whether a folder takes names for one that differ in case, or in how accents are composed.

    In doubt, it does.
    Where systems leave that to each disk, the names that are there tell: does one lead to a file in other letters, too?
    A folder that does not exist will do as the one does in which it is made.
    """
    if _CASELESS:
        return True
    there = Path(resolved(folder))
    while not there.is_dir() and there != there.parent:
        there = there.parent
    verdict = _evidence(there)
    if verdict is None and _is_same_disk(there, there.parent):  # an empty folder: look at the one that it is in
        verdict = _evidence(there.parent)
    return verdict is not False


def _evidence(folder: Path) -> bool | None:
    """Return whether a folder folds names, as far as those in it tell."""
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in islice(entries, _MOST_NAMES)}
    except OSError:
        return None
    for name in names:
        other = name.swapcase()
        if other != name and other not in names:
            try:
                return (folder / name).samefile(folder / other)
            except OSError:
                if os.path.lexists(folder / name):  # it has not just been removed: the other name leads nowhere
                    return False
        elif other != name:
            return False  # both are there
    return None


def _is_same_disk(first: Path, second: Path) -> bool:
    try:
        return first.stat().st_dev == second.stat().st_dev
    except OSError:
        return False
