r"""The file of a chunk: the packets of its encoder, what is known of its frames, and a digest of all of it.

::

    b"PARAGON CHUNK 1\n"
    for each packet in the order of the encoder: `_PACKET` (pts, duration, flags, bytes), and its bytes
    facts: JSON
    `_END`: length of the facts, SHA-256 of all that is before it

Containers of FFmpeg would round times or refuse a codec; this keeps both as they are. Numbers are little-endian, times
in the unit that the facts hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from paragon_core.atomic_files import atomic_write, unwritable
from paragon_core.errors import MediaError
from paragon_core.media.pyav import pyav
from paragon_core.media.sources import unreadable
from paragon_core.media.video.decoding import DecodingFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from av import Packet

#: Extension of such files.
EXTENSION: Final = ".chunk"

_MAGIC: Final = b"PARAGON CHUNK 1\n"
_PACKET: Final = struct.Struct("<qqII")
_END: Final = struct.Struct("<I32s")
_IS_KEY: Final = 1
_BLOCK: Final = 1 << 20
_LONGEST_FACTS: Final = 1 << 16


class DamagedChunkError(MediaError):
    """A chunk's file is not what was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged", hint="remove it and give the same command again: it is made again")
        self.path = path
        """Its file."""

    def __reduce__(self) -> tuple[type[DamagedChunkError], tuple[Path]]:
        """Return what pickle makes it from."""
        return type(self), (self.path,)


@dataclass(frozen=True, kw_only=True)
class ChunkFacts:
    """What is known of a chunk that is complete."""

    number: int
    """Its place among the chunks."""
    frames: int
    """Number of its frames."""
    depth: int
    """Packets by which its encoder decodes ahead of what is shown."""
    time_base: tuple[int, int]
    """Unit of the times in the file in seconds, as numerator and denominator."""
    before: str
    """Digest of the source's frame before its first; empty where there is none."""
    last: str
    """Digest of the last of the source's frames in it; that before it where it has none."""
    decoding: DecodingFacts
    """What decoding found in its frames."""


class ChunkWriter:
    """A chunk's file that is being written; it appears complete, or not at all."""

    def __init__(self, path: Path) -> None:
        """Begin it.

        Raises:
            MediaError: it cannot be written.

        """
        self._path = path
        self._stack = ExitStack()
        self._stream = self._stack.enter_context(atomic_write(path))
        self._digest = hashlib.sha256()
        self._times: list[int] = []
        self._time_base = Fraction(1)
        self._write(_MAGIC)

    def write(self, packets: Iterable[Packet[Any]]) -> None:
        """Write packets of the encoder.

        Raises:
            MediaError: they cannot be written.

        """
        for packet in packets:
            pts = packet.pts or 0
            self._times.append(pts)
            self._time_base = Fraction(packet.time_base)
            data = bytes(packet)
            flags = _IS_KEY if packet.is_keyframe else 0
            self._write(_PACKET.pack(pts, packet.duration or 0, flags, len(data)))
            self._write(data)

    def finish(self, *, number: int, before: str, last: str, decoding: DecodingFacts) -> ChunkFacts:
        """Complete the file, and return what is known of it.

        Raises:
            MediaError: it cannot be written.

        """
        facts = ChunkFacts(
            number=number,
            frames=len(self._times),
            depth=_depth(self._times),
            time_base=self._time_base.as_integer_ratio(),
            before=before,
            last=last,
            decoding=decoding,
        )
        told = json.dumps(asdict(facts)).encode()
        self._write(told)
        self._write(_END.pack(len(told), self._digest.digest()))
        self._stack.close()
        return facts

    def discard(self) -> None:
        """Leave nothing of it."""
        with suppress(_DiscardedError):
            self._stack.__exit__(_DiscardedError, _DiscardedError(), None)

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._digest.update(data)


class _DiscardedError(Exception):
    """The file is not wanted any more."""


def read_facts(path: Path) -> ChunkFacts | None:
    """Return what is known of a chunk; None where there is no complete file, as far as its end tells."""
    try:
        with path.open("rb") as stream:
            facts, _ = _facts(stream, path)
    except (OSError, DamagedChunkError):
        return None
    return facts


