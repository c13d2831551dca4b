"""From the packets of a video stream to frames in the order of display, each with its time and the first one's size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paragon_core.low_memory import is_low_memory, lacks
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import out_of_memory
from paragon_core.media.video.frames import is_transparent
from paragon_core.media.video.times import DisplayOrder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av import Packet, VideoFrame, VideoStream

#: Bytes for each pixel that a decoder and its reference frames may take at once.
_BYTES_TO_DECODE: Final = 64

#: Formats whose packets say when they are decoded, and do not say when they are shown.
_NO_DISPLAY_TIMES: Final = frozenset({"avi"})
#: Frames by which B frames are usually out of order.
_USUAL_DEPTH: Final = 2


@dataclass(frozen=True, kw_only=True)
class DecodingFacts:
    """What frames that were decoded are like, or those of a part of a video."""

    damaged: int = 0
    """Frames and packets that were spoiled or passed over."""
    scaled: int = 0
    """Frames that were scaled to the size of the first."""
    transparent: bool = False
    """Whether something can be seen through one of them."""
    size: tuple[int, int] | None = None
    """Width and height of the first frame; None if there was none."""
    last: int | None = None
    """Time stamp of the last frame in the file, likewise."""
    last_duration: int = 0
    """How long that frame is shown, in the same unit."""

    def since(self, before: DecodingFacts) -> DecodingFacts:
        """Return the facts of those frames only that came after others."""
        return replace(self, damaged=self.damaged - before.damaged, scaled=self.scaled - before.scaled)

    def then(self, later: DecodingFacts) -> DecodingFacts:
        """Return the facts of these frames and later ones together."""
        last = self if later.last is None else later
        return DecodingFacts(
            damaged=self.damaged + later.damaged,
            scaled=self.scaled + later.scaled,
            transparent=self.transparent or later.transparent,
            size=self.size or later.size,
            last=last.last,
            last_duration=last.last_duration,
        )


class FrameDecoder:
    """Decodes the packets of one stream."""

    def __init__(self, name: str, stream: VideoStream, *, rate: Fraction) -> None:
        """Begin with the first packet.

        Args:
            name: of the file, for messages.
            stream: PyAV's.
            rate: frames a second, where frames do not say when they are shown.

        """
        self.damaged = 0
        self.scaled = 0
        self.transparent = False
        self.size: tuple[int, int] | None = None
        self.last: int | None = None
        self.last_duration = 0
        self.reason = ""
        self._name = name
        self._stream = stream
        self._usual = max(round(1 / (rate * Fraction(stream.time_base or 1))), 1)
        self._order: DisplayOrder | None = None
        if stream.container.format.name in _NO_DISPLAY_TIMES:
            context = stream.codec_context
            depth = getattr(context, "reorder_depth", _USUAL_DEPTH * context.has_b_frames)  # PyAV has it from 19 on
            self._order = DisplayOrder(depth * self._usual)

    @property
    def orders(self) -> bool:
        """Whether it takes the times of frames from the packets before them."""
        return self._order is not None

    @property
    def facts(self) -> DecodingFacts:
        """What the frames so far are like."""
        return DecodingFacts(
            damaged=self.damaged,
            scaled=self.scaled,
            transparent=self.transparent,
            size=self.size,
            last=self.last,
            last_duration=self.last_duration,
        )

    def recall(self, facts: DecodingFacts) -> None:
        """Take frames for decoded that have these facts."""
        self.damaged, self.scaled, self.transparent = facts.damaged, facts.scaled, facts.transparent
        self.size, self.last, self.last_duration = facts.size, facts.last, facts.last_duration

    def frames(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """Yield the frames that a packet completes; what cannot be decoded is passed over and counted.

        Raises:
            OutOfMemoryError: there is not enough memory.

        """
        if self._order is not None:
            self._order.add(packet)
        for frame in self._decoded(packet):
            frame.pts = self.last = self._time_of(frame)
            # Older PyAV does not have a frame's own.
            self.last_duration = getattr(frame, "duration", packet.duration) or self._usual
            self.damaged += frame.is_corrupt
            self.transparent = self.transparent or is_transparent(frame)
            yield self._of_first_size(frame)

    def _decoded(self, packet: Packet[Any]) -> Sequence[VideoFrame]:
        av = pyav()
        for _ in range(2):
            try:
                frames: Sequence[VideoFrame] = packet.decode()
            except av.error.BlockingIOError:  # it wants to be asked once more
                self.reason = "its decoder takes no more packets"
            except av.error.EOFError:  # it was emptied already
                return ()
            except (av.error.FFmpegError, ValueError) as error:
                self._check_memory(error)
                self.reason = getattr(error, "strerror", None) or str(error)
                break
            else:
                return frames
        self.damaged += 1
        return ()

    def _check_memory(self, error: Exception) -> None:
        """Raise an error if frames may have been lost for lack of memory, which decoders report as damage."""
        context = self._stream.codec_context
        if is_low_memory(error) or lacks(context.width * context.height * _BYTES_TO_DECODE):
            raise out_of_memory(Path(self._name)) from error

    def _of_first_size(self, frame: VideoFrame) -> VideoFrame:
        size = frame.width, frame.height
        if self.size is None:
            self.size = size
        if size == self.size:
            return frame
        self.scaled += 1
        result = frame.reformat(width=self.size[0], height=self.size[1], interpolation="BICUBIC")
        result.pts, result.time_base = frame.pts, frame.time_base
        result.colorspace, result.color_range = frame.colorspace, frame.color_range
        return result

    def _time_of(self, frame: VideoFrame) -> int:
        """Return a frame's time stamp: its own, or one frame after the last where it has none or goes back."""
        stamp = frame.pts if self._order is None else self._order.next(frame.pts)
        if stamp is not None and (self.last is None or stamp > self.last):
            return int(stamp)
        return 0 if self.last is None else self.last + self._usual
