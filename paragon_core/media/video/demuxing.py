"""The packets of a video's file: in its order, on one timeline, from any place on, as far as it is whole."""

from __future__ import annotations

import errno
from contextlib import suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paragon_core.errors import MediaError, ParagonError
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import unreadable
from paragon_core.media.video.times import Timeline

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from av import Packet, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

    from paragon_core.media.video.y4m import Y4mInput

#: Packets among which a frame has to come.
_MOST_PACKETS: Final = 64

#: Seconds before what is wanted at which a frame may lie that can be decoded by itself.
_MARGINS: Final = (0, 10, 60)

#: Bytes, and share of the whole, that may come behind the last packet: an index, names.
_TAIL: Final = 4096
_TAIL_SHARE: Final = 0.05

#: Role of the image on the cover of a record (AV_DISPOSITION_ATTACHED_PIC).
_COVER: Final = 0x400

#: Flag of containers whose times start anywhere (AVFMT_TS_DISCONT): recordings of broadcasts.
_TIMES_START_ANYWHERE: Final = 0x200

#: Flag of formats that hold frames only, one after another (AVFMT_NOTIMESTAMPS).
_NO_TIMES: Final = 0x80

#: Errors that say nothing of the video itself.
_OF_THE_DISK: Final = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOMEM, errno.EIO),
}


class Demuxer:
    """Reads the packets of a video stream and of what goes with it; damaged ones are passed over and counted."""

    def __init__(
        self,
        name: str,
        container: InputContainer,
        stream: VideoStream,
        *,
        programs: Sequence[Collection[int]] = (),
        missing: int = 0,
        pipe: Y4mInput | None = None,
        keep_damaged: bool = False,
    ) -> None:
        """Begin at its first packet.

        Args:
            name: for messages.
            container: PyAV's.
            stream: that of the images.
            programs: identifiers of the streams of each program, where there are several.
            missing: bytes that are missing at the file's end.
            pipe: what it is read from, if that cannot be sought.
            keep_damaged: whether a pipe that is cut off is read as far as it goes.

        """
        self.name = name
        self.container = container
        self.stream = stream
        foreign = _foreign(stream, programs)
        #: Programs of which nothing is read.
        self.foreign_programs = max(len(programs) - 1, 0) if foreign else 0
        #: All other streams of its program: sound, subtitles, covers, attachments, further video tracks.
        self.others = [each for each in container.streams if each is not stream and each.id not in foreign]
        #: Those of them that are sound and subtitles, and can be read.
        self.tracks = [
            each for each in self.others if each.type in {"audio", "subtitle"} and each.codec_context is not None
        ]
        self.starts_anywhere = bool(container.format.flags & _TIMES_START_ANYWHERE)
        #: Bytes that are missing at the end; of a pipe, once all was read.
        self.missing = missing
        #: Packets that could not be read.
        self.damaged = 0
        self._has_times = not container.format.flags & _NO_TIMES
        self._pipe = pipe
        self._keep_damaged = keep_damaged
        self._selected: list[Stream] = [stream, *self.tracks, *filter(is_cover, self.others)]
        self._timeline = Timeline() if self.starts_anywhere else None
        self._read = 0
        self._demuxed: Iterator[Packet[Any]] = container.demux(*self._selected)
        self._pending: list[Packet[Any]] = []
        #: The cover images of the file, by the index of their stream.
        self.covers: Mapping[int, bytes] = self._read_covers()

    @property
    def time_base(self) -> Fraction:
        """Unit of the time stamps of packets of images, in seconds."""
        return Fraction(self.stream.time_base or 1)

    @property
    def begin(self) -> Fraction:
        """The time in seconds at which it begins. What is before 0 is not shown: it fills decoders, or was cut out."""
        start = self.container.start_time or 0
        return Fraction(start, 1_000_000) if start > 0 or self.starts_anywhere else Fraction(0)

    @property
    def jumps(self) -> int:
        """How often times jumped so far, as where recordings were joined."""
        return 0 if self._timeline is None else self._timeline.jumps

    @property
    def has_right_times(self) -> bool:
        """Whether the packets that were read so far have times by which they can be found."""
        return self._has_times and not (self.missing or self.damaged or self.jumps)

    @property
    def is_read_whole(self) -> bool:
        """Whether packets were found up to the end of the file, and all of them could be read."""
        size = self.container.size or 0
        return not self.damaged and bool(size - self._read <= _TAIL + size * _TAIL_SHARE)

    def packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of all streams but covers, in the order of the file and on one timeline.

        Raises:
            MediaError: the file cannot be read on.

        """
        wanted = {each.index for each in self._selected if not is_cover(each)}
        for packet in self._packets():
            if packet.stream.index in wanted:
                if self._timeline is not None:
                    self._timeline.join(packet)
                yield packet

    def enter(self, place: int) -> None:
        """Go to a time stamp of the file, before anything was read; only packets of images follow.

        Raises:
            MediaError: that cannot be done.

        """
        self._selected, self._timeline = [self.stream], None
        try:
            self._go_to(place)
        except pyav().error.FFmpegError as error:
            raise not_read(self.name, error) from error

    def seek(self, first: int) -> None:
        """Go to a frame from which on that of a time stamp can be decoded; not all formats find it at once."""
        if self._pipe is not None or self.stream.start_time is None or not self._has_times:
            return
        begin = int(self.begin / self.time_base)
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
        self._start_again()

    def _start_again(self) -> None:
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
                self.damaged += 1
                self._start_again()
            except (av.error.FFmpegError, OSError) as error:
                raise not_read(self.name, error) from error
            else:
                self._check_pipe()
                return
        if self.missing:
            return
        msg = f"{self.name} is damaged and cannot be read to its end"
        raise MediaError(msg, hint="copy or download it again, or take what is there with --keep-damaged")

    def _check_pipe(self) -> None:
        """Find out, at its end, whether a pipe was cut off."""
        self.missing = self.missing if self._pipe is None else self._pipe.missing
        if self._pipe is not None and self.missing and not self._keep_damaged:
            msg = f"{self.name} is cut off: {self.missing} bytes are missing at its end"
            raise MediaError(msg, hint="see why the program before ended, or take what is there with --keep-damaged")

    def _read_covers(self) -> dict[int, bytes]:
        """Return the cover images, which come before all other packets."""
        indices = {each.index for each in self._selected if is_cover(each)}
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
            self.damaged += 1
            self._demuxed = self.container.demux(*self._selected)
        return covers


def _foreign(stream: Stream, programs: Sequence[Collection[int]]) -> set[int]:
    """Return the identifiers of streams of other programs than that of a stream."""
    own = next((each for each in programs if stream.id in each), None)
    return set() if own is None else {each for other in programs for each in other} - set(own)


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
