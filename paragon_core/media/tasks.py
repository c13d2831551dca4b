"""From what a user names (files, folders, patterns; an output) to a list of sources with their targets."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.errors import InputError, MediaError
from paragon_core.media.formats import EXTENSIONS, FORMATS, FormatName, format_of_name
from paragon_core.media.video.formats import CONTAINERS, FILM_EXTENSIONS, container_of_name, is_film

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_WILDCARDS = frozenset("*?[")
_ANY_DEPTH = "**"
_ENDINGS = (*EXTENSIONS, *FILM_EXTENSIONS)
#: Names that differ in case only are one file there.
_CASELESS = sys.platform in {"win32", "darwin"}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One picture or film to enlarge."""

    source: Path
    """File to read."""
    target: Path
    """File to write."""

    @property
    def is_film(self) -> bool:
        """Whether the source is a film."""
        return is_film(self.source)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A source, and where it stands below what the user named."""

    source: Path
    relative: Path
    """Path below the folder, or below the fixed part of the pattern; the bare name for a file."""
    folder: Path | None = None
    """The folder that the user named, if it was one."""


def plan(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    suffix: str,
    target_format: FormatName | None = None,
) -> tuple[Task, ...]:
    """Find the sources and give each its target; no file is read, nothing is written.

    Folders are searched recursively for files with the endings of pictures and films. Hidden files and folders are
    passed over, links to folders are not followed, and neither is the output folder if it lies inside. Patterns
    (``*``, ``?``, ``[...]``, ``**``) are expanded here because Windows shells leave that to programs. Sources keep
    the order in which they were named, and are sorted within a folder or pattern.

    =================  =====================================  ================================================
    input              with ``output``                        without
    =================  =====================================  ================================================
    one file           that file if it has such an ending     beside it, ``photo.jpg`` to ``photo_2x.jpg``
    files, a pattern   in that folder, under the same names   beside each, likewise
    a folder           in that folder, with the same tree     in a folder beside it, ``photos`` to ``photos_2x``
    =================  =====================================  ================================================

    Films become MP4, or Matroska if they are that, unless the output is a file that says otherwise. Without an output,
    files that are results of other sources are not enlarged again: ``*.jpg`` can be repeated.

    Args:
        inputs: files, folders and patterns.
        output: file or folder; a separator at its end says that it is a folder.
        suffix: what follows names in the last column, such as ``_2x``.
        target_format: format of all pictures. None keeps each source's, and takes PNG where its ending tells none.

    Raises:
        InputError: when an input does not exist or holds none of them, when two sources have the same target, when a
            target would replace a source, or when one output file is given for several sources.
        UnsupportedFormatError: when the output's ending is not that of a format, or films are to become pictures.
        MediaError: when a folder cannot be searched.

    """
    if not inputs:
        msg = "no input was given"
        raise InputError(msg, hint="name pictures, films, folders, or patterns such as photos/*.jpg")
    out = None if output is None else Path(output)
    found = _once_each(item for given in inputs for item in _find(given, out))
    if out is not None and _is_file_name(out, str(output), found):
        return _checked([Task(source=found[0].source, target=_agreeing(out, found[0].source, target_format))])
    tasks = [Task(source=item.source, target=_target(item, out, suffix, target_format)) for item in found]
    if out is None:
        results = {_key(task.target) for task in tasks}
        tasks = [task for task in tasks if _key(task.source) not in results]
    return _checked(tasks)


def _find(given: str | Path, out: Path | None) -> Iterator[_Found]:
    path = Path(given)
    if path.is_dir():
        return _search(path, (_ANY_DEPTH, "*"), str(given), out, folder=path)
    if os.path.lexists(path):
        return iter([_Found(source=path, relative=Path(path.name))])
    if _WILDCARDS & set(str(given)):
        root = _fixed_part(path)
        return _search(root, path.parts[len(root.parts) :], str(given), out)
    msg = f"{given} does not exist"
    raise InputError(msg, hint="check the name; names with spaces need quotes")


def _fixed_part(pattern: Path) -> Path:
    """Return the folder in front of the first part with a wildcard; a folder may really be named like ``[2020]``."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if _WILDCARDS & set(part) and not (fixed / part).is_dir():
            break
        fixed /= part
    return fixed


