"""What surrounds the pixels of an image, and EXIF blocks, kept byte for byte but for what becomes untrue."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
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

#: Chunks of a PNG, as (type, data).
Chunks = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Metadata:
    """Everything around the pixels of an image that is kept."""

    icc: bytes | None = None
    """ICC profile of the pixels."""
    exif: bytes | None = None
    """EXIF block as a bare TIFF structure, orientation included."""
    xmp: bytes | None = None
    """XMP packet (ratings, copyright, edits) as UTF-8 XML."""
    iptc: bytes | None = None
    """IPTC-IIM records (captions, keywords, credits) as news agencies write them."""
    dpi: tuple[float, float] | None = None
    """Printing resolution, horizontal and vertical, in pixels per inch."""
    png_colour: Chunks = ()
    """What the numbers mean as colours, in the chunks of a PNG (cICP, gAMA, cHRM, sRGB, mDCV, cLLI) whatever the
    format was."""
    png_text: Chunks = ()
    """Text with a keyword (prompts, workflows, author, the comment of a JPEG), in the chunks of a PNG (tEXt, zTXt,
    iTXt) whatever the format was."""
    gain_map: bytes | None = None
    """Gain map of a JPEG for HDR, itself a JPEG; `xmp` announces it."""
    gain_map_iso: bytes | None = None
    """Content of the segment that announces the gain map after ISO 21496-1."""
    bits: int | None = None
    """Bits per channel in the file, where the array has more: 10 or 12."""
    notes: tuple[str, ...] = ()
    """What was not kept when the file was read, in words for the user."""


def usable_dpi(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - whatever a file has
    """Return a printing resolution from a file, None when it is none."""
    try:
        horizontal, vertical = (float(number) for number in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    usable = all(math.isfinite(number) and 1 <= number <= 1e6 for number in (horizontal, vertical))  # noqa: PLR2004
    return (horizontal, vertical) if usable else None


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
    for at, tag, kind in entries(exif, first_directory(exif)):
        if tag == _ORIENTATION and kind == _SHORT:
            value: int = struct.unpack_from(order(exif) + "H", exif, at + 8)[0]
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004 - the eight orientations of the EXIF standard
    return 1


def as_viewed(array: _Array, turn: int) -> _Array:
    """Turn stored pixels (HxW or HxWxC) the way a viewer does for an orientation from 1 to 8; others change nothing."""
    return np.ascontiguousarray(_TURNS.get(turn, _TURNS[1])[0](array))


def as_stored(array: _Array, turn: int) -> _Array:
    """Undo `as_viewed`."""
    return np.ascontiguousarray(_TURNS.get(turn, _TURNS[1])[1](array))


def with_size(exif: bytes, width: int, height: int) -> bytes:
    """Return an EXIF block that states another image size, in pixels as stored.

    The numbers are written over in place, so that maker notes, whose inner offsets nobody can rewrite, and the
    thumbnail, which still shows the same image, stay as they are. A damaged block is returned unchanged.
    """
    sizes = {_IMAGE_WIDTH: width, _IMAGE_LENGTH: height, _PIXEL_X: width, _PIXEL_Y: height}
    endian = order(exif)
    changed = bytearray(exif)
    main = first_directory(exif)
    directories = [main]
    for at, tag, _kind in entries(exif, main):
        if tag == _EXIF_POINTER:
            directories.append(struct.unpack_from(endian + "I", exif, at + 8)[0])
    for directory in directories:
        for at, tag, kind in entries(exif, directory):
            if tag in sizes and kind in {_SHORT, _LONG}:
                # The value field has four bytes in either case, so a number that outgrew SHORT still fits.
                struct.pack_into(endian + "HII", changed, at + 2, _LONG, 1, sizes[tag])
    return bytes(changed)


def upright(exif: bytes) -> bytes:
    """Return an EXIF block for pixels that have been turned as it asked: orientation 1, and no thumbnail.

    The thumbnail, which the second directory describes, would be shown as it was stored, which is not upright.
    """
    changed = bytearray(exif)
    endian, main = order(exif), first_directory(exif)
    for at, tag, kind in entries(exif, main):
        if tag == _ORIENTATION and kind == _SHORT:
            struct.pack_into(endian + "H", changed, at + 8, 1)
    if 0 < main <= len(exif) - 2:
        link = main + 2 + 12 * struct.unpack_from(endian + "H", exif, main)[0]
        if link + 4 <= len(exif):
            struct.pack_into(endian + "I", changed, link, 0)
    return bytes(changed)


def order(exif: bytes) -> str:
    """Return the byte order of an EXIF block, as `struct` names it."""
    return "<" if exif[:2] == b"II" else ">"


def first_directory(exif: bytes) -> int:
    """Return the offset of the main directory, 0 where the block is too short."""
    return int(struct.unpack_from(order(exif) + "I", exif, 4)[0]) if len(exif) >= 8 else 0  # noqa: PLR2004 - header


def entries(exif: bytes, directory: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, tag, type) of the entries of a directory, as many as really are there."""
    if not 0 < directory <= len(exif) - 2:
        return
    endian = order(exif)
    for index in range(struct.unpack_from(endian + "H", exif, directory)[0]):
        at = directory + 2 + 12 * index
        if at + 12 > len(exif):
            return
        tag, kind = struct.unpack_from(endian + "HH", exif, at)
        yield at, tag, kind
