"""Enlarging many files: pictures are read ahead and written behind while the network runs, films take their turns.

What fails does not stop the others.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from paragon_core.atomic_files import prepare_folder, remove_leftovers, unwritable
from paragon_core.errors import (
    BackendUnavailableError,
    InputError,
    JobError,
    MediaError,
    OutOfMemoryError,
    ParagonError,
    UnsupportedFormatError,
)
from paragon_core.low_memory import is_low_memory
from paragon_core.media.encoding import fit
from paragon_core.media.formats import format_of_name
from paragon_core.media.images import MAX_PIXELS, read_header, read_image, write_image
from paragon_core.media.ordered import settled, waited
from paragon_core.media.picture import Picture
from paragon_core.media.series import read_series, upscale_animation, upscale_pages
from paragon_core.media.tasks import Task, plan
from paragon_core.media.tiff_pages import TiffPages
from paragon_core.media.video.jobs import film_is_done, prepare_film
from paragon_core.memory import lacks_for_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paragon_core.media.animation import Animation
    from paragon_core.media.picture import Array
    from paragon_core.media.series import SeriesProgress
    from paragon_core.media.video.upscale import VideoResult

__all__ = ["PICTURES_AT_ONCE", "Outcome", "State", "Task", "is_done", "plan", "run"]

State = Literal["written", "skipped", "failed"]

#: Pictures that `run` holds unless told otherwise: one being read, one in the network, one being written.
PICTURES_AT_ONCE = 3

_HINT_REPLACE = "choose another output, or replace it with --overwrite"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one task."""

    task: Task
    """The task."""
    state: State
    """Whether the target was written, was there already, or could not be made."""
    size: tuple[int, int] | None = None
    """Width and height of what was written."""
    frames: int = 1
    """Number of frames or pages, of which the first has that size; 1 for a still image."""
    seconds: float = 0.0
    """Time that the network took; for a film, reading and writing included."""
    notes: tuple[str, ...] = ()
    """What was not kept, in words for the user."""
    error: ParagonError | None = None
    """Why it failed."""


def _ignore_progress(_done: int, _total: int) -> None:
    """Show no progress."""


def _no_film(source: Path, _target: Path) -> VideoResult:
    msg = f"{source} is a film, and only pictures were asked for"
    raise UnsupportedFormatError(msg, hint="enlarge it on the command line, with paragon upscale")


def run(
    tasks: Sequence[Task],
    upscale: Callable[[Array], Array],
    *,
    scale: int,
    film: Callable[[Path, Path], VideoResult] = _no_film,
    report: Callable[[Outcome], None] = lambda _: None,
    progress: SeriesProgress = _ignore_progress,
    at_once: int = PICTURES_AT_ONCE,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> tuple[Outcome, ...]:
    """Enlarge pictures and films one after another; while one is in the network, pictures are read and written.

    A file that fails does not stop the others. What killed runs left in the folders of the targets is removed
    (`remove_leftovers`). Every target appears whole or not at all; when the caller is interrupted (Ctrl-C, or an
    exception from ``upscale`` or ``report`` that is no `ParagonError`), pictures that are being written are finished
    and the exception goes on.

    Args:
        tasks: from `plan`.
        upscale: takes the array of a `Picture` and returns it ``scale`` times as high and wide, with the same dtype;
            called in the calling thread only.
        scale: enlargement.
        film: enlarges the film in one file into another, likewise (`video.upscale_video`); without it films fail.
        report: called in the calling thread with each outcome, in the order of the tasks.
        progress: called in the calling thread before each frame of an animation and each page.
        at_once: largest number of pictures in memory; 1 means one after another without overlap.
        overwrite: make targets that are done (see `is_done`) anew, and replace whatever else bears their name.
        max_pixels: larger sources fail.

    Returns:
        The outcomes in the order of the tasks.

    Raises:
        InputError: when ``at_once`` is less than 1.

    """
    if at_once < 1:
        msg = f"at least one picture has to be in memory at once, not {at_once}"
        raise InputError(msg, hint="--jobs takes a number from 1 on")
    for folder in {task.target.parent for task in tasks}:
        remove_leftovers(folder)
    outcomes: list[Outcome] = []
    waiting = deque(tasks)
    reading: deque[tuple[Task, Future[Any]]] = deque()
    writing: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="paragon-files")
    try:
        while waiting or reading or writing:
            while waiting and len(reading) + len(writing) < at_once:
                task = waiting.popleft()
                look: Callable[..., Any] = _look_at_film if task.is_film else _read
                read = pool.submit(look, task, scale=scale, overwrite=overwrite, max_pixels=max_pixels)
                reading.append((task, read))
            if reading:
                task, read = reading.popleft()
                writing.append(
                    _enlarge_film(task, read, film) if task.is_film else _enlarge(task, read, upscale, pool, progress)
                )
            # With nothing left to enlarge, or no room to read, wait for the oldest; else only look.
            while writing and (not reading or writing[0].done()):
                outcomes.append(waited(writing.popleft()))
                report(outcomes[-1])
                if waiting:
                    break
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(outcomes)


