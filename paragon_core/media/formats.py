"""The image file formats that Paragon reads and writes, and how to tell a file's format from its first bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from paragon_core.errors import UnsupportedFormatError

if TYPE_CHECKING:
    from pathlib import Path

FormatName = Literal["png", "jpeg", "webp", "tiff", "avif", "bmp"]

#: Bytes at the start of a file that `sniff` and `foreign_name` need.
HEAD_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """What one file format can hold."""

    name: FormatName
    """Name in the code and in ``--format``."""
    title: str
    """Name in messages."""
    extensions: tuple[str, ...]
    """File name endings in lower case with the dot; the first one is given to new files."""
    alpha: bool = True
    """Whether it holds transparency."""
    deep: bool = False
    """Whether it holds 16 bits per channel."""
    metadata: bool = True
    """Whether it holds an ICC profile."""
    exif: bool = True
    """Whether it holds EXIF and XMP."""
    cicp: bool = False
    """Whether it holds code points for colours (ITU-T H.273), as HDR needs."""
    text: bool = False
    """Whether it holds any text with a keyword."""
    comment: bool = False
    """Whether it holds one comment."""
    iptc: bool = False
    """Whether it holds IPTC records."""
    dpi: bool = False
    """Whether it holds the printing resolution outside EXIF."""
    grey: bool = True
    """Whether it holds grey as one channel."""
    turned: bool = True
    """Whether pixels are stored as viewed, since many readers do not ask for the orientation."""
    longest_side: int = 2**31 - 1
    """Largest width and height in pixels."""


FORMATS: dict[FormatName, ImageFormat] = {
    "png": ImageFormat(
        name="png", title="PNG", extensions=(".png", ".apng"), deep=True, cicp=True, text=True, dpi=True
    ),
    "jpeg": ImageFormat(
        name="jpeg",
        title="JPEG",
        extensions=(".jpg", ".jpeg", ".jpe", ".jfif"),
        alpha=False,
        comment=True,
        iptc=True,
        dpi=True,
        turned=False,
        longest_side=65500,
    ),
    "webp": ImageFormat(name="webp", title="WebP", extensions=(".webp",), grey=False, longest_side=16383),
    "tiff": ImageFormat(
        name="tiff", title="TIFF", extensions=(".tif", ".tiff"), deep=True, iptc=True, dpi=True, turned=False
    ),
    "avif": ImageFormat(name="avif", title="AVIF", extensions=(".avif",), cicp=True, longest_side=65536),
    "bmp": ImageFormat(
        name="bmp", title="BMP", extensions=(".bmp", ".dib"), alpha=False, metadata=False, exif=False, dpi=True
    ),
}

#: Every file name ending that is taken for an image when a folder is searched.
EXTENSIONS: dict[str, FormatName] = {
    extension: image_format.name for image_format in FORMATS.values() for extension in image_format.extensions
}

#: Extensions of images and videos that are not read, so that jobs over folders can tell what they passed over.
FOREIGN_EXTENSIONS: frozenset[str] = frozenset(
    (
        *(".gif", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".jxr", ".wdp", ".psd", ".psb"),
        *(".xcf", ".kra", ".ora", ".clip", ".exr", ".hdr", ".svg", ".svgz", ".eps", ".ai", ".emf", ".wmf", ".ico"),
        *(".icns", ".cur", ".tga", ".pcx", ".pbm", ".pgm", ".pnm", ".ppm", ".pam", ".pfm", ".qoi", ".dds", ".sgi"),
        *(".rgb", ".xbm", ".xpm", ".fits", ".mng", ".flif", ".bpg", ".cin", ".dpx", ".djvu", ".mpo", ".jps", ".pns"),
        # Raw files of cameras.
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf"),
        *(".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
        # Videos that no folder is searched for.
        *(".3g2", ".asf", ".divx", ".dv", ".f4v", ".h264", ".h265", ".hevc", ".m2v", ".mxf", ".nut", ".ogm", ".rm"),
        *(".rmvb", ".y4m"),
    )
)

_SIGNATURES: tuple[tuple[bytes, FormatName], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"BM", "bmp"),
)

#: What people hand over most often by mistake.
_FOREIGN_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF animation or picture"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
)


def sniff(head: bytes) -> FormatName | None:
    """Tell the format of a file from its first `HEAD_LENGTH` bytes; None when it is not one that Paragon reads."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and _has_brand(head, b"avif", b"avis"):
        return "avif"
    return None


def foreign_name(head: bytes) -> str | None:
    """Return words for a well-known kind of file that Paragon does not read, None when it is unknown."""
    for signature, words in _FOREIGN_SIGNATURES:
        if head.startswith(signature):
            return words
    if head[4:8] == b"ftyp":
        return "a HEIC picture" if _has_brand(head, b"heic", b"heix", b"hevc", b"mif1", b"msf1") else "an MP4 video"
    return None


def format_of_name(path: Path) -> ImageFormat:
    """Return the format that a file name asks for.

    Raises:
        UnsupportedFormatError: when the ending is missing or is none of `EXTENSIONS`.

    """
    name = EXTENSIONS.get(path.suffix.lower())
    if name is None:
        ending = f"files ending in {path.suffix}" if path.suffix else "a file without an ending"
        msg = f"cannot write {ending}: {path.name}"
        raise UnsupportedFormatError(msg, hint=f"use one of {', '.join(EXTENSIONS)}")
    return FORMATS[name]


def _has_brand(head: bytes, *brands: bytes) -> bool:
    """Look for a brand in the ``ftyp`` box that opens an ISO media file: major brand at byte 8, others from 16 on."""
    end = int.from_bytes(head[:4], "big")
    listed = [head[8:12], *(head[start : start + 4] for start in range(16, min(end, len(head)), 4))]
    return any(brand in listed for brand in brands)
