"""Opening a video's file: whether it is whole, and which of its streams is the main one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

from paragon_core.errors import MediaError, UnsupportedFormatError
from paragon_core.media.pyav import pyav
from paragon_core.media.sequences import ImageSequence
from paragon_core.media.sources import check_regular
from paragon_core.media.video.demuxing import Demuxer, is_cover, not_read
from paragon_core.media.video.programs import programs
from paragon_core.media.video.source import VideoReader
from paragon_core.media.video.truncated import missing_bytes
from paragon_core.media.video.y4m import Y4mInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from av import VideoStream
    from av.container import InputContainer

    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.media.video.time_range import TimeRange

T = TypeVar("T")

#: What can be opened: a file, an open one that can be sought, images, or a pipe.
Source = Path | BinaryIO | ImageSequence | Y4mInput

_MPEG_TS: Final = "mpegts"
_IMAGES: Final = "image2"
_Y4M: Final = "yuv4mpegpipe"


@contextmanager
def opened(
    source: Source, time_range: TimeRange, *, keep_damaged: bool = False, deinterlace: Deinterlace = "off"
) -> Iterator[VideoReader]:
    """Open a video.

    Args:
        source: a file, an open one that can be read and sought, images, or y4m from a pipe.
        time_range: what is wanted of it.
        keep_damaged: whether a file whose end is missing is read as far as it goes.
        deinterlace: what is done about interlaced frames.

    Raises:
        MediaError: it is missing, unreadable, damaged, empty, or no video.
        UnsupportedFormatError: images of a kind that FFmpeg does not read.
        BackendUnavailableError: PyAV is missing, or cannot deinterlace and has to.

    """
    av = pyav()
    name = name_of(source)
    if isinstance(source, Path):
        check_regular(source, kind="a video file")
    try:
        if isinstance(source, Y4mInput):
            missing, container = 0, av.open(source, format=_Y4M)
        elif isinstance(source, ImageSequence):
            options = {"framerate": str(source.rate), "start_number": str(source.first), "pattern_type": "sequence"}
            missing, container = 0, av.open(f"file:{source.pattern.for_ffmpeg}", format=_IMAGES, options=options)
        else:
            missing = _look_into(source, missing_bytes)
            # Without "file:", a name such as "12:30.mp4" would be taken for an address.
            container = av.open(f"file:{source}" if isinstance(source, Path) else source)
    except (av.error.FFmpegError, OSError) as error:
        raise not_read(name, error) from error
    if missing and not keep_damaged:
        container.close()
        msg = f"{name} is cut off: {missing} bytes are missing at its end"
        raise MediaError(msg, hint="copy or download it again, or take what is there with --keep-damaged")
    with container:
        stream = _main_stream(container)
        if stream is None and isinstance(source, ImageSequence):
            msg = f"images such as {source.pattern.path(source.first).name} cannot be read as frames of a video here"
            raise UnsupportedFormatError(msg, hint="convert them to PNG first (--format png)")
        if stream is None:
            msg = f"{name} has no video stream that can be decoded here"
            raise MediaError(msg, hint="give a video; for sound alone there is nothing to upscale")
        stream.thread_type = "AUTO"
        found: Sequence[frozenset[int]] = ()
        if container.format.name == _MPEG_TS and not isinstance(source, ImageSequence | Y4mInput):
            found = _look_into(source, programs)
        demuxer = Demuxer(
            name,
            container,
            stream,
            programs=found,
            missing=missing,
            pipe=source if isinstance(source, Y4mInput) else None,
            keep_damaged=keep_damaged,
        )
        yield VideoReader(demuxer, time_range, deinterlace=deinterlace)


def name_of(source: Source) -> str:
    """Return what messages call a video."""
    return str(source) if isinstance(source, Path) else str(getattr(source, "name", None) or "the video")


def _look_into(source: Path | BinaryIO, look: Callable[[BinaryIO], T]) -> T:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return look(stream)
    return look(source)


def _main_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream to upscale: what FFmpeg takes for the best, unless it is a cover; None if there is none."""
    # It is said to return streams of any kind.
    best = cast("VideoStream | None", container.streams.best("video"))
    if best is None or best.codec_context is None or is_cover(best):
        return None
    return best
