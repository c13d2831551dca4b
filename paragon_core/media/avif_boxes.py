"""The boxes of an AVIF file: what Pillow does not report, and what encoders do not write.

Sources: ISO/IEC 14496-12 (boxes, colour information), ISO/IEC 23008-12 (items and their properties), AV1 Image File
Format (AOMedia).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from paragon_core.media.iso_boxes import MOST_BOXES, boxes_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Box:
    """One box of a file."""

    kind: bytes
    """Its type."""
    content: bytes
    """What is in it, without its header."""

    def packed(self) -> bytes:
        """Return the box as a file has it."""
        return struct.pack(">I4s", len(self.content) + 8, self.kind) + self.content


@dataclass(frozen=True, kw_only=True)
class AvifHeader:
    """What the boxes of an AVIF say of its main image."""

    bits: int = 8
    """Bits per channel."""
    grey: bool = False
    """Whether there is luma only."""
    code_points: tuple[int, int] | None = None
    """Code points of primaries and transfer (ITU-T H.273)."""
    light_levels: bytes | None = None
    """Content light levels: two numbers of 16 bits in cd/m2."""
    mastering: bytes | None = None
    """Mastering display: chromaticities of green, blue, red and white, then the largest and smallest luminance."""
    pixel_aspect: tuple[int, int] = (1, 1)
    """Width and height of a pixel."""
    cropped: bool = False
    """Whether readers shall show a part only."""
    gain_map: bool = False
    """Whether there is a gain map for HDR."""
    whole: bool = True
    """Whether all top-level boxes are complete."""


def boxes(data: bytes) -> Iterator[Box]:
    """Yield the boxes in a range of bytes; stop without complaint at damage."""
    for box in islice(boxes_between(io.BytesIO(data), 0, len(data)), MOST_BOXES):
        if box.end > len(data):
            return
        yield Box(kind=box.kind, content=data[box.start : box.end])


def read_avif_header(data: bytes) -> AvifHeader:
    """Read what the boxes of an AVIF say; what is damaged counts as absent."""
    top = list(boxes(data))
    whole = sum(len(box.packed()) for box in top) == len(data) and any(box.kind == b"mdat" for box in top)
    meta = next((box.content[4:] for box in top if box.kind == b"meta"), b"")
    found = {box.kind: box.content for box in boxes(meta)}
    properties = list(_properties(found))
    colour = next((content for kind, content in properties if kind == b"colr" and content[:4] == b"nclx"), b"")
    aspect = _first(properties, b"pasp")
    return AvifHeader(
        bits=_bits(properties),
        grey=_is_grey(properties),
        code_points=struct.unpack_from(">HH", colour, 4) if len(colour) >= 8 else None,  # noqa: PLR2004 - bytes
        light_levels=_first(properties, b"clli", length=4),
        mastering=_first(properties, b"mdcv", length=24),
        pixel_aspect=struct.unpack(">II", aspect) if aspect and len(aspect) == 8 else (1, 1),  # noqa: PLR2004 - bytes
        cropped=_first(properties, b"clap") is not None,
        gain_map=b"tmap" in found.get(b"iinf", b"") or b"hdrgainmap" in meta,
        whole=whole,
    )


def with_metadata(
    avif: bytes, *, properties: Sequence[Box], exif: bytes | None = None, xmp: bytes | None = None
) -> bytes:
    """Return an AVIF, as libavif writes it for one image, with further properties and metadata of its main item.

    Args:
        avif: the file.
        properties: property boxes of the main item.
        exif: EXIF block as a bare TIFF structure.
        xmp: XMP packet.

    Raises:
        ValueError: the file has another layout.

    """
    top = list(boxes(avif))
    meta = next((box for box in top if box.kind == b"meta"), Box(kind=b"meta", content=b""))
    parts = {box.kind: box.content for box in boxes(meta.content[4:])}
    if not {b"pitm", b"iloc", b"iinf", b"iprp"} <= parts.keys() or parts[b"pitm"][0] or parts[b"iinf"][0]:
        msg = "the encoder wrote an AVIF of an unknown layout"
        raise ValueError(msg)
    main = int.from_bytes(parts[b"pitm"][4:6], "big")
    added: list[tuple[bytes, bytes]] = []
    if exif is not None:
        added.append((b"Exif\0", struct.pack(">I", 0) + exif))
    if xmp is not None:
        added.append((b"mime\0application/rdf+xml\0", xmp))
    parts[b"iprp"] = _with_properties(parts[b"iprp"], main, properties)
    numbers = range(1 + _largest_item(parts[b"iinf"]), 1 + _largest_item(parts[b"iinf"]) + len(added))
    parts[b"iinf"] = _with_items(parts[b"iinf"], [kind for kind, _ in added], numbers)
    if added:
        parts[b"iref"] = _with_references(parts.get(b"iref", bytes(4)), main, numbers)
    # Places depend on the length of the box that holds them, which does not depend on the places.
    lengths = [len(content) for _, content in added]
    longer = len(_meta(meta, parts, _with_places(parts[b"iloc"], 0, numbers, lengths, 0))) - len(meta.packed())
    end = sum(len(box.packed()) for box in top) + longer + 8
    packed = _meta(meta, parts, _with_places(parts[b"iloc"], longer, numbers, lengths, end))
    result = b"".join(packed if box is meta else box.packed() for box in top)
    tail = b"".join(content for _, content in added)
    return result + Box(kind=b"mdat", content=tail).packed() if added else result


def _properties(found: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the properties of the main item."""
    try:
        pitm = found[b"pitm"]
        main = int.from_bytes(pitm[4:6] if pitm[0] == 0 else pitm[4:8], "big")
        inner = {box.kind: box.content for box in boxes(found[b"iprp"])}
        all_properties = list(boxes(inner[b"ipco"]))
        for index in _associations(inner[b"ipma"], main):
            if 0 < index <= len(all_properties):
                yield all_properties[index - 1].kind, all_properties[index - 1].content
    except (KeyError, IndexError, struct.error):
        return


