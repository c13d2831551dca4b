"""Truncated video files, found before hours of work from the lengths that their parts state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from paragon_core.media.iso_boxes import box_at

if TYPE_CHECKING:
    from typing import BinaryIO

#: Identifiers of Matroska's header and of the segment that holds everything else (RFC 9559, 5.1).
_HEADER: Final = b"\x1aE\xdf\xa3"
_SEGMENT: Final = b"\x18S\x80g"

#: Boxes on the outermost level of MP4 and QuickTime files (ISO/IEC 14496-12, table 1).
_BOX_HEAD: Final = 8
_FIRST_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def missing_bytes(stream: BinaryIO) -> int:
    """Return how many bytes a Matroska, MP4 or QuickTime file states beyond its end; 0 for other files.

    Args:
        stream: the file, seekable; its position is kept.

    """
    before = stream.tell()
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(8)
    if head[:4] == _HEADER:
        end = _end_of_segment(stream)
    elif head[4:8] in _FIRST_BOXES:
        end = _end_of_boxes(stream, length)
    else:
        end = 0
    stream.seek(before)
    return max(end - length, 0)


def _end_of_boxes(stream: BinaryIO, length: int) -> int:
    """Return where the last of the outermost boxes ends; that of the file where one is no box."""
    place = 0
    while place + _BOX_HEAD <= length:
        box = box_at(stream, place, length)
        if box is None:
            return length
        place = box.end
    return place


def _end_of_segment(stream: BinaryIO) -> int:
    """Return where the segment ends; 0 where it does not say so."""
    stream.seek(len(_HEADER))
    size = _ebml_size(stream)
    if size is None:
        return 0
    stream.seek(size, os.SEEK_CUR)
    if stream.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    size = _ebml_size(stream)
    return 0 if size is None else stream.tell() + size


def _ebml_size(stream: BinaryIO) -> int | None:
    """Read a size: zeros before the first one bit tell its bytes, all ones that it is unknown (RFC 8794, 4)."""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + stream.read(length - 1), "big") & (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value
