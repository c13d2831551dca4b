"""A film as it comes in: its frames in the order of display, and the packets of what runs beside them."""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from paragon_core.errors import MediaError, ParagonError, UnsupportedSizeError
from paragon_core.low_memory import is_low_memory, lacks
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import check_regular, out_of_memory, unreadable
from paragon_core.media.video.excerpt import Excerpt
from paragon_core.media.video.whole import missing_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Packets that may gather before a frame comes.
_MOST_PACKETS: Final = 64

#: Seconds, and share of the whole, by which a film may end before its container says so.
_LONG_FRAME: Final = 1.0
_INEXACT: Final = 0.02

#: What is taken for the frames a second where a container says nothing, or nonsense.
_USUAL_RATE: Final = Fraction(25)
_HIGHEST_RATE: Final = 1000

#: Role of the picture on the cover of a record (AV_DISPOSITION_ATTACHED_PIC).
_COVER: Final = 0x400

#: Flag of containers whose times start anywhere (AVFMT_TS_DISCONT): recordings of broadcasts.
_TIMES_START_ANYWHERE: Final = 0x200


#: Bytes for each pixel that a decoder and its reference frames may take at once.
_BYTES_TO_DECODE: Final = 64

#: Errors that say nothing of the video itself.
_OF_THE_DISK: Final = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOMEM, errno.EIO),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What comes next in a film."""

    packets: tuple[Any, ...]
    """Packets of other streams that stand before the frame, with times that begin with the film's."""
    frame: Any = None
    """A frame, with a time stamp that begins with the film's; None where more packets come first, and at the end."""


