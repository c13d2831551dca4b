"""PNG's chunks, on the way in and out, and 16-bit colour on the way out.

Pillow's limits on what a text chunk or a profile may inflate to are settings of the whole process, and lower than what
programs write; 16-bit colour it does not write at all. So it is shown the chunks of the pixels only.

Source: Portable Network Graphics (PNG) Specification, third edition (W3C, 2025); section numbers below are its own.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from paragon_core.media import photoshop
from paragon_core.media.metadata import Metadata, usable_dpi
from paragon_core.media.ranges import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.media.loaded_image import Array
    from paragon_core.media.metadata import Chunks

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: zlib level for new files: almost as small as the default level at a third of its time.
COMPRESSION_LEVEL = 4

#: What one profile or packet may inflate to: a JPEG holds no profile that is longer.
LONGEST_TEXT: Final = 16 << 20
#: Text that is kept as it is compressed, in all; each is counted longer, so that the number is bounded as well.
_MOST_TEXT: Final = 64 << 20
_TEXT_OVERHEAD: Final = 16 << 10
_LONGEST_COLOUR: Final = 32  # cHRM

_COLOUR_CHUNKS = (b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_HIDDEN: Final = frozenset({b"iCCP", b"eXIf", *_TEXT_CHUNKS})
_XMP: Final = b"XML:com.adobe.xmp"
#: How ImageMagick and what learned from it hold a block of bytes: hexadecimal digits behind its name and length.
_RAW_PROFILE: Final = re.compile(rb"\s*([^\n]+)\n\s*(\d{1,9})\s+((?:[0-9a-fA-F]|\s)*)")
_IPTC_PROFILES: Final = (b"Raw profile type iptc", b"Raw profile type 8bim")
_RAW_PROFILES: Final = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp", *_IPTC_PROFILES)
_XMP_PREFIX: Final = b"http://ns.adobe.com/xap/1.0/\0"  # APP1 of a JPEG holds this or EXIF
_NOT_KEPT: Final = {
    b"caBX": "its content credentials (C2PA)",
    b"sCAL": "its physical scale",
    b"oFFs": "its position on a page",
}
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP = 2
_ROWS_AT_ONCE_BYTES = 4 << 20
_METRES_PER_INCH = 0.0254
_HEADER_END: Final = len(SIGNATURE) + 25


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Where a chunk is in a file."""

    kind: bytes
    """Its type."""
    start: int
    """Offset of its length, with which it begins."""
    length: int
    """Length of its data."""

    def data(self, stream: BinaryIO) -> bytes:
        """Read its data, as much as there is."""
        stream.seek(self.start + 8)
        return stream.read(self.length)


