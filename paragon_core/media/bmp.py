"""BMP: the colour profile that Pillow passes over.

Source: Microsoft's BITMAPV4HEADER and BITMAPV5HEADER; offsets below are those of the file.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from paragon_core.media.metadata import Metadata, usable_dpi

if TYPE_CHECKING:
    from paragon_core.media.metadata import Chunks

_INFO_START: Final = 14
_CORE, _V4, _V5 = 12, 108, 124
_DENSITY: Final = 38
_COLOUR_SPACE, _ENDPOINTS, _GAMMA, _PROFILE = 70, 74, 110, 126
_EMBEDDED, _LINKED, _CALIBRATED = 0x4D424544, 0x4C494E4B, 0
_LONGEST_PROFILE: Final = 16 << 20


def read_metadata(stream: BinaryIO, info: dict[Any, Any]) -> Metadata:
    """Read everything around the pixels of a BMP.

    Args:
        stream: the file.
        info: what Pillow found.

    """
    stream.seek(0)
    header = stream.read(_INFO_START + _V5)
    length = int.from_bytes(header[_INFO_START : _INFO_START + 4], "little")
    icc: bytes | None = None
    colour: Chunks = ()
    notes = []
    if length >= _V4 and len(header) >= _INFO_START + _V4:
        space = int.from_bytes(header[_COLOUR_SPACE : _COLOUR_SPACE + 4], "little")
        if space == _CALIBRATED:
            colour = _calibrated(header)
        elif space == _EMBEDDED and length >= _V5 and len(header) >= _PROFILE + 8:
            start, size = struct.unpack_from("<II", header, _PROFILE)
            stream.seek(_INFO_START + start)
            icc = stream.read(size) if size <= _LONGEST_PROFILE else None
        elif space == _LINKED:
            notes.append("its colour profile is in another file, and was not read")
    horizontal, vertical = struct.unpack_from("<ii", header.ljust(_DENSITY + 8, b"\0"), _DENSITY)
    if min(horizontal, vertical) > 0 and abs(horizontal - vertical) > 1 and length > _CORE:
        notes.append(f"its pixels are not square ({horizontal}:{vertical}), which is not kept")
    return Metadata(icc=icc, dpi=usable_dpi(info.get("dpi")), png_colour=colour, notes=tuple(notes))


def _calibrated(header: bytes) -> Chunks:
    """Return chunks of a PNG for end points (CIE XYZ in 2.30 bits) and gammas (16.16 bits)."""
    numbers = struct.unpack_from("<9i", header, _ENDPOINTS)
    gammas = struct.unpack_from("<3I", header, _GAMMA)
    if len(set(gammas)) > 1 or not 0 < gammas[0] < 2**24:
        return ()
    gamma = (b"gAMA", struct.pack(">I", round(1e5 * 65536 / gammas[0])))
    points = [numbers[at : at + 3] for at in (0, 3, 6)]
    if any(min(point) < 0 or sum(point) == 0 for point in points):
        return (gamma,)
    white = tuple(sum(axis) for axis in zip(*points, strict=True))
    values = [round(1e5 * point[axis] / sum(point)) for point in (white, *points) for axis in (0, 1)]
    return gamma, (b"cHRM", struct.pack(">8I", *values))
