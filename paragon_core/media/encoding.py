"""From a `LoadedImage` to the bytes of an image file.

=====  =====================================================================================================
PNG    8 or 16 bits, lossless
JPEG   quality 95, no colour subsampling, or as asked for
WebP   lossless where the source was, else quality 95, or as asked for
TIFF   8 or 16 bits or floating point, Deflate
AVIF   quality 90, no colour subsampling, or as asked for; 8 bits, or 10 and 12 with imagecodecs
GIF    255 colours a frame, dithered where there are more; pixels are opaque or transparent
TGA    8 bits, compressed without loss, no metadata
BMP    8 bits, no alpha, no metadata
=====  =====================================================================================================
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, features

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media import jpeg
from paragon_core.media.adapting import adapted
from paragon_core.media.avif import QUALITY, SPEED, check_writable, encode_avif, is_for_codecs
from paragon_core.media.compression import ImageCompression
from paragon_core.media.formats import imported
from paragon_core.media.gain_map import with_gain_map
from paragon_core.media.png import COMPRESSION_LEVEL, decoded_text, metadata_chunks, with_chunks, write_deep
from paragon_core.media.tiff import write_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.media.formats import ImageFormat
    from paragon_core.media.linear_light import LinearLight
    from paragon_core.media.loaded_image import LoadedImage
    from paragon_core.upscaling.output_size import Size

    Encoder = Callable[[LoadedImage, ImageCompression], tuple[bytes, tuple[str, ...]]]


def fit(image: LoadedImage, target: ImageFormat, *, size: Size | None = None) -> LoadedImage:
    """Make sure, before any work is spent on it, that an image can be stored in a format once it is upscaled.

    Args:
        image: what is to be stored.
        target: the format.
        size: width and height that it will have, as stored; None for those that it has.

    Returns:
        The image, without its alpha channel if that is fully opaque and the format has none.

    Raises:
        UnsupportedFormatError: when the format is missing here, or holds no transparency and the image has some.
        UnsupportedSizeError: when the format holds no image of that size.
        BackendUnavailableError: when it is high dynamic range for AVIF, and imagecodecs is missing.

    """
    if target.feature is not None and not features.check(target.feature):
        msg = f"the installed Pillow cannot write {target.title}"
        raise UnsupportedFormatError(msg, hint="pip install --upgrade pillow, or choose PNG")
    if target.name == "avif":
        check_writable(image)
    width, height = size or image.size
    if max(width, height) > target.longest_side:
        msg = f"{width} x {height} pixels do not fit in a {target.title} file ({target.longest_side} a side)"
        raise UnsupportedSizeError(msg, hint="choose PNG or TIFF (--format png, or an output name that ends so)")
    if target.encoder is not None:
        imported(target, target.encoder)
    if target.name == "exr" and image.linear is None:
        msg = "only OpenEXR images become OpenEXR images"
        raise UnsupportedFormatError(msg, hint="choose PNG or TIFF (--format png, or an output name that ends so)")
    if image.linear is not None and target.name != "exr":
        _check_colours(image.linear, target)
    if target.alpha or not image.has_alpha:
        return image
    if not image.opaque:
        msg = f"it has transparent parts, which {target.title} cannot hold"
        raise UnsupportedFormatError(
            msg, hint="choose PNG, WebP or TIFF (--format png, or an output name that ends so)"
        )
    return image.without_alpha()


def _check_colours(coding: LinearLight, target: ImageFormat) -> None:
    """Refuse colours from OpenEXR that would be shown wrong.

    Raises:
        UnsupportedFormatError: there is no number for the primaries, or the format cannot say that it is HDR.

    """
    if coding.primaries is None:
        msg = f"its primaries (chromaticities) are none that {target.title} has a number for"
        raise UnsupportedFormatError(msg, hint="choose OpenEXR as output, or convert it to sRGB or BT.2020 first")
    if not target.cicp and (coding.curve == "pq" or coding.primaries != 1):
        msg = f"it is brighter than white, or of a wide gamut, which {target.title} would show wrong"
        raise UnsupportedFormatError(msg, hint="choose OpenEXR, PNG or AVIF as output, or map its tones first")


def encode(
    image: LoadedImage,
    target: ImageFormat,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - it is frozen
) -> tuple[bytes, tuple[str, ...]]:
    """Encode an image.

    Returns:
        The bytes of the file, and in words for the user what the format could not keep.

    Raises:
        UnsupportedFormatError: as `fit`.
        UnsupportedSizeError: as `fit`, or when a TIFF would pass 4 GiB.

    """
    image = fit(image, target)
    if target.encoder is not None:
        encoder: Encoder = imported(target, target.encoder)
        return encoder(image, compression)
    image, notes = adapted(image, target)
    if image.linear is not None and image.linear.gain < 1:
        notes += (f"it was darkened {1 / image.linear.gain:.3g} times, so that its brightest parts fit",)
    stream = io.BytesIO()
    if target.name == "tiff":
        try:
            write_tiff(stream, image.array, image)
        except OverflowError as error:
            raise UnsupportedSizeError(str(error), hint="choose PNG (--format png)") from error
    elif target.name == "avif" and is_for_codecs(image):
        return encode_avif(image, compression), notes
    elif image.array.dtype == np.uint16:
        write_deep(stream, image.array, added=metadata_chunks(image))
    else:
        Image.fromarray(image.array).save(stream, target.name, **_options(image, target, compression))
    # Not getbuffer(): a view that outlives its stream, in the traceback of an error, ends the process.
    data = stream.getvalue()
    if target.name == "png" and image.array.dtype == np.uint8:
        data = with_chunks(data, metadata_chunks(image))
    elif target.name == "jpeg":
        data = jpeg.with_segments(data, _segments(image))
        if image.gain_map is not None:
            place = jpeg.segment_place(data)
            data = with_gain_map(data, image.gain_map, place, iso=image.gain_map_iso)
    return data, notes


def _segments(image: LoadedImage) -> bytes:
    """Return the segments of a JPEG that Pillow does not write."""
    added = b"" if image.iptc is None else jpeg.photoshop_segment(image.iptc)
    for chunk in image.png_text:  # a comment, of a length that fits
        if (decoded := decoded_text(chunk)) is not None:
            encoding = "latin-1" if chunk[0] == b"tEXt" else "utf-8"
            added += jpeg.comment_segment(decoded[1].encode(encoding))
    return added


def _options(image: LoadedImage, target: ImageFormat, compression: ImageCompression) -> dict[str, Any]:
    """Return the arguments of Pillow's ``save`` for one format.

    Efforts are chosen for 8K results: the next higher ones take many times as long for files of nearly the same size.
    """
    if target.name == "png":  # everything around the pixels is added later
        return {"compress_level": COMPRESSION_LEVEL}
    options = dict(target.options)
    if image.dpi is not None:
        options["dpi"] = image.dpi
    if target.metadata:
        options["icc_profile"] = image.icc
    if target.exif and image.exif is not None:
        options["exif"] = jpeg.EXIF_NAME + image.exif
    if target.exif and image.xmp is not None:
        options["xmp"] = image.xmp
    quality, subsampling = compression.quality, compression.subsampling or "4:4:4"
    if target.name == "jpeg":
        options |= {"quality": quality or 95, "subsampling": subsampling}
    elif target.name == "avif":
        chroma = "4:0:0" if image.is_grey else subsampling
        options |= {"quality": quality or QUALITY, "subsampling": chroma, "speed": SPEED}
    elif target.name == "webp":
        options |= webp_effort(compression, lossless=image.lossless)
        if "lossless" in options:  # then the colour under transparent pixels is kept, as in PNG
            options["exact"] = True
    return options


def webp_effort(compression: ImageCompression, *, lossless: bool) -> dict[str, Any]:
    """Return Pillow's arguments for WebP: as asked for, else without loss where the source was."""
    if lossless and compression.quality is None:
        return {"lossless": True, "quality": 20, "method": 1}
    return {"quality": compression.quality or 95, "method": 2}
