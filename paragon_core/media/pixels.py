"""From an image that Pillow has opened to an array: the modes that it has, and what it makes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.high_bit_depth import decode_16_bit_colour, decode_16_bit_grey_alpha
from paragon_core.media.loaded_image import HINT_CONVERT, Array, check_unit_range, full_scale
from paragon_core.media.srgb import in_srgb, srgb_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.media.formats import FormatName

_WHITE_IS_ZERO = 0
_SIDEWAYS = {5, 6, 7, 8}
#: Pillow's names for what many builds of libtiff leave out.
_RARE_COMPRESSIONS = {"lzma", "zstd", "webp"}
_PNG_BIT_DEPTH_AT = 24


def stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return width and height as stored; Pillow reports those of a TIFF after turning."""
    width, height = image.size
    return (height, width) if turned_by_pillow(image) in _SIDEWAYS else (width, height)


def turned_by_pillow(image: ImageFile.ImageFile) -> int:
    """Return the orientation that Pillow applies while loading: it does so for TIFF alone."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1)) if isinstance(image, TiffImageFile) else 1


def decoded_pixels(
    image: ImageFile.ImageFile, stream: BinaryIO, name: FormatName, reopen: Callable[[], ImageFile.ImageFile]
) -> tuple[Array, bytes | None]:
    """Decode an image.

    Args:
        image: an opened file whose pixels have not been decoded.
        stream: the file.
        name: its format.
        reopen: opens the file once more.

    Returns:
        HxW, HxWx2, HxWx3 or HxWx4 as in a `LoadedImage`, and the ICC profile that they were converted to, if they were.

    Raises:
        UnsupportedFormatError: for kinds of pixels that are not handled.
        Exception: whatever Pillow raises on damaged files, which is nearly anything.

    """
    array = decode_16_bit_colour(image, _load, reopen)
    if array is None and name == "png":
        array = decode_16_bit_grey_alpha(image, _load)
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
        array = np.asarray(image)
        check_unit_range(array)
        return array
    plain = {"1": "L", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    if plain not in {"L", "LA", "RGB", "RGBA"}:
        msg = f"it holds a kind of pixels that is not handled ({mode})"
        raise UnsupportedFormatError(msg, hint=HINT_CONVERT)
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


def _tiff_grey(array: Array, image: TiffImageFile) -> Array:
    """Bring 16-bit grey to 0 = black, 65535 = white; Pillow hands it out as stored."""
    if image.tag_v2.get(ExifTags.Base.BitsPerSample) == (12,):
        array = np.rint(array * (65535 / 4095)).astype(np.uint16)
    if image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        array = np.uint16(65535) - array
    return array


def _from_cmyk(image: Image.Image) -> tuple[Array, bytes]:
    """Convert CMYK to sRGB by the embedded profile; guessing one would give wrong colours."""
    profile = image.info.get("icc_profile")
    if not profile:
        msg = "its colours are CMYK and it has no colour profile that says which inks"
        raise UnsupportedFormatError(msg, hint="convert it to RGB with an image editor first")
    return np.asarray(in_srgb(image, profile)), srgb_profile()


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
