"""Reading a video: its frames in display order, those that are wanted, and the packets of its other streams."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.video.decoding import FrameDecoder
from paragon_core.media.video.deinterlacing import Deinterlacer
from paragon_core.media.video.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av import Packet, VideoFrame

    from paragon_core.media.video.decoding import DecodingFacts
    from paragon_core.media.video.demuxing import Demuxer
    from paragon_core.media.video.formats import Deinterlace

#: Packets that may gather before a frame comes.
_MOST_PACKETS: Final = 64

#: Seconds, and share of the whole, by which a video may end before its container says so.
_LONG_FRAME: Final = 1.0
_INEXACT: Final = 0.02

#: Frames before the first that is wanted which deinterlacing looks at.
_CONTEXT: Final = 2

#: What is taken for the frames a second where a container says nothing, or nonsense.
_USUAL_RATE: Final = Fraction(25)
_HIGHEST_RATE: Final = 1000

#: How FFmpeg names Matroska, and the tag in which a track says when it ends.
_MATROSKA: Final = "matroska,webm"
_END_OF_TRACK: Final = "DURATION"


@dataclass(frozen=True, kw_only=True)
class Step:
    """The next frame of a video, with the packets before it."""

    packets: tuple[Packet[Any], ...]
    """Packets of other streams that come before the frame, with times that begin with the video's."""
    frame: VideoFrame | None = None
    """A frame, with a time stamp that begins with the video's; None where more packets come first, and at the end."""


