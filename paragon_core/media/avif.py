"""AVIF with 10 and 12 bits per channel, through imagecodecs: Pillow has 8 bits only.

Both are made with libavif. PyAV decodes such files as well, but it writes 4:2:0 without alpha and knows no grids.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from paragon_core.cores import usable_cores
from paragon_core.errors import BackendUnavailableError, UnsupportedFormatError
from paragon_core.media.avif_boxes import Box, read_avif_header, with_metadata
from paragon_core.media.icc import HLG, PQ, code_points, hdr_transfer
from paragon_core.media.metadata import Metadata

if TYPE_CHECKING:
    from paragon_core.media.avif_boxes import AvifHeader
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.loaded_image import Array, LoadedImage

CODECS_HINT: Final = 'pip install "paragon-sr[images]", or pip install imagecodecs'

#: The first that labels colours; versions are dates, the year in front.
_OLDEST_CODECS: Final = "2025.11"
_UNSPECIFIED: Final = 2
#: Matrices of luma and chroma (H.273, table 4): that of sRGB files, and that of BT.2020 for HDR.
_MATRIX, _HDR_MATRIX = 6, 9
_WIDE_PRIMARIES: Final = 9
#: What AVIF is written with unless asked for otherwise; `SPEED` is for 8K results, as in `encoding`.
QUALITY, SPEED = 90, 8
#: Light levels are counted in 1/10000 cd/m2 in PNG (11.3.2.8), in whole ones here.
_PNG_LIGHT: Final = 10_000
_LONGEST_LIGHT: Final = 65535


def image_codecs() -> Any:  # noqa: ANN401  (imagecodecs is optional, and imported late)
    """Return the package ``imagecodecs``.

    Raises:
        BackendUnavailableError: it is not installed, or comes without AVIF.

    """
    try:
        import imagecodecs  # noqa: PLC0415 - optional
    except ImportError as error:
        msg = "AVIF with more than 8 bits per channel needs imagecodecs"
        raise BackendUnavailableError(msg, hint=CODECS_HINT) from error
    version = str(imagecodecs.__version__)
    if not imagecodecs.AVIF.available or version < _OLDEST_CODECS:
        msg = f"imagecodecs {version} does not write such AVIF"
        raise BackendUnavailableError(msg, hint="pip install --upgrade imagecodecs")
    return imagecodecs


def has_image_codecs() -> bool:
    """Return whether AVIF with more than 8 bits can be read and written."""
    try:
        image_codecs()
    except BackendUnavailableError:
        return False
    return True


def read_pixels(stream: BinaryIO, header: AvifHeader) -> Array:
    """Decode an AVIF of 10 or 12 bits to HxW, HxWx3 or HxWx4 uint16 over the whole range.

    Raises:
        BackendUnavailableError: imagecodecs is missing.
        Exception: imagecodecs' errors on damaged files.

    """
    stream.seek(0)
    decoded: Array = image_codecs().avif_decode(stream.read(), index=0, numthreads=usable_cores())
    scaled: Array = np.rint(decoded * np.float32(65535 / (2**header.bits - 1))).astype(np.uint16)
    return scaled


def is_whole(stream: BinaryIO) -> bool:
    """Return whether all of a file's boxes are there, so that what cannot be read is no damage."""
    stream.seek(0)
    return read_avif_header(stream.read()).whole


def read_metadata(stream: BinaryIO, info: dict[Any, Any]) -> tuple[Metadata, AvifHeader]:
    """Read everything around the pixels of an AVIF.

    Args:
        stream: the file.
        info: what Pillow found.

    """
    stream.seek(0)
    header = read_avif_header(stream.read())
    notes = []
    if header.gain_map:
        notes.append("its gain map for HDR is not kept")
    if header.cropped:
        notes.append("the crop that it asks for was not applied")
    if header.pixel_aspect[0] != header.pixel_aspect[1]:
        notes.append("its pixels are not square ({}:{}), which is not kept".format(*header.pixel_aspect))
    icc = info.get("icc_profile")
    colour = code_points(*header.code_points) if header.code_points else ()
    if icc and hdr_transfer(colour) is None:
        colour = ()  # a profile says more
    if header.mastering is not None:
        colour = (*colour, (b"mDCV", _png_mastering(header.mastering)))
    if header.light_levels is not None:
        levels = struct.unpack(">HH", header.light_levels)
        colour = (*colour, (b"cLLI", struct.pack(">II", *(level * _PNG_LIGHT for level in levels))))
    found = Metadata(
        icc=icc,
        exif=info.get("exif"),
        xmp=info.get("xmp"),
        png_colour=colour,
        bits=header.bits if header.bits > 8 else None,  # noqa: PLR2004 - bits
        notes=tuple(notes),
    )
    return found, header


