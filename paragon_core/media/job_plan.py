"""From what a user names (files, folders, patterns; an output) to a list of sources with their targets."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.errors import InputError, ParagonError
from paragon_core.media.formats import (
    EXTENSIONS,
    FOREIGN_EXTENSIONS,
    FORMATS,
    WRITABLE,
    FormatName,
    format_of_name,
    holds_animation,
)
from paragon_core.media.same_file import are_one, folded
from paragon_core.media.sources import unreadable
from paragon_core.media.video.formats import CONTAINERS, VIDEO_EXTENSIONS, can_be_written, container_of_name, is_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Unusable = Callable[[Path, ParagonError], None]
    PassedOver = Callable[[Path], None]

_WILDCARDS = frozenset("*?[")
_ANY_DEPTH = "**"
_EXTENSIONS = (*EXTENSIONS, *VIDEO_EXTENSIONS)


@dataclass(frozen=True, kw_only=True)
class Job:
    """An image or video to upscale."""

    source: Path
    """File to read."""
    target: Path
    """File to write."""
    replaces: bool = False
    """Whether the result takes the source's place: at once where both are the same file; a video's ``target`` is moved
    there when it is complete."""

    @property
    def is_video(self) -> bool:
        """Whether the source is a video: by its name, or because it is to become one."""
        return is_video(self.source) or can_be_written(self.target)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A source, and its place below what the user named."""

    source: Path
    relative: Path
    """Path below the folder, or below the fixed part of the pattern; the bare name for a file."""
    folder: Path | None = None
    """The folder that the user named, if it was one."""


def _refuse(_path: Path, error: ParagonError) -> None:
    raise error


def _ignore(_path: Path) -> None:
    """Leave it at that."""


def plan(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    suffix: str,
    target_format: FormatName | None = None,
    name: Callable[[Path], str] | None = None,
    replace: bool = False,
    unusable: Unusable = _refuse,
    passed_over: PassedOver = _ignore,
) -> tuple[Job, ...]:
    """Find the sources and give each its target; no file is read, nothing is written.

    Folders are searched recursively for files with the extensions of images and videos. Hidden files and folders are
    passed over, links to folders are not followed, and neither is the output folder if it lies inside. Patterns
    (``*``, ``?``, ``[...]``, ``**``) are expanded here because Windows shells leave that to programs. Sources keep
    the order in which they were named, and are sorted within a folder or pattern.

    =================  =====================================  ================================================
    input              with ``output``                        without
    =================  =====================================  ================================================
    one file           that file if it has such an extension  next to it, ``photo.jpg`` to ``photo_2x.jpg``
    files, a pattern   in that folder, under the same names   next to each, likewise
    a folder           in that folder, with the same tree     in a folder next to it, ``photos`` to ``photos_2x``
    =================  =====================================  ================================================

    With ``name``, files are called what it returns instead of ``photo_2x`` or the same name. With ``replace``, results
    take the place of their sources, links are followed, and there is no output.

    Videos become MP4, or Matroska if they are that, unless the output is a file that says otherwise. Without an output,
    files that are results of other sources are not upscaled again: ``*.jpg`` can be repeated.

    Args:
        inputs: files, folders and patterns.
        output: file or folder; a separator at its end says that it is a folder.
        suffix: what follows names in the last column, such as ``_2x``.
        target_format: format of all images. None keeps each source's, and takes PNG where its extension tells none, or
            one that is not written.
        name: called with each source, returns the name of its result without the extension, in no other folder; what it
            raises makes the source unusable.
        replace: whether results take the place of their sources.
        unusable: called with each file, folder and pattern that cannot be used, and why: it does not exist or holds no
            images or videos, it cannot be searched, its target would replace a source, or another source has the same
            target (`same_file.are_one`; then both are unusable). The others are planned. Without it, the first such
            error is raised.
        passed_over: called with each image and video in folders whose format is not read, told by its extension.

    Raises:
        InputError: when one output file is given for several sources or together with ``name``, when an output or
            ``name`` is given together with ``replace``, or the output cannot be one; and what `unusable` would be
            called with, without it.
        UnsupportedFormatError: when the output's extension is not that of a format, or videos are to become images.
        MediaError: as for `unusable`.

    """
    if not inputs:
        msg = "no input was given"
        raise InputError(msg, hint="name images, videos, folders, or patterns such as photos/*.jpg")
    out = None if output is None else Path(output)
    if replace and (out is not None or name is not None):
        msg = "results that replace their sources have no other place or name"
        raise InputError(msg, hint="give either --replace, or -o and --name")
    refused: list[Path] = []

    def refuse(path: Path, error: ParagonError) -> None:
        refused.append(path)
        unusable(path, error)

    found = _once_each(item for given in inputs for item in _find(given, out, refuse, passed_over))
    if found and out is not None and _is_file_name(out, str(output), found, sources=len(found) + len(refused)):
        if name is not None:
            msg = f"{out} is the name of a file, and --name gives another"
            raise InputError(msg, hint="give a folder with -o, or leave --name out")
        jobs = [Job(source=found[0].source, target=_agreeing(out, found[0].source, target_format))]
    elif replace:
        jobs = [
            job for item in found for job in _usable(item, partial(_replacing, item, suffix, target_format), unusable)
        ]
    else:
        naming = _Naming(out=out, suffix=suffix, target_format=target_format, name=name)
        jobs = [job for item in found for job in _usable(item, partial(naming.job, item), unusable)]
        if out is None:
            jobs = _without_results(jobs)
    return _apart(jobs, unusable)