def check(path: Path) -> None:
    """Read a chunk's file and compare it with its digest.

    Raises:
        DamagedChunkError: it is another.
        MediaError: it cannot be read.

    """
    try:
        with path.open("rb") as stream:
            _facts(stream, path)
            end = stream.seek(-_END.size, os.SEEK_END)
            digest, left = hashlib.sha256(), end
            stream.seek(0)
            while left and (block := stream.read(min(left, _BLOCK))):
                digest.update(block)
                left -= len(block)
            if _END.unpack(stream.read(_END.size))[1] != digest.digest():
                raise DamagedChunkError(path)
    except OSError as error:
        raise unreadable(path, error) from error


def packets_of(paths: Sequence[Path]) -> Iterator[Packet[Any]]:
    """Yield the packets of consecutive chunks, with times of decoding that ascend from the first to the last.

    Each encoder chose these for itself. Where a packet with ``depth`` frames that are shown later is decoded, the frame
    that is shown that many places before it has been: its time is taken, as encoders do.

    Raises:
        DamagedChunkError: a file is not what was written.
        MediaError: it cannot be read.

    """
    facts = [_known(path) for path in paths]
    depth = max((each.depth for each in facts), default=0)
    beginning = list(islice(chain.from_iterable(map(_times_in, paths)), depth + 1))
    # With fewer frames than that, any times before the first do.
    lead = 0 if not beginning else beginning[-1] - beginning[0] + max(depth + 1 - len(beginning), 0)
    shown: deque[int] = deque(maxlen=depth)
    for path, known in zip(paths, facts, strict=True):
        for packet, time in zip(_packets_in(path, known), _times_in(path), strict=True):
            packet.dts = shown[0] if len(shown) == depth and depth else time - lead
            shown.append(time)
            yield packet


def _depth(times: Sequence[int]) -> int:
    """Return by how many places packets in order of decoding are ahead of their times at most."""
    places = {time: place for place, time in enumerate(sorted(times))}
    return max((place - places[time] for place, time in enumerate(times)), default=0)


def _known(path: Path) -> ChunkFacts:
    facts = read_facts(path)
    if facts is None:
        raise DamagedChunkError(path)
    return facts


def _facts(stream: BinaryIO, path: Path) -> tuple[ChunkFacts, int]:
    """Read the facts at a file's end, and where they begin."""
    size = stream.seek(0, os.SEEK_END)
    if size < len(_MAGIC) + _END.size:
        raise DamagedChunkError(path)
    stream.seek(size - _END.size)
    length, _ = _END.unpack(stream.read(_END.size))
    begin = size - _END.size - length
    if length > _LONGEST_FACTS or begin < len(_MAGIC):
        raise DamagedChunkError(path)
    stream.seek(begin)
    try:
        told = json.loads(stream.read(length))
        decoding = told.pop("decoding")
        size_of_frames = decoding.pop("size")
        numerator, denominator = told.pop("time_base")
        facts = ChunkFacts(
            **told,
            time_base=(numerator, denominator),
            decoding=DecodingFacts(**decoding, size=size_of_frames and (size_of_frames[0], size_of_frames[1])),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedChunkError(path) from error
    return facts, begin


def _records(path: Path) -> Iterator[tuple[int, int, int, BinaryIO, int]]:
    """Yield what is told of each packet, and the file just before its bytes."""
    with path.open("rb") as stream:
        _, end = _facts(stream, path)
        place = len(_MAGIC)
        while place < end:
            stream.seek(place)
            pts, duration, flags, length = _PACKET.unpack(stream.read(_PACKET.size))
            place += _PACKET.size + length
            yield pts, duration, flags, stream, length


def _times_in(path: Path) -> list[int]:
    """Return the times at which a chunk's frames are shown, ascending."""
    return sorted(pts for pts, *_ in _records(path))


def _packets_in(path: Path, facts: ChunkFacts) -> Iterator[Packet[Any]]:
    for pts, duration, flags, stream, length in _records(path):
        packet = pyav().Packet(stream.read(length))
        packet.pts, packet.duration, packet.time_base = pts, duration, Fraction(*facts.time_base)
        packet.is_keyframe = bool(flags & _IS_KEY)
        yield packet