class Film:
    """An opened film."""

    def __init__(self, name: str, container: Any, stream: Any, excerpt: Excerpt) -> None:  # noqa: ANN401  (PyAV is optional)
        """Begin at its first packet.

        Args:
            name: for messages.
            container: PyAV's.
            stream: that of the pictures.
            excerpt: what is wanted of it.

        """
        self.name = name
        self.container = container
        self.stream = stream
        self.excerpt = excerpt
        self._beside = [
            each for each in container.streams if each.type in {"audio", "subtitle"} and each.codec_context is not None
        ]
        self._unfinished = {each.index for each in [stream, *self._beside] if each.type != "subtitle"}
        self._size: tuple[int, int] | None = None
        self._last: int | None = None
        self._damaged = 0

    @property
    def time_base(self) -> Fraction:
        """Unit of the time stamps of frames, in seconds."""
        return Fraction(self.stream.time_base)

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        rate = Fraction(self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE)
        return rate if rate <= _HIGHEST_RATE else _USUAL_RATE

    @property
    def expected_frames(self) -> int | None:
        """How many frames there will be, as far as the container tells."""
        if self.excerpt == Excerpt() and self.stream.frames:
            return int(self.stream.frames)
        seconds = self._seconds()
        if seconds is None:
            return None
        seconds -= self.excerpt.start
        if self.excerpt.duration is not None:
            seconds = min(seconds, self.excerpt.duration)
        return max(round(seconds * float(self.rate)), 1)

    def _seconds(self) -> float | None:
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, in words for the user."""
        notes = []
        if self._damaged:
            notes.append(f"parts of it are damaged: {self._damaged} frames or packets were spoiled or passed over")
        seconds, end = self._seconds(), self.excerpt.duration
        if seconds is not None and end is None and self._last is not None:
            first = self.stream.start_time or 0
            lost = seconds - float((self._last - first) * self.time_base)
            if lost > max(_LONG_FRAME, seconds * _INEXACT):
                notes.append(f"its pictures end {lost:.1f} seconds before the time that the file states")
        return tuple(notes)

    @property
    def origin(self) -> Fraction:
        """The time in seconds that becomes 0."""
        if self.excerpt.start:
            return self.excerpt.ticks(self.time_base)[0] * self.time_base
        if self.container.format.flags & _TIMES_START_ANYWHERE and self.container.start_time:
            return Fraction(self.container.start_time, 1_000_000)
        return Fraction(0)

    def steps(self) -> Iterator[Step]:
        """Yield frames and the packets of sound and subtitles, in the order of the file.

        What cannot be decoded is passed over, as players do, and counted in `notes`.

        Raises:
            MediaError: the file cannot be read on.
            UnsupportedSizeError: frames change their size.

        """
        if self.excerpt.start:
            with suppress(pyav().error.FFmpegError):  # where that cannot be, all before it is read
                self.container.seek(self.excerpt.ticks(self.time_base)[0], stream=self.stream)
        packets: list[Any] = []
        for packet in self._packets([self.stream, *self._beside]):
            if packet.stream is not self.stream:
                packets += [packet] if self._is_wanted(packet) else []
            else:
                for frame in self._frames(packet):
                    yield Step(packets=tuple(packets), frame=frame)
                    packets = []
            if len(packets) >= _MOST_PACKETS:
                yield Step(packets=tuple(packets))
                packets = []
            if not self._unfinished:
                break
        yield Step(packets=tuple(packets))

    def _packets(self, streams: Sequence[Any]) -> Iterator[Any]:
        av = pyav()
        goes_on = True
        while goes_on:
            goes_on = False
            try:
                for packet in self.container.demux(*streams):
                    goes_on = True
                    yield packet
            except av.error.InvalidDataError:
                self._damaged += 1
            except (av.error.FFmpegError, OSError) as error:
                raise _unreadable(self.name, error) from error
            else:
                return
        msg = f"{self.name} is damaged and cannot be read to its end"
        raise MediaError(msg, hint="copy or download it again")

    def _frames(self, packet: Any) -> Iterator[Any]:  # noqa: ANN401  (PyAV is optional)
        """Yield the wanted frames that a packet completes."""
        first, end = self.excerpt.ticks(self.time_base)
        for frame in self._decoded(packet):
            self._check_size(frame)
            self._last = self._time_of(frame)
            self._damaged += frame.is_corrupt
            if end is not None and self._last >= end:
                self._unfinished.discard(self.stream.index)
            elif self._last >= first:
                frame.pts = self._last - round(self.origin / self.time_base)
                yield frame

    def _decoded(self, packet: Any) -> Sequence[Any]:  # noqa: ANN401  (as above)
        av = pyav()
        try:
            frames: Sequence[Any] = packet.decode()
        except av.error.EOFError:  # it was emptied already
            return ()
        except av.error.InvalidDataError as error:
            self._check_memory(error)
            self._damaged += 1
            return ()
        except av.error.FFmpegError as error:
            self._check_memory(error)
            msg = f"{self.name} cannot be decoded ({error})"
            raise MediaError(msg, hint="convert it to another format first") from error
        return frames

    def _check_memory(self, error: Exception) -> None:
        """Raise an error if frames may have been lost for lack of memory, which decoders call damage."""
        context = self.stream.codec_context
        if is_low_memory(error) or lacks(context.width * context.height * _BYTES_TO_DECODE):
            raise out_of_memory(Path(self.name)) from error

    def _check_size(self, frame: Any) -> None:  # noqa: ANN401  (as above)
        size = frame.width, frame.height
        if self._size is None:
            self._size = size
        if size != self._size:
            before, now = (f"{width} x {height}" for width, height in (self._size, size))
            msg = f"{self.name} changes its size on the way, from {before} to {now} pixels"
            raise UnsupportedSizeError(msg, hint="cut it into parts of one size first")

    def _time_of(self, frame: Any) -> int:  # noqa: ANN401  (as above)
        """Return a frame's time stamp: its own, or one frame after the last where it has none or goes back."""
        if frame.pts is not None and (self._last is None or frame.pts > self._last):
            return int(frame.pts)
        return 0 if self._last is None else self._last + max(round(1 / (self.rate * self.time_base)), 1)

    def _is_wanted(self, packet: Any) -> bool:  # noqa: ANN401  (as above)
        """Tell whether a packet of another stream lies in the excerpt, and let its times begin with the film's."""
        if packet.dts is None and packet.pts is None:
            return False  # the end of its stream
        time_base = Fraction(packet.time_base)
        first, end = self.excerpt.ticks(time_base)
        time = packet.dts if packet.pts is None else packet.pts
        if end is not None and time >= end:
            self._unfinished.discard(packet.stream.index)
            return False
        if self.excerpt.start and time < first:
            return False
        shift = round(self.origin / time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True


@contextmanager
def opened(source: Path | BinaryIO, excerpt: Excerpt) -> Iterator[Film]:
    """Open a film.

    Raises:
        MediaError: it is missing, unreadable, damaged, empty, or no film.
        BackendUnavailableError: PyAV is missing.

    """
    av = pyav()
    name = str(source) if isinstance(source, Path) else getattr(source, "name", None) or "the film"
    if isinstance(source, Path):
        check_regular(source, kind="a video file")
    try:
        missing = _missing(source)
        # Without "file:", a name such as "12:30.mp4" would be taken for an address.
        container = av.open(f"file:{source}" if isinstance(source, Path) else source)
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(name, error) from error
    if missing:
        container.close()
        msg = f"{name} is cut off: {missing} bytes are missing at its end"
        raise MediaError(msg, hint="copy or download it again")
    with container:
        stream = _stream_of_pictures(container)
        if stream is None:
            msg = f"{name} has no pictures that can be decoded here"
            raise MediaError(msg, hint="give a film; for sound alone there is nothing to enlarge")
        stream.thread_type = "AUTO"
        yield Film(str(name), container, stream, excerpt)


def _missing(source: Path | BinaryIO) -> int:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return missing_bytes(stream)
    return missing_bytes(source)


def _stream_of_pictures(container: Any) -> Any:  # noqa: ANN401  (PyAV is optional)
    """Return the stream to enlarge: what FFmpeg takes for the best, unless it is a cover; None if there is none."""
    best = container.streams.best("video")
    if best is None or best.codec_context is None or getattr(best, "disposition", 0) & _COVER:
        return None
    return best


def _unreadable(name: str, error: Exception) -> ParagonError:
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return unreadable(Path(name), error)
    reason = getattr(error, "strerror", None) or str(error)
    return MediaError(
        f"{name} is no film, or is damaged or cut off ({reason})", hint="copy, download or export it again"
    )
