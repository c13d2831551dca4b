"""The pages of a TIFF: which of its images are pages, each as a file of its own, and putting such files together.

Source: TIFF Revision 6.0 (Adobe, 1992), section 2, and BigTIFF.
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paragon_core.media.picture import Picture

#: Images that are looked at, so that a small file cannot keep a computer busy.
MOST_DIRECTORIES: Final = 10_000

_NEW_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4
_OLD_SUBFILE_TYPE, _OLD_REDUCED = 255, 2
_LONG, _SHORT = 4, 3
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
    places: tuple[int, ...]
    """Positions of the directories of the pages in the file."""
    max_pixels: int
    """Pages with more pixels are refused."""
    notes: tuple[str, ...] = ()
    """What was not kept when the file was read, in words for the user."""

    @property
    def count(self) -> int:
        """Number of pages."""
        return len(self.places)

    def pictures(self) -> Iterator[Picture]:
        """Yield the pages, each with everything around its pixels.

        Raises:
            ParagonError: as `images.read_image`, with the number of the page.

        """
        for number, place in enumerate(self.places, 1):
            with opened_image(self.source) as (stream, _):
                try:
                    with page_as_file(stream, place) as page:
                        picture = decode(page, "tiff", max_pixels=self.max_pixels, first_only=False)
                except ParagonError as error:
                    msg = f"page {number}: {error}"
                    raise type(error)(msg, hint=error.hint) from error
            yield picture


def read_pages(path: Path, *, max_pixels: int) -> TiffPages | None:
    """Read where the pages of a TIFF are.

    Returns:
        None when it is another kind of file, or has one page.

    Raises:
        ParagonError: as `images.read_image`.

    """
    with opened_image(path) as (stream, name):
        places = page_places(stream) if name == "tiff" else ()
        if len(places) < 2:  # noqa: PLR2004 - several
            return None
        return TiffPages(source=path, places=places, max_pixels=max_pixels)


def page_places(stream: BinaryIO) -> tuple[int, ...]:
    """Return the positions of the directories of a TIFF's pages: not of thumbnails, smaller copies and masks.

    Raises:
        UnsupportedSizeError: there are more than `MOST_DIRECTORIES` images.

    """
    order, big = _layout(stream)
    stream.seek(8 if big else 4)
    place = _number(stream, order, 8 if big else 4)
    places: list[int] = []
    seen: set[int] = set()
    while place and place not in seen:
        if len(seen) == MOST_DIRECTORIES:
            msg = f"it has more than {MOST_DIRECTORIES} pages"
            raise UnsupportedSizeError(msg, hint="split it into several files first")
        seen.add(place)
        stream.seek(min(place, 2**60))
        is_page, following = _look(stream, order, big=big)
        if is_page is None:
            break
        places += [place] if is_page else []
        place = following
    return tuple(places)


def page_as_file(stream: BinaryIO, place: int) -> BinaryIO:
    """Return a view of a TIFF whose first page is the one with the directory at a position."""
    order, big = _layout(stream)
    stream.seek(0)
    head = stream.read(8) + struct.pack(order + "Q", place) if big else stream.read(4) + struct.pack(order + "I", place)
    return io.BufferedReader(_WithHead(stream, head))


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
        place = _number(stream, "<", 4)
        if not place:
            return link
        stream.seek(place)
        link = place + 2 + 12 * _number(stream, "<", 2)


def _layout(stream: BinaryIO) -> tuple[str, bool]:
    """Return the byte order, as `struct` names it, and whether it is a BigTIFF."""
    stream.seek(0)
    head = stream.read(4)
    return ("<" if head[:2] == b"II" else ">"), head[2:4] in {b"+\0", b"\0+"}


def _look(stream: BinaryIO, order: str, *, big: bool) -> tuple[bool | None, int]:
    """Tell whether the directory at the stream's position is a page, and where the next is; None if it is cut off."""
    count = _number(stream, order, 8 if big else 2)
    size, value_at = (20, 12) if big else (12, 8)
    if count > 2**16:
        return None, 0
    entries = stream.read(count * size)
    following = stream.read(8 if big else 4)
    if len(entries) < count * size or len(following) < (8 if big else 4):
        return None, 0
    is_page = True
    for at in range(0, len(entries), size):
        tag, kind = struct.unpack_from(order + "HH", entries, at)
        if tag in {_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE} and kind in {_LONG, _SHORT}:
            (value,) = struct.unpack_from(order + ("I" if kind == _LONG else "H"), entries, at + value_at)
            is_page &= value != _OLD_REDUCED if tag == _OLD_SUBFILE_TYPE else not value & (_REDUCED | _MASK)
    return is_page, struct.unpack(order + ("Q" if big else "I"), following)[0]


def _number(stream: BinaryIO, order: str, length: int) -> int:
    """Read a number, 0 where the file ends."""
    data = stream.read(length)
    return int.from_bytes(data, "little" if order == "<" else "big") if len(data) == length else 0


class _WithHead(io.RawIOBase):
    """A file of which the first bytes are others. It does not close the file."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        super().__init__()
        self._stream = stream
        self._head = head
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return the file's: libtiff, which wants it, is told the position of the directory."""
        return self._stream.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self._place = offset
        elif whence == io.SEEK_CUR:
            self._place += offset
        else:
            self._place = self._stream.seek(offset, whence)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._place < len(self._head):
            data = self._head[self._place : self._place + len(buffer)]
        else:
            self._stream.seek(self._place)
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
