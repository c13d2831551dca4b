"""Opening a video's file: whether it is whole, and which of its streams is the main one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

from paragon_core.errors import MediaError
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import check_regular
from paragon_core.media.video.programs import programs
from paragon_core.media.video.source import VideoReader, is_cover, not_read
from paragon_core.media.video.truncated import missing_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av import VideoStream
    from av.container import InputContainer

    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.media.video.time_range import TimeRange

T = TypeVar("T")

_MPEG_TS: Final = "mpegts"


@contextmanager
def opened(
    source: Path | BinaryIO, time_range: TimeRange, *, keep_damaged: bool = False, deinterlace: Deinterlace = "off"
) -> Iterator[VideoReader]:
    """Open a video.

    Args:
        source: a file, or an open one that can be read and sought.
        time_range: what is wanted of it.
        keep_damaged: whether a file whose end is missing is read as far as it goes.
        deinterlace: what is done about interlaced frames.

    Raises:
        MediaError: it is missing, unreadable, damaged, empty, or no video.
        BackendUnavailableError: PyAV is missing, or cannot deinterlace and has to.

    """
    av = pyav()
    name = str(source) if isinstance(source, Path) else getattr(source, "name", None) or "the video"
    if isinstance(source, Path):
        check_regular(source, kind="a video file")
    try:
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
        if stream is None:
            msg = f"{name} has no video stream that can be decoded here"
            raise MediaError(msg, hint="give a video; for sound alone there is nothing to upscale")
        stream.thread_type = "AUTO"
        found = _look_into(source, programs) if container.format.name == _MPEG_TS else ()
        yield VideoReader(
            str(name), container, stream, time_range, programs=found, missing=missing, deinterlace=deinterlace
        )


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