def _search(
    root: Path, pattern: tuple[str, ...], given: str, out: Path | None, *, folder: Path | None = None
) -> Iterator[_Found]:
    """Yield the pictures and films below a folder whose relative path matches a pattern, in sorted order."""
    skipped = None if out is None or _key(out) == _key(root) else _key(out)
    recursive = _ANY_DEPTH in pattern
    empty = True
    for parent, folders, names in os.walk(root, onerror=_unsearchable):
        here = Path(parent)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(
            name
            for name in folders
            if (recursive or depth + 1 < len(pattern))
            and not _is_hidden(here / name)
            and (skipped is None or _key(here / name) != skipped)
        )
        for name in sorted(names):
            source = here / name
            relative = source.relative_to(root)
            if source.suffix.lower() not in _ENDINGS or _is_hidden(source) or not _matches(relative.parts, pattern):
                continue
            empty = False
            yield _Found(source=source, relative=relative, folder=folder)
    if empty:
        msg = f"there is no image or film in {given}" if folder else f"no image or film matches {given}"
        raise InputError(msg, hint=f"looked for files that end in {', '.join(_ENDINGS)}")


def _unsearchable(error: OSError) -> None:
    msg = f"cannot search {error.filename}: {error.strerror}"
    raise MediaError(msg, hint="change the folder's permissions, or leave it out") from error


def _is_hidden(path: Path) -> bool:
    if path.name.startswith("."):
        return True
    if sys.platform == "win32":
        return bool(path.lstat().st_file_attributes & stat.FILE_ATTRIBUTE_HIDDEN)
    return False


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == _ANY_DEPTH:
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _once_each(found: Iterable[_Found]) -> list[_Found]:
    unique: dict[str, _Found] = {}
    for item in found:
        unique.setdefault(_key(item.source), item)
    return list(unique.values())


def _is_file_name(out: Path, given: str, found: list[_Found]) -> bool:
    """Tell whether the output means a file."""
    if out.is_dir() or given.endswith(("/", os.sep)):
        return False
    if out.suffix.lower() in _ENDINGS:
        if len(found) > 1:
            msg = f"{out} is the name of one file, but there are {len(found)} sources"
            raise InputError(msg, hint="give a folder with -o")
        return True
    if out.exists():
        msg = f"{out} exists and is neither a folder nor an image or film"
        raise InputError(msg, hint="choose another output")
    # A single picture and something.ext: more likely a format that cannot be written than a folder.
    return bool(out.suffix) and len(found) == 1 and found[0].folder is None


def _agreeing(out: Path, source: Path, target_format: FormatName | None) -> Path:
    if is_film(source):
        container_of_name(out)
        return out
    named = format_of_name(out).name
    if target_format not in {None, named}:
        msg = f"{out.name} is a name for {named}, but --format asks for {target_format}"
        raise InputError(msg, hint="leave --format away, or change the output's name")
    return out


def _target(item: _Found, out: Path | None, suffix: str, target_format: FormatName | None) -> Path:
    ending = item.source.suffix
    if is_film(item.source):
        ending = ending if CONTAINERS.get(ending.lower()) == "matroska" else ".mp4"
    elif target_format is not None:
        known = FORMATS[target_format].extensions
        ending = ending if ending.lower() in known else known[0]
    elif ending.lower() not in EXTENSIONS:
        ending = FORMATS["png"].extensions[0]
    if out is not None:
        return out / item.relative.with_suffix(ending)
    if item.folder is None:
        return item.source.with_name(f"{item.source.stem}{suffix}{ending}")
    folder = item.folder if item.folder.name not in {"", ".."} else item.folder.resolve()
    if not folder.name:
        msg = f"{item.folder} has no folder beside it"
        raise InputError(msg, hint="name an output folder with -o")
    return folder.with_name(folder.name + suffix) / item.relative.with_suffix(ending)


def _checked(tasks: list[Task]) -> tuple[Task, ...]:
    """Refuse lists of tasks in which one file would be written twice or a source be lost."""
    sources = {_key(task.source): task.source for task in tasks}
    targets: dict[str, Path] = {}
    for task in tasks:
        key = _key(task.target)
        if key in sources:
            msg = f"{task.target} would replace {sources[key]}"
            raise InputError(msg, hint="choose another output; sources are never overwritten")
        if key in targets:
            msg = f"{targets[key]} and {task.source} would both become {task.target}"
            raise InputError(msg, hint="enlarge them in two runs with different outputs")
        targets[key] = task.source
    return tuple(tasks)


def _key(path: Path) -> str:
    """Return a text that is equal for two paths to the same file, through links and, where it applies, case."""
    real = os.path.realpath(path)
    return real.casefold() if _CASELESS else real
