"""Reading a video: its frames in display order, and the packets of its other streams."""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paragon_core.errors import MediaError, ParagonError
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import unreadable
from paragon_core.media.video.decoding import FrameDecoder
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.times import Timeline

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

    from paragon_core.media.video.decoding import DecodingFacts

#: Packets that may gather before a frame comes.
_MOST_PACKETS: Final = 64

#: Seconds before what is wanted at which a frame may lie that can be decoded by itself.
_MARGINS: Final = (0, 10, 60)

#: Seconds, and share of the whole, by which a video may end before its container says so.
_LONG_FRAME: Final = 1.0
_INEXACT: Final = 0.02

#: Bytes, and share of the whole, that may come behind the last packet: an index, names.
_TAIL: Final = 4096
_TAIL_SHARE: Final = 0.05

#: What is taken for the frames a second where a container says nothing, or nonsense.
_USUAL_RATE: Final = Fraction(25)
_HIGHEST_RATE: Final = 1000

#: Role of the image on the cover of a record (AV_DISPOSITION_ATTACHED_PIC).
_COVER: Final = 0x400

#: Flag of containers whose times start anywhere (AVFMT_TS_DISCONT): recordings of broadcasts.
_TIMES_START_ANYWHERE: Final = 0x200

#: Flag of formats that hold frames only, one after another (AVFMT_NOTIMESTAMPS).
_NO_TIMES: Final = 0x80

#: How FFmpeg names Matroska, and the tag in which a track says when it ends.
_MATROSKA: Final = "matroska,webm"
_END_OF_TRACK: Final = "DURATION"

#: Errors that say nothing of the video itself.
_OF_THE_DISK: Final = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOMEM, errno.EIO),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """The next frame of a video, with the packets before it."""

    packets: tuple[Packet[Any], ...]
    """Packets of other streams that come before the frame, with times that begin with the video's."""
    frame: VideoFrame | None = None
    """A frame, with a time stamp that begins with the video's; None where more packets come first, and at the end."""