def is_done(task: Task, *, scale: int) -> bool:
    """Tell whether a task's target is there: a whole one of the right size, not older than the source.

    One of that size that is older, and one that is damaged or broke off, is to be made anew.

    Raises:
        JobError: when the target is whole and of another size or kind: it may be somebody's only copy.
        MediaError: when the source cannot be read.

    """
    if task.is_film:
        return film_is_done(task.source, task.target, scale=scale)
    try:
        if not task.target.exists():
            return False
    except OSError as error:
        raise unwritable(task.target, error) from error
    try:
        made = read_header(task.target)
    except MediaError:
        return False
    except UnsupportedFormatError as error:
        msg = f"{task.target} exists and is not a picture that Paragon made"
        raise JobError(msg, hint=_HINT_REPLACE) from error
    if not made.ends:
        return False
    width, height = (scale * side for side in read_header(task.source).size)
    if made.size not in {(width, height), (height, width)}:  # the latter: formats without metadata are stored turned
        msg = f"{task.target} exists and is not {task.source.name} enlarged {scale} times"
        raise JobError(msg, hint=_HINT_REPLACE)
    return task.target.stat().st_mtime_ns >= task.source.stat().st_mtime_ns


def _read(task: Task, *, scale: int, overwrite: bool, max_pixels: int) -> Picture | Animation | TiffPages | None:
    """Read a source and make sure that its result can be stored; None when there is nothing to do.

    Of an animation and of pages, no more than their outline is read.
    """
    if not overwrite and is_done(task, scale=scale):
        return None
    target_format = format_of_name(task.target)
    series = read_series(task.source, target_format, max_pixels=max_pixels)
    if isinstance(series, TiffPages):  # each page is of a size of its own
        prepare_folder(task.target)
        return series
    picture = read_image(task.source, max_pixels=max_pixels) if series is None else series.still
    _check_memory(task, picture, scale=scale)
    try:
        picture = fit(picture, target_format, scale=scale)
    except (BackendUnavailableError, InputError) as error:
        raise type(error)(f"{task.source}: {error}", hint=error.hint) from error
    prepare_folder(task.target)
    return picture if series is None else series


def _check_memory(task: Task, picture: Picture, *, scale: int) -> None:
    """Refuse an image whose result cannot fit in memory, before the machine comes to a halt over it."""
    width, height = picture.size
    if lack := lacks_for_image(width * height * scale**2):
        needed, free = (f"{size / 2**30:.1f} GiB" for size in lack)
        msg = f"{task.source}: {width} x {height} pixels, upscaled {scale} times, take {needed}, and {free} is free"
        raise OutOfMemoryError(msg, hint="close other programs, or split it into smaller parts")


def _look_at_film(task: Task, *, scale: int, overwrite: bool, max_pixels: int) -> bool:
    """Make sure that a film can be read and its target written; false when there is nothing to do."""
    if not overwrite and is_done(task, scale=scale):
        return False
    prepare_film(task.source, task.target, max_pixels=max_pixels)
    return True


def _enlarge_film(task: Task, look: Future[bool], film: Callable[[Path, Path], VideoResult]) -> Future[Outcome]:
    try:
        if not waited(look):
            return settled(Outcome(task=task, state="skipped"))
        start = time.perf_counter()
        result = film(task.source, task.target)
    except (ParagonError, MemoryError, OSError) as error:
        return settled(_failure(task, error))
    except RuntimeError as error:  # a thread that cannot be started
        if not is_low_memory(error):
            raise
        return settled(_failure(task, MemoryError()))
    seconds = time.perf_counter() - start
    return settled(
        Outcome(
            task=task,
            state="written",
            size=result.size,
            frames=result.frames,
            seconds=seconds,
            notes=tuple(dict.fromkeys(result.notes)),
        )
    )


def _enlarge(
    task: Task,
    read: Future[Picture | Animation | TiffPages | None],
    upscale: Callable[[Array], Array],
    pool: ThreadPoolExecutor,
    progress: SeriesProgress,
) -> Future[Outcome]:
    """Run the network over a picture that has been read, and have the result written; over a series, do all of it."""
    try:
        picture = waited(read)
        if picture is not None and not isinstance(picture, Picture):
            return settled(_upscaled_series(task, picture, upscale, progress))
    except (ParagonError, MemoryError, OSError) as error:
        return settled(_failure(task, error))
    if picture is None:
        return settled(Outcome(task=task, state="skipped"))
    try:
        start = time.perf_counter()
        enlarged = picture.with_array(upscale(picture.array))
        seconds = time.perf_counter() - start
    except (ParagonError, MemoryError) as error:
        return settled(_failure(task, error))
    return pool.submit(_write, task, enlarged, seconds)


def _upscaled_series(
    task: Task, series: Animation | TiffPages, upscale: Callable[[Array], Array], progress: SeriesProgress
) -> Outcome:
    start = time.perf_counter()
    if isinstance(series, TiffPages):
        result = upscale_pages(series, task.target, upscale, progress=progress)
    else:
        result = upscale_animation(series, task.target, upscale, progress=progress)
    return Outcome(
        task=task,
        state="written",
        size=result.size,
        frames=result.count,
        seconds=time.perf_counter() - start,
        notes=result.notes,
    )


def _write(task: Task, picture: Picture, seconds: float) -> Outcome:
    try:
        notes = write_image(task.target, picture)
    except (ParagonError, MemoryError, OSError) as error:
        return _failure(task, error)
    return Outcome(
        task=task,
        state="written",
        size=picture.size,
        seconds=seconds,
        notes=tuple(dict.fromkeys(picture.notes + notes)),
    )


def _failure(task: Task, error: ParagonError | MemoryError | OSError) -> Outcome:
    if isinstance(error, MemoryError) and not isinstance(error, ParagonError):
        msg = f"{task.source} needs more memory than there is"
        error = OutOfMemoryError(msg, hint="try --jobs 1, or a smaller --tile")
    elif isinstance(error, OSError) and not isinstance(error, ParagonError):  # files and folders that went away
        msg = f"{task.source} cannot be turned into {task.target}: {error.strerror or error}"
        error = MediaError(msg, hint="check both names, their folders and the disk")
    return Outcome(task=task, state="failed", error=error)
