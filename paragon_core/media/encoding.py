"""From a `Picture` to the bytes of an image file.

=====  =====================================================================================================
PNG    8 or 16 bits, lossless
JPEG   quality 95, no colour subsampling
WebP   lossless where the source was, else quality 95
TIFF   8 or 16 bits or floating point, Deflate
AVIF   quality 90, no colour subsampling
GIF    255 colours a frame, dithered where there are more; pixels are opaque or transparent
TGA    8 bits, compressed without loss, no metadata: the orientation tag is applied to the pixels
BMP    8 bits, no alpha, no metadata: the orientation tag is applied to the pixels
=====  =====================================================================================================
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, features
from PIL.PngImagePlugin import PngInfo

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.formats import imported
from paragon_core.media.metadata import as_viewed, fitting_icc, plain_exif
from paragon_core.media.picture import Array, Picture, with_depth
from paragon_core.media.png import COMPRESSION_LEVEL, write_deep
from paragon_core.media.tiff import write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.media.formats import ImageFormat
    from paragon_core.media.linear_light import LinearLight

    Encoder = Callable[[Picture], tuple[bytes, tuple[str, ...]]]

_EXIF_PREFIX = b"Exif\0\0"
#: What fits in one segment of a JPEG file besides the segment's own name (2-byte length, ITU-T T.81 B.1.1.4).
_LONGEST_JPEG_EXIF = 65533 - len(_EXIF_PREFIX)
_LONGEST_JPEG_XMP = 65533 - len(b"http://ns.adobe.com/xap/1.0/\0")


def fit(picture: Picture, target: ImageFormat, *, scale: int = 1) -> Picture:
    """Make sure, before any work is spent on it, that a picture can be stored in a format once it is enlarged.

    Returns:
        The picture, without its alpha channel if that is fully opaque and the format has none.

    Raises:
        UnsupportedFormatError: when the format is missing here, or holds no transparency and the picture has some.
        UnsupportedSizeError: when the format holds no picture of that size.

    """
    if target.feature is not None and not features.check(target.feature):
        msg = f"the installed Pillow cannot write {target.title}"
        raise UnsupportedFormatError(msg, hint="pip install --upgrade pillow, or choose PNG")
    width, height = (scale * side for side in picture.size)
    if max(width, height) > target.longest_side:
        msg = f"{width} x {height} pixels do not fit in a {target.title} file ({target.longest_side} a side)"
        raise UnsupportedSizeError(msg, hint="choose PNG or TIFF (--format png, or an output name that ends so)")
    if target.encoder is not None:
        imported(target, target.encoder)
    if target.name == "exr" and picture.linear is None:
        msg = "only OpenEXR images become OpenEXR images"
        raise UnsupportedFormatError(msg, hint="choose PNG or TIFF (--format png, or an output name that ends so)")
    if picture.linear is not None and target.name != "exr":
        _check_colours(picture.linear, target)
    if target.alpha or not picture.has_alpha:
        return picture
    if not picture.opaque:
        msg = f"it has transparent parts, which {target.title} cannot hold"
        raise UnsupportedFormatError(
            msg, hint="choose PNG, WebP or TIFF (--format png, or an output name that ends so)"
        )
    return picture.without_alpha()


def _check_colours(coding: LinearLight, target: ImageFormat) -> None:
    """Refuse colours from OpenEXR that would be shown wrong.

    Raises:
        UnsupportedFormatError: there is no number for the primaries, or the format cannot say that it is HDR.

    """
    if coding.primaries is None:
        msg = f"its primaries (chromaticities) are none that {target.title} has a number for"
        raise UnsupportedFormatError(msg, hint="choose OpenEXR as output, or convert it to sRGB or BT.2020 first")
    if target.name != "png" and (coding.curve == "pq" or coding.primaries != 1):
        msg = f"it is brighter than white, or of a wide gamut, which {target.title} would show wrong"
        raise UnsupportedFormatError(msg, hint="choose OpenEXR or PNG as output, or map its tones first")


def encode(picture: Picture, target: ImageFormat) -> tuple[bytes, tuple[str, ...]]:
    """Encode a picture.

    Returns:
        The bytes of the file, and in words for the user what the format could not keep.

    Raises:
        UnsupportedFormatError: as `fit`.
        UnsupportedSizeError: as `fit`, or when a TIFF would pass 4 GiB.

    """
    picture = fit(picture, target)
    if target.encoder is not None:
        encoder: Encoder = imported(target, target.encoder)
        return encoder(picture)
    notes: list[str] = []
    if picture.linear is not None and picture.linear.gain < 1:
        notes.append(f"it was darkened {1 / picture.linear.gain:.3g} times, so that its brightest parts fit")
    array = _stored_pixels(picture, target, notes)
    icc = fitting_icc(picture.icc, grey=array.shape[2:] in {(), (2,)})
    exif, xmp = plain_exif(picture.exif), picture.xmp
    if target.name == "jpeg":
        exif = _short_enough(exif, _LONGEST_JPEG_EXIF, "EXIF block", notes)
        xmp = _short_enough(xmp, _LONGEST_JPEG_XMP, "XMP packet", notes)
    if target.name in {"tiff", "avif"} and exif is not None and not _is_readable(exif):  # the others copy it unread
        notes.append("its EXIF block is damaged")
        exif = None
    if picture.icc and (icc is None or not target.metadata):
        notes.append(f"its colour profile does not go into this {target.title} file")

    stream = io.BytesIO()
    if target.name == "tiff":
        try:
            write_tiff(stream, array, icc=icc, exif=exif, xmp=xmp, dpi=picture.dpi)
        except OverflowError as error:
            raise UnsupportedSizeError(str(error), hint="choose PNG (--format png)") from error
    elif array.dtype == np.uint16:
        write_deep(stream, array, icc=icc, exif=exif, xmp=xmp, dpi=picture.dpi, colour=picture.png_colour)
    else:
        options = _options(picture, target, icc=icc, exif=exif, xmp=xmp)
        Image.fromarray(array).save(stream, target.name, **options)
    # Not getbuffer(): a view that outlives its stream, in the traceback of an error, ends the process.
    return stream.getvalue(), tuple(notes)


def _stored_pixels(picture: Picture, target: ImageFormat, notes: list[str]) -> Array:
    """Return the pixels in the depth and with the channels that the format holds."""
    array = picture.array
    if target.name == "tiff" and array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif target.deep and array.dtype != np.uint8:
        array = with_depth(array, np.uint16)
    elif array.dtype != np.uint8:
        notes.append(f"{target.title} holds 8 bits per channel, the picture has more")
        array = with_depth(array, np.uint8)
    # Grey with alpha exists in PNG and in TIFF; Pillow, and thus Paragon, reads the latter with 8 bits only.
    if array.shape[2:] == (2,) and target.name != "png" and not (target.name == "tiff" and array.dtype == np.uint8):
        array = array[..., [0, 0, 0, 1]]
    return array if target.exif else as_viewed(array, picture.orientation)


def _short_enough(block: bytes | None, limit: int, words: str, notes: list[str]) -> bytes | None:
    if block is not None and len(block) > limit:
        notes.append(f"its {words} is too long for a JPEG file")
        return None
    return block


def _is_readable(exif: bytes) -> bool:
    block = Image.Exif()
    try:
        block.load(exif)
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            block.get_ifd(directory)
        block.tobytes()
    except Exception:  # noqa: BLE001 - Pillow raises nearly every type there is on damaged blocks
        return False
    return True


def _options(
    picture: Picture, target: ImageFormat, *, icc: bytes | None, exif: bytes | None, xmp: bytes | None
) -> dict[str, Any]:
    """Return the arguments of Pillow's ``save`` for one format.

    Efforts are chosen for 8K results: the next higher ones take many times as long for files of nearly the same size.
    """
    options: dict[str, Any] = {}
    if target.name == "tga":
        options["compression"] = "tga_rle"
    if picture.dpi is not None:
        options["dpi"] = picture.dpi
    if not target.metadata:
        return options
    options["icc_profile"] = icc
    if exif is not None:
        options["exif"] = _EXIF_PREFIX + exif
    if xmp is not None and target.name != "png":
        options["xmp"] = xmp
    if target.name == "png":
        options |= {"compress_level": COMPRESSION_LEVEL, "pnginfo": _png_chunks(picture, xmp)}
    elif target.name == "jpeg":
        options |= {"quality": 95, "subsampling": "4:4:4"}
    elif target.name == "avif":
        options |= {"quality": 90, "subsampling": "4:4:4", "speed": 8}
    elif picture.lossless:  # WebP; "exact" keeps the colour under transparent pixels, as PNG does
        options |= {"lossless": True, "exact": True, "quality": 20, "method": 1}
    else:
        options |= {"quality": 95, "method": 2}
    return options


def _png_chunks(picture: Picture, xmp: bytes | None) -> PngInfo:
    chunks = PngInfo()
    for kind, data in picture.png_colour:
        chunks.add(kind, data)
    if xmp is not None:
        chunks.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return chunks
