"""From the bytes of an image file to a `LoadedImage`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, features
from PIL.TiffImagePlugin import TiffImageFile

from paragon_core.errors import ParagonError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.low_memory import lacks
from paragon_core.media.avif import CODECS_HINT, has_image_codecs
from paragon_core.media.avif import is_whole as is_whole_avif
from paragon_core.media.avif import read_metadata as read_avif_metadata
from paragon_core.media.avif import read_pixels as read_deep_avif
from paragon_core.media.bmp import read_metadata as read_bmp_metadata
from paragon_core.media.dds import dds_notes
from paragon_core.media.exif_tags import dpi_of
from paragon_core.media.formats import FORMATS, imported
from paragon_core.media.icc import fitting_icc, hdr_transfer
from paragon_core.media.jpeg import check_kind
from paragon_core.media.jpeg import read_metadata as read_jpeg_metadata
from paragon_core.media.loaded_image import HINT_CONVERT, Array, LoadedImage
from paragon_core.media.metadata import Metadata, as_stored, orientation, plain_exif, usable_dpi
from paragon_core.media.pixels import decoded_pixels, stored_size, turned_by_pillow
from paragon_core.media.png import pixels_only, text_chunk
from paragon_core.media.png import read_metadata as read_png_metadata
from paragon_core.media.tga import in_rows
from paragon_core.media.tiff_reading import (
    HINT_DEVELOP,
    MOST_PAGES,
    TiffPage,
    as_only,
    check_samples,
    directory,
    exif_at,
    exif_of_tiff,
    first_page,
    full_pages,
    page_layout,
    read_samples,
)
from paragon_core.media.tiff_reading import read_metadata as read_tiff_metadata
from paragon_core.media.webp import riff_chunks, webp_size
from paragon_core.upscaling.memory import lacks_for_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import ImageFile

    from paragon_core.media.avif_boxes import AvifHeader
    from paragon_core.media.formats import FormatName

    _Decoder = Callable[[ImageFile.ImageFile, BinaryIO, FormatName], tuple[Array, bytes | None]]

#: Images with more pixels are refused unless the caller says otherwise: a small file can claim any size. It is the
#: number from which on Pillow refuses them by default, about 179 million.
MAX_PIXELS = 2 * 89_478_485

#: Bytes for each pixel that decoders may take at once, Pillow's image and a copy of it included.
_BYTES_TO_DECODE = 16

_SEPARATE_PLANES = 2
_GREY_OR_RGB = {0, 1, 2}
_DNG_VERSION = 0xC612
#: Compressions of TIFF by their numbers: JPEG (old, new), JPEG 2000, WebP, JPEG XL.
_LOSSY_NUMBERS = {6, 7, 33003, 33005, 34712, 50001, 50002, 52546}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}


def open_header(stream: BinaryIO, name: FormatName) -> ImageFile.ImageFile:
    """Read a file's header; no pixel is decoded yet.

    Pillow's own limit on the number of pixels is not asked, because it is one setting for the whole process.

    Raises:
        UnsupportedFormatError: when this Pillow was built without the format, or the image is of a kind not handled.
        BackendUnavailableError: when the package that reads the format is not installed.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    row = FORMATS[name]
    if row.feature is not None and not features.check(row.feature):
        msg = f"the installed Pillow cannot read {row.title}"
        raise UnsupportedFormatError(msg, hint="pip install --upgrade pillow, or convert the image to PNG")
    opener: Callable[[BinaryIO], ImageFile.ImageFile] = imported(row, row.opener)
    if name == "jpeg":
        check_kind(stream)
    stream.seek(0)
    try:
        return opener(pixels_only(stream) if name == "png" else stream)
    except NotImplementedError as error:
        msg = f"it is a {row.title} image of a kind that is not handled ({error})"
        raise UnsupportedFormatError(msg, hint=HINT_CONVERT) from error
    except OSError as error:
        if name == "webp":  # its canvas is allocated at once
            _check_memory(webp_size(stream), error)
        if name == "bmp" and str(error).startswith("Unsupported"):
            msg = f"it is a BMP of a kind that cannot be read ({error})"
            raise UnsupportedFormatError(msg, hint=HINT_CONVERT) from error
        raise
    except Exception as error:
        if name == "avif" and is_whole_avif(stream):
            msg = f"it is an AVIF of a kind that cannot be read ({error})"
            raise UnsupportedFormatError(msg, hint="open it in a browser, and save it as PNG") from error
        raise


def read_layout(stream: BinaryIO, name: FormatName) -> tuple[tuple[int, int], int]:
    """Return width and height of a file's image as stored, and its EXIF orientation; no pixel is decoded.

    Raises:
        UnsupportedFormatError: as `open_header`, and where a TIFF holds raw data only.
        Exception: as `open_header`.

    """
    if name == "tiff":
        return page_layout(stream)
    image = open_header(stream, name)
    exif = read_png_metadata(stream).exif if name == "png" else image.info.get("exif")
    return stored_size(image), orientation(plain_exif(exif))


