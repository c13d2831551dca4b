"""Upscaling many files: images are read ahead and written behind while the network runs, videos take their turns.

What fails does not stop the others.
"""

from __future__ import annotations

import stat
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from paragon_core.atomic_files import prepare_folder, remove_leftovers
from paragon_core.errors import (
    BackendUnavailableError,
    InputError,
    MediaError,
    OutOfMemoryError,
    ParagonError,
    UnsupportedFormatError,
)
from paragon_core.low_memory import is_low_memory
from paragon_core.media.compression import ImageCompression
from paragon_core.media.done import is_done
from paragon_core.media.encoding import fit
from paragon_core.media.formats import format_of_name
from paragon_core.media.images import MAX_PIXELS, read_image, write_image
from paragon_core.media.job_plan import Job, plan
from paragon_core.media.prefetch import completed, result_of
from paragon_core.media.replacing import check_replaceable, check_writable, grows, take_place
from paragon_core.media.result_size import as_viewed, result_size
from paragon_core.media.series import read_series, upscale_animation, upscale_pages
from paragon_core.media.tiff_pages import TiffPages
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.memory import lacks_for_image
from paragon_core.upscaling.output_size import OutputSize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paragon_core.media.animation import Animation
    from paragon_core.media.loaded_image import Array, LoadedImage
    from paragon_core.media.series import SeriesProgress
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.upscaling.output_size import Size

__all__ = ["IMAGES_AT_ONCE", "Job", "JobResult", "State", "plan", "run"]

State = Literal["written", "skipped", "failed", "part"]

#: Images that `run` holds unless told otherwise: one being read, one in the network, one being written.
IMAGES_AT_ONCE = 3

_WHOLE = TimeRange()


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """Result of one job."""

    job: Job
    """The job it belongs to."""
    state: State
    """Whether the target was written, was there already or is not needed, or could not be made; or whether a part of
    the work on a video was done, of which others do theirs."""
    size: tuple[int, int] | None = None
    """Width and height of what was written."""
    frames: int = 1
    """Number of frames of that size; 1 for an image."""
    seconds: float = 0.0
    """Time that the network took; for a video, reading and writing included."""
    notes: tuple[str, ...] = ()
    """Notes on what was not kept, or why nothing was done, for the user."""
    error: ParagonError | None = None
    """Why it failed."""


def _ignore_progress(_done: int, _total: int) -> None:
    """Show no progress."""


def _no_video(source: Path, _target: Path) -> VideoResult:
    msg = f"{source} is a video, and only images were asked for"
    raise UnsupportedFormatError(msg, hint="upscale it on the command line, with paragon upscale")


@dataclass(frozen=True, kw_only=True)
class _JobOptions:
    """Options for every source of `run`."""

    scale: int
    size: OutputSize | None
    compression: ImageCompression
    overwrite: bool
    max_pixels: int
    time_range: TimeRange
    keep_damaged: bool


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """An image that has been read."""

    loaded: LoadedImage
    target: Size
    """Width and height of the result as stored."""
    series: Animation | TiffPages | None = None
    """What it is the first image of, if more is to be upscaled."""


@dataclass(frozen=True, kw_only=True)
class _Nothing:
    """There is nothing to do."""

    notes: tuple[str, ...] = ()
    """Why, unless the result is there."""


_AS_IT_IS: Final = _Nothing(notes=("it was left as it is, because it is that large already",))


