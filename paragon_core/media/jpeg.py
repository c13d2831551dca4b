"""JPEG's segments: what Pillow leaves out of comments, IPTC and images behind the first, and kinds it does not decode.

Sources: Recommendation ITU-T T.81, annex B; Adobe Photoshop File Formats Specification, "Image Resource Blocks";
CIPA DC-007 (Multi-Image Format); ISO 21496-1 (gain maps).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media import photoshop
from paragon_core.media.gain_map import ISO_NAME, MPF_NAME, find_gain_map, gain_map_at_end
from paragon_core.media.metadata import Metadata, usable_dpi
from paragon_core.media.png import text_chunk
from paragon_core.media.xmp import announces_video, without_appended

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What fits in one segment with its own length (B.1.1.4).
LONGEST_SEGMENT: Final = 65533
EXIF_NAME: Final = b"Exif\0\0"
XMP_NAME: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP_NAME: Final = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP_NAME: Final = b"Photoshop 3.0\0"

_APP0, _APP1, _APP2, _APP11, _APP13, _COM, _SOS = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xFE, 0xDA
#: Start-of-frame markers (table B.1, and T.87 for JPEG-LS) that libjpeg-turbo does not decode.
_KINDS: Final = {
    0xC3: "lossless JPEG",
    0xC5: "a hierarchical JPEG",
    0xC6: "a hierarchical JPEG",
    0xC7: "a lossless hierarchical JPEG",
    0xCB: "lossless JPEG with arithmetic coding",
    0xCD: "a hierarchical JPEG",
    0xCE: "a hierarchical JPEG",
    0xCF: "a lossless hierarchical JPEG",
    0xF7: "JPEG-LS",
}
_FRAMES: Final = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_BITS: Final = 8


def segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, content) of the segments in front of the pixels; stop without complaint at damage."""
    stream.seek(2)
    while (byte := stream.read(1)) == b"\xff":
        marker = b"\xff"
        while marker == b"\xff":  # fill bytes
            marker = stream.read(1)
        if not marker or marker[0] == _SOS:
            return
        if marker[0] in _ALONE:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        content = stream.read(max(length, 0))
        if not byte or len(content) < length:
            return
        yield marker[0], content


def check_kind(stream: BinaryIO) -> None:
    """Refuse a JPEG of a kind that Pillow's decoder does not know, and takes for damage.

    Raises:
        UnsupportedFormatError: it is of such a kind.

    """
    for marker, content in segments(stream):
        if marker not in _FRAMES or not content:
            continue
        bits = content[0]
        kind = _KINDS.get(marker) or (f"a JPEG with {bits} bits per channel" if bits != _BITS else None)
        if kind is not None:
            msg = f"it is {kind}, which cannot be read here"
            raise UnsupportedFormatError(msg, hint="convert it to PNG or TIFF with the program that made it")
        return


def read_metadata(stream: BinaryIO, info: dict[Any, Any]) -> Metadata:
    """Read everything around the pixels of a JPEG.

    Args:
        stream: the file.
        info: what Pillow found.

    """
    notes: list[str] = []
    comments: list[bytes] = []
    iptc, iso, gain_map = b"", None, None
    for marker, content in segments(stream):
        if marker == _COM:
            comments.append(content)
        elif marker == _APP13 and content.startswith(_PHOTOSHOP_NAME):
            found = dict(photoshop.resources(content[len(_PHOTOSHOP_NAME) :]))
            iptc += found.get(photoshop.IPTC, b"")
            notes += ["its clipping paths are not kept"] * any(number in photoshop.CLIPPING_PATHS for number in found)
        elif marker == _APP1 and content.startswith(_EXTENDED_XMP_NAME):
            notes.append("its XMP packet goes on in further segments, which are not kept")
        elif marker == _APP2 and content.startswith(ISO_NAME):
            iso = content
        elif marker == _APP2 and content.startswith(MPF_NAME):
            place = stream.tell()
            gain_map = find_gain_map(stream, content[len(MPF_NAME) :], place - len(content) + len(MPF_NAME))
            stream.seek(place)
        elif marker == _APP11 and b"jumb" in content[:64]:
            notes.append("its content credentials (C2PA) cannot be kept")
    xmp: bytes | None = info.get("xmp")
    gain_map = gain_map or gain_map_at_end(stream, xmp or b"")
    if gain_map is None or announces_video(xmp or b""):
        gain_map, xmp = None, without_appended(xmp) if xmp else None
        if iso is not None or xmp != info.get("xmp"):
            notes.append("its gain map for HDR, or what else follows the image in it, is not kept")
    notes += _aspect(info)
    return Metadata(
        icc=info.get("icc_profile"),
        exif=info.get("exif"),
        xmp=xmp,
        iptc=iptc or None,
        gain_map=gain_map,
        gain_map_iso=None if gain_map is None else iso,
        dpi=usable_dpi(info.get("dpi")) if info.get("jfif_unit") in {1, 2} else None,  # else Pillow makes one up
        png_text=tuple(text_chunk("Comment", comment) for comment in comments if comment.strip(b"\0 ")),
        notes=tuple(dict.fromkeys(notes)),
    )


def photoshop_segment(iptc: bytes) -> bytes:
    """Return the whole segment that holds IPTC records, which must fit in one."""
    content = _PHOTOSHOP_NAME + photoshop.iptc_resource(iptc)
    return struct.pack(">BBH", 0xFF, _APP13, len(content) + 2) + content


def comment_segment(comment: bytes) -> bytes:
    """Return the whole segment that holds a comment, which must fit in one."""
    return struct.pack(">BBH", 0xFF, _COM, len(comment) + 2) + comment


def with_segments(jpeg: bytes, added: bytes) -> bytes:
    """Return a JPEG with segments behind those that must come first."""
    place = segment_place(jpeg)
    return b"".join((jpeg[:place], added, memoryview(jpeg)[place:]))


def segment_place(jpeg: bytes) -> int:
    """Return the offset behind the segments that must come first: JFIF, EXIF and XMP."""
    place = 2
    while jpeg[place : place + 2] in {b"\xff\xe0", b"\xff\xe1"}:
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return place


def _aspect(info: dict[Any, Any]) -> list[str]:
    """Return a note where a file states the shape of its pixels only, and they are not square."""
    horizontal, vertical = info.get("jfif_density", (1, 1))
    if info.get("jfif_unit") != 0 or horizontal == vertical:
        return []
    return [f"its pixels are not square ({vertical}:{horizontal}), which is not kept"]