def decode(
    stream: BinaryIO, name: FormatName, *, max_pixels: int, page: TiffPage | None = None, first_only: bool = True
) -> LoadedImage:
    """Decode a whole image; of several frames or pages, the first.

    Args:
        stream: the file, seekable.
        name: its format, from `formats.sniff`.
        max_pixels: images with more pixels are refused before anything of their size is allocated.
        page: page of a TIFF, instead of the first.
        first_only: whether there is a note about further frames or pages, because they are not read elsewhere.

    Raises:
        UnsupportedFormatError: for kinds of pixels that are not handled.
        UnsupportedSizeError: for images above the limit.
        BackendUnavailableError: for high dynamic range in AVIF, if imagecodecs is missing.
        MemoryError: for images that do not fit in memory.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    if name == "tiff":
        return _decode_tiff(stream, max_pixels, page, first_only=first_only)
    notes = dds_notes(stream) if name == "dds" else []
    image = open_header(stream, name)
    check_size(stored_size(image), max_pixels)
    if (decoder := FORMATS[name].decoder) is not None:
        loaded: LoadedImage = imported(FORMATS[name], decoder)(stream)
        return loaded
    metadata, header = _metadata(image, stream, name)
    if first_only and (frames := getattr(image, "n_frames", 1)) > 1:
        notes.append(f"only the first of its {frames} frames is used")
    decode_pixels: _Decoder = _pixels
    if header is not None and header.bits > 8:  # noqa: PLR2004 - bits
        if has_image_codecs() or hdr_transfer(metadata.png_colour) is not None:
            decode_pixels = _deep_avif(header)
        else:
            notes.append(f"its {header.bits} bits per channel were read as 8; more need imagecodecs ({CODECS_HINT})")
            metadata = replace(metadata, bits=None)
    array, converted_to = _decoded(image, stream, name, decode_pixels)
    if header is not None and header.grey and array.ndim > 2:  # noqa: PLR2004 - axes
        array = np.ascontiguousarray(array[..., 0] if array.shape[2] == 3 else array[..., [0, -1]])  # noqa: PLR2004
    return _loaded_image(array, name, metadata, notes, converted_to, lossless=_is_lossless(image, stream, name))


def _decode_tiff(stream: BinaryIO, max_pixels: int, page: TiffPage | None, *, first_only: bool) -> LoadedImage:
    """Decode a page of a TIFF, else the first full one, with Pillow or, where it has no such pixels, with tifffile."""
    full = full_pages(stream)
    page = page or first_page(stream)
    notes = []
    if first_only and len(full) > 1:
        number = f"{len(full)} or more" if len(full) == MOST_PAGES else str(len(full))
        notes.append(f"only the first of its {number} pages is used")
    image = _open_tiff(stream, page)
    if image is None:
        return _decode_unusual_tiff(stream, page, notes, max_pixels)
    check_size(stored_size(image), max_pixels)
    _check_tiff(image)
    if _is_for_tifffile(image):
        return _decode_unusual_tiff(stream, page, notes, max_pixels)
    metadata = read_tiff_metadata(image.tag_v2, exif=exif_of_tiff(image.getexif()))
    turned = turned_by_pillow(image)
    channels = len(image.getbands())
    array, converted_to = _decoded(image, as_only(stream, page), "tiff", _pixels)
    array = as_stored(array, turned)
    spare = int(image.tag_v2.get(ExifTags.Base.SamplesPerPixel, channels)) - _channels(array, converted_to)
    if spare > 0 and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) in _GREY_OR_RGB:
        notes.append(f"{spare} further channel{'s' if spare > 1 else ''} of it {'are' if spare > 1 else 'is'} not kept")
    return _loaded_image(array, "tiff", metadata, notes, converted_to, lossless=_is_lossless(image, stream, "tiff"))


def _channels(array: Array, converted_to: bytes | None) -> int:
    return 4 if converted_to else 1 if array.ndim == 2 else array.shape[2]  # noqa: PLR2004 - axes


def _open_tiff(stream: BinaryIO, page: TiffPage) -> TiffImageFile | None:
    """Open a page with Pillow; None when it has no such pixels."""
    try:
        return TiffImageFile(as_only(stream, page))
    except SyntaxError as error:
        if not str(error).startswith("unknown"):
            raise
        return None


def _is_for_tifffile(image: TiffImageFile) -> bool:
    """Return whether Pillow would open pixels that it cannot decode, or only in part."""
    tags = image.tag_v2
    apart = tags.get(ExifTags.Base.PlanarConfiguration, 1) == _SEPARATE_PLANES
    several = tags.get(ExifTags.Base.SamplesPerPixel, 1) > 1
    plain = tags.get(ExifTags.Base.PhotometricInterpretation) in _GREY_OR_RGB
    swapped = image.mode == "F" and tags.prefix == b"MM" and tags.get(ExifTags.Base.Compression, 1) != 1
    return (apart and several and plain) or swapped or image.mode in {"La", "I"}


def _decode_unusual_tiff(stream: BinaryIO, page: TiffPage, notes: list[str], max_pixels: int) -> LoadedImage:
    tags = directory(stream, page)
    if _DNG_VERSION in tags:
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint=HINT_DEVELOP)
    check_samples(tags)
    metadata = read_tiff_metadata(tags, exif=exif_at(stream, page))
    array, more = read_samples(stream, page, lambda size: check_size(size, max_pixels))
    lossless = tags.get(ExifTags.Base.Compression) not in _LOSSY_NUMBERS
    return _loaded_image(array, "tiff", metadata, [*notes, *more], None, lossless=lossless)


def _decoded(
    image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName, decode_pixels: _Decoder
) -> tuple[Array, bytes | None]:
    try:
        return decode_pixels(image, stream, name)
    except ParagonError:
        raise
    except Exception as error:
        _check_memory(stored_size(image), error)
        raise


def _pixels(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> tuple[Array, bytes | None]:
    try:
        return decoded_pixels(image, stream, name, lambda: open_header(stream, name))
    except OSError as error:
        if name != "tga" or "buffer overrun" not in str(error):
            raise
        rows = in_rows(stream)
        return decoded_pixels(open_header(rows, name), rows, name, lambda: open_header(rows, name))


def _deep_avif(header: AvifHeader) -> _Decoder:
    return lambda _image, stream, _name: (read_deep_avif(stream, header), None)


def _metadata(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> tuple[Metadata, AvifHeader | None]:
    """Read everything around the pixels."""
    if name == "png":
        return read_png_metadata(stream), None
    if name == "jpeg":
        return read_jpeg_metadata(stream, image.info), None
    if name == "avif":
        return read_avif_metadata(stream, image.info)
    if name == "bmp":
        return read_bmp_metadata(stream, image.info), None
    comment = image.info.get("comment") if name == "gif" else None
    found = Metadata(
        icc=image.info.get("icc_profile"),
        exif=image.info.get("exif"),
        xmp=image.info.get("xmp"),
        dpi=usable_dpi(image.info.get("dpi")),
        png_text=(text_chunk("Comment", comment),) if comment else (),
    )
    return found, None


def _loaded_image(
    array: Array,
    name: FormatName,
    metadata: Metadata,
    notes: list[str],
    converted_to: bytes | None,
    *,
    lossless: bool,
) -> LoadedImage:
    icc = converted_to or metadata.icc
    fitting = fitting_icc(icc, grey=array.shape[2:] in {(), (2,)})
    if converted_to:
        notes.append("its CMYK colours were converted to sRGB")
    if icc and not fitting:
        notes.append("its colour profile is damaged or meant for other kinds of pixels, and was left out")
    xmp: bytes | str | None = metadata.xmp
    exif = plain_exif(metadata.exif)
    metadata = replace(
        metadata,
        icc=fitting,
        exif=exif,
        dpi=metadata.dpi or (dpi_of(exif) if exif else None),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        notes=tuple(dict.fromkeys((*metadata.notes, *notes))),
    )
    return LoadedImage(array=array, format=name, lossless=lossless, **vars(metadata))


def _check_memory(size: tuple[int, int], error: Exception) -> None:
    """Find out whether a decoder may have failed for lack of memory, which several call damage.

    Raises:
        MemoryError: what it may need at once cannot be had.

    """
    if lacks(size[0] * size[1] * _BYTES_TO_DECODE):
        raise MemoryError from error


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse sizes before anything is allocated for them.

    Raises:
        UnsupportedSizeError: there are no pixels, or more than the limit.
        MemoryError: an image of that size cannot fit in memory.

    """
    width, height = size
    if width < 1 or height < 1:
        msg = f"it has no pixels ({width} x {height})"
        raise UnsupportedSizeError(msg, hint="export it again from the program that made it")
    if width * height > max_pixels:
        msg = f"it claims {width} x {height} pixels, more than the limit of {max_pixels / 1e6:.0f} million"
        raise UnsupportedSizeError(
            msg, hint="if you trust the file, raise the limit with --max-pixels (max_pixels= in Python)"
        )
    if lacks_for_image(width * height):  # the limit was raised
        raise MemoryError


def _check_tiff(image: TiffImageFile) -> None:
    if _DNG_VERSION in image.tag_v2:
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint=HINT_DEVELOP)
    check_samples(image.tag_v2)


def _is_lossless(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> bool:
    if name == "webp":
        return any(kind == b"VP8L" for kind in riff_chunks(stream))
    if name == "tiff":
        return image.info.get("compression") not in _LOSSY_TIFF
    if name == "dds":
        return not getattr(image, "pixel_format", "")
    return name in {"png", "bmp", "gif", "tga"}
