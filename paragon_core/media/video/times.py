"""Time stamps that a container's writer left in disorder: joined recordings, B frames in AVI, copied packets."""

from __future__ import annotations

import heapq
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from av import Packet

#: Seconds by which the packets of a stream may go back, and forward, before that counts as a jump; as in FFmpeg.
_MOST_BACK: Final = 0.1
_MOST_FORWARD: Final = 10.0

#: Seconds by which streams of one recording may be apart.
_APART: Final = 2.0

#: Distance in seconds of packets whose times had to be repaired: no container's unit is coarser.
_REPAIRED_STEP: Final = Fraction(1, 1000)


class Timeline:
    """Joins the parts of a recording: where times jump, they go on from where the part before ended."""

    def __init__(self) -> None:
        """Begin with times that are right."""
        self.jumps = 0
        self._latest = Fraction(0)
        self._shifts: dict[int, Fraction] = {}
        self._expected: dict[int, float] = {}
        self._now: float | None = None

    def join(self, packet: Packet[Any]) -> None:
        """Move a packet's times, in place, by what its part is away from its place."""
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None:
            return
        time_base = Fraction(packet.time_base)
        seconds, index = float(stamp * time_base), packet.stream.index
        if packet.stream.type == "subtitle":  # too rare to tell
            shift = self._latest
        elif packet.dts is None:  # when it is shown tells little
            shift = self._shifts.get(index, self._latest)
        else:
            shift = self._shift(index, seconds)
            self._shifts[index] = shift
            self._now = seconds + float(shift)
            self._expected[index] = self._now + float((packet.duration or 0) * time_base)
        ticks = round(shift / time_base)
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _shift(self, index: int, seconds: float) -> Fraction:
        shift, expected = self._shifts.get(index, self._latest), self._expected.get(index)
        if expected is None:
            return shift
        ahead = seconds + float(shift) - expected
        with_others = self._now is not None and abs(seconds + float(shift) - self._now) < _APART
        if -_MOST_BACK <= ahead <= _MOST_FORWARD or (ahead > 0 and with_others):
            return shift
        if shift != self._latest and abs(seconds + float(self._latest) - expected) < _APART:
            return self._latest  # another stream has come to the next part before
        self.jumps += 1
        self._latest = Fraction(expected - seconds).limit_denominator(1_000_000)
        return self._latest


class DisplayOrder:
    """Gives frames the times of their packets where these say only when they are decoded, one after another."""

    def __init__(self, reordered: int) -> None:
        """Begin before the first packet.

        Args:
            reordered: how far the time of a frame may be before that of its own packet.

        """
        self._reordered = reordered
        self._times: list[int] = []

    def add(self, packet: Packet[Any]) -> None:
        """Take note of a packet that goes into the decoder."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and packet.size:
            heapq.heappush(self._times, stamp)

    def next(self, own: int | None = None) -> int | None:
        """Return the time stamp of the next frame that is shown; None where it is not known.

        Args:
            own: that of the packet that it came from, by which packets are told that gave no frame.

        """
        while self._times:
            time = heapq.heappop(self._times)
            if own is None or time >= own - self._reordered:
                return time
        return own


class Monotonic:
    """Repairs packets of sound that are copied: their times only grow; they are heard when they are decoded."""

    def __init__(self) -> None:
        """Begin before the first packet."""
        self._last: int | None = None

    def repair(self, packet: Packet[Any]) -> None:
        """Change a packet's times in place where they must be."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            return
        if self._last is not None and stamp <= self._last:
            stamp = self._last + max(1, -(-_REPAIRED_STEP // Fraction(packet.time_base)))
        packet.pts = packet.dts = self._last = stamp
