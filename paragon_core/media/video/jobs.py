"""Videos among the files of a job: what is to be done, and what is done already."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from paragon_core.atomic_files import prepare_folder
from paragon_core.errors import InputError, JobError, MediaError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.formats import holds_animation
from paragon_core.media.images import read_header
from paragon_core.media.sequences import ImageSequence
from paragon_core.media.sources import unreadable
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.formats import container_of_name
from paragon_core.media.video.frame_size import frame_size
from paragon_core.media.video.opening import name_of, opened
from paragon_core.media.video.output import OutputFormat
from paragon_core.media.video.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.source import VideoReader
    from paragon_core.upscaling.output_size import OutputSize, Size

#: Seconds, and share of the whole, by which the length of a result may differ from what the source states.
_LONG_FRAME: Final = 2.0
_INEXACT: Final = 0.1

_ALL: Final = TimeRange()


def video_is_done(
    source: Path | ImageSequence,
    target: Path,
    *,
    scale: int,
    size: OutputSize | None = None,
    time_range: TimeRange = _ALL,
    keep_damaged: bool = False,
) -> bool:
    """Return whether a video's target is there: a whole video of the right size and length, not older than the source.

    Raises:
        JobError: the target is something else: it may be somebody's only copy.
        MediaError: the source cannot be read.
        BackendUnavailableError: PyAV is missing.

    """
    if not target.exists():
        return False
    try:
        made, length = _size_and_length(target)
    except (MediaError, UnsupportedFormatError):
        return False
    possible, wanted = possible_sizes(source, time_range, scale=scale, wanted=size, keep_damaged=keep_damaged)
    if not {made, made[::-1]} & possible:
        what = f"{scale}x" if size is None else str(size)
        msg = f"{target} exists and is not {Path(name_of(source)).name} upscaled to {what}"
        raise JobError(msg, hint="choose another output, or replace it with --overwrite")
    if length is not None and wanted is not None and not keep_damaged:
        limit = max(_LONG_FRAME, wanted * _INEXACT)
        too_long = length - wanted > limit and time_range != _ALL  # recordings that were joined state too little
        if wanted - length > limit or too_long:  # that of another time range
            return False
    return target.stat().st_mtime_ns >= changed_at(source)


def changed_at(source: Path | ImageSequence) -> int:
    """Return when a source was changed, in nanoseconds.

    Raises:
        MediaError: it is gone.

    """
    if isinstance(source, ImageSequence):
        return source.changed()
    try:
        return source.stat().st_mtime_ns
    except OSError as error:
        raise unreadable(source, error) from error


def video_grows(source: Path, *, scale: int, size: OutputSize | None, keep_damaged: bool = False) -> bool:
    """Return whether a video's frames become larger, wider or higher; raises what `look_ahead` does."""
    return look_ahead(source, VideoEncoding(), scale=scale, size=size, keep_damaged=keep_damaged).runs > 0


def prepare_video(source: Path, target: Path, *, max_pixels: int, keep_damaged: bool = False) -> None:
    """Find out, before any work is spent on it, whether a video can be read and its target written.

    Raises:
        MediaError: one of them cannot.
        UnsupportedFormatError: the target's name is not that of a video.
        UnsupportedSizeError: its frames have more pixels than the limit.
        BackendUnavailableError: PyAV is missing.

    """
    if not holds_animation(target):
        container_of_name(target)
    with opened(source, _ALL, keep_damaged=keep_damaged) as video:
        size = _frames_of(source, video)
    check_pixels(str(source), size, max_pixels)
    prepare_folder(target)


def check_pixels(name: str, size: Size, max_pixels: int) -> None:
    """Refuse frames that claim to be huge.

    Raises:
        UnsupportedSizeError: they have more pixels than the limit.

    """
    width, height = size
    if width * height > max_pixels:
        limit = f"the limit of {max_pixels / 1e6:.0f} million"
        msg = f"{name}: its frames have {width} x {height} pixels, more than {limit}"
        raise UnsupportedSizeError(msg, hint="if you trust the file, raise the limit with --max-pixels")


def look_ahead(
    source: Path, encoding: VideoEncoding, *, scale: int, size: OutputSize | None, keep_damaged: bool = False
) -> OutputFormat:
    """Return what a video becomes; its first frame is decoded for that.

    Raises:
        InputError: nothing fits into the box.
        MediaError: the source cannot be read.
        BackendUnavailableError: PyAV is missing.

    """
    return look_ahead_at_scales(source, encoding, scales=(scale,), size=size, keep_damaged=keep_damaged)[scale]


def look_ahead_at_scales(
    source: Source,
    encoding: VideoEncoding,
    *,
    scales: Iterable[int],
    size: OutputSize | None,
    keep_damaged: bool = False,
) -> dict[int, OutputFormat]:
    """Return what a video becomes with networks of each scale; it is opened once, and one frame is decoded.

    Raises:
        Those of `look_ahead`.

    """
    with opened(source, _ALL, keep_damaged=keep_damaged) as video:
        for step in video.steps():
            if step.frame is not None:
                return {
                    scale: OutputFormat.of(step.frame, video, encoding, scale=scale, wanted=size) for scale in scales
                }
    return _unknown_size(source)


def video_size(source: Path | ImageSequence) -> Size:
    """Return width and height of a video's frames, as stored; from its header, also where its end is missing.

    Raises:
        MediaError: the file cannot be read, or holds no video.
        BackendUnavailableError: PyAV is missing.

    """
    with opened(source, _ALL, keep_damaged=True) as video:
        return _frames_of(source, video)


def possible_sizes(
    source: Source, time_range: TimeRange, *, scale: int, wanted: OutputSize | None, keep_damaged: bool
) -> tuple[set[Size], float | None]:
    """Return the sizes that frames may get, and how many seconds of them are wanted, if the source says so.

    Sizes are turned where players have to turn them, even where 4:2:0 needs it.

    Raises:
        MediaError: the source cannot be read.
        BackendUnavailableError: PyAV is missing.

    """
    with opened(source, time_range, keep_damaged=keep_damaged) as video:
        size, aspect = _frames_of(source, video), Fraction(video.stream.sample_aspect_ratio or 0) or Fraction(1)
        seconds = video.seconds
    sizes = set()
    for upright, shape in ((size, aspect), (size[::-1], 1 / aspect)):
        for even in (False, True):
            with suppress(InputError):  # too large, or it does not fit
                sizes.add(frame_size(upright, shape, wanted, scale=scale, even=even).stored)
    return sizes, seconds


def _size_and_length(path: Path) -> tuple[Size, float | None]:
    """Return width and height of a whole video's frames, as stored, and its seconds, if it says so."""
    if holds_animation(path):
        header = read_header(path)
        if not header.ends:
            raise MediaError(f"{path} is cut off", hint="make it again")
        return header.size, None
    with opened(path, _ALL) as video:
        return _frames_of(path, video), video.seconds


def _frames_of(path: Source, video: VideoReader) -> Size:
    width, height = video.stream.codec_context.width, video.stream.codec_context.height
    return (width, height) if width and height else _unknown_size(path)


def _unknown_size(path: Source) -> NoReturn:
    msg = f"{name_of(path)} does not say how large its frames are"
    raise MediaError(msg, hint="see whether a player shows it; if so, convert it to another format first")