def run(
    jobs: Sequence[Job],
    upscale: Callable[..., Array],
    *,
    scale: int,
    size: OutputSize | None = None,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - it is frozen
    video: Callable[[Path, Path], VideoResult] = _no_video,
    begin: Callable[[Job], None] = lambda _: None,
    report: Callable[[JobResult], None] = lambda _: None,
    progress: SeriesProgress = _ignore_progress,
    at_once: int = IMAGES_AT_ONCE,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    time_range: TimeRange = _WHOLE,
    keep_damaged: bool = False,
) -> tuple[JobResult, ...]:
    """Upscale images and videos one after another; while one is in the network, images are read and written.

    A file that fails does not stop the others. What killed runs left in the folders of the targets is removed
    (`remove_leftovers`). Every target appears whole or not at all; when the caller is interrupted (Ctrl-C, or an
    exception from ``upscale`` or ``report`` that is no `ParagonError`), images that are being written are finished
    and the exception goes on.

    Args:
        jobs: from `plan`.
        upscale: takes the array of a `LoadedImage`, returns it ``scale`` times as high and wide, with the same dtype;
            with ``size``, it is called with ``size=`` an `OutputSize` of that width and height, and returns such an
            array. An `Upscaler` does both. Called in the calling thread only.
        scale: upscaling factor.
        size: the size that results shall have instead, as viewed. For videos ``video`` has to see to it.
        compression: how lossy formats of images are written.
        video: upscales the video in one file into another, likewise (`video.upscale_video`); without it videos fail.
        begin: called in the calling thread with each job that is not skipped, before the network runs over it.
        report: called in the calling thread with each result, in the order of the jobs.
        progress: called in the calling thread before each frame of an animation and each page.
        at_once: largest number of images in memory; 1 means one after another without overlap.
        overwrite: make targets that are done (see `is_done`) again, and replace whatever else bears their name.
        max_pixels: larger sources fail.
        time_range: the part of each video that ``video`` makes.
        keep_damaged: whether it takes what is there of videos that are cut off.

    Returns:
        The results in the order of the jobs.

    Raises:
        InputError: when ``at_once`` is less than 1.

    """
    if at_once < 1:
        msg = f"at least one image has to be in memory at once, not {at_once}"
        raise InputError(msg, hint="--jobs takes a number from 1 on")
    for folder in {job.target.parent for job in jobs}:
        remove_leftovers(folder)
    options = _JobOptions(
        scale=scale,
        size=size,
        compression=compression,
        overwrite=overwrite,
        max_pixels=max_pixels,
        time_range=time_range,
        keep_damaged=keep_damaged,
    )
    results: list[JobResult] = []
    waiting = deque(jobs)
    reading: deque[tuple[Job, Future[Any]]] = deque()
    writing: deque[Future[JobResult]] = deque()
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="paragon-files")
    try:
        while waiting or reading or writing:
            while waiting and len(reading) + len(writing) < at_once:
                job = waiting.popleft()
                look: Callable[..., Any] = _look_at_video if job.is_video else _read
                reading.append((job, pool.submit(look, job, options)))
            video_is_next = bool(reading) and reading[0][0].is_video
            if reading and not (video_is_next and writing):
                job, read = reading.popleft()
                if job.is_video:
                    writing.append(_upscale_video(job, read, video, begin=begin))
                else:
                    writing.append(_upscale(job, read, upscale, options, pool, begin=begin, progress=progress))
            # With nothing left to upscale, no room to read, or a video next, which may take hours, wait for the oldest;
            # else only look.
            while writing and (not reading or video_is_next or writing[0].done()):
                results.append(result_of(writing.popleft()))
                report(results[-1])
                if waiting:
                    break
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return tuple(results)


def _read(job: Job, options: _JobOptions) -> _Ready | _Nothing:
    """Read a source and make sure that its result can be stored."""
    if not (options.overwrite or job.replaces) and is_done(job, scale=options.scale, size=options.size):
        return _Nothing()
    target_format = format_of_name(job.target)
    options.compression.check(target_format)
    series = read_series(job.source, target_format, max_pixels=options.max_pixels)
    if series is None or isinstance(series, TiffPages):
        loaded = read_image(job.source, max_pixels=options.max_pixels)
    else:
        loaded = series.upright_still()
    try:
        target = result_size(loaded.size, loaded.orientation, scale=options.scale, wanted=options.size)
        if job.replaces:
            if not grows(loaded.size, target):
                return _AS_IT_IS
            check_replaceable(job, loaded if series is None else replace(loaded, notes=series.notes), target_format)
        _check_memory(job, loaded, target)
        loaded = fit(loaded, target_format, size=target)
    except (BackendUnavailableError, InputError) as error:
        text = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
        raise type(error)(text, hint=error.hint) from error
    prepare_folder(job.target)
    return _Ready(loaded=loaded, target=target, series=series)


def _check_memory(job: Job, loaded: LoadedImage, target: Size) -> None:
    """Refuse an image whose result cannot fit in memory, before the machine comes to a halt over it."""
    if lack := lacks_for_image(target[0] * target[1]):
        (width, height), (needed, free) = loaded.size, (f"{size / 2**30:.1f} GiB" for size in lack)
        msg = f"{job.source}: {width} x {height} pixels, upscaled to {target[0]} x {target[1]}, take {needed}, "
        raise OutOfMemoryError(msg + f"and {free} is free", hint="close other programs, or split it into smaller parts")


def _look_at_video(job: Job, options: _JobOptions) -> _Nothing | None:
    """Make sure that a video can be read and its target written."""
    if not options.overwrite and is_done(
        job,
        scale=options.scale,
        size=options.size,
        time_range=options.time_range,
        keep_damaged=options.keep_damaged,
    ):
        from paragon_core.media.video.chunks.folder import tidy  # noqa: PLC0415 - images do without it

        tidy(job.target)
        return _Nothing()
    from paragon_core.media.video.jobs import prepare_video, video_grows  # noqa: PLC0415 - images do without it

    prepare_video(job.source, job.target, max_pixels=options.max_pixels, keep_damaged=options.keep_damaged)
    if job.replaces:
        if not video_grows(job.source, scale=options.scale, size=options.size, keep_damaged=options.keep_damaged):
            return _AS_IT_IS
        check_writable(job.source)
    return None


