"""Reading TIFF: which page is meant, what surrounds its pixels, and the kinds of pixels that Pillow does not have.

Those are floating point and 16 bits in more arrangements, and premultiplied alpha with grey; tifffile decodes them.
Source: TIFF Revision 6.0 (Adobe, 1992); section numbers below are its own.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from paragon_core.errors import BackendUnavailableError, UnsupportedFormatError
from paragon_core.media import photoshop
from paragon_core.media.loaded_image import HINT_CONVERT, check_unit_range, full_scale
from paragon_core.media.metadata import Metadata, usable_dpi
from paragon_core.media.ranges import joined
from paragon_core.media.tiff import DESCRIPTIVE_TAGS, SUB_DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from paragon_core.media.loaded_image import Array

#: Pages that are counted at most, so that a small file cannot keep a computer busy.
MOST_PAGES = 1000

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_REDUCED, _MASK = 1, 4
_OLD_REDUCED: Final = 2
#: Tags are sorted, so that those for the kind of a page are among the first.
_FIRST_TAGS: Final = 4
_MOST_THUMBNAILS: Final = 20
_SUB_PAGES: Final = 330
#: Photometric interpretations of images: grey, RGB, palette, CMYK, YCbCr and Lab. Raw data of cameras has others.
_IMAGES: Final = frozenset({0, 1, 2, 3, 5, 6, 8})
_SIGNED: Final = 2
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_PREMULTIPLIED, _ALPHA = 1, 2
_NO_UNIT, _CENTIMETRE = 1, 3
_IPTC, _XMP, _ICC, _PHOTOSHOP_LAYERS = 33723, 700, 34675, 37724
_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES = 301, 318, 319
_GEOTIFF: Final = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113})
#: Tags from here on belong to programs and their makers (section 2, "Private Fields").
_PRIVATE: Final = 0x8000
_MOST_NAMED: Final = 5
#: Private tags that others here know, or that describe the storage: Matteing, DataType, ImageDepth, TileDepth.
_KNOWN: Final = frozenset(
    {*DESCRIPTIVE_TAGS, *SUB_DIRECTORIES, *_GEOTIFF, _IPTC, _ICC, _PHOTOSHOP_LAYERS, ExifTags.Base.ImageResources}
    | {32995, 32996, 32997, 32998}
)
HINT_DEVELOP: Final = "develop it to a 16-bit TIFF or PNG with a raw converter first"


@dataclass(frozen=True, kw_only=True)
class TiffPage:
    """A page of a TIFF."""

    offset: int
    """Where its directory is."""
    reduced: bool = False
    """Whether it is a thumbnail or a mask of another page."""


def full_pages(stream: BinaryIO) -> tuple[TiffPage, ...]:
    """Return the pages of a TIFF that are no thumbnails, at most `MOST_PAGES`; none where these are raw data.

    Where all in the chain are, these are what the thumbnails stand for, in directories below them. Where there are
    none either, a page only bears the mark of a thumbnail.
    """
    found = pages(stream)
    if full := tuple(page for page in found if not page.reduced):
        return full
    thumbnails = [(page, directory(stream, page)) for page in found[:_MOST_THUMBNAILS]]
    if any(_SUB_PAGES in tags for _, tags in thumbnails):
        return tuple(below for _, tags in thumbnails for below in _below(stream, tags))
    return tuple(sorted(found[:_MOST_THUMBNAILS], key=lambda page: -_pixels(directory(stream, page)))[:1])


def page_layout(stream: BinaryIO) -> tuple[tuple[int, int], int]:
    """Return width and height, as stored and 0 where unstated, of the first full page of a TIFF, and its orientation.

    Raises:
        UnsupportedFormatError: there is none.

    """
    tags = directory(stream, first_page(stream))
    turn = tags.get(ExifTags.Base.Orientation, 1)
    size = _side(tags, ExifTags.Base.ImageWidth), _side(tags, ExifTags.Base.ImageLength)
    return size, turn if turn in range(1, 9) else 1


def first_page(stream: BinaryIO) -> TiffPage:
    """Return the first full page of a TIFF.

    Raises:
        UnsupportedFormatError: there is none.

    """
    if full := full_pages(stream):
        return full[0]
    if pages(stream):
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint=HINT_DEVELOP)
    msg = "it is a TIFF without a page"
    raise UnsupportedFormatError(msg, hint="copy, download or export it again")


def pages(stream: BinaryIO) -> tuple[TiffPage, ...]:
    """Return the pages in the chain of a TIFF, at most `MOST_PAGES`; Pillow's count takes time as their square.

    Args:
        stream: the file, seekable.

    """
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    number, offset, entry = ("Q", "Q", 20) if _is_big(head) else ("H", "I", 12)  # BigTIFF, and section 2
    count_length, offset_length = struct.calcsize(number), struct.calcsize(offset)
    (place,) = struct.unpack_from(order + offset, head.ljust(16, b"\0"), 8 if _is_big(head) else 4)
    end = stream.seek(0, io.SEEK_END)  # systems differ in how far behind it they seek
    found: dict[int, TiffPage] = {}
    while place and place not in found and len(found) < MOST_PAGES:
        stream.seek(min(place, end))
        counted = stream.read(count_length)
        count = struct.unpack(order + number, counted)[0] if len(counted) == count_length else 0
        first = stream.read(entry * min(count, _FIRST_TAGS))
        found[place] = TiffPage(offset=place, reduced=_is_reduced(first, order, entry))
        if not counted:
            break
        stream.seek(min(place + count_length + entry * count, end))
        following = stream.read(offset_length)
        if len(following) < offset_length:
            break
        (place,) = struct.unpack(order + offset, following)
    return tuple(found.values())


def as_only(stream: BinaryIO, page: TiffPage) -> BinaryIO:
    """Return a view of a TIFF in which a page is the first."""
    stream.seek(0)
    head = stream.read(16)
    order, length = "<" if head[:2] == b"II" else ">", 16 if _is_big(head) else 8
    place = struct.pack(order + "Q", page.offset) if _is_big(head) else struct.pack(order + "I", page.offset)
    size = stream.seek(0, io.SEEK_END)
    return joined([(io.BytesIO(head[: length - len(place)] + place), 0, length), (stream, length, size - length)])


def _is_big(head: bytes) -> bool:
    return head[2:4] in {b"+\0", b"\0+"}


def _is_reduced(tags: bytes, order: str, entry: int) -> bool:
    for at in range(0, len(tags) - entry + 1, entry):
        tag, kind = struct.unpack_from(order + "HH", tags, at)
        field = tags[at + entry // 3 * 2 : at + entry].ljust(8, b"\0")  # type and count are as long as the value
        value = struct.unpack_from(order + ("H" if kind == 3 else "I"), field)[0]  # noqa: PLR2004 - type SHORT
        if tag == _NEW_SUBFILE_TYPE:
            return bool(value & (_REDUCED | _MASK))
        if tag == _SUBFILE_TYPE:
            return bool(value == _OLD_REDUCED)
    return False


def _below(stream: BinaryIO, tags: Mapping[int, Any]) -> Iterator[TiffPage]:
    """Yield the full pages in the directories below one, raw data of cameras apart."""
    offsets = tags.get(_SUB_PAGES, ())
    for offset in (offsets if isinstance(offsets, tuple) else (offsets,))[:_MOST_THUMBNAILS]:
        found = TiffPage(offset=offset)
        inner = directory(stream, found)
        kind = inner.get(_NEW_SUBFILE_TYPE, 0)
        if not kind & (_REDUCED | _MASK) and inner.get(ExifTags.Base.PhotometricInterpretation, -1) in _IMAGES:
            yield found


def _side(tags: Mapping[int, Any], tag: int) -> int:
    value = tags.get(tag, 0)
    return value if isinstance(value, int) else 0


def _pixels(tags: Mapping[int, Any]) -> int:
    return _side(tags, ExifTags.Base.ImageWidth) * _side(tags, ExifTags.Base.ImageLength)


def directory(stream: BinaryIO, page: TiffPage) -> ImageFileDirectory_v2:
    """Read the tags of a page."""
    view = as_only(stream, page)
    head = view.read(8)
    tags = ImageFileDirectory_v2(head + (view.read(8) if _is_big(head) else b""))
    view.seek(page.offset)
    tags.load(view)
    return tags


def exif_of_tiff(source: Image.Exif) -> bytes | None:
    """Gather the descriptive tags of a TIFF file and its EXIF and GPS directories into an EXIF block.

    Returns:
        The block as a bare TIFF structure, None when there is nothing to keep.

    """
    kept = Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        if tag in source:
            kept[tag] = source[tag]
    for number in SUB_DIRECTORIES:
        if entries := source.get_ifd(number):
            kept.get_ifd(number).update(entries)
            kept[number] = dict(entries)
    return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None


def exif_at(stream: BinaryIO, page: TiffPage) -> bytes | None:
    """Gather the EXIF block of a page that Pillow does not open; None for BigTIFF, which `PIL.Image.Exif` cannot."""
    view = as_only(stream, page)
    if _is_big(view.read(4)):
        return None
    source = Image.Exif()
    view.seek(0)
    source.load_from_fp(view)
    return exif_of_tiff(source)


def read_metadata(tags: Mapping[int, Any], *, exif: bytes | None) -> Metadata:
    """Read everything around the pixels of a page from its tags.

    Args:
        tags: values by number, as Pillow gives them.
        exif: from `exif_of_tiff`.

    """
    notes = []
    if any(tag in tags for tag in _GEOTIFF):
        notes.append("its place on the map (GeoTIFF) is not kept")
    if private := [str(tag) for tag in sorted(tags) if tag >= _PRIVATE and tag not in _KNOWN]:
        shown = ", ".join(private[:_MOST_NAMED]) + (", ..." if len(private) > _MOST_NAMED else "")
        notes.append(f"its private tags ({shown}) are not kept")
    if _PHOTOSHOP_LAYERS in tags:
        notes.append("its Photoshop layers are not kept, only the image that they give")
    resources = dict(photoshop.resources(_as_bytes(tags.get(ExifTags.Base.ImageResources)) or b""))
    if any(number in photoshop.CLIPPING_PATHS for number in resources):
        notes.append("its clipping paths are not kept")
    icc = tags.get(_ICC)
    colour: tuple[tuple[bytes, bytes], ...] = ()
    if icc is None and _TRANSFER_FUNCTION in tags:
        notes.append("the curves of its colours (TransferFunction) are not kept")
    elif icc is None and (chromaticities := _chromaticities(tags)) is not None:
        colour = ((b"cHRM", chromaticities),)
    dpi = _resolution(tags, notes)
    return Metadata(
        icc=_as_bytes(icc),
        exif=exif,
        xmp=_as_bytes(tags.get(_XMP)),
        iptc=_as_bytes(tags.get(_IPTC)) or resources.get(photoshop.IPTC),
        dpi=dpi,
        png_colour=colour,
        notes=tuple(notes),
    )


def _as_bytes(value: Any) -> bytes | None:  # noqa: ANN401 - whatever a tag has
    """Return the bytes of a tag, which some programs store as numbers of 32 bits (IPTC)."""
    if isinstance(value, tuple) and value and all(isinstance(item, int) for item in value):
        return b"".join(item.to_bytes(4, "little") for item in value if 0 <= item < 2**32)
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def _chromaticities(tags: Mapping[int, Any]) -> bytes | None:
    """Return the chunk cHRM of a PNG from the tags for it (section 20), None where these are missing or damaged."""
    try:
        numbers = [round(float(value) * 100_000) for value in (*tags[_WHITE_POINT], *tags[_PRIMARIES])]
        return struct.pack(">8I", *numbers)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, struct.error):
        return None


def _resolution(tags: Mapping[int, Any], notes: list[str]) -> tuple[float, float] | None:
    stated = usable_dpi((tags.get(ExifTags.Base.XResolution), tags.get(ExifTags.Base.YResolution)))
    unit = tags.get(ExifTags.Base.ResolutionUnit, _NO_UNIT + 1)
    if stated is None or unit != _NO_UNIT:
        return stated if stated is None or unit != _CENTIMETRE else (stated[0] * 2.54, stated[1] * 2.54)
    if stated[0] != stated[1]:
        notes.append("its pixels are not square, which is not kept")
    return None


def check_samples(tags: Mapping[int, Any]) -> None:
    """Refuse signed numbers, of which nobody knows which is black.

    Raises:
        UnsupportedFormatError: the samples are signed.

    """
    if _SIGNED in np.atleast_1d(tags.get(ExifTags.Base.SampleFormat, 1)):
        msg = "its samples are signed numbers, for which black and white are not defined"
        raise UnsupportedFormatError(msg, hint=HINT_CONVERT)


def read_samples(
    stream: BinaryIO, page: TiffPage, check_size: Callable[[tuple[int, int]], None]
) -> tuple[Array, tuple[str, ...]]:
    """Decode a page with tifffile.

    Args:
        stream: the file.
        page: from `pages`.
        check_size: called with width and height before anything of their size is allocated.

    Returns:
        HxW, HxWx2, HxWx3 or HxWx4 as in a `LoadedImage`, and notes.

    Raises:
        UnsupportedFormatError: for kinds that are not handled.
        BackendUnavailableError: tifffile is missing, which Paragon's own package would have brought.
        Exception: tifffile's errors on damaged files.

    """
    try:
        import tifffile  # noqa: PLC0415 - slow to import, and few files need it
    except ImportError as error:
        msg = "a TIFF of this kind needs tifffile"
        raise BackendUnavailableError(msg, hint="pip install tifffile") from error
    with tifffile.TiffFile(as_only(stream, page)) as opened:
        found = opened.pages[0]
        if not isinstance(found, tifffile.TiffPage):
            found = found.aspage()
        check_size((found.imagewidth, found.imagelength))
        if found.photometric not in {_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB} or found.imagedepth > 1:
            words = tifffile.PHOTOMETRIC(found.photometric).name
            msg = f"it is a TIFF of a kind that is not handled ({words})"
            raise UnsupportedFormatError(msg, hint=HINT_CONVERT)
        if found.dtype is None or found.dtype.kind not in "buf":
            msg = f"its samples are of a kind that is not handled ({found.dtype})"
            raise UnsupportedFormatError(msg, hint=HINT_CONVERT)
        ends = (sum(place) for place in zip(found.dataoffsets, found.databytecounts, strict=True))
        if max(ends, default=0) > stream.seek(0, io.SEEK_END):
            msg = "image file is truncated"
            raise OSError(msg)
        try:
            samples = found.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            name = tifffile.COMPRESSION(found.compression).name
            msg = f"it is a TIFF of unusual pixels compressed by {name}, which needs imagecodecs"
            hint = 'pip install "paragon-sr[images]"; or save it with Deflate compression, or none'
            raise UnsupportedFormatError(msg, hint=hint) from error
        if found.axes == "SYX":
            samples = np.moveaxis(samples, 0, -1)
        samples = samples.reshape(found.imagelength, found.imagewidth, -1)
        colours = 3 if found.photometric == _RGB else 1
        inverted = found.photometric == _WHITE_IS_ZERO
        extra = [int(kind) for kind in found.extrasamples]
        bits = found.bitspersample
    return _arranged(_normalised(samples, bits), colours=colours, extra=extra, inverted=inverted)


def _normalised(samples: Array, bits: int) -> Array:
    """Return samples as uint8, uint16 or float32 over their whole range."""
    if samples.dtype.kind == "f":
        pixels: Array = samples.astype(np.float32)
        check_unit_range(pixels)
        return pixels
    top = 1 if samples.dtype.kind == "b" else 2**bits - 1
    if bits in {8, 16}:
        pixels = samples
    elif bits < 8:  # noqa: PLR2004 - bits
        pixels = np.rint(samples * (255 / top)).astype(np.uint8)
    elif bits < 16:  # noqa: PLR2004 - bits
        pixels = np.rint(samples * (65535 / top)).astype(np.uint16)
    else:
        pixels = (samples / top).astype(np.float32)
    return pixels


def _arranged(samples: Array, *, colours: int, extra: list[int], inverted: bool) -> tuple[Array, tuple[str, ...]]:
    """Pick colours and alpha; HxWxN to HxW, HxWx2, HxWx3 or HxWx4."""
    notes: tuple[str, ...] = ()
    top = full_scale(samples)
    pixels: Array = samples[..., :colours]
    if pixels.shape[2] < colours:
        msg = f"it has {samples.shape[2]} channels where its kind has {colours}"
        raise UnsupportedFormatError(msg, hint=HINT_CONVERT)
    if inverted:
        pixels = np.asarray(top, samples.dtype) - pixels
    at = next((index for index, kind in enumerate(extra) if kind in {_PREMULTIPLIED, _ALPHA}), None)
    if at is not None and colours + at < samples.shape[2]:
        alpha = samples[..., colours + at, np.newaxis]
        if extra[at] == _PREMULTIPLIED:
            pixels = without_premultiplication(pixels, alpha)
        pixels = np.concatenate([pixels, alpha], axis=2)
    if (more := samples.shape[2] - pixels.shape[2]) > 0:
        notes = (f"{more} further channel{'s' if more > 1 else ''} of it {'are' if more > 1 else 'is'} not kept",)
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), notes


def without_premultiplication(colours: Array, alpha: Array) -> Array:
    """Divide colours by alpha, both HxWxN of the same type; where alpha is 0 they become 0."""
    top = full_scale(alpha)
    straight = np.divide(
        colours * np.float64(top), alpha, out=np.zeros(colours.shape), where=np.broadcast_to(alpha > 0, colours.shape)
    )
    straight = np.minimum(straight, top)
    result: Array = (straight if alpha.dtype.kind == "f" else np.rint(straight)).astype(colours.dtype)
    return result
