"""Where a video is cut into chunks, and from where each can be decoded: from the times of its packets alone."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paragon_core.upscaling.temporal import window_length

if TYPE_CHECKING:
    from paragon_core.media.video.source import VideoReader


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A run of frames that are upscaled and encoded by themselves.

    Positions are time stamps of frames, as `VideoReader.steps` gives them, or, in a video whose times cannot be
    trusted, numbers of frames.
    """

    number: int
    """Its place among the chunks, from 0 on."""
    frames: int
    """Number of frames, as far as packets tell."""
    first: int | None
    """Position of its first frame; None for the first chunk, which begins with the video."""
    end: int | None
    """Position of the first frame after it; None for the last chunk, which ends with the video."""
    before: int | None
    """Position of the frame before it; None where there is none."""
    warm: int | None
    """Position of the first frame that its own are smoothed with, if there is one before it."""
    entry: int | None
    """Time stamp in the file to seek to, from where on all of these are decoded as from the video's beginning; None:
    only from there."""


@dataclass(frozen=True, kw_only=True)
class ChunkPlan:
    """The chunks of a video."""

    by_time: bool
    """Whether positions are time stamps; else they count frames."""
    chunks: tuple[Chunk, ...]
    """In their order; at least one."""
    other_bytes: int = 0
    """Bytes of sound and subtitles."""

    @property
    def frames(self) -> int:
        """Number of frames in all, as far as packets tell."""
        return sum(chunk.frames for chunk in self.chunks)

    def share(self, shard: int, shards: int, *, turn: int = 0) -> tuple[int, ...]:
        """Return the numbers of the chunks that one of several processes makes: neighbours, as evenly as can be.

        Args:
            shard: which of them, from 1 to ``shards``.
            shards: how many there are.
            turn: which share is the first one's; counted up from video to video, so that the work is even where each
                has few chunks.

        """
        count, index = len(self.chunks), (shard - 1 - turn) % shards
        return tuple(range(-(-index * count // shards), -(-(index + 1) * count // shards)))


def plan_chunks(video: VideoReader, *, frames: int, temporal: float) -> ChunkPlan:
    """Read a video's packets, without decoding any, and cut it.

    The reader is at its end afterwards.

    Args:
        video: the reader, at its beginning.
        frames: most frames of a chunk; chunks are as even as can be.
        temporal: strength of smoothing, 0 to 0.9; frames before a chunk that it looks at are needed as well.

    Raises:
        MediaError: the file cannot be read on.

    """
    packets = _read(video)
    times, exact = packets.times, packets.exact
    needed = window_length(temporal) - 1
    count = max(-(-len(times) // frames), 1)
    cuts = [len(times) * number // count for number in range(count + 1)]
    chunks = []
    for number in range(count):
        start, end = cuts[number], cuts[number + 1]
        places = {
            "first": start if number else None,
            "end": end if number + 1 < count else None,
            "before": start - 1 if number else None,
            "warm": max(start - needed, 0) if number and needed else None,
        }
        positions = {
            name: times[place] - video.shift if exact and place is not None else place for name, place in places.items()
        }
        entry = _entry(packets.keys, times[max(start - max(needed, 1), 0)]) if exact and number else None
        chunks.append(Chunk(number=number, frames=end - start, entry=entry, **positions))
    return ChunkPlan(by_time=exact, chunks=tuple(chunks), other_bytes=packets.other_bytes)


def _entry(keys: list[tuple[int, int]], time: int) -> int | None:
    """Return where to seek to for a frame of a time: one key frame earlier than the last before it.

    Frames that are shown before a key frame may depend on the one before (open groups of pictures), and decoders that
    begin there may pass over some.
    """
    index = bisect_right(keys, time, key=lambda key: key[0]) - 2
    return keys[index][1] if index > 0 else None


@dataclass(frozen=True, kw_only=True)
class _Packets:
    """What the packets of a video tell."""

    times: array[int]
    """Times of the wanted frames, ascending."""
    keys: list[tuple[int, int]]
    """Time of each key frame, and the place in the file to seek to for it; ascending."""
    exact: bool
    """Whether the times are those of frames."""
    other_bytes: int
    """Bytes of other streams."""


def _read(video: VideoReader) -> _Packets:
    times, keys, exact, other_bytes = array("q"), [], True, 0
    for packet in video.packets():
        if packet.stream is not video.stream:
            other_bytes += packet.size
        elif packet.size and not packet.is_discard:
            stamp = packet.dts if packet.pts is None else packet.pts
            exact &= packet.pts is not None
            times.append(0 if stamp is None else stamp)
            if packet.is_keyframe and packet.pts is not None:
                keys.append((packet.pts, packet.pts if packet.dts is None else min(packet.dts, packet.pts)))
    times = array("q", sorted(times))
    first, end = video.wanted_times
    begin = 0 if first is None else bisect_left(times, first)
    times = times[begin : len(times) if end is None else bisect_left(times, end)]
    exact = exact and video.can_be_entered and all(map(int.__lt__, times, times[1:]))
    return _Packets(times=times, keys=sorted(keys), exact=exact, other_bytes=other_bytes)