def chunks(stream: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a file; stop without complaint where it is damaged."""
    place, end = len(SIGNATURE), stream.seek(0, io.SEEK_END)
    while place + 8 <= end:
        stream.seek(place)
        length, kind = struct.unpack(">I4s", stream.read(8))
        yield Chunk(kind=kind, start=place, length=length)
        place += length + 12
        if kind == b"IEND":
            return


def pixels_only(stream: BinaryIO) -> BinaryIO:
    """Return a view of a file without the chunks that `read_metadata` reads, of which Pillow refuses long ones."""
    ranges: list[tuple[int, int]] = [(0, len(SIGNATURE))]
    end = len(SIGNATURE)
    for chunk in chunks(stream):
        end = chunk.start + chunk.length + 12
        if chunk.kind not in _HIDDEN:
            start, length = ranges[-1]
            if start + length == chunk.start:
                ranges[-1] = (start, end - start)
            else:
                ranges.append((chunk.start, end - chunk.start))
    return joined([(stream, start, length) for start, length in ranges])


def read_metadata(stream: BinaryIO) -> Metadata:
    """Read everything around the pixels of a PNG.

    Profiles and packets that inflate to more than `LONGEST_TEXT` bytes are left out with a note; other text is kept
    as it is compressed.
    """
    found = Metadata()
    notes: list[str] = []
    room = _MOST_TEXT
    for chunk in chunks(stream):
        if chunk.kind in _COLOUR_CHUNKS and chunk.length <= _LONGEST_COLOUR:
            others = tuple(own for own in found.png_colour if own[0] != chunk.kind)
            found = replace(found, png_colour=(*others, (chunk.kind, chunk.data(stream))))
        elif chunk.kind == b"iCCP":
            found = replace(found, icc=_inflated(chunk.data(stream), notes, "colour profile", separator=1))
        elif chunk.kind == b"eXIf":
            found = replace(found, exif=chunk.data(stream))
        elif chunk.kind == b"pHYs":
            found = replace(found, dpi=_resolution(chunk.data(stream), notes))
        elif chunk.kind in _NOT_KEPT:
            notes.append(f"{_NOT_KEPT[chunk.kind]} cannot be kept")
        elif chunk.kind in _TEXT_CHUNKS and chunk.length <= room:
            room -= chunk.length + _TEXT_OVERHEAD
            found = _with_text(found, (chunk.kind, chunk.data(stream)), notes)
        elif chunk.kind in _TEXT_CHUNKS:
            notes.append(f"its text is longer than {_MOST_TEXT >> 20} MiB, and was left out")
    return replace(found, notes=tuple(dict.fromkeys(notes)))


def _with_text(found: Metadata, chunk: tuple[bytes, bytes], notes: list[str]) -> Metadata:
    """Add a text chunk, or what programs keep in one."""
    kind, data = chunk
    keyword = data[:80].partition(b"\0")[0]
    if keyword == _XMP and kind == b"iTXt":
        return replace(found, xmp=_packet(data, notes))
    if keyword in _RAW_PROFILES and (block := _raw_profile(kind, data, notes)):
        if keyword in _IPTC_PROFILES:
            return replace(found, iptc=found.iptc or dict(photoshop.resources(block)).get(photoshop.IPTC))
        if keyword.endswith(b"xmp") or block.startswith(_XMP_PREFIX):
            return replace(found, xmp=found.xmp or block.removeprefix(_XMP_PREFIX))
        return replace(found, exif=found.exif or block.removeprefix(b"Exif\0\0"))
    return replace(found, png_text=(*found.png_text, chunk))


def decoded_text(chunk: tuple[bytes, bytes]) -> tuple[str, str] | None:
    """Return keyword and text of a text chunk (11.3.3), None when it is damaged or longer than `LONGEST_TEXT`."""
    kind, data = chunk
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest.decode("latin-1")
    notes: list[str] = []
    if kind == b"zTXt":
        value = _inflated(data, notes, "text", separator=1)
        return None if value is None else (keyword.decode("latin-1"), value.decode("latin-1"))
    value = _packet(data, notes)
    return None if value is None else (keyword.decode("latin-1"), value.decode("utf-8", "replace"))


def keyword_of(chunk: tuple[bytes, bytes]) -> str:
    """Return the keyword of a text chunk."""
    return chunk[1].partition(b"\0")[0].decode("latin-1")


def text_chunk(keyword: str, text: bytes) -> tuple[bytes, bytes]:
    """Return the chunk for text in UTF-8, or in Latin-1 where it is not that."""
    text = text.rstrip(b"\0").replace(b"\0", b" ")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return b"tEXt", keyword.encode("latin-1") + b"\0" + text
    if text.isascii():
        return b"tEXt", keyword.encode("latin-1") + b"\0" + text
    return b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text


def metadata_chunks(metadata: Metadata) -> Chunks:
    """Return the chunks that hold everything around the pixels, in an order that all decoders take (5.6)."""
    found = []
    for kind in _COLOUR_CHUNKS:
        if metadata.icc is None or kind != b"sRGB":  # 11.3.2.5: not both
            found += [chunk for chunk in metadata.png_colour if chunk[0] == kind]
    if metadata.icc is not None:
        found.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi is not None:
        found.append((b"pHYs", struct.pack(">IIB", *(_pixels_per_metre(value) for value in metadata.dpi), 1)))
    if metadata.exif is not None:
        found.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        found.append((b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.iptc is not None:
        found.append((b"zTXt", _IPTC_PROFILES[0] + b"\0\0" + zlib.compress(_digits(metadata.iptc))))
    return (*found, *metadata.png_text)


def with_chunks(png: bytes, added: Chunks) -> bytes:
    """Return a PNG with chunks behind its header."""
    stream = io.BytesIO()
    stream.write(png[:_HEADER_END])
    for kind, data in added:
        write_chunk(stream, kind, data)
    stream.write(memoryview(png)[_HEADER_END:])
    return stream.getvalue()


def _inflated(data: bytes, notes: list[str], words: str, *, separator: int) -> bytes | None:
    """Return what follows a keyword, its null and some more bytes (the method of compression)."""
    packed = data.partition(b"\0")[2][separator:]
    try:
        inflater = zlib.decompressobj()
        value = inflater.decompress(packed, LONGEST_TEXT)
    except zlib.error:
        notes.append(f"its {words} is damaged, and was left out")
        return None
    if inflater.unconsumed_tail:
        notes.append(f"its {words} is longer than {LONGEST_TEXT >> 20} MiB, and was left out")
        return None
    return value


def _packet(data: bytes, notes: list[str]) -> bytes | None:
    """Return the text of an iTXt chunk (11.3.3.4) as UTF-8."""
    rest = data.partition(b"\0")[2]
    compressed, rest = rest[:1] == b"\1", rest[2:]
    value = rest.partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(b"\0" + value, notes, "XMP packet", separator=0) if compressed else value


def _raw_profile(kind: bytes, data: bytes, notes: list[str]) -> bytes | None:
    """Return the block that a text chunk holds in digits; some programs append more than its length says."""
    value = data.partition(b"\0")[2] if kind == b"tEXt" else _inflated(data, notes, "text", separator=1)
    found = _RAW_PROFILE.match(value or b"")
    if found is None:
        return None
    digits = b"".join(found[3].split())[: 2 * int(found[2])]
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode()) or None


def _resolution(data: bytes, notes: list[str]) -> tuple[float, float] | None:
    if len(data) != 9:  # noqa: PLR2004 - two numbers and a unit
        return None
    horizontal, vertical, unit = struct.unpack(">IIB", data)
    if unit == 1:
        return usable_dpi((horizontal * _METRES_PER_INCH, vertical * _METRES_PER_INCH))
    if horizontal != vertical:
        notes.append(f"its pixels are not square ({horizontal}:{vertical}), which is not kept")
    return None


def _digits(iptc: bytes) -> bytes:
    """Return IPTC records in digits, as `_raw_profile` reads them."""
    block = photoshop.iptc_resource(iptc)
    return b"\nIPTC profile\n%8d\n%s\n" % (len(block), block.hex().encode())


def write_deep(stream: BinaryIO, array: Array, *, added: Chunks = ()) -> None:
    """Write a PNG with 16 bits per channel.

    Args:
        stream: binary stream, written from its position on.
        array: HxW, HxWx2 (grey and alpha), HxWx3 or HxWx4, uint16.
        added: chunks behind the header, from `metadata_chunks`.

    """
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]  # noqa: PLR2004 - axes
    stream.write(SIGNATURE)
    write_chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0))
    for kind, data in added:
        write_chunk(stream, kind, data)
    for data in _compressed_rows(array.reshape(height, width * channels)):
        write_chunk(stream, b"IDAT", data)
    write_chunk(stream, b"IEND", b"")


def _pixels_per_metre(dpi: float) -> int:
    return min(max(round(dpi / _METRES_PER_INCH), 1), 2**31 - 1)


def write_chunk(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write a chunk with its length and checksum (5.3)."""
    stream.write(struct.pack(">I", len(data)) + kind)
    stream.write(data)
    stream.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _compressed_rows(samples: Array) -> Iterator[bytes]:
    """Compress rows of samples, each as its difference from the row above (filter Up, 9.2), a few MB at a time.

    Up is the one filter of PNG that numpy does in a single pass; choosing among all five per row makes files some
    3 % smaller at ten times the time.
    """
    compressor = zlib.compressobj(COMPRESSION_LEVEL, strategy=zlib.Z_FILTERED)
    rows = max(_ROWS_AT_ONCE_BYTES // (2 * samples.shape[1]), 1)
    above = np.zeros(2 * samples.shape[1], np.uint8)
    for start in range(0, samples.shape[0], rows):
        raw = samples[start : start + rows].astype(">u2", order="C").view(np.uint8)
        filtered = np.empty((raw.shape[0], raw.shape[1] + 1), np.uint8)
        filtered[:, 0] = _FILTER_UP
        np.subtract(raw[0], above, out=filtered[0, 1:])
        np.subtract(raw[1:], raw[:-1], out=filtered[1:, 1:])
        above = raw[-1]
        if data := compressor.compress(filtered.data):
            yield data
    yield compressor.flush()
