"""Adding tags to an EXIF block without moving anything in it.

So maker notes stay whole, whose inner offsets nobody can rewrite.
Source: EXIF 3.0 (CIPA DC-008), 4.6; conventions of programs that generate images, as each is named below.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paragon_core.media.metadata import entries, first_directory, order, usable_dpi

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
_SIZES: Final = {_ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1}
#: What programs store whole numbers as, whatever the standard asks for.
_INTEGERS: Final = {_SHORT: "H", _LONG: "I", 8: "h", 9: "i"}
_EMPTY: Final = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_INCH, _CENTIMETRE = 2, 3
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286

#: Keywords of PNG (11.3.3.2) with a tag of the same meaning.
_SAME: Final = {"Author": 0x013B, "Copyright": 0x8298, "Description": 0x010E, "Software": 0x0131}
#: What ComfyUI writes into WebP, the keyword in front of the text.
_NAMED: Final = {"prompt": 0x0110, "workflow": 0x010F}
#: What goes into the comment of the user; "parameters" as Stable Diffusion web UI has it.
_COMMENTS: Final = ("parameters", "Comment")


@dataclass(frozen=True, kw_only=True)
class _Value:
    kind: int
    """Type of a tag."""
    content: bytes
    """Its value, in the byte order of the block."""


def dpi_of(exif: bytes) -> tuple[float, float] | None:
    """Return the printing resolution that an EXIF block states, in pixels per inch, or None."""
    found: dict[int, float] = {}
    for at, tag, kind in entries(exif, first_directory(exif)):
        if tag in {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT} and kind in _INTEGERS:
            found[tag] = struct.unpack_from(order(exif) + _INTEGERS[kind], exif, at + 8)[0]
        elif tag in {_X_RESOLUTION, _Y_RESOLUTION} and kind == _RATIONAL:
            offset = struct.unpack_from(order(exif) + "I", exif, at + 8)[0]
            above, below = struct.unpack_from(order(exif) + "II", exif[offset : offset + 8].ljust(8, b"\0"))
            found[tag] = above / below if below else 0
    factor = {_INCH: 1.0, _CENTIMETRE: 2.54}.get(int(found.get(_RESOLUTION_UNIT, _INCH)), 0)
    return usable_dpi([factor * found.get(tag, 0) for tag in (_X_RESOLUTION, _Y_RESOLUTION)])


def with_dpi(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Return an EXIF block that states a printing resolution."""
    exif = exif or _EMPTY
    if (stated := dpi_of(exif)) is not None and max(abs(a - b) for a, b in zip(stated, dpi, strict=True)) < 1:
        return exif
    ratios = [_Value(kind=_RATIONAL, content=struct.pack(order(exif) + "II", round(v * 1000), 1000)) for v in dpi]
    unit = _Value(kind=_SHORT, content=struct.pack(order(exif) + "H", _INCH))
    return _with_tags(exif, {_X_RESOLUTION: ratios[0], _Y_RESOLUTION: ratios[1], _RESOLUTION_UNIT: unit})


def with_text(
    exif: bytes | None, texts: Iterable[tuple[str, str]], *, longest: int | None = None
) -> tuple[bytes | None, list[str]]:
    """Add text to an EXIF block where there is a tag for it that is still free.

    Args:
        exif: the block as a bare TIFF structure.
        texts: keywords and texts.
        longest: what the block may not become longer than.

    Returns:
        The block, and the keywords of the text that did not go in.

    """
    left = []
    for keyword, text in texts:
        added = _with_one(exif or _EMPTY, keyword, text)
        if added is None or (longest is not None and len(added) > longest):
            left.append(keyword)
        else:
            exif = added
    return exif, left


def _with_one(exif: bytes, keyword: str, text: str) -> bytes | None:
    main = first_directory(exif)
    if keyword in _COMMENTS:
        inner = _pointer(exif)
        if inner is not None and any(tag == _USER_COMMENT for _, tag, _ in entries(exif, inner)):
            return None
        comment = _Value(kind=_UNDEFINED, content=b"UNICODE\0" + text.encode("utf-16-be", "replace"))
        exif, place = _appended(exif, inner, {_USER_COMMENT: comment})
        return _with_tags(exif, {_EXIF_POINTER: _Value(kind=_LONG, content=struct.pack(order(exif) + "I", place))})
    tag = _SAME.get(keyword) or _NAMED.get(keyword)
    if tag is None or any(own == tag for _, own, _ in entries(exif, main)):
        return None
    named = f"{keyword}:{text}" if keyword in _NAMED else text
    return _with_tags(exif, {tag: _Value(kind=_ASCII, content=named.encode("utf-8", "replace") + b"\0")})


def _pointer(exif: bytes) -> int | None:
    for at, tag, _kind in entries(exif, first_directory(exif)):
        if tag == _EXIF_POINTER:
            return int(struct.unpack_from(order(exif) + "I", exif, at + 8)[0])
    return None


def _with_tags(exif: bytes, values: Mapping[int, _Value]) -> bytes:
    """Return a block whose first directory has further tags, or other values for them."""
    exif, place = _appended(exif, first_directory(exif), values)
    return exif[:4] + struct.pack(order(exif) + "I", place) + exif[8:]


def _appended(exif: bytes, directory: int | None, values: Mapping[int, _Value]) -> tuple[bytes, int]:
    """Append a copy of a directory with further tags; return the longer block and the offset of the copy.

    The values of the other tags stay where they are, and the link to the next directory is kept.
    """
    found: dict[int, bytes] = {}
    link = bytes(4)
    if directory is not None:
        for at, tag, _kind in entries(exif, directory):
            found[tag] = exif[at : at + 12]
        if 0 < directory <= len(exif) - 2:
            count = struct.unpack_from(order(exif) + "H", exif, directory)[0]
            link = exif[directory + 2 + 12 * count :][:4].ljust(4, b"\0")
    exif += b"\0" * (len(exif) % 2)
    for tag, value in values.items():
        head = struct.pack(order(exif) + "HHI", tag, value.kind, len(value.content) // _SIZES[value.kind])
        if len(value.content) <= 4:  # noqa: PLR2004 - the field for value or offset
            found[tag] = head + value.content.ljust(4, b"\0")
        else:
            found[tag] = head + struct.pack(order(exif) + "I", len(exif))
            exif += value.content + b"\0" * (len(value.content) % 2)
    place = len(exif)
    body = b"".join(found[tag] for tag in sorted(found))
    return exif + struct.pack(order(exif) + "H", len(found)) + body + link, place