def _find(given: str | Path, out: Path | None, unusable: Unusable, passed_over: PassedOver) -> Iterator[_Found]:
    path = Path(given)
    try:
        if path.is_dir():
            yield from _search(path, (_ANY_DEPTH, "*"), out, unusable, passed_over, folder=path)
        elif os.path.lexists(path):
            yield _Found(source=path, relative=Path(path.name))
        elif _WILDCARDS & set(str(given)):
            root = _fixed_part(path)
            yield from _search(root, path.parts[len(root.parts) :], out, unusable, passed_over)
        else:
            path.lstat()  # it tells why
    except (ParagonError, OSError, ValueError) as error:  # the latter: a null byte
        unusable(path, _in_words(path, error))


def _in_words(path: Path, error: ParagonError | OSError | ValueError) -> ParagonError:
    if isinstance(error, ParagonError):
        return error
    if isinstance(error, OSError):
        return unreadable(path, error)
    return InputError(f"{path} does not exist", hint="check the name; names with spaces need quotes")


def _fixed_part(pattern: Path) -> Path:
    """Return the folder in front of the first part with a wildcard; a folder may really be named like ``[2020]``."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if _WILDCARDS & set(part) and not (fixed / part).is_dir():
            break
        fixed /= part
    return fixed


def _search(
    root: Path,
    pattern: tuple[str, ...],
    out: Path | None,
    unusable: Unusable,
    passed_over: PassedOver,
    *,
    folder: Path | None = None,
) -> Iterator[_Found]:
    """Yield the images and videos below a folder whose relative path matches a pattern, in sorted order."""
    skipped = None if out is None or are_one(out, root) else out
    recursive = _ANY_DEPTH in pattern
    empty, foreign = True, 0

    def cannot_be_searched(error: OSError) -> None:
        nonlocal empty
        empty = False
        unusable(Path(error.filename), unreadable(Path(error.filename), error))

    for parent, folders, names in os.walk(root, onerror=cannot_be_searched):
        here = Path(parent)
        depth = len(here.relative_to(root).parts)
        folders[:] = sorted(
            name
            for name in folders
            if (recursive or depth + 1 < len(pattern))
            and not _is_hidden(here / name)
            and (skipped is None or not are_one(here / name, skipped))
        )
        for name in sorted(names):
            source = here / name
            relative = source.relative_to(root)
            if _is_hidden(source) or not _matches(relative.parts, pattern):
                continue
            if source.suffix.lower() in _EXTENSIONS:
                empty = False
                yield _Found(source=source, relative=relative, folder=folder)
            elif source.suffix.lower() in FOREIGN_EXTENSIONS:
                foreign += 1
                passed_over(source)
    if empty:
        given = root if folder is not None else root.joinpath(*pattern)
        msg = f"there is no image or video in {given}" if folder is not None else f"no image or video matches {given}"
        if foreign:
            msg += f" that can be read ({foreign} in other formats)"
        raise InputError(msg, hint=f"looked for files that end in {', '.join(_EXTENSIONS)}")


def _is_hidden(path: Path) -> bool:
    if path.name.startswith("."):
        return True
    if sys.platform == "win32":
        with suppress(OSError):  # it has just been removed: whoever reads it is told
            return bool(path.lstat().st_file_attributes & stat.FILE_ATTRIBUTE_HIDDEN)
    return False


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == _ANY_DEPTH:
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _once_each(found: Iterable[_Found]) -> list[_Found]:
    unique: list[_Found] = []
    alike: dict[str, list[Path]] = {}
    for item in found:
        others = alike.setdefault(folded(item.source), [])
        if not any(are_one(item.source, other) for other in others):
            others.append(item.source)
            unique.append(item)
    return unique


def _is_file_name(out: Path, given: str, found: list[_Found], *, sources: int) -> bool:
    """Return whether the output means a file."""
    try:
        is_folder, exists = out.is_dir(), out.exists()
    except (OSError, ValueError) as error:
        msg = f"{out} cannot be an output: {getattr(error, 'strerror', None) or error}"
        raise InputError(msg, hint="choose another output") from error
    if is_folder or given.endswith(("/", os.sep)):
        return False
    if out.suffix.lower() in _EXTENSIONS:
        if sources > 1:
            msg = f"{out} is the name of one file, but there are {sources} sources"
            raise InputError(msg, hint="give a folder with -o")
        return True
    if exists:
        msg = f"{out} exists and is neither a folder nor an image or video"
        raise InputError(msg, hint="choose another output")
    # A single image and something.ext: more likely a format that cannot be written than a folder.
    return bool(out.suffix) and len(found) == 1 and found[0].folder is None


def _agreeing(out: Path, source: Path, target_format: FormatName | None) -> Path:
    if is_video(source) and holds_animation(out):
        return out
    if is_video(source) or can_be_written(out):
        container_of_name(out)
        return out
    named = format_of_name(out).name
    if target_format not in {None, named}:
        msg = f"{out.name} is a name for {named}, but --format asks for {target_format}"
        raise InputError(msg, hint="leave --format away, or change the output's name")
    return out


def _usable(item: _Found, job: Callable[[], Job], unusable: Unusable) -> Iterator[Job]:
    try:
        yield job()
    except (ParagonError, OSError, ValueError) as error:
        unusable(item.source, _in_words(item.source, error))


@dataclass(frozen=True, kw_only=True)
class _Naming:
    """What results that replace nothing are called."""

    out: Path | None
    suffix: str
    target_format: FormatName | None
    name: Callable[[Path], str] | None

    def job(self, item: _Found) -> Job:
        """Return what is to be done with a source."""
        extension = _extension(item.source, self.target_format)
        if self.out is not None:
            return self._job(item, self.out / item.relative, item.source.stem, extension)
        if item.folder is None:
            return self._job(item, item.source, item.source.stem + self.suffix, extension)
        folder = item.folder if item.folder.name not in {"", ".."} else Path(os.path.realpath(item.folder))
        if not folder.name:
            msg = f"{item.folder} has no folder next to it"
            raise InputError(msg, hint="name an output folder with -o")
        return self._job(item, folder.with_name(folder.name + self.suffix) / item.relative, item.source.stem, extension)

    def _job(self, item: _Found, path: Path, stem: str, extension: str) -> Job:
        """Return the job whose target is next to ``path``, called ``stem`` or as asked for."""
        return Job(
            source=item.source,
            target=path.with_name((stem if self.name is None else self.name(item.source)) + extension),
        )


def _replacing(item: _Found, suffix: str, target_format: FormatName | None) -> Job:
    """Return the job whose result takes the place of its source.

    Raises:
        InputError: the result would be of another format.
        UnsupportedFormatError: the source is a video of a format that cannot be written.

    """
    source = Path(os.path.realpath(item.source))
    if is_video(source):
        container_of_name(source)
        return Job(source=item.source, target=source.with_stem(source.stem + suffix), replaces=True)
    if _extension(source, target_format) != source.suffix:
        msg = f"{item.source} cannot be replaced by a file of another format"
        raise InputError(msg, hint="leave --replace out, and remove the source yourself if you no longer need it")
    return Job(source=item.source, target=source, replaces=True)


def _extension(source: Path, target_format: FormatName | None) -> str:
    """Return the extension of a source's result."""
    extension = source.suffix
    if is_video(source):
        return extension if CONTAINERS.get(extension.lower()) == "matroska" else ".mp4"
    if target_format is not None:
        known = FORMATS[target_format].extensions
        return extension if extension.lower() in known else known[0]
    return extension if EXTENSIONS.get(extension.lower()) in WRITABLE else FORMATS["png"].extensions[0]


