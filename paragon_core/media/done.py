"""Whether a job was done before, by an earlier run or by one that was interrupted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import unwritable
from paragon_core.errors import InputError, JobError, MediaError, UnsupportedFormatError
from paragon_core.media.images import read_header
from paragon_core.media.result_size import result_size
from paragon_core.media.video.time_range import TimeRange

if TYPE_CHECKING:
    from paragon_core.media.job_plan import Job
    from paragon_core.upscaling.output_size import OutputSize

#: An EXIF orientation with width and height exchanged.
_SIDEWAYS: Final = 6

_WHOLE: Final = TimeRange()

_HINT_REPLACE: Final = "choose another output, or replace it with --overwrite"


def is_done(
    job: Job,
    *,
    scale: int,
    size: OutputSize | None = None,
    time_range: TimeRange = _WHOLE,
    keep_damaged: bool = False,
) -> bool:
    """Return whether a job's target is there: a whole one of the right size, not older than the source.

    One of that size that is older, and one that is damaged or broke off, is to be made again.

    Raises:
        JobError: when the target is whole and of another size or kind: it may be somebody's only copy.
        MediaError: when the source cannot be read.

    """
    if job.is_video:
        from paragon_core.media.video.jobs import video_is_done  # noqa: PLC0415 - images do without it

        return video_is_done(
            job.source, job.target, scale=scale, size=size, time_range=time_range, keep_damaged=keep_damaged
        )
    try:
        if not job.target.exists():
            return False
    except OSError as error:
        raise unwritable(job.target, error) from error
    try:
        made = read_header(job.target)
    except MediaError:
        return False
    except UnsupportedFormatError as error:
        msg = f"{job.target} exists and is not an image that Paragon made"
        raise JobError(msg, hint=_HINT_REPLACE) from error
    if not made.ends:
        return False
    stored, possible = read_header(job.source).size, set()
    for orientation in (1, _SIDEWAYS):  # headers do not always tell
        with suppress(InputError):  # too large, or it does not fit: no size is possible, and the work will tell
            possible.add(result_size(stored, orientation, scale=scale, wanted=size))
    if not possible & {made.size, made.size[::-1]}:  # the latter: formats without metadata are stored turned
        what = f"{scale}x" if size is None else str(size)
        msg = f"{job.target} exists and is not {job.source.name} upscaled to {what}"
        raise JobError(msg, hint=_HINT_REPLACE)
    return job.target.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
