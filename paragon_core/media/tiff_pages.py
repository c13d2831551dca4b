"""The pages of a TIFF one after another, and putting TIFFs of one page together.

Source: TIFF Revision 6.0 (Adobe, 1992), section 2.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import ExifTags

from paragon_core.errors import ParagonError, UnsupportedSizeError
from paragon_core.media.decoding import decode
from paragon_core.media.images import opened_image
from paragon_core.media.tiff_reading import MOST_PAGES, TiffPage, full_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paragon_core.media.loaded_image import LoadedImage

_LARGEST_FILE: Final = 2**32 - 1
#: Bytes of a value of each type, by its number.
_TYPE_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
_POSITIONS: Final = frozenset({ExifTags.Base.StripOffsets, ExifTags.Base.TileOffsets})
_DIRECTORIES: Final = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop})


@dataclass(frozen=True, kw_only=True)
class TiffPages:
    """A TIFF of several pages."""

    source: Path
    """The file."""
    pages: tuple[TiffPage, ...]
    """Its pages."""
    max_pixels: int
    """Pages with more pixels are refused."""
    notes: tuple[str, ...] = ()
    """What was not kept when the file was read, in words for the user."""

    @property
    def count(self) -> int:
        """Number of pages."""
        return len(self.pages)

    def loaded_images(self) -> Iterator[LoadedImage]:
        """Yield the pages, each with everything around its pixels.

        Raises:
            ParagonError: as `images.read_image`, with the number of the page.

        """
        for number, page in enumerate(self.pages, 1):
            with opened_image(self.source) as (stream, _):
                try:
                    loaded = decode(stream, "tiff", max_pixels=self.max_pixels, page=page, first_only=False)
                except ParagonError as error:
                    msg = f"page {number}: {error}"
                    raise type(error)(msg, hint=error.hint) from error
            yield loaded


def read_pages(path: Path, *, max_pixels: int) -> TiffPages | None:
    """Read where the pages of a TIFF are.

    Returns:
        None when it is another kind of file, or has one page.

    Raises:
        ParagonError: as `images.read_image`.

    """
    with opened_image(path) as (stream, name):
        pages = full_pages(stream) if name == "tiff" else ()
        if len(pages) < 2:  # noqa: PLR2004 - several
            return None
        if len(pages) == MOST_PAGES:
            msg = f"it has {MOST_PAGES} pages or more"
            raise UnsupportedSizeError(msg, hint="split it into several files first")
        return TiffPages(source=path, pages=pages, max_pixels=max_pixels)


def append_page(stream: BinaryIO, page: bytes) -> None:
    """Add a TIFF of one page to one that was written by this function.

    Args:
        stream: the file so far, for reading and writing; empty for the first page.
        page: a little-endian TIFF without BigTIFF, thumbnails or tiles of other sizes than longs, as `encode` makes it.

    Raises:
        UnsupportedSizeError: the file would pass 4 GiB, which the offsets in a TIFF cannot express.

    """
    end = stream.seek(0, io.SEEK_END)
    if end == 0:
        stream.write(page)
        return
    base = end + end % 2
    if base + len(page) > _LARGEST_FILE:
        msg = "a TIFF file cannot be larger than 4 GiB"
        raise UnsupportedSizeError(msg, hint="split it into several files first")
    stream.write(b"\0" * (base - end))
    moved = bytearray(page)
    first = int.from_bytes(page[4:8], "little")
    _move(moved, first, base)
    stream.write(moved)
    stream.seek(_last_link(stream))
    stream.write(struct.pack("<I", base + first))


def _move(page: bytearray, directory: int, base: int) -> None:
    """Add a number to all positions in a directory, and in those that it leads to."""
    (count,) = struct.unpack_from("<H", page, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from("<HHI", page, at)
        length = _TYPE_BYTES[kind] * number
        values = at + 8
        if length > 4:  # noqa: PLR2004 - what fits into the entry itself
            (values,) = struct.unpack_from("<I", page, at + 8)
            struct.pack_into("<I", page, at + 8, values + base)
        if tag in _DIRECTORIES:
            (inner,) = struct.unpack_from("<I", page, values)
            _move(page, inner, base)
        if tag in _DIRECTORIES | _POSITIONS:
            positions = struct.unpack_from(f"<{number}I", page, values)
            struct.pack_into(f"<{number}I", page, values, *(position + base for position in positions))


def _last_link(stream: BinaryIO) -> int:
    """Return where the position of the next page is to be written."""
    link = 4
    while True:
        stream.seek(link)
        place = _number(stream, 4)
        if not place:
            return link
        stream.seek(place)
        link = place + 2 + 12 * _number(stream, 2)


def _number(stream: BinaryIO, length: int) -> int:
    """Read a number, 0 where the file ends."""
    data = stream.read(length)
    return int.from_bytes(data, "little") if len(data) == length else 0