class VideoReader:
    """An opened video."""

    def __init__(self, demuxer: Demuxer, time_range: TimeRange, *, deinterlace: Deinterlace = "off") -> None:
        """Begin at its first packet.

        Args:
            demuxer: where its packets come from; nothing was read from it.
            time_range: what is wanted of it.
            deinterlace: what is done about interlaced frames.

        Raises:
            BackendUnavailableError: this FFmpeg cannot deinterlace, and has to.

        """
        self.name = demuxer.name
        self.container = demuxer.container
        self.stream = stream = demuxer.stream
        self.others = demuxer.others
        self.covers = demuxer.covers
        self.time_range = time_range
        self._demuxer = demuxer
        self._unfinished = {each.index for each in [stream, *demuxer.tracks] if each.type != "subtitle"}
        self._decoder = FrameDecoder(self.name, stream, rate=self._stream_rate)
        self._deinterlacer = Deinterlacer(stream, deinterlace)
        self._deinterlace = deinterlace
        self._fields = 2 if deinterlace == "bob" else 1
        self._last: int | None = None
        self._interlaced = 0
        self._entered = False

    @property
    def time_base(self) -> Fraction:
        """Unit of the time stamps of frames, in seconds."""
        return self._deinterlacer.time_base

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return self._stream_rate * self._fields

    @property
    def _stream_rate(self) -> Fraction:
        rate = Fraction(self.stream.average_rate or self.stream.guessed_rate or _USUAL_RATE)
        return rate if rate <= _HIGHEST_RATE else _USUAL_RATE

    @property
    def expected_frames(self) -> int | None:
        """Number of frames to come, as far as the container says."""
        if self.time_range == TimeRange() and self.stream.frames:
            return int(self.stream.frames) * self._fields
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
            return float(self.stream.duration * self._demuxer.time_base)
        if self.container.format.name == _MATROSKA and (end := _seconds_of(self.stream.metadata.get(_END_OF_TRACK))):
            return end - float((self.stream.start_time or 0) * self._demuxer.time_base)
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
        damaged = self._demuxer.damaged + self._decoder.damaged
        if missing := self._demuxer.missing:
            notes.append(f"it is cut off: {missing} bytes are missing at its end, and what is there was kept")
        if damaged:
            notes.append(f"parts of it are damaged: {damaged} frames or packets were spoiled or passed over")
        if jumps := self._demuxer.jumps:
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
        if foreign := self._demuxer.foreign_programs:
            notes.append(f"it holds {foreign + 1} programs, and only the main one was kept")
        if not missing and (lost := self._lost()) and not self._is_read_whole():
            notes.append(f"its frames end {lost:.1f} seconds before the time that the file states")
        return (*notes, *self._deinterlacer.notes(self._interlaced))

    @property
    def last_duration(self) -> int:
        """How long the last frame is shown, in units of the time base; known once all were read."""
        end = self.wanted_times[1]
        if self._last is None:
            return 0
        if end is not None:
            return self._duration_until(end)
        lost = self._lost() if not self._demuxer.missing and self._is_read_whole() else 0.0
        # Where frames double, a field's unit and duration are half of both.
        return int(self._decoder.last_duration + lost / float(self.time_base))

    def _duration_until(self, end: int) -> int:
        """Return how long the last wanted frame is shown, which ends then at the latest."""
        left = end - (self._last or 0)
        goes_on = self.stream.index not in self._unfinished  # a frame behind the end was there
        return max(left if goes_on else min(self._decoder.last_duration, left), 1)

    def _lost(self) -> float:
        """Return the seconds by which the last frame ends before the time that the file states, if they are many."""
        seconds, decoder = self._stated_seconds(), self._decoder
        if seconds is None or self.time_range.duration is not None or decoder.last is None:
            return 0.0
        first = self.stream.start_time or 0
        lost = seconds - float((decoder.last + decoder.last_duration - first) * self._demuxer.time_base)
        return lost if lost > max(_LONG_FRAME, seconds * _INEXACT) else 0.0

    def _is_read_whole(self) -> bool:
        """Return whether packets were found up to the end of a Matroska file: then its last frame is a long one."""
        is_matroska = self.container.format.name == _MATROSKA
        return is_matroska and self._demuxer.is_read_whole and not self._decoder.damaged

    @property
    def origin(self) -> Fraction:
        """The time in seconds that becomes 0."""
        first, _ = self.wanted_times
        if first is not None:
            return first * self.time_base
        return self._demuxer.begin if self._demuxer.starts_anywhere else Fraction(0)

    @property
    def shift(self) -> int:
        """What was taken from the time stamps of frames, so that they begin with the video's, in units of the base."""
        return round(self.origin / self.time_base)

    @property
    def wanted_times(self) -> tuple[int | None, int | None]:
        """The first time stamp of the file that is wanted, and the first that is not any more; None: all."""
        return self.time_range.ticks(self.time_base, self._demuxer.begin)

    @property
    def facts(self) -> DecodingFacts:
        """What the wanted frames so far are like, and what decoding found in them."""
        facts, end = self._decoder.facts, self.wanted_times[1]
        duration = facts.last_duration if end is None or self._last is None else self._duration_until(end)
        return replace(facts, interlaced=self._interlaced, last=self._last, last_duration=duration)

    def recall(self, facts: DecodingFacts) -> None:
        """Take the frames for decoded, by this reader or others, that have these facts."""
        self._decoder.recall(facts)
        self._interlaced, self._last = facts.interlaced, facts.last

    @property
    def can_be_entered(self) -> bool:
        """Whether packets that were read so far let a frame be found by its time: they have one each that is right."""
        return self._demuxer.has_right_times and not self._decoder.orders

    def enter(self, place: int) -> None:
        """Go to a time stamp of the file, before anything was read; only frames follow. For `can_be_entered`.

        Raises:
            MediaError: that cannot be done.

        """
        self._unfinished = {self.stream.index}
        self._entered = True
        self._demuxer.enter(place)

    def steps(self) -> Iterator[Step]:
        """Yield frames and the packets of sound and subtitles, in the order of the file.

        What cannot be decoded is passed over, as players do, and counted in `notes`.

        Raises:
            MediaError: the file cannot be read on.
            OutOfMemoryError: there is not enough memory.

        """
        if not self._entered:
            self._seek_to_begin()
        packets: list[Packet[Any]] = []
        for packet in self._demuxer.packets():
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
        for frame in self._wanted(self._deinterlacer.flush()):
            yield Step(packets=tuple(packets), frame=frame)
            packets = []
        yield Step(packets=tuple(packets))

    def other_packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of sound and subtitles as `steps` has them, without decoding frames.

        Raises:
            MediaError: the file cannot be read on.

        """
        _, end = self.wanted_times
        self._seek_to_begin()
        for packet in self._demuxer.packets():
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
        return self._demuxer.packets()

    def _seek_to_begin(self) -> None:
        """Go to a place from which on all frames that are wanted can be made."""
        first, _ = self.time_range.ticks(self._demuxer.time_base, self._demuxer.begin)
        if first is not None:
            frame = 1 / (self._stream_rate * self._demuxer.time_base)
            before = round(_CONTEXT * frame) if self._deinterlace != "off" else 0
            self._demuxer.seek(first - before)

    def _frames(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """Yield the wanted frames that a packet completes."""
        for frame in self._decoder.frames(packet):
            self._interlaced += self._deinterlacer.is_interlaced(frame)
            yield from self._wanted(self._deinterlacer.frames(frame))

    def _wanted(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield frames of the time range, with times that begin with it."""
        first, end = self.wanted_times
        for frame in frames:
            time = frame.pts or 0  # the decoder gives each frame one
            if end is not None and time >= end:
                self._unfinished.discard(self.stream.index)
            elif first is None or time >= first:
                self._last = time
                frame.pts = time - self.shift
                yield frame

    def _is_wanted(self, packet: Packet[Any]) -> bool:
        """Return whether a packet of another stream is in the time range, and let its times begin with the video's."""
        time = packet.dts if packet.pts is None else packet.pts
        if time is None:
            return False  # the end of its stream
        time_base = Fraction(packet.time_base)
        first, end = self.time_range.ticks(time_base, self._demuxer.begin)
        if end is not None and time >= end:
            self._unfinished.discard(packet.stream.index)
            return False
        if first is not None and time < first:
            return False
        shift = round(self.origin / time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True


def _seconds_of(text: str | None) -> float | None:
    """Read hours, minutes and seconds of a tag of Matroska."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text or "")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None
