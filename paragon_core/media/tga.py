"""TGA: runs of pixels that go on in the next row, which Pillow refuses.

The format asks encoders to end them with each row, and decoders to bear it if they do not.
Source: Truevision TGA File Format Specification, version 2.0 (1991), "Image data" and appendix C.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = struct.Struct("<BBBHHBHHHHBB")
_PACKED_KINDS: Final = frozenset({9, 10, 11})
_REPEATED: Final = 0x80


def in_rows(stream: BinaryIO) -> BinaryIO:
    """Return a TGA with the same pixels whose runs all end with their row.

    It is longer by one head and one pixel a row at most. One without runs, or a damaged one, comes back as it is.

    Args:
        stream: the file, seekable.

    """
    stream.seek(0)
    data = stream.read()
    if len(data) < _HEADER.size:
        return io.BytesIO(data)
    name, _map, kind, _first, colours, colour_bits, _x, _y, width, height, depth, _flags = _HEADER.unpack_from(data)
    if kind not in _PACKED_KINDS:
        return io.BytesIO(data)
    start = _HEADER.size + name + colours * ((colour_bits + 7) // 8)
    packets = _in_rows(data, start, width=width, pixels=width * height, bytes_per_pixel=(depth + 7) // 8)
    return io.BytesIO(data[:start] + b"".join(packets))


def _in_rows(data: bytes, place: int, *, width: int, pixels: int, bytes_per_pixel: int) -> Iterator[bytes]:
    done = 0
    while done < pixels and place < len(data):
        head, count = data[place] & _REPEATED, (data[place] & 0x7F) + 1
        place += 1
        length = bytes_per_pixel if head else bytes_per_pixel * count
        content = data[place : place + length]
        place += length
        while count and done < pixels:
            part = min(count, width - done % width)
            yield bytes([head | part - 1])
            yield content if head else content[: part * bytes_per_pixel]
            content = content if head else content[part * bytes_per_pixel :]
            count -= part
            done += part