class VideoReader:
    """An opened video."""

    def __init__(
        self,
        name: str,
        container: InputContainer,
        stream: VideoStream,
        time_range: TimeRange,
        *,
        programs: Sequence[Collection[int]] = (),
        missing: int = 0,
    ) -> None:
        """Begin at its first packet.

        Args:
            name: for messages.
            container: PyAV's.
            stream: that of the images.
            time_range: what is wanted of it.
            programs: identifiers of the streams of each program, where there are several.
            missing: bytes that are missing at the file's end.

        """
        self.name = name
        self.container = container
        self.stream = stream
        self.time_range = time_range
        self._missing = missing
        foreign = _foreign(stream, programs)
        self._foreign_programs = max(len(programs) - 1, 0) if foreign else 0
        #: All other streams of its program: sound, subtitles, covers, attachments, further video tracks.
        self.others = [each for each in container.streams if each is not stream and each.id not in foreign]
        self._tracks = [
            each for each in self.others if each.type in {"audio", "subtitle"} and each.codec_context is not None
        ]
        self._unfinished = {each.index for each in [stream, *self._tracks] if each.type != "subtitle"}
        self._decoder = FrameDecoder(name, stream, rate=self.rate)
        self._timeline = Timeline() if self._starts_anywhere else None
        self._damaged = 0
        self._read = 0
        self._entered = False
        self._selected = [stream, *self._tracks, *(each for each in self.others if is_cover(each))]
        self._demuxed: Iterator[Packet[Any]] = container.demux(*self._selected)
        self._pending: list[Packet[Any]] = []
        #: The cover images of the file, by the index of their stream.
        self.covers: Mapping[int, bytes] = self._read_covers()

    @property
    def time_base(self) -> Fraction:
        """Unit of the time stamps of frames, in seconds."""
        return Fraction(self.stream.time_base or 1)

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        rate = Fraction(self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE)
        return rate if rate <= _HIGHEST_RATE else _USUAL_RATE

    @property
    def expected_frames(self) -> int | None:
        """Number of frames to come, as far as the container says."""
        if self.time_range == TimeRange() and self.stream.frames:
            return int(self.stream.frames)
        seconds = self.seconds
        if seconds is None:
            return None
        return max(round(seconds * float(self.rate)), 1)

    @property
    def seconds(self) -> float | None:
        """Length of what is wanted, as far as the container says."""
        seconds = self._stated_seconds()
        if seconds is None:
            return self.time_range.duration
        seconds = max(seconds - self.time_range.start, 0.0)
        return seconds if self.time_range.duration is None else min(seconds, self.time_range.duration)

    def _stated_seconds(self) -> float | None:
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        if self.container.format.name == _MATROSKA and (end := _seconds_of(self.stream.metadata.get(_END_OF_TRACK))):
            return end - float((self.stream.start_time or 0) * self.time_base)
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def no_frames(self) -> str:
        """Why there may be no frames, in words that follow others."""
        if self.time_range != TimeRange():
            return " between the times that were given"
        return f" ({self._decoder.reason})" if self._decoder.reason else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, in words for the user."""
        notes = []
        damaged = self._damaged + self._decoder.damaged
        if self._missing:
            notes.append(f"it is cut off: {self._missing} bytes are missing at its end, and what is there was kept")
        if damaged:
            notes.append(f"parts of it are damaged: {damaged} frames or packets were spoiled or passed over")
        if self._timeline is not None and self._timeline.jumps:
            jumps = self._timeline.jumps
            often = "once" if jumps == 1 else f"{jumps} times"
            notes.append(f"its times jump {often}, as where recordings were joined, and now go on without a gap")
        if self._decoder.scaled and self._decoder.size is not None:
            width, height = self._decoder.size
            notes.append(
                f"its frames change their size on the way: {self._decoder.scaled} of them were scaled to "
                f"{width} x {height} pixels, the size of the first"
            )
        if self._decoder.transparent:
            notes.append("its transparency was left out")
        if self._foreign_programs:
            notes.append(f"it holds {self._foreign_programs + 1} programs, and only the main one was kept")
        if not self._missing and (lost := self._lost()) and not self._is_read_whole():
            notes.append(f"its frames end {lost:.1f} seconds before the time that the file states")
        return tuple(notes)

    @property
    def last_duration(self) -> int:
        """How long the last frame is shown, in units of the time base; known once all were read."""
        decoder, end = self._decoder, self.wanted_times[1]
        if decoder.last is None:
            return 0
        if end is not None:
            return max(min(decoder.last_duration, end - decoder.last), 1)
        lost = self._lost() if not self._missing and self._is_read_whole() else 0.0
        return int(decoder.last_duration + lost / float(self.time_base))

    def _lost(self) -> float:
        """Return the seconds by which the last frame ends before the time that the file states, if they are many."""
        seconds, decoder = self._stated_seconds(), self._decoder
        if seconds is None or self.time_range.duration is not None or decoder.last is None:
            return 0.0
        first = self.stream.start_time or 0
        lost = seconds - float((decoder.last + decoder.last_duration - first) * self.time_base)
        return lost if lost > max(_LONG_FRAME, seconds * _INEXACT) else 0.0

    def _is_read_whole(self) -> bool:
        """Return whether packets were found up to the end of a Matroska file: then its last frame is a long one."""
        if self.container.format.name != _MATROSKA or self._damaged or self._decoder.damaged:
            return False
        size = self.container.size or 0
        return bool(size - self._read <= _TAIL + size * _TAIL_SHARE)

    @property
    def origin(self) -> Fraction:
        """The time in seconds that becomes 0."""
        first, _ = self.wanted_times
        if first is not None:
            return first * self.time_base
        return self._begin if self._starts_anywhere else Fraction(0)

    @property
    def _starts_anywhere(self) -> bool:
        return bool(self.container.format.flags & _TIMES_START_ANYWHERE)

    @property
    def _begin(self) -> Fraction:
        """The time in seconds at which it begins. What is before 0 is not shown: it fills decoders, or was cut out."""
        start = self.container.start_time or 0
        return Fraction(start, 1_000_000) if start > 0 or self._starts_anywhere else Fraction(0)

    @property
    def shift(self) -> int:
        """What was taken from the time stamps of frames, so that they begin with the video's, in units of the base."""
        return round(self.origin / self.time_base)

    @property
    def wanted_times(self) -> tuple[int | None, int | None]:
        """The first time stamp of the file that is wanted, and the first that is not any more; None: all."""
        return self.time_range.ticks(self.time_base, self._begin)

    @property
    def facts(self) -> DecodingFacts:
        """What the frames that were decoded so far are like."""
        return self._decoder.facts

    def recall(self, facts: DecodingFacts) -> None:
        """Take the frames for decoded, by this reader or others, that have these facts."""
        self._decoder.recall(facts)

    @property
    def can_be_entered(self) -> bool:
        """Whether packets that were read so far let a frame be found by its time: they have one each that is right."""
        flags = self.container.format.flags
        return not (self._missing or self._damaged or flags & _NO_TIMES or self._decoder.orders) and not (
            self._timeline is not None and self._timeline.jumps
        )

    def enter(self, place: int) -> None:
        """Go to a time stamp of the file, before anything was read; only frames follow. For `can_be_entered`.

        Raises:
            MediaError: that cannot be done.

        """
        self._selected, self._tracks, self._timeline = [self.stream], [], None
        self._unfinished = {self.stream.index}
        self._entered = True
        try:
            self._go_to(place)
        except pyav().error.FFmpegError as error:
            raise not_read(self.name, error) from error

    def steps(self) -> Iterator[Step]:
        """Yield frames and the packets of sound and subtitles, in the order of the file.

        What cannot be decoded is passed over, as players do, and counted in `notes`.

        Raises:
            MediaError: the file cannot be read on.
            OutOfMemoryError: there is not enough memory.

        """
        first, _ = self.wanted_times
        if first is not None and not self._entered:
            self._seek(first)
        packets: list[Packet[Any]] = []
        for packet in self.packets():
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

    def other_packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of sound and subtitles as `steps` has them, without decoding frames.

        Raises:
            MediaError: the file cannot be read on.

        """
        first, end = self.wanted_times
        if first is not None:
            self._seek(first)
        for packet in self.packets():
            if packet.stream is not self.stream:
                if self._is_wanted(packet):
                    yield packet
            elif end is not None and packet.dts is not None and packet.dts >= end:
                self._unfinished.discard(self.stream.index)
            if not self._unfinished:
                break

    def packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of frames, sound and subtitles, in the order of the file and on one timeline.

        Raises:
            MediaError: the file cannot be read on.

        """
        wanted = {each.index for each in [self.stream, *self._tracks]}
        for packet in self._packets():
            if packet.stream.index in wanted:
                if self._timeline is not None:
                    self._timeline.join(packet)
                yield packet

    def _seek(self, first: int) -> None:
        """Go to a frame from which on those that are wanted can be decoded; not all formats find it at once."""
        if self.stream.start_time is None or self.container.format.flags & _NO_TIMES:
            return
        begin = int(self._begin / self.time_base)
        with suppress(pyav().error.FFmpegError):  # where that cannot be, all before it is read
            for margin in _MARGINS:
                place = first - int(margin / self.time_base)
                if place <= begin:
                    break
                self._go_to(place)
                reached = self._time_of_next_frame()
                if reached is not None and reached <= first:
                    self._go_to(place)
                    return
            # The first one is decoded before it is shown.
            self._go_to(max(begin - int(_MARGINS[1] / self.time_base), 0))

    def _go_to(self, place: int) -> None:
        self.container.seek(place, stream=self.stream)
        self._pending, self._demuxed = [], self.container.demux(*self._selected)

    def _time_of_next_frame(self) -> int | None:
        """Return a time stamp that may come from any of the next packets; None where there is none."""
        av = pyav()
        for packet in islice((each for each in self._demuxed if each.stream is self.stream), _MOST_PACKETS):
            with suppress(av.error.FFmpegError, ValueError):
                for frame in packet.decode():
                    return None if frame.pts is None else int(frame.pts)
        return None

    def _packets(self) -> Iterator[Packet[Any]]:
        av = pyav()
        goes_on = True
        while goes_on:
            goes_on = False
            try:
                for packet in chain(self._pending, self._demuxed):
                    goes_on = True
                    if packet.pos is not None:
                        self._read = max(self._read, packet.pos + packet.size)
                    yield packet
            except av.error.InvalidDataError:
                self._damaged += 1
                self._pending, self._demuxed = [], self.container.demux(*self._selected)
            except (av.error.FFmpegError, OSError) as error:
                raise not_read(self.name, error) from error
            else:
                return
        if self._missing:
            return
        msg = f"{self.name} is damaged and cannot be read to its end"
        raise MediaError(msg, hint="copy or download it again, or take what is there with --keep-damaged")

    def _read_covers(self) -> dict[int, bytes]:
        """Return the cover images, which come before all other packets."""
        indices = {each.index for each in self.others if is_cover(each)}
        covers: dict[int, bytes] = {}
        try:
            while len(covers) < len(indices):
                packet = next(self._demuxed, None)
                if packet is None:
                    break
                if packet.stream.index not in indices:
                    self._pending.append(packet)
                    break
                covers[packet.stream.index] = bytes(packet)
        except pyav().error.FFmpegError:
            self._damaged += 1
            self._demuxed = self.container.demux(*self._selected)
        return covers

    def _frames(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """Yield the wanted frames that a packet completes."""
        first, end = self.wanted_times
        for frame in self._decoder.frames(packet):
            time = frame.pts or 0  # the decoder gives each frame one
            if end is not None and time >= end:
                self._unfinished.discard(self.stream.index)
            elif first is None or time >= first:
                frame.pts = time - self.shift
                yield frame

    def _is_wanted(self, packet: Packet[Any]) -> bool:
        """Return whether a packet of another stream is in the time range, and let its times begin with the video's."""
        time = packet.dts if packet.pts is None else packet.pts
        if time is None:
            return False  # the end of its stream
        time_base = Fraction(packet.time_base)
        first, end = self.time_range.ticks(time_base, self._begin)
        if end is not None and time >= end:
            self._unfinished.discard(packet.stream.index)
            return False
        if first is not None and time < first:
            return False
        shift = round(self.origin / time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True


def is_cover(stream: Stream) -> bool:
    """Return whether a video stream is a cover image."""
    return bool(stream.type == "video" and getattr(stream, "disposition", 0) & _COVER)  # PyAV has it from 14.1 on


def not_read(name: str, error: Exception) -> ParagonError:
    """Return the error to raise for one of FFmpeg's or of the disk's."""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return unreadable(Path(name), error)
    reason = getattr(error, "strerror", None) or str(error)
    return MediaError(
        f"{name} is no video, or is damaged or cut off ({reason})", hint="copy, download or export it again"
    )


def _foreign(stream: Stream, programs: Sequence[Collection[int]]) -> set[int]:
    """Return the identifiers of streams of other programs than that of a stream."""
    own = next((each for each in programs if stream.id in each), None)
    return set() if own is None else {each for other in programs for each in other} - set(own)


def _seconds_of(text: str | None) -> float | None:
    """Read hours, minutes and seconds of a tag of Matroska."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text or "")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None
