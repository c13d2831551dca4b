"""The boxes of which MP4, QuickTime, AVIF and JPEG XL files consist.

Source: ISO/IEC 14496-12, 4.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Boxes of a still image that are looked at, at most: a small file could hold as many as it has bytes.
MOST_BOXES: Final = 10_000

_SHORT: Final = struct.Struct(">I4s")
_LONG: Final = struct.Struct(">Q")


@dataclass(frozen=True, kw_only=True)
class BoxPlace:
    """Where a box is in a file."""

    kind: bytes
    """Its type."""
    start: int
    """Offset of what is in it, behind its header."""
    end: int
    """Offset behind it, as it states; that may be beyond the end of the file."""


def box_at(stream: Any, place: int, end: int) -> BoxPlace | None:  # noqa: ANN401 - Pillow's type for streams is wider
    """Return the box that begins at an offset, None where none does.

    Args:
        stream: the file, seekable.
        place: the offset.
        end: where the box around it, or the file, ends; a box of unstated length does so as well.

    """
    if place + _SHORT.size > end:
        return None
    stream.seek(place)
    head = stream.read(_SHORT.size + _LONG.size)
    if len(head) < _SHORT.size:
        return None
    length, kind = _SHORT.unpack_from(head)
    start = place + _SHORT.size
    if length == 1 and len(head) == _SHORT.size + _LONG.size:  # the real one has 64 bits
        (length,), start = _LONG.unpack_from(head, _SHORT.size), start + _LONG.size
    elif length == 0:
        length = end - place
    return None if place + length < start else BoxPlace(kind=kind, start=start, end=place + length)


def boxes_between(stream: Any, start: int, end: int) -> Iterator[BoxPlace]:  # noqa: ANN401 - as above
    """Yield the boxes one after another; stop without complaint at damage."""
    while (box := box_at(stream, start, end)) is not None:
        yield box
        start = box.end
