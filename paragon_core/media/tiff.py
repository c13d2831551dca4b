"""Writing TIFF with 8 or 16 bits or floating point per channel.

Pillow writes neither 16-bit colour nor horizontal differencing; the tags themselves are packed by its
`ImageFileDirectory_v2`. Source: TIFF Revision 6.0 (Adobe, 1992); section numbers below are its own.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

if TYPE_CHECKING:
    from paragon_core.media.loaded_image import Array
    from paragon_core.media.metadata import Metadata

#: Tags of the main directory that describe the image rather than its storage: they belong to EXIF elsewhere.
DESCRIPTIVE_TAGS = (
    ExifTags.Base.ProcessingSoftware,
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Orientation,
    ExifTags.Base.PageName,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.TargetPrinter,
    ExifTags.Base.Copyright,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
    ExifTags.Base.UniqueCameraModel,
    ExifTags.Base.LocalizedCameraModel,
    ExifTags.Base.CameraSerialNumber,
)
#: Directories below the main one that hold descriptions, too.
SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

_COMPRESSION_LEVEL = 4
_STRIP_BYTES = 1 << 20
_LARGEST_FILE = 2**32 - 1

_ADOBE_DEFLATE = 8
_BLACK_IS_ZERO, _RGB = 1, 2
_HORIZONTAL_DIFFERENCING = 2
_UNASSOCIATED_ALPHA = 2
_SAMPLE_FORMATS = {"u": 1, "f": 3}
_INCH = 2
_LONG, _BYTE, _UNDEFINED = 4, 1, 7


def write_tiff(stream: BinaryIO, array: Array, metadata: Metadata) -> None:
    """Write a TIFF compressed without loss (Deflate; integers with horizontal differencing, section 14).

    Args:
        stream: binary stream at position 0.
        array: HxW, HxWx2 (grey and alpha), HxWx3 or HxWx4; uint8, uint16 or float32.
        metadata: everything around the pixels.

    Raises:
        OverflowError: when the compressed file would pass 4 GiB, which the offsets in a TIFF cannot express.

    """
    height, width = array.shape[:2]
    samples = array.reshape(height, width, -1)
    channels = samples.shape[2]
    rows = max(_STRIP_BYTES // (width * channels * array.itemsize), 1)
    strips = [_compressed_strip(samples[start : start + rows]) for start in range(0, height, rows)]
    lengths = [len(strip) for strip in strips]

    tags = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    if metadata.exif is not None:
        _add_exif(tags, metadata.exif)
    tags[ExifTags.Base.ImageWidth] = width
    tags[ExifTags.Base.ImageLength] = height
    tags[ExifTags.Base.BitsPerSample] = (8 * array.itemsize,) * channels
    tags[ExifTags.Base.Compression] = _ADOBE_DEFLATE
    tags[ExifTags.Base.PhotometricInterpretation] = _RGB if channels > 2 else _BLACK_IS_ZERO  # noqa: PLR2004
    tags[ExifTags.Base.SamplesPerPixel] = channels
    tags[ExifTags.Base.RowsPerStrip] = rows
    tags[ExifTags.Base.PlanarConfiguration] = 1
    tags[ExifTags.Base.SampleFormat] = (_SAMPLE_FORMATS[array.dtype.kind],) * channels
    if array.dtype.kind == "u":
        tags[ExifTags.Base.Predictor] = _HORIZONTAL_DIFFERENCING
    if channels in {2, 4}:
        tags[ExifTags.Base.ExtraSamples] = _UNASSOCIATED_ALPHA
    if metadata.dpi is not None:
        tags[ExifTags.Base.XResolution] = IFDRational(round(metadata.dpi[0] * 1000), 1000)
        tags[ExifTags.Base.YResolution] = IFDRational(round(metadata.dpi[1] * 1000), 1000)
        tags[ExifTags.Base.ResolutionUnit] = _INCH
    for tag, kind, block in (
        (ExifTags.Base.InterColorProfile, _UNDEFINED, metadata.icc),
        (ExifTags.Base.XMLPacket, _BYTE, metadata.xmp),
        (ExifTags.Base.IPTCNAA, _UNDEFINED, metadata.iptc),
    ):
        if block is not None:
            tags.tagtype[tag] = kind
            tags[tag] = block
    # Pillow counts strip offsets from the end of the directory, and would keep small ones in 16 bits.
    for tag, values in (
        (ExifTags.Base.StripOffsets, np.cumsum([0, *lengths[:-1]]).tolist()),
        (ExifTags.Base.StripByteCounts, lengths),
    ):
        tags.tagtype[tag] = _LONG
        tags[tag] = tuple(values)

    directory = io.BytesIO()
    if sum(lengths) >= _LARGEST_FILE or tags.save(directory) + sum(lengths) > _LARGEST_FILE:
        msg = "a TIFF file cannot be larger than 4 GiB"
        raise OverflowError(msg)
    stream.write(directory.getvalue())
    stream.writelines(strips)


def _compressed_strip(rows: Array) -> bytes:
    """Compress rows of pixels, integers as differences from the sample of the same channel to the left."""
    plain = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
    if rows.dtype.kind == "u":
        plain = plain.copy()
        plain[:, 1:] -= rows[:, :-1]
    return zlib.compress(plain.data, _COMPRESSION_LEVEL)


def _add_exif(tags: ImageFileDirectory_v2, exif: bytes) -> None:
    block = Image.Exif()
    block.load(exif)
    for tag in DESCRIPTIVE_TAGS:
        if tag in block:
            tags[tag] = block[tag]
    for directory in SUB_DIRECTORIES:
        if entries := block.get_ifd(directory):
            tags.tagtype[directory] = _LONG
            tags[directory] = dict(entries)