def _associations(ipma: bytes, item: int) -> Iterator[int]:
    version, wide = ipma[0], ipma[3] & 1
    place = 8
    for _ in range(int.from_bytes(ipma[4:8], "big")):
        width = 4 if version else 2
        number = int.from_bytes(ipma[place : place + width], "big")
        place += width
        count = ipma[place]
        place += 1
        for _ in range(count):
            if number == item:
                yield struct.unpack_from(">H", ipma, place)[0] & 0x7FFF if wide else ipma[place] & 0x7F
            place += 2 if wide else 1


def _first(properties: list[tuple[bytes, bytes]], kind: bytes, *, length: int | None = None) -> bytes | None:
    return next((data for own, data in properties if own == kind and length in {None, len(data)}), None)


def _bits(properties: list[tuple[bytes, bytes]]) -> int:
    """Return the bits per channel: of the coded image (av1C), or of a grid (pixi)."""
    if (coded := _first(properties, b"av1C")) is not None and len(coded) >= 4:  # noqa: PLR2004 - bytes
        high, twelve = coded[2] & 0x40, coded[2] & 0x20
        return 12 if high and twelve else 10 if high else 8
    pixel = _first(properties, b"pixi")
    return pixel[5] if pixel is not None and len(pixel) > 5 else 8  # noqa: PLR2004 - bytes


def _is_grey(properties: list[tuple[bytes, bytes]]) -> bool:
    coded = _first(properties, b"av1C")
    return coded is not None and len(coded) > 2 and bool(coded[2] & 0x10)  # noqa: PLR2004 - bytes


def _largest_item(iinf: bytes) -> int:
    entries = list(boxes(iinf[6:]))
    if any(box.kind != b"infe" or box.content[0] != 2 for box in entries):  # noqa: PLR2004 - version
        msg = "the encoder wrote an AVIF of an unknown layout"
        raise ValueError(msg)
    return max(int.from_bytes(box.content[4:6], "big") for box in entries)


def _with_items(iinf: bytes, kinds: Sequence[bytes], numbers: range) -> bytes:
    count = int.from_bytes(iinf[4:6], "big") + len(numbers)
    entries = b""
    for kind, number in zip(kinds, numbers, strict=True):
        entries += Box(kind=b"infe", content=b"\2\0\0\0" + struct.pack(">HH", number, 0) + kind).packed()
    return iinf[:4] + struct.pack(">H", count) + iinf[6:] + entries


def _with_references(iref: bytes, main: int, numbers: range) -> bytes:
    if iref[0]:
        msg = "the encoder wrote an AVIF of an unknown layout"
        raise ValueError(msg)
    return iref + b"".join(
        Box(kind=b"cdsc", content=struct.pack(">HHH", number, 1, main)).packed() for number in numbers
    )


def _with_properties(iprp: bytes, main: int, properties: Sequence[Box]) -> bytes:
    inner = {box.kind: box.content for box in boxes(iprp)}
    ipma = inner[b"ipma"]
    if ipma[0] or ipma[3] & 1:
        msg = "the encoder wrote an AVIF of an unknown layout"
        raise ValueError(msg)
    first = 1 + len(list(boxes(inner[b"ipco"])))
    ipco = inner[b"ipco"] + b"".join(box.packed() for box in properties)
    place, result = 8, ipma[:8]
    for _ in range(int.from_bytes(ipma[4:8], "big")):
        count = ipma[place + 2]
        own = ipma[place + 3 : place + 3 + count]
        if int.from_bytes(ipma[place : place + 2], "big") == main:
            # Descriptive ones come before transformations, of which there are none here.
            own += bytes(range(first, first + len(properties)))
        result += ipma[place : place + 2] + bytes([len(own)]) + own
        place += 3 + count
    return Box(kind=b"ipco", content=ipco).packed() + Box(kind=b"ipma", content=result).packed()


def _with_places(iloc: bytes, longer: int, numbers: range, lengths: Sequence[int], end: int) -> bytes:
    """Return the places of items, moved by what the boxes before them have grown, with those of further items."""
    if iloc[0] or iloc[4:6] != b"\x44\x00":  # version; offsets and lengths of 4 bytes, no base
        msg = "the encoder wrote an AVIF of an unknown layout"
        raise ValueError(msg)
    count = int.from_bytes(iloc[6:8], "big")
    result = iloc[:6] + struct.pack(">H", count + len(numbers))
    place = 8
    for _ in range(count):
        extents = int.from_bytes(iloc[place + 4 : place + 6], "big")
        result += iloc[place : place + 6]
        place += 6
        for _ in range(extents):
            offset, length = struct.unpack_from(">II", iloc, place)
            result += struct.pack(">II", offset + longer, length)
            place += 8
    for number, length in zip(numbers, lengths, strict=True):
        result += struct.pack(">HHHII", number, 0, 1, end, length)
        end += length
    return result


def _meta(meta: Box, parts: dict[bytes, bytes], iloc: bytes) -> bytes:
    order = [b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp"]
    kinds = [*order, *(kind for kind in parts if kind not in order)]
    content = b"".join(
        Box(kind=kind, content=iloc if kind == b"iloc" else parts[kind]).packed() for kind in kinds if kind in parts
    )
    return Box(kind=b"meta", content=meta.content[:4] + content).packed()
