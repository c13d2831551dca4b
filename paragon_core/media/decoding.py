"""From the bytes of an image file to a `Picture`, with Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from paragon_core.errors import ParagonError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.low_memory import lacks
from paragon_core.media.avif import CODECS_HINT, has_image_codecs
from paragon_core.media.avif import is_whole as is_whole_avif
from paragon_core.media.avif import read_metadata as read_avif_metadata
from paragon_core.media.avif import read_pixels as read_deep_avif
from paragon_core.media.bmp import read_metadata as read_bmp_metadata
from paragon_core.media.deep import deep_colour, deep_grey_alpha
from paragon_core.media.formats import FORMATS, FormatName
from paragon_core.media.icc import fitting_icc, hdr_transfer
from paragon_core.media.jpeg import check_kind
from paragon_core.media.jpeg import read_metadata as read_jpeg_metadata
from paragon_core.media.metadata import Metadata, as_stored, plain_exif, usable_dpi
from paragon_core.media.picture import Array, Picture, full_scale
from paragon_core.media.png import pixels_only
from paragon_core.media.png import read_metadata as read_png_metadata
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
    page_size,
    read_samples,
)
from paragon_core.media.tiff_reading import read_metadata as read_tiff_metadata
from paragon_core.media.webp import riff_chunks, webp_size
from paragon_core.memory import lacks_for_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.media.avif_boxes import AvifHeader

    _Decoder = Callable[[ImageFile.ImageFile, BinaryIO, FormatName], tuple[Array, bytes | None]]

#: Pictures with more pixels are refused unless the caller says otherwise: a small file can claim any size. It is the
#: number from which on Pillow refuses them by default, about 179 million.
MAX_PIXELS = 2 * 89_478_485

#: Bytes for each pixel that decoders may take at once, Pillow's image and a copy of it included.
_BYTES_TO_DECODE = 16

_OPENERS: dict[FormatName, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,  # not Pillow's factory, which makes further frames of the previews that cameras append
    "webp": WebPImageFile,
    "tiff": TiffImageFile,
    "avif": AvifImageFile,
    "bmp": BmpImageFile,
}

_WHITE_IS_ZERO = 0
_SEPARATE_PLANES = 2
_GREY_OR_RGB = {0, 1, 2}
_DNG_VERSION = 0xC612
_SIDEWAYS = {5, 6, 7, 8}
#: Pillow's names for what many builds of libtiff leave out.
_RARE_COMPRESSIONS = {"lzma", "zstd", "webp"}
#: Compressions of TIFF by their numbers: JPEG (old, new), JPEG 2000, WebP, JPEG XL.
_LOSSY_NUMBERS = {6, 7, 33003, 33005, 34712, 50001, 50002, 52546}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}
_PNG_BIT_DEPTH_AT = 24
_HINT_CONVERT = "convert it to an 8- or 16-bit RGB or grey picture (PNG, say) with an image editor first"


def open_header(stream: BinaryIO, name: FormatName) -> ImageFile.ImageFile:
    """Read a file's header; no pixel is decoded yet.

    Pillow's own limit on the number of pixels is not asked, because it is one setting for the whole process.

    Raises:
        UnsupportedFormatError: when this Pillow was built without the format.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    if name in {"avif", "webp"} and not features.check(name):
        msg = f"the installed Pillow cannot read {FORMATS[name].title}"
        raise UnsupportedFormatError(msg, hint="pip install --upgrade pillow, or convert the picture to PNG")
    if name == "jpeg":
        check_kind(stream)
    stream.seek(0)
    try:
        return _OPENERS[name](pixels_only(stream) if name == "png" else stream)
    except OSError as error:
        if name == "webp":  # its canvas is allocated at once
            _check_memory(webp_size(stream), error)
        if name == "bmp" and str(error).startswith("Unsupported"):
            msg = f"it is a BMP of a kind that cannot be read ({error})"
            raise UnsupportedFormatError(msg, hint=_HINT_CONVERT) from error
        raise
    except Exception as error:
        if name == "avif" and is_whole_avif(stream):
            msg = f"it is an AVIF of a kind that cannot be read ({error})"
            raise UnsupportedFormatError(msg, hint="open it in a browser, and save it as PNG") from error
        raise


