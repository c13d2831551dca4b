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
from paragon_core.media.metadata import as_viewed, plain_exif, upright, with_size
from paragon_core.media.picture import Picture, with_depth
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


def adapted(picture: Picture, target: ImageFormat) -> tuple[Picture, tuple[str, ...]]:
    """Bring an image into the form in which a format holds it.

    Args:
        picture: one that `encoding.fit` let through.
        target: the format.

    Returns:
        The image with pixels, profile, EXIF and all else as they are to be written, and in words for the user what
        the format cannot keep.

    """
    notes: list[str] = []
    picture = _with_fitting_pixels(picture, target, notes)
    picture = _turned(picture, target)
    picture = replace(picture, exif=plain_exif(picture.exif))
    if target.name in {"tiff", "avif"} and picture.exif is not None and not _is_readable(picture.exif):
        notes.append("its EXIF block is damaged")  # the others copy it unread
        picture = replace(picture, exif=None)
    picture = _coloured(picture, target, notes)
    picture = _described(_without_gain_map(picture, target, notes), target, notes)
    picture = _measured(picture, target, notes)
    return _short_enough(picture, target, notes), tuple(notes)


def _with_fitting_pixels(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    """Return pixels in the depth and with the channels that the format holds."""
    array = picture.array
    if target.name == "tiff" and array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif target.high_bit_depth and array.dtype != np.uint8:
        if array.dtype.kind == "f":
            notes.append(f"{target.title} holds 16 bits per channel, the picture has more")
        array = with_depth(array, np.uint16)
    elif target.name == "avif" and is_for_codecs(picture):
        array = array if array.dtype == np.uint8 else with_depth(array, np.uint16)
        if array.dtype == np.uint16 and picture.bits is None:
            notes.append(f"AVIF is written with {depth_of(picture)} bits per channel, the picture has more")
    elif array.dtype != np.uint8:
        more = f"; more need imagecodecs ({CODECS_HINT})" if target.name == "avif" else ""
        notes.append(f"{target.title} holds 8 bits per channel, the picture has more{more}")
        array = with_depth(array, np.uint8)
    is_grey = array.shape[2:] in {(), (2,)}
    if array.shape[2:] == (2,) and target.name not in {"png", "tiff", "jxl"}:
        array = array[..., [0, 0, 0, 1]]
    elif array.ndim == 2 and not target.grey:  # noqa: PLR2004 - axes
        array = np.repeat(array[..., np.newaxis], 3, axis=2)
    icc = picture.icc
    if is_grey and array.shape[2:] not in {(), (2,)} and icc is not None:
        icc = colour_profile(icc) or icc
    return replace(picture, array=array, icc=icc)


def _turned(picture: Picture, target: ImageFormat) -> Picture:
    """Turn pixels as their orientation asks, where readers of the format do not."""
    turn = picture.orientation
    if not target.turned or turn == 1:
        return picture
    array = as_viewed(picture.array, turn)
    height, width = array.shape[:2]
    dpi = picture.dpi
    if dpi is not None and array.shape[:2] != picture.array.shape[:2]:
        dpi = (dpi[1], dpi[0])
    return replace(
        picture,
        array=array,
        dpi=dpi,
        exif=None if picture.exif is None else with_size(upright(picture.exif), width, height),
        xmp=None if picture.xmp is None else upright_xmp(picture.xmp),
    )


def _coloured(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    """Say what the numbers mean as colours in the words of the format, else in a note: never in wrong ones."""
    grey = picture.array.shape[2:] in {(), (2,)}
    icc = fitting_icc(picture.icc, grey=grey)
    chunks = picture.png_colour
    lost = picture.icc is not None and icc is None
    if target.name != "png":
        coded = target.cicp and (target.name != "avif" or is_for_codecs(picture))
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
    if lost or (icc is not None and not target.metadata and hdr_transfer(picture.png_colour) is None):
        notes.append(f"its colour profile does not go into this {target.title} file")
    return replace(picture, icc=icc if target.metadata else None, png_colour=chunks)


def _without_gain_map(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    if picture.gain_map is None or target.name == "jpeg":
        return picture
    notes.append(f"its gain map for HDR does not go into {target.title}")
    xmp = None if picture.xmp is None else without_appended(picture.xmp)
    return replace(picture, gain_map=None, gain_map_iso=None, xmp=xmp)


def _described(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    """Bring text, comments and records to where the format has a place for them."""
    exif, xmp, iptc, text = picture.exif, picture.xmp, picture.iptc, picture.png_text
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
        exif, left = _text_in_exif(picture.png_text, text, exif, target)
        if left:
            shown = ", ".join(left[:_MOST_KEYWORDS]) + (", ..." if len(left) > _MOST_KEYWORDS else "")
            notes.append(f"its text ({shown}) does not go into {target.title}")
    return replace(picture, exif=exif, xmp=xmp, iptc=iptc, png_text=text)


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


def _measured(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    """Keep the printing resolution, in EXIF where the format has no other place for it."""
    if picture.dpi is None or target.dpi:
        return picture
    if not target.exif:
        notes.append(f"its printing resolution does not go into {target.title}")
        return picture
    return replace(picture, exif=with_dpi(picture.exif, picture.dpi))


def _short_enough(picture: Picture, target: ImageFormat, notes: list[str]) -> Picture:
    if target.name != "jpeg":
        return picture
    exif, xmp = picture.exif, picture.xmp
    if exif is not None and len(exif) > _LONGEST_JPEG_EXIF:
        notes.append("its EXIF block is too long for a JPEG file")
        exif = None
    if xmp is not None and len(xmp) > _LONGEST_JPEG_XMP:
        notes.append("its XMP packet is too long for a JPEG file")
        xmp = None
    return replace(picture, exif=exif, xmp=xmp)


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