def _without_results(jobs: list[Job]) -> list[Job]:
    """Leave out jobs whose sources are the targets of others; what would replace itself is left to `_apart`."""
    results = _by_name(job.target for job in jobs if not are_one(job.target, job.source))
    return [
        job for job in jobs if not any(are_one(job.source, target) for target in results.get(folded(job.source), ()))
    ]


def _apart(jobs: list[Job], unusable: Unusable) -> tuple[Job, ...]:
    """Leave out jobs that would replace a source, or whose target is another's as well."""
    sources = _by_name(job.source for job in jobs)
    rivals: dict[str, list[Job]] = {}
    for job in jobs:
        rivals.setdefault(folded(job.target), []).append(job)
    kept = []
    for job in jobs:
        name = folded(job.target)
        lost = next((source for source in sources.get(name, ()) if are_one(source, job.target)), None)
        if lost == job.source and job.replaces:
            lost = None
        rival = next((other for other in rivals[name] if other is not job and are_one(other.target, job.target)), None)
        if lost is not None:
            msg = f"{job.target} would replace {lost}"
            unusable(job.source, InputError(msg, hint="choose another output; sources are never overwritten"))
        elif rival is not None:
            msg = f"{job.source} and {rival.source} would both become {job.target}"
            if rival.target.name != job.target.name:
                msg += f", which is the same file as {rival.target.name} there"
            unusable(job.source, InputError(msg, hint="upscale them in two runs with different outputs"))
        else:
            kept.append(job)
    return tuple(kept)


def _by_name(paths: Iterable[Path]) -> dict[str, list[Path]]:
    alike: dict[str, list[Path]] = {}
    for path in paths:
        alike.setdefault(folded(path), []).append(path)
    return alike
