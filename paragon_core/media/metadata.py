"""EXIF and ICC blocks: kept byte for byte, except for the few numbers that enlarging makes untrue."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_ORIENTATION = 0x0112
_EXIF_POINTER = 0x8769
_SHORT, _LONG = 3, 4
_EXIF_PREFIX = b"Exif\x00\x00"

_Array = npt.NDArray[Any]

#: For each orientation, how stored pixels are turned for viewing, and how that is undone (EXIF 3.0, 4.6.5.1.10).
_TURNS: dict[int, tuple[Callable[[_Array], _Array], Callable[[_Array], _Array]]] = {
    1: (lambda a: a, lambda a: a),
    2: (np.fliplr, np.fliplr),
    3: (lambda a: np.rot90(a, 2), lambda a: np.rot90(a, 2)),
    4: (np.flipud, np.flipud),
    5: (lambda a: a.swapaxes(0, 1), lambda a: a.swapaxes(0, 1)),
    6: (lambda a: np.rot90(a, -1), np.rot90),
    7: (lambda a: np.rot90(a, 2).swapaxes(0, 1), lambda a: np.rot90(a, 2).swapaxes(0, 1)),
    8: (np.rot90, lambda a: np.rot90(a, -1)),
}
_ICC_HEADER_LENGTH = 128


def plain_exif(block: bytes | None) -> bytes | None:
    """Return an EXIF block as the bare TIFF structure; None when there is none or it is not one."""
    if block is None:
        return None
    bare = block.removeprefix(_EXIF_PREFIX)
    return bare if bare[:4] in {b"II*\x00", b"MM\x00*"} else None


def orientation(exif: bytes | None) -> int:
    """Return the orientation tag of an EXIF block: 1 to 8, and 1 (as stored) when it is absent or nonsense."""
    if exif is None:
        return 1
    for at, tag, kind in _entries(exif, _first_directory(exif)):
        if tag == _ORIENTATION and kind == _SHORT:
            value: int = struct.unpack_from(_order(exif) + "H", exif, at + 8)[0]
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004 - the eight orientations of the EXIF standard
    return 1


def as_viewed(array: _Array, turn: int) -> _Array:
    """Turn stored pixels (HxW or HxWxC) the way a viewer does for an orientation from 1 to 8; others change nothing."""
    return np.ascontiguousarray(_TURNS.get(turn, _TURNS[1])[0](array))


def as_stored(array: _Array, turn: int) -> _Array:
    """Undo `as_viewed`."""
    return np.ascontiguousarray(_TURNS.get(turn, _TURNS[1])[1](array))


def with_size(exif: bytes, width: int, height: int) -> bytes:
    """Return an EXIF block that states another picture size, in pixels as stored.

    The numbers are written over in place, so that maker notes, whose inner offsets nobody can rewrite, and the
    thumbnail, which still shows the same picture, stay as they are. A damaged block is returned unchanged.
    """
    sizes = {_IMAGE_WIDTH: width, _IMAGE_LENGTH: height, _PIXEL_X: width, _PIXEL_Y: height}
    order = _order(exif)
    changed = bytearray(exif)
    main = _first_directory(exif)
    directories = [main]
    for at, tag, _kind in _entries(exif, main):
        if tag == _EXIF_POINTER:
            directories.append(struct.unpack_from(order + "I", exif, at + 8)[0])
    for directory in directories:
        for at, tag, kind in _entries(exif, directory):
            if tag in sizes and kind in {_SHORT, _LONG}:
                # The value field has four bytes in either case, so a number that outgrew SHORT still fits.
                struct.pack_into(order + "HII", changed, at + 2, _LONG, 1, sizes[tag])
    return bytes(changed)


def upright(exif: bytes) -> bytes:
    """Return an EXIF block that says that pixels are stored as they are viewed; a damaged one is returned unchanged."""
    changed = bytearray(exif)
    for at, tag, kind in _entries(exif, _first_directory(exif)):
        if tag == _ORIENTATION and kind == _SHORT:
            struct.pack_into(_order(exif) + "H", changed, at + 8, 1)
    return bytes(changed)


def fitting_icc(icc: bytes | None, *, grey: bool) -> bytes | None:
    """Return an ICC profile if it describes pixels of this kind, else None.

    A profile of another colour space (a CMYK profile left behind by a conversion, say) or a damaged one would make
    viewers show wrong colours or refuse the file. The space is named in bytes 16 to 19, the signature in 36 to 39
    (ICC.1:2022, 7.2).
    """
    if icc is None or len(icc) < _ICC_HEADER_LENGTH or icc[36:40] != b"acsp":
        return None
    return icc if icc[16:20] == (b"GRAY" if grey else b"RGB ") else None


def _order(exif: bytes) -> str:
    return "<" if exif[:2] == b"II" else ">"


def _first_directory(exif: bytes) -> int:
    return int(struct.unpack_from(_order(exif) + "I", exif, 4)[0]) if len(exif) >= 8 else 0  # noqa: PLR2004 - header


def _entries(exif: bytes, directory: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, tag, type) of the entries of a directory, as many as really are there."""
    if not 0 < directory <= len(exif) - 2:
        return
    order = _order(exif)
    for index in range(struct.unpack_from(order + "H", exif, directory)[0]):
        at = directory + 2 + 12 * index
        if at + 12 > len(exif):
            return
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        yield at, tag, kind
