"""JPEG XL, through pillow-jxl-plugin: 8 bits per channel; more are read with imagecodecs, which knows no metadata.

The header is read here: the package decodes a file when it opens it, so that a limit on the size has to come before,
and it does not say what it left out. Source: ISO/IEC 18181-1 (image header) and 18181-2 (boxes).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import Image, ImageFile
from pillow_jxl.JpegXLImagePlugin import JXLImageFile

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.adapting import adapted
from paragon_core.media.avif import CODECS_HINT, has_image_codecs, image_codecs
from paragon_core.media.formats import FORMATS
from paragon_core.media.icc import fitting_icc
from paragon_core.media.iso_boxes import MOST_BOXES, boxes_between
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.metadata import plain_exif, upright
from paragon_core.media.srgb import in_srgb, is_srgb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.loaded_image import Array

_CODESTREAM: Final = b"\xff\x0a"
_CONTAINER_START: Final = b"\0\0\0\x0cJXL "
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEADER_BYTES: Final = 64
_LONGEST_XMP: Final = 16 << 20
_QUALITY: Final = 95
#: The encoder has no lossy way to this quality.
_LOSSLESS: Final = 100


@dataclass(frozen=True, kw_only=True)
class JxlHeader:
    """What the header says of the pixels."""

    size: tuple[int, int]
    """Width and height in pixels as viewed."""
    bits: int
    """Bits of a sample."""
    floating: bool
    """Whether samples are floating point."""
    animated: bool
    """Whether there may be several frames."""


class JxlImageFile(ImageFile.ImageFile):
    """The header of a JPEG XL file for Pillow; `decode_jxl` reads the pixels."""

    format = "JXL"
    format_description = "JPEG XL"

    def _open(self) -> None:
        self._size = read_jxl_header(self.fp).size
        self._mode = "RGB"


def decode_jxl(stream: BinaryIO) -> LoadedImage:
    """Read an image; of several frames, the last, which is what the package gives.

    Raises:
        UnsupportedFormatError: it holds pixels that the package does not read.
        OSError: it is damaged.

    """
    header = read_jxl_header(stream)
    high_bit_depth = header.bits > 8 or header.floating  # noqa: PLR2004 - bits
    whole = high_bit_depth and not header.floating and header.bits <= 16 and has_image_codecs()  # noqa: PLR2004 - bits
    stream.seek(0)
    try:
        image = JXLImageFile(stream)
    except RuntimeError as error:
        msg = "the JPEG XL decoder refused it"
        raise OSError(msg) from error
    image.load()
    if image.mode not in {"L", "LA", "RGB", "RGBA", "I;16"} or (image.mode == "LA" and high_bit_depth and not whole):
        msg = "it is a JPEG XL image of a kind that is not handled"
        raise UnsupportedFormatError(msg, hint="convert it to a 16-bit PNG or TIFF first, with djxl for example")
    notes = []
    array = _all_bits(stream, header) if whole else np.asarray(image)
    if high_bit_depth and array.dtype == np.uint8:
        notes.append(f"its {header.bits} bits per channel were read as 8; up to 16 need imagecodecs ({CODECS_HINT})")
    if header.animated:
        notes.append("only the last of its frames is used")
    icc = image.info.get("icc_profile")
    exif = plain_exif(image.info.get("exif"))
    return LoadedImage(
        array=array,
        format="jxl",
        lossless=False,  # the file does not say
        icc=fitting_icc(icc, grey=image.mode in {"L", "LA", "I;16"}),
        exif=None if exif is None else exif if image.jpeg else upright(exif),  # the decoder has turned the pixels
        xmp=next((data for kind, data in _boxes(stream) if kind == b"xml "), None),
        notes=tuple(notes),
    )


def _all_bits(stream: BinaryIO, header: JxlHeader) -> Array:
    """Decode 9 to 16 bits per channel to uint16 over the whole range."""
    stream.seek(0)
    array: Array = image_codecs().jpegxl_decode(stream.read())
    return np.rint(array * (65535 / (2**header.bits - 1))).astype(np.uint16) if header.bits < 16 else array  # noqa: PLR2004


def encode_jxl(loaded: LoadedImage, compression: ImageCompression) -> tuple[bytes, tuple[str, ...]]:
    """Encode an image with 8 bits per channel: as asked for, else without loss where the source was, or in quality 95.

    The package writes no colour profiles, so that colours become sRGB.

    Returns:
        The bytes of the file, and in words for the user what was not kept.

    Raises:
        UnsupportedFormatError: the colours cannot be converted, because their profile is damaged.

    """
    held, notes = adapted(loaded, FORMATS["jxl"])
    image = Image.fromarray(held.array)
    if held.icc is not None and not is_srgb(held.icc, grey=held.is_grey):
        image = _colours_in_srgb(image, held.icc)
        notes += ("its colours were converted to sRGB, because no profile can be written into JPEG XL here",)
    quality = compression.quality or (_LOSSLESS if loaded.lossless else _QUALITY)
    options: dict[str, Any] = {"lossless": True} if quality == _LOSSLESS else {"quality": quality}
    stream = io.BytesIO()
    image.save(stream, "JXL", use_container=True, exif=held.exif, xmp=held.xmp, **options)
    return stream.getvalue(), notes


def read_jxl_header(stream: Any) -> JxlHeader:  # noqa: ANN401 - Pillow's type for streams is wider
    """Read the header of a JPEG XL file.

    Raises:
        OSError: it is not there.

    """
    stream.seek(0)
    head = stream.read(_HEADER_BYTES)
    if not head.startswith(_CODESTREAM):
        parts = (data[4:] if kind == b"jxlp" else data for kind, data in _boxes(stream) if kind in {b"jxlc", b"jxlp"})
        head = next(parts, b"")[:_HEADER_BYTES]
    if not head.startswith(_CODESTREAM):
        msg = "there is no image in the JPEG XL file"
        raise OSError(msg)
    bits = _Bits(head[2:])
    width, height = _size(bits)
    depth, floating, animated, orientation = 8, False, False, 1
    if not bits.take(1):  # all_default
        if bits.take(1):  # extra_fields
            orientation = bits.take(3) + 1
            if bits.take(1):  # have_intr_size
                _size(bits)
            if bits.take(1):  # have_preview: no more is told by files of this kind, which are rare
                return JxlHeader(size=(width, height), bits=16, floating=False, animated=False)
            animated = bool(bits.take(1))
            if animated:
                _skip_animation(bits)
        floating = bool(bits.take(1))
        depth = _depth(bits, floating=floating)
    size = (height, width) if orientation > 4 else (width, height)  # noqa: PLR2004 - on its side
    return JxlHeader(size=size, bits=depth, floating=floating, animated=animated)


def _depth(bits: _Bits, *, floating: bool) -> int:
    choice, fixed = bits.take(2), (32, 16, 24) if floating else (8, 10, 12)
    return fixed[choice] if choice < len(fixed) else bits.take(6) + 1


def _size(bits: _Bits) -> tuple[int, int]:
    """Read SizeHeader: a height, and a width or a ratio of both; small ones in eighths."""
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    width = 8 * (bits.take(5) + 1) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])
    return width, height


def _skip_animation(bits: _Bits) -> None:
    """Read AnimationHeader: ticks a second as a fraction, number of repetitions, and whether there are time codes."""
    for choices in ((None, None, 10, 30), (None, None, 8, 10), (None, 3, 16, 32)):
        width = choices[bits.take(2)] if len(choices) == 4 else None  # noqa: PLR2004
        bits.take(width or 0)
    bits.take(1)


def _colours_in_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colours = image.convert("L" if image.mode in {"L", "LA"} else "RGB")
    converted = in_srgb(colours, icc)
    if colours.mode == "L":
        converted = converted.getchannel(0)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _boxes(stream: Any) -> Iterator[tuple[bytes, bytes]]:  # noqa: ANN401 - as above
    """Yield type and content of the boxes of a container, of pixels the beginning only."""
    stream.seek(0)
    if not stream.read(8).startswith(_CONTAINER_START):
        return
    for box in islice(boxes_between(stream, 0, stream.seek(0, io.SEEK_END)), MOST_BOXES):
        stream.seek(box.start)
        yield box.kind, stream.read(min(box.end - box.start, _LONGEST_XMP if box.kind == b"xml " else _HEADER_BYTES))


class _Bits:
    """Bits of a header, the lowest of each byte first; zeros behind its end."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        value = self._left & (1 << count) - 1
        self._left >>= count
        return value
