"""Fitting an image to a file format: what the format holds is brought into its form, the rest becomes a note."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image

from paragon_core.media import jpeg
from paragon_core.media.avif import CODECS_HINT, depth_of, is_for_codecs
from paragon_core.media.exif_tags import with_dpi, with_text
from paragon_core.media.icc import are_code_points, colour_profile, fitting_icc, hdr_transfer, profile_of
from paragon_core.media.loaded_image import LoadedImage, with_depth
from paragon_core.media.metadata import as_viewed, plain_exif, upright, with_size
from paragon_core.media.png import decoded_text, keyword_of
from paragon_core.media.xmp import upright as upright_xmp
from paragon_core.media.xmp import without_appended
from paragon_core.printable import printable

if TYPE_CHECKING:
    from paragon_core.media.formats import ImageFormat
    from paragon_core.media.metadata import Chunks

_LONGEST_JPEG_EXIF: Final = jpeg.LONGEST_SEGMENT - len(jpeg.EXIF_NAME)
_LONGEST_JPEG_XMP: Final = jpeg.LONGEST_SEGMENT - len(jpeg.XMP_NAME)
_LONGEST_JPEG_IPTC: Final = jpeg.LONGEST_SEGMENT - 30
_MOST_KEYWORDS: Final = 5
_HDR_CHUNKS: Final = {b"mDCV", b"cLLI"}


def adapted(image: LoadedImage, target: ImageFormat) -> tuple[LoadedImage, tuple[str, ...]]:
    """Bring an image into the form in which a format holds it.

    Args:
        image: one that `encoding.fit` let through.
        target: the format.

    Returns:
        The image with pixels, profile, EXIF and all else as they are to be written, and in words for the user what
        the format cannot keep.

    """
    notes: list[str] = []
    image = _with_fitting_pixels(image, target, notes)
    image = _turned(image, target)
    image = replace(image, exif=plain_exif(image.exif))
    if target.name in {"tiff", "avif"} and image.exif is not None and not _is_readable(image.exif):
        notes.append("its EXIF block is damaged")  # the others copy it unread
        image = replace(image, exif=None)
    image = _coloured(image, target, notes)
    image = _described(_without_gain_map(image, target, notes), target, notes)
    image = _measured(image, target, notes)
    return _short_enough(image, target, notes), tuple(notes)


def _with_fitting_pixels(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    """Return pixels in the depth and with the channels that the format holds."""
    array = image.array
    if target.name == "tiff" and array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif target.high_bit_depth and array.dtype != np.uint8:
        if array.dtype.kind == "f":
            notes.append(f"{target.title} holds 16 bits per channel, the image has more")
        array = with_depth(array, np.uint16)
    elif target.name == "avif" and is_for_codecs(image):
        array = array if array.dtype == np.uint8 else with_depth(array, np.uint16)
        if array.dtype == np.uint16 and image.bits is None:
            notes.append(f"AVIF is written with {depth_of(image)} bits per channel, the image has more")
    elif array.dtype != np.uint8:
        more = f"; more need imagecodecs ({CODECS_HINT})" if target.name == "avif" else ""
        notes.append(f"{target.title} holds 8 bits per channel, the image has more{more}")
        array = with_depth(array, np.uint8)
    is_grey = array.shape[2:] in {(), (2,)}
    if array.shape[2:] == (2,) and target.name not in {"png", "tiff", "jxl"}:
        array = array[..., [0, 0, 0, 1]]
    elif array.ndim == 2 and not target.grey:  # noqa: PLR2004 - axes
        array = np.repeat(array[..., np.newaxis], 3, axis=2)
    icc = image.icc
    if is_grey and array.shape[2:] not in {(), (2,)} and icc is not None:
        icc = colour_profile(icc) or icc
    return replace(image, array=array, icc=icc)


def _turned(image: LoadedImage, target: ImageFormat) -> LoadedImage:
    """Turn pixels as their orientation asks, where readers of the format do not."""
    turn = image.orientation
    if not target.turned or turn == 1:
        return image
    array = as_viewed(image.array, turn)
    height, width = array.shape[:2]
    dpi = image.dpi
    if dpi is not None and array.shape[:2] != image.array.shape[:2]:
        dpi = (dpi[1], dpi[0])
    return replace(
        image,
        array=array,
        dpi=dpi,
        exif=None if image.exif is None else with_size(upright(image.exif), width, height),
        xmp=None if image.xmp is None else upright_xmp(image.xmp),
    )


def _coloured(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    """Say what the numbers mean as colours in the words of the format, else in a note: never in wrong ones."""
    grey = image.array.shape[2:] in {(), (2,)}
    icc = fitting_icc(image.icc, grey=grey)
    chunks = image.png_colour
    lost = image.icc is not None and icc is None
    if target.name != "png":
        coded = target.cicp and (target.name != "avif" or is_for_codecs(image))
        hdr = hdr_transfer(chunks) is not None
        if coded and not are_code_points(dict(chunks).get(b"cICP", b"")):
            coded = False
        if icc is None and not coded:
            try:
                icc = profile_of(chunks, grey=grey)
            except ValueError as error:
                notes.append(f"its colours ({error}) cannot be described in a {target.title} file")
        if hdr and not target.metadata:
            notes.append(f"its high dynamic range needs a colour profile, which {target.title} does not hold")
        elif hdr and not coded:
            notes.append(
                f"its high dynamic range goes into {target.title} as a colour profile, which few viewers show as HDR; "
                "PNG and AVIF keep it"
            )
        kept = {b"cICP", *_HDR_CHUNKS} if coded else set[bytes]()
        if any(kind in _HDR_CHUNKS and kind not in kept for kind, _ in chunks):
            notes.append(f"its light levels for HDR do not go into {target.title}")
        chunks = tuple((kind, data) for kind, data in chunks if kind in kept)
    if lost or (icc is not None and not target.metadata and hdr_transfer(image.png_colour) is None):
        notes.append(f"its colour profile does not go into this {target.title} file")
    return replace(image, icc=icc if target.metadata else None, png_colour=chunks)


def _without_gain_map(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    if image.gain_map is None or target.name == "jpeg":
        return image
    notes.append(f"its gain map for HDR does not go into {target.title}")
    xmp = None if image.xmp is None else without_appended(image.xmp)
    return replace(image, gain_map=None, gain_map_iso=None, xmp=xmp)


def _described(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    """Bring text, comments and records to where the format has a place for them."""
    exif, xmp, iptc, text = image.exif, image.xmp, image.iptc, image.png_text
    lost: list[str] = []
    if not target.exif:
        lost += ["EXIF block"] if exif is not None else []
        lost += ["XMP packet"] if xmp is not None else []
        exif = xmp = None
    if iptc is not None and (not target.iptc or (target.name == "jpeg" and len(iptc) > _LONGEST_JPEG_IPTC)):
        lost.append("IPTC records")
        iptc = None
    if lost:
        does = "does" if lost in (["EXIF block"], ["XMP packet"]) else "do"
        notes.append(f"its {' and '.join(lost)} {does} not go into {target.title}")
    if text and not target.text:
        text = tuple(chunk for chunk in text if target.comment and _fits_comment(chunk))
        exif, left = _text_in_exif(image.png_text, text, exif, target)
        if left:
            shown = ", ".join(left[:_MOST_KEYWORDS]) + (", ..." if len(left) > _MOST_KEYWORDS else "")
            notes.append(f"its text ({shown}) does not go into {target.title}")
    return replace(image, exif=exif, xmp=xmp, iptc=iptc, png_text=text)


def _text_in_exif(
    chunks: Chunks, kept: Chunks, exif: bytes | None, target: ImageFormat
) -> tuple[bytes | None, list[str]]:
    """Put text into EXIF, but for what is kept otherwise; return the block and the keywords of what is left."""
    decoded = [(chunk, decoded_text(chunk)) for chunk in chunks if chunk not in kept]
    left = [keyword_of(chunk) for chunk, text in decoded if text is None]
    texts = [text for _, text in decoded if text is not None]
    if target.exif:
        exif, names = with_text(exif, texts, longest=_LONGEST_JPEG_EXIF if target.name == "jpeg" else None)
    else:
        names = [keyword for keyword, _ in texts]
    return exif, [printable(name, 40) for name in (*left, *names)]


def _fits_comment(chunk: tuple[bytes, bytes]) -> bool:
    return chunk[1].startswith(b"Comment\0") and len(chunk[1]) < jpeg.LONGEST_SEGMENT


def _measured(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    """Keep the printing resolution, in EXIF where the format has no other place for it."""
    if image.dpi is None or target.dpi:
        return image
    if not target.exif:
        notes.append(f"its printing resolution does not go into {target.title}")
        return image
    return replace(image, exif=with_dpi(image.exif, image.dpi))


def _short_enough(image: LoadedImage, target: ImageFormat, notes: list[str]) -> LoadedImage:
    if target.name != "jpeg":
        return image
    exif, xmp = image.exif, image.xmp
    if exif is not None and len(exif) > _LONGEST_JPEG_EXIF:
        notes.append("its EXIF block is too long for a JPEG file")
        exif = None
    if xmp is not None and len(xmp) > _LONGEST_JPEG_XMP:
        notes.append("its XMP packet is too long for a JPEG file")
        xmp = None
    return replace(image, exif=exif, xmp=xmp)


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