def read_size(stream: BinaryIO, name: FormatName) -> tuple[int, int]:
    """Return width and height of a file's image as stored; no pixel is decoded.

    Raises:
        UnsupportedFormatError: as `open_header`, and where a TIFF holds raw data only.
        Exception: as `open_header`.

    """
    return page_size(stream) if name == "tiff" else stored_size(open_header(stream, name))


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return width and height as stored; Pillow reports those of a TIFF after turning."""
    width, height = image.size
    return (height, width) if _turned_by_pillow(image) in _SIDEWAYS else (width, height)


def decode(stream: BinaryIO, name: FormatName, *, max_pixels: int) -> Picture:
    """Decode a whole picture; of several frames or pages, the first.

    Args:
        stream: the file, seekable.
        name: its format, from `formats.sniff`.
        max_pixels: pictures with more pixels are refused before anything of their size is allocated.

    Raises:
        UnsupportedFormatError: for kinds of pixels that are not handled.
        UnsupportedSizeError: for pictures above the limit.
        BackendUnavailableError: for high dynamic range in AVIF, if imagecodecs is missing.
        MemoryError: for pictures that do not fit in memory.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    if name == "tiff":
        return _decode_tiff(stream, max_pixels)
    image = open_header(stream, name)
    _check_size(stored_size(image), max_pixels)
    metadata, header = _metadata(image, stream, name)
    notes = []
    if (frames := getattr(image, "n_frames", 1)) > 1:
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
    return _picture(array, name, metadata, notes, converted_to, lossless=_is_lossless(image, stream, name))


def _decode_tiff(stream: BinaryIO, max_pixels: int) -> Picture:
    """Decode the first full page of a TIFF, with Pillow or, where it has no such pixels, with tifffile."""
    page, full = first_page(stream), full_pages(stream)
    notes = []
    if len(full) > 1:
        number = f"{len(full)} or more" if len(full) == MOST_PAGES else str(len(full))
        notes.append(f"only the first of its {number} pages is used")
    image = _open_tiff(stream, page)
    if image is None:
        return _decode_unusual_tiff(stream, page, notes, max_pixels)
    _check_size(stored_size(image), max_pixels)
    _check_tiff(image)
    if _is_for_tifffile(image):
        return _decode_unusual_tiff(stream, page, notes, max_pixels)
    metadata = read_tiff_metadata(image.tag_v2, exif=exif_of_tiff(image.getexif()))
    turned = _turned_by_pillow(image)
    channels = len(image.getbands())
    array, converted_to = _decoded(image, as_only(stream, page), "tiff", _pixels)
    array = as_stored(array, turned)
    spare = int(image.tag_v2.get(ExifTags.Base.SamplesPerPixel, channels)) - _channels(array, converted_to)
    if spare > 0 and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) in _GREY_OR_RGB:
        notes.append(f"{spare} further channel{'s' if spare > 1 else ''} of it {'are' if spare > 1 else 'is'} not kept")
    return _picture(array, "tiff", metadata, notes, converted_to, lossless=_is_lossless(image, stream, "tiff"))


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
    """Tell whether Pillow would open pixels that it cannot decode, or only in part."""
    tags = image.tag_v2
    apart = tags.get(ExifTags.Base.PlanarConfiguration, 1) == _SEPARATE_PLANES
    several = tags.get(ExifTags.Base.SamplesPerPixel, 1) > 1
    plain = tags.get(ExifTags.Base.PhotometricInterpretation) in _GREY_OR_RGB
    swapped = image.mode == "F" and tags.prefix == b"MM" and tags.get(ExifTags.Base.Compression, 1) != 1
    return (apart and several and plain) or swapped or image.mode in {"La", "I"}


def _decode_unusual_tiff(stream: BinaryIO, page: TiffPage, notes: list[str], max_pixels: int) -> Picture:
    tags = directory(stream, page)
    if _DNG_VERSION in tags:
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint=HINT_DEVELOP)
    check_samples(tags)
    metadata = read_tiff_metadata(tags, exif=exif_at(stream, page))
    array, more = read_samples(stream, page, lambda size: _check_size(size, max_pixels))
    lossless = tags.get(ExifTags.Base.Compression) not in _LOSSY_NUMBERS
    return _picture(array, "tiff", metadata, [*notes, *more], None, lossless=lossless)


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
    found = Metadata(
        icc=image.info.get("icc_profile"),
        exif=image.info.get("exif"),
        xmp=image.info.get("xmp"),
        dpi=usable_dpi(image.info.get("dpi")),
    )
    return found, None


def _picture(
    array: Array,
    name: FormatName,
    metadata: Metadata,
    notes: list[str],
    converted_to: bytes | None,
    *,
    lossless: bool,
) -> Picture:
    icc = converted_to or metadata.icc
    fitting = fitting_icc(icc, grey=array.shape[2:] in {(), (2,)})
    if converted_to:
        notes.append("its CMYK colours were converted to sRGB")
    if icc and not fitting:
        notes.append("its colour profile is damaged or meant for other kinds of pixels, and was left out")
    xmp: bytes | str | None = metadata.xmp
    metadata = replace(
        metadata,
        icc=fitting,
        exif=plain_exif(metadata.exif),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        notes=tuple(dict.fromkeys((*metadata.notes, *notes))),
    )
    return Picture(array=array, format=name, lossless=lossless, **vars(metadata))


def _check_memory(size: tuple[int, int], error: Exception) -> None:
    """Find out whether a decoder may have failed for lack of memory, which several call damage.

    Raises:
        MemoryError: what it may need at once cannot be had.

    """
    if lacks(size[0] * size[1] * _BYTES_TO_DECODE):
        raise MemoryError from error


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
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


