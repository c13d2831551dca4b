"""How often an AVIF sequence is shown, which Pillow neither reads nor writes.

Source: ISO/IEC 14496-12 (edit lists) as libavif applies it: a track that repeats says so in the flags of its edit list,
and is as long as all repetitions together; one of unknown length repeats without end.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from paragon_core.media.iso_boxes import MOST_BOXES, box_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.media.iso_boxes import BoxPlace

_PARENTS: Final = frozenset({b"moov", b"trak", b"edts"})
_REPEATS = 1
#: For each box that holds a length: where it is behind the version and flags, with 32 and with 64 bits.
_LENGTHS: Final = {b"mvhd": (12, 20), b"tkhd": (16, 24)}


def avif_plays(stream: BinaryIO) -> int:
    """Return how often a sequence is shown, 0 for endless; 0 as well where the file does not say."""
    stream.seek(0)
    length = segment = None
    for box in _boxes(stream):
        if box.kind == b"tkhd" and length is None:
            length = _length(stream, box)
        elif box.kind == b"elst" and segment is None:
            stream.seek(box.start)
            head = stream.read(16)
            if len(head) == 16:  # noqa: PLR2004 - version and flags, count, first duration
                repeats = int.from_bytes(head[1:4], "big") & _REPEATS
                segment = int.from_bytes(head[8:16] if head[0] else head[8:12], "big")
                if not repeats:
                    return 1
    if not length or not segment:
        return 0
    return -(-length // segment)


def with_plays(data: bytes, plays: int) -> bytes:
    """Return an AVIF file of Pillow's, which repeats without end, that is shown a number of times; 0 for endless."""
    if plays == 0:
        return data
    changed = bytearray(data)
    boxes = list(_boxes(io.BytesIO(data)))
    edits = next((box for box in boxes if box.kind == b"elst"), None)
    if edits is None:
        return data
    segment = int.from_bytes(data[edits.start + 8 : edits.start + (16 if data[edits.start] else 12)], "big")
    changed[edits.start + 1 : edits.start + 4] = (_REPEATS if plays > 1 else 0).to_bytes(3, "big")
    for box in boxes:
        if box.kind in _LENGTHS:
            long = bool(data[box.start])
            at = box.start + 4 + _LENGTHS[box.kind][long]
            struct.pack_into(">Q" if long else ">I", changed, at, segment * plays)
    return bytes(changed)


def _length(stream: BinaryIO, box: BoxPlace) -> int | None:
    """Return the length in a header; None where it is unknown."""
    stream.seek(box.start)
    data = stream.read(4 + 24 + 8)
    long = bool(data[:1] != b"\0")
    at, size = 4 + _LENGTHS[box.kind][long], 8 if long else 4
    length = int.from_bytes(data[at : at + size], "big")
    return None if length in {0, 256**size - 1} else length


def _boxes(stream: BinaryIO) -> Iterator[BoxPlace]:
    """Yield boxes and those within the ones that lead to a track, in the order of the file."""
    place, end = 0, stream.seek(0, io.SEEK_END)
    for _ in range(MOST_BOXES):
        box = box_at(stream, place, end)
        if box is None:
            return
        yield box
        place = box.start if box.kind in _PARENTS else box.end
