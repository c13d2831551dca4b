"""Gain maps: a small image behind a JPEG from which viewers make high dynamic range (Ultra HDR, ISO 21496-1, Apple).

A gain map is stretched over the image, whatever its own size, so it still fits after upscaling and goes along as it is.
Sources: CIPA DC-007 (Multi-Image Format), 5; Ultra HDR Image Format 1.1 (Android); ISO 21496-1.
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MPF_NAME: Final = b"MPF\0"
ISO_NAME: Final = b"urn:iso:std:iso:ts:21496:-1\0"
_SIGNS: Final = (b"http://ns.adobe.com/hdr-gain-map/1.0/", b"http://ns.apple.com/HDRGainMap/1.0/", ISO_NAME)
#: The length of an item of the container, whatever the prefix of its namespace is.
_LENGTH: Final = re.compile(rb"""\b[\w.-]+:Length\s*=\s*["'](\d{1,9})["']""")
_START: Final = b"\xff\xd8"
_APP2: Final = 0xE2
_VERSION, _COUNT, _ENTRIES = 0xB000, 0xB001, 0xB002
_LONG, _UNDEFINED = 4, 7
_ENTRY_LENGTH: Final = 16
_MOST_TAGS, _MOST_IMAGES = 20, 16
_LONGEST: Final = 64 << 20
#: What one image is (5.2.3.3): the main one of the file, and one of no stated kind.
_PRIMARY, _UNSTATED = 0x030000, 0


def find_gain_map(stream: BinaryIO, mpf: bytes, base: int) -> bytes | None:
    """Return the gain map of a JPEG, itself a JPEG, or None where there is none.

    Args:
        stream: the file.
        mpf: content of its MPF segment behind the name.
        base: where that content is in the file: offsets count from there.

    """
    size = stream.seek(0, io.SEEK_END)
    for length, offset in _images(mpf):
        if not 4 <= length <= _LONGEST or base + offset + length > size:  # noqa: PLR2004 - a start and an end
            continue
        stream.seek(base + offset)
        image = stream.read(length)
        if image[:2] == _START and any(sign in image[:65536] for sign in _SIGNS):
            return image
    return None


def gain_map_at_end(stream: BinaryIO, xmp: bytes) -> bytes | None:
    """Return the gain map that the XMP packet of a JPEG announces at the end of the file, None without one."""
    lengths = _LENGTH.findall(xmp)
    if b"GainMap" not in xmp or len(lengths) != 1:
        return None
    length, size = int(lengths[0]), stream.seek(0, io.SEEK_END)
    if not 4 <= length <= min(_LONGEST, size):  # noqa: PLR2004 - a start and an end
        return None
    stream.seek(size - length)
    image = stream.read(length)
    return image if image[:2] == _START else None


def with_gain_map(jpeg: bytes, gain_map: bytes, place: int, *, iso: bytes | None) -> bytes:
    """Return a JPEG with a gain map behind it, and the segments that announce it.

    Args:
        jpeg: the file.
        gain_map: a JPEG.
        place: where segments may be put in.
        iso: content of the segment that announces it after ISO 21496-1, if it does.

    """
    announced = b"" if iso is None else _segment(iso)
    base = place + len(announced) + 4 + len(MPF_NAME)
    length = len(jpeg) + len(announced) + len(_mpf(0, 0, 0))
    mpf = _mpf(length, len(gain_map), length - base)
    return b"".join((jpeg[:place], announced, mpf, memoryview(jpeg)[place:], gain_map))


def _images(mpf: bytes) -> Iterator[tuple[int, int]]:
    """Yield length and offset of the images behind the first."""
    order = "<" if mpf[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", mpf, 4)
        (count,) = struct.unpack_from(order + "H", mpf, directory)
        for at in range(directory + 2, directory + 2 + 12 * min(count, _MOST_TAGS), 12):
            tag, _kind, length, value = struct.unpack_from(order + "HHII", mpf, at)
            if tag == _ENTRIES:
                for index in range(1, min(length // _ENTRY_LENGTH, _MOST_IMAGES)):
                    yield struct.unpack_from(order + "4xII", mpf, value + index * _ENTRY_LENGTH)
    except struct.error:  # damaged
        return


def _mpf(length: int, other_length: int, offset: int) -> bytes:
    """Return the segment that lists two images (5.2)."""
    entries = struct.pack(">IIII", _PRIMARY, length, 0, 0) + struct.pack(">IIII", _UNSTATED, other_length, offset, 0)
    tags = struct.pack(">HHI4s", _VERSION, _UNDEFINED, 4, b"0100") + struct.pack(">HHII", _COUNT, _LONG, 1, 2)
    start = 8 + 2 + 36 + 4
    tags += struct.pack(">HHII", _ENTRIES, _UNDEFINED, len(entries), start)
    return _segment(MPF_NAME + b"MM\0*" + struct.pack(">IH", 8, 3) + tags + bytes(4) + entries)


def _segment(content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, _APP2, len(content) + 2) + content