def _upscale_video(
    job: Job,
    look: Future[_Nothing | None],
    video: Callable[[Path, Path], VideoResult],
    *,
    begin: Callable[[Job], None],
) -> Future[JobResult]:
    try:
        if (nothing := result_of(look)) is not None:
            return completed(JobResult(job=job, state="skipped", notes=nothing.notes))
        begin(job)
        start = time.perf_counter()
        result = video(job.source, job.target)
        notes = result.notes
        if result.part:
            return completed(JobResult(job=job, state="part", notes=(result.part,)))
        if job.replaces:
            notes = take_place(job, notes)
    except (ParagonError, MemoryError, OSError) as error:
        return completed(_failure(job, error))
    except RuntimeError as error:  # a thread that cannot be started
        if not is_low_memory(error):
            raise
        return completed(_failure(job, MemoryError()))
    seconds = time.perf_counter() - start
    return completed(
        JobResult(
            job=job,
            state="written",
            size=result.size,
            frames=result.frames,
            seconds=seconds,
            notes=tuple(dict.fromkeys(notes)),
        )
    )


def _upscale(
    job: Job,
    read: Future[_Ready | _Nothing],
    upscale: Callable[..., Array],
    options: _JobOptions,
    pool: ThreadPoolExecutor,
    *,
    begin: Callable[[Job], None],
    progress: SeriesProgress,
) -> Future[JobResult]:
    """Run the network over an image that has been read, and have the result written; over a series, do all of it."""
    try:
        ready = result_of(read)
    except (ParagonError, MemoryError, OSError) as error:
        return completed(_failure(job, error))
    if isinstance(ready, _Nothing):
        return completed(JobResult(job=job, state="skipped", notes=ready.notes))
    loaded = ready.loaded
    begin(job)
    try:
        start = time.perf_counter()
        if ready.series is not None:
            return completed(_upscaled_series(job, ready.series, upscale, options, progress))
        array = _upscaled(loaded, upscale, options)
        seconds = time.perf_counter() - start
        if not grows(loaded.size, ready.target):
            same = loaded.size == ready.target
            note = "it has that size already" if same else "it was resized without the model, which only upscales"
            loaded = replace(loaded, notes=(*loaded.notes, note))
        upscaled = loaded.with_array(array)
    except (ParagonError, MemoryError, OSError) as error:
        return completed(_failure(job, error))
    return pool.submit(_write, job, upscaled, options, seconds)


def _upscaled(loaded: LoadedImage, upscale: Callable[..., Array], options: _JobOptions) -> Array:
    if options.size is None:
        return upscale(loaded.array)
    width, height = result_size(loaded.size, loaded.orientation, scale=options.scale, wanted=options.size)
    return upscale(loaded.array, size=OutputSize(width=width, height=height))


def _upscaled_series(
    job: Job,
    series: Animation | TiffPages,
    upscale: Callable[..., Array],
    options: _JobOptions,
    progress: SeriesProgress,
) -> JobResult:
    start = time.perf_counter()
    write = upscale_pages if isinstance(series, TiffPages) else upscale_animation
    result = write(
        series,  # type: ignore[arg-type]  # each gets its own
        job.target,
        lambda loaded: _upscaled(loaded, upscale, options),
        compression=options.compression,
        complete=job.replaces,
        progress=progress,
    )
    return JobResult(
        job=job,
        state="written",
        size=result.size,
        frames=result.count,
        seconds=time.perf_counter() - start,
        notes=result.notes,
    )


def _write(job: Job, loaded: LoadedImage, options: _JobOptions, seconds: float) -> JobResult:
    try:
        mode = job.target.stat().st_mode if job.replaces else None
        notes = write_image(job.target, loaded, compression=options.compression, complete=job.replaces)
        if mode is not None:
            with suppress(OSError):  # disks without permissions
                job.target.chmod(stat.S_IMODE(mode))
    except (ParagonError, MemoryError, OSError) as error:
        return _failure(job, error)
    return JobResult(
        job=job,
        state="written",
        size=as_viewed(loaded.size, loaded.orientation) if format_of_name(job.target).turned else loaded.size,
        seconds=seconds,
        notes=tuple(dict.fromkeys(loaded.notes + notes)),
    )


def _failure(job: Job, error: ParagonError | MemoryError | OSError) -> JobResult:
    if isinstance(error, MemoryError) and not isinstance(error, ParagonError):
        msg = f"{job.source} needs more memory than there is"
        error = OutOfMemoryError(msg, hint="try --jobs 1, or a smaller --tile")
    elif isinstance(error, OSError) and not isinstance(error, ParagonError):  # files and folders that went away
        msg = f"{job.source} cannot be turned into {job.target}: {error.strerror or error}"
        error = MediaError(msg, hint="check both names, their folders and the disk")
    return JobResult(job=job, state="failed", error=error)