def _pixels(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> tuple[Array, bytes | None]:
    """Decode to HxW, HxWx2, HxWx3 or HxWx4; with them the ICC profile that they were converted to, if they were."""
    array = deep_colour(image, _load, lambda: open_header(stream, name))
    if array is None and name == "png":
        array = deep_grey_alpha(image, _load)
    if array is None:
        _load(image)
        if image.mode == "CMYK":
            return _from_cmyk(image)
        array = _shallow_pixels(image)
    return _with_transparent_colour(array, image, stream), None


def _shallow_pixels(image: ImageFile.ImageFile) -> Array:
    """Return decoded pixels of the kinds that Pillow has modes for."""
    mode = image.mode
    if mode in {"P", "PA"}:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        return np.asarray(image.convert(mode))
    if mode.startswith("I;16"):
        array = np.asarray(image).astype(np.uint16)
        return _tiff_grey(array, image) if isinstance(image, TiffImageFile) else array
    if mode == "F":
        return _float_grey(np.asarray(image))
    plain = {"1": "L", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    if plain not in {"L", "LA", "RGB", "RGBA"}:
        msg = f"it holds a kind of pixels that is not handled ({mode})"
        raise UnsupportedFormatError(msg, hint=_HINT_CONVERT)
    return np.asarray(image if plain == mode else image.convert(plain))


def _load(image: ImageFile.ImageFile) -> None:
    if isinstance(image, TiffImageFile):
        # With its memory at hand, Pillow does not ask its process-wide limit, which `_check_size` stands in for.
        image.im = Image.new(image.mode, stored_size(image)).im
    try:
        image.load()
    except OSError as error:
        compression = image.info.get("compression")
        if compression not in _RARE_COMPRESSIONS:
            raise
        msg = f"it is a TIFF compressed by {compression}, which cannot be read here"
        raise UnsupportedFormatError(msg, hint="save it with LZW or Deflate compression, or none") from error


def _turned_by_pillow(image: ImageFile.ImageFile) -> int:
    """Return the orientation that Pillow applies while loading: it does so for TIFF alone."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1)) if isinstance(image, TiffImageFile) else 1


def _check_tiff(image: TiffImageFile) -> None:
    if _DNG_VERSION in image.tag_v2:
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint=HINT_DEVELOP)
    check_samples(image.tag_v2)


def _tiff_grey(array: Array, image: TiffImageFile) -> Array:
    """Bring 16-bit grey to 0 = black, 65535 = white; Pillow hands it out as stored."""
    if image.tag_v2.get(ExifTags.Base.BitsPerSample) == (12,):
        array = np.rint(array * (65535 / 4095)).astype(np.uint16)
    if image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        array = np.uint16(65535) - array
    return array


def _float_grey(array: Array) -> Array:
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        msg = "it holds floating-point values outside 0..1"
        raise UnsupportedFormatError(msg, hint="scale them to 0..1, or save the picture with 16-bit integers")
    return array


def _from_cmyk(image: Image.Image) -> tuple[Array, bytes]:
    """Convert CMYK to sRGB by the embedded profile; guessing one would give wrong colours."""
    profile = image.info.get("icc_profile")
    if not profile:
        msg = "its colours are CMYK and it has no colour profile that says which inks"
        raise UnsupportedFormatError(msg, hint="convert it to RGB with an image editor first")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        converted = ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, ImportError, OSError) as error:
        msg = f"its CMYK colours cannot be converted ({error})"
        raise UnsupportedFormatError(msg, hint="convert it to RGB with an image editor first") from error
    return np.asarray(converted), srgb.tobytes()


def _with_transparent_colour(array: Array, image: ImageFile.ImageFile, stream: BinaryIO) -> Array:
    """Turn the one colour that a PNG without alpha may declare transparent (tRNS) into an alpha channel."""
    colour: Any = image.info.get("transparency")
    if colour is None or array.shape[2:] in {(2,), (4,)}:  # the latter covers palettes, whose colours were looked up
        return array
    if array.ndim == 2:  # noqa: PLR2004 - axes
        array = array[..., np.newaxis]
        if image.mode == "L":  # the number is counted in the file's own depth, Pillow has widened the pixels to 8 bits
            stream.seek(_PNG_BIT_DEPTH_AT)
            colour = colour * 255 // (2 ** stream.read(1)[0] - 1)
        elif image.mode == "1":  # counted as 0 and 1, or as 0 and 255, depending on Pillow's version
            colour = 255 * bool(colour)
    alpha = (array != np.asarray(colour)).any(axis=2, keepdims=True) * np.asarray(full_scale(array), array.dtype)
    return np.concatenate([array, alpha.astype(array.dtype)], axis=2)


def _is_lossless(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> bool:
    if name == "webp":
        return any(kind == b"VP8L" for kind in riff_chunks(stream))
    if name == "tiff":
        return image.info.get("compression") not in _LOSSY_TIFF
    return name in {"png", "bmp"}