def is_hdr(image: LoadedImage) -> bool:
    """Return whether the pixels are of high dynamic range, which 8 bits without a label would spoil."""
    return hdr_transfer(image.png_colour) is not None


def check_writable(image: LoadedImage) -> None:
    """Make sure that an image of high dynamic range can be stored as AVIF.

    Raises:
        BackendUnavailableError: imagecodecs is missing.

    """
    if is_hdr(image):
        image_codecs()


def is_for_codecs(image: LoadedImage) -> bool:
    """Return whether imagecodecs shall write an image, and not Pillow: for depth, and for code points."""
    tagged = b"cICP" in dict(image.png_colour) and image.icc is None
    return (image.array.dtype != np.uint8 or tagged) and has_image_codecs()


def depth_of(image: LoadedImage) -> int:
    """Return the bits per channel for an image that imagecodecs writes: 12 where the source had 12, else 10."""
    if image.array.dtype == np.uint8 and not is_hdr(image):
        return 8
    return image.bits or 10


def encode_avif(image: LoadedImage, compression: ImageCompression) -> bytes:
    """Encode an upright image with its colours, EXIF and XMP.

    Args:
        image: HxW, HxWx3 or HxWx4; uint8 or uint16.
        compression: quality and chroma subsampling.

    Raises:
        UnsupportedFormatError: the encoder refuses.

    """
    codecs = image_codecs()
    bits = depth_of(image)
    top = 2**bits - 1
    array = image.array
    if bits != 8 or array.dtype != np.uint8:  # noqa: PLR2004 - bits
        full = np.iinfo(array.dtype).max
        array = np.rint(array * np.float32(top / full)).astype(np.uint16)
    code = dict(image.png_colour).get(b"cICP")  # one that H.273 has: `adapting` left no other
    primaries, transfer = (code[0], code[1]) if code else (1, 13) if image.icc is None else (_UNSPECIFIED,) * 2
    chroma = (compression.subsampling or "4:4:4").replace(":", "") if array.ndim > 2 else "400"  # noqa: PLR2004 - axes
    wide = primaries == _WIDE_PRIMARIES or transfer in {PQ, HLG}
    try:
        data = codecs.avif_encode(
            np.ascontiguousarray(array),
            level=compression.quality or QUALITY,
            speed=SPEED,
            bitspersample=bits,
            pixelformat=f"yuv{chroma}",
            primaries=primaries,
            transfer=transfer,
            matrix=_HDR_MATRIX if wide else _MATRIX,
            numthreads=usable_cores(),
        )
        return with_metadata(data, properties=_boxes(image), exif=image.exif, xmp=image.xmp)
    except (ValueError, RuntimeError) as error:  # imagecodecs' own are of the latter kind
        msg = f"it cannot be written as AVIF ({error})"
        raise UnsupportedFormatError(msg, hint="choose PNG (--format png)") from error


def _boxes(image: LoadedImage) -> list[Box]:
    found = []
    if image.icc is not None:
        found.append(Box(kind=b"colr", content=b"prof" + image.icc))
    colour = dict(image.png_colour)
    if (levels := colour.get(b"cLLI")) and len(levels) == 8:  # noqa: PLR2004 - bytes of the chunk
        nits = (min(round(level / _PNG_LIGHT), _LONGEST_LIGHT) for level in struct.unpack(">II", levels))
        found.append(Box(kind=b"clli", content=struct.pack(">HH", *nits)))
    if (mastering := colour.get(b"mDCV")) and len(mastering) == 24:  # noqa: PLR2004 - bytes of the chunk
        red, green, blue, rest = mastering[:4], mastering[4:8], mastering[8:12], mastering[12:]
        found.append(Box(kind=b"mdcv", content=green + blue + red + rest))
    return found


def _png_mastering(mastering: bytes) -> bytes:
    """Bring the chromaticities from green, blue, red to red, green, blue; the units are the same."""
    green, blue, red, rest = mastering[:4], mastering[4:8], mastering[8:12], mastering[12:]
    return red + green + blue + rest
