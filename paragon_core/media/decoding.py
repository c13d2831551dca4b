"""From the bytes of an image file to a `Picture`, with Pillow."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, features
from PIL.TiffImagePlugin import TiffImageFile

from paragon_core.errors import ParagonError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.low_memory import lacks
from paragon_core.media.dds import dds_notes
from paragon_core.media.deep import deep_colour, deep_grey_alpha
from paragon_core.media.formats import FORMATS, imported
from paragon_core.media.metadata import as_stored, fitting_icc, plain_exif
from paragon_core.media.picture import Array, Picture, full_scale
from paragon_core.media.png import colour_chunks
from paragon_core.media.tiff import MOST_PAGES, count_pages, exif_of_tiff
from paragon_core.media.webp import riff_chunks, webp_size
from paragon_core.memory import lacks_for_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import ImageFile

    from paragon_core.media.formats import FormatName

#: Pictures with more pixels are refused unless the caller says otherwise: a small file can claim any size. It is the
#: number from which on Pillow refuses them by default, about 179 million.
MAX_PIXELS = 2 * 89_478_485

#: Bytes for each pixel that decoders may take at once, Pillow's image and a copy of it included.
_BYTES_TO_DECODE = 16

_WHITE_IS_ZERO = 0
_SEPARATE_PLANES = 2
_REDUCED_RESOLUTION = 1
_DNG_VERSION = 0xC612
_SIDEWAYS = {5, 6, 7, 8}
#: Pillow's names for what many builds of libtiff leave out.
_RARE_COMPRESSIONS = {"lzma", "zstd", "webp"}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}
_PNG_BIT_DEPTH_AT = 24
_HINT_CONVERT = "convert it to an 8- or 16-bit RGB or grey picture (PNG, say) with an image editor first"


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
    stream.seek(0)
    try:
        return opener(stream)
    except NotImplementedError as error:
        msg = f"it is a {row.title} image of a kind that is not handled ({error})"
        raise UnsupportedFormatError(msg, hint=_HINT_CONVERT) from error
    except OSError as error:
        if name == "webp":  # its canvas is allocated at once
            _check_memory(webp_size(stream), error)
        raise
    except SyntaxError as error:
        if name != "tiff" or not str(error).startswith("unknown"):
            raise
        msg = "it is a TIFF with an unusual arrangement of pixels"
        raise UnsupportedFormatError(msg, hint=_HINT_CONVERT) from error


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return width and height as stored; Pillow reports those of a TIFF after turning."""
    width, height = image.size
    return (height, width) if _turned_by_pillow(image) in _SIDEWAYS else (width, height)


def decode(stream: BinaryIO, name: FormatName, *, max_pixels: int, first_only: bool = True) -> Picture:
    """Decode a whole picture; of several frames or pages, the first.

    Args:
        stream: the file, seekable.
        name: its format, from `formats.sniff`.
        max_pixels: pictures with more pixels are refused before anything of their size is allocated.
        first_only: whether there is a note about further frames or pages, because they are not read elsewhere.

    Raises:
        UnsupportedFormatError: for kinds of pixels that are not handled.
        UnsupportedSizeError: for pictures above the limit.
        MemoryError: for pictures that do not fit in memory.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    notes = dds_notes(stream) if name == "dds" else []
    image = open_header(stream, name)
    check_size(stored_size(image), max_pixels)
    if (decoder := FORMATS[name].decoder) is not None:
        picture: Picture = imported(FORMATS[name], decoder)(stream)
        return picture
    if first_only and (frames := count_pages(stream) if name == "tiff" else getattr(image, "n_frames", 1)) > 1:
        number = f"{frames} or more" if name == "tiff" and frames == MOST_PAGES else str(frames)
        notes.append(f"only the first of its {number} {'pages' if name == 'tiff' else 'frames'} is used")
    exif = exif_of_tiff(image) if name == "tiff" else None
    turned = _turned_by_pillow(image)
    try:
        array, converted_to = _pixels(image, stream, name)
    except ParagonError:
        raise
    except Exception as error:
        _check_memory(stored_size(image), error)
        raise
    array = as_stored(array, turned)
    if converted_to:
        notes.append("its CMYK colours were converted to sRGB")
    icc = converted_to or image.info.get("icc_profile")
    fitting = fitting_icc(icc, grey=array.shape[2:] in {(), (2,)})
    if icc and not fitting:
        notes.append("its colour profile is damaged or meant for other kinds of pixels, and was left out")
    xmp = image.info.get("xmp")
    return Picture(
        array=array,
        format=name,
        lossless=_is_lossless(image, stream, name),
        icc=fitting,
        exif=plain_exif(exif or _exif(image)),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=_dpi(image.info.get("dpi")),
        png_colour=colour_chunks(stream) if name == "png" else (),
        notes=tuple(notes),
    )


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


def _pixels(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> tuple[Array, bytes | None]:
    """Decode to HxW, HxWx2, HxWx3 or HxWx4; with them the ICC profile that they were converted to, if they were."""
    if isinstance(image, TiffImageFile):
        _check_tiff(image)
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
    tags = image.tag_v2
    if _DNG_VERSION in tags or tags.get(ExifTags.Base.NewSubfileType, 0) & _REDUCED_RESOLUTION:
        msg = "it looks like a camera's raw file, in which only a preview can be read"
        raise UnsupportedFormatError(msg, hint="develop it to a 16-bit TIFF or PNG with a raw converter first")
    deep = max(tags.get(ExifTags.Base.BitsPerSample, (1,))) > 8  # noqa: PLR2004 - bits
    if deep and tags.get(ExifTags.Base.PlanarConfiguration, 1) == _SEPARATE_PLANES and len(image.getbands()) > 1:
        msg = "it is a TIFF with 16 bits per channel and each channel on its own"
        raise UnsupportedFormatError(msg, hint="save it with interleaved channels")


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


def _exif(image: ImageFile.ImageFile) -> bytes | None:
    if "exif" in image.info:
        block: bytes = image.info["exif"]
        return block
    if "Raw profile type exif" in image.info:  # how PNG held EXIF before it had a chunk for it
        return image.getexif().tobytes()
    return None


def _dpi(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - whatever stands in the file
    try:
        horizontal, vertical = (float(number) for number in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    usable = all(math.isfinite(number) and 1 <= number <= 1e6 for number in (horizontal, vertical))  # noqa: PLR2004
    return (horizontal, vertical) if usable else None


def _is_lossless(image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName) -> bool:
    if name == "webp":
        return any(kind == b"VP8L" for kind in riff_chunks(stream))
    if name == "tiff":
        return image.info.get("compression") not in _LOSSY_TIFF
    if name == "dds":
        return not getattr(image, "pixel_format", "")
    return name in {"png", "bmp", "gif", "tga"}
