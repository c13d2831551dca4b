"""The image file formats that Paragon reads and writes, a row each, and how to tell a file's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from paragon_core.errors import BackendUnavailableError, UnsupportedFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FormatName = Literal["png", "jpeg", "webp", "tiff", "avif", "bmp", "gif", "tga", "dds", "exr", "jxl"]

#: Bytes at the start of a file that `sniff` and `foreign_name` need.
HEAD_LENGTH = 64
_TAIL_LENGTH = 12


def _tail(stream: BinaryIO) -> bytes:
    stream.seek(max(stream.seek(0, 2) - _TAIL_LENGTH, 0))
    return stream.read()


def _png_ends(stream: BinaryIO) -> bool:
    return _tail(stream).endswith(b"IEND\xaeB`\x82")


def _jpeg_ends(stream: BinaryIO) -> bool:
    return b"\xff\xd9" in _tail(stream)


def _gif_ends(stream: BinaryIO) -> bool:
    return b";" in _tail(stream)


def _webp_ends(stream: BinaryIO) -> bool:
    length = stream.seek(0, 2)
    stream.seek(4)
    return int.from_bytes(stream.read(4), "little") + 8 <= length


def _unknown_end(_stream: BinaryIO) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """What one file format can hold, and what reads it."""

    name: FormatName
    """Name in the code and in ``--format``."""
    title: str
    """Name in messages."""
    extensions: tuple[str, ...]
    """File name extensions in lower case with the dot; the first one is given to new files."""
    opener: str
    """What opens it, as ``module:name``: a subclass of Pillow's ``ImageFile``, imported when it is needed."""
    decoder: str | None = None
    """What makes a `LoadedImage` of its stream where Pillow has no mode for the pixels, likewise."""
    encoder: str | None = None
    """What makes bytes and notes of a `LoadedImage` where Pillow does not make the file, likewise."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of Pillow's ``save`` that do not depend on the image."""
    signatures: tuple[bytes, ...] = ()
    """What its files begin with, unless `sniff` has to look closer."""
    ends: Callable[[BinaryIO], bool] = _unknown_end
    """Whether a file has the end that the format prescribes; a truncated copy has not."""
    feature: str | None = None
    """Pillow's name of what not every build of it has."""
    requirement: str | None = None
    """Package that reads and writes it, if Pillow alone does not."""
    extra: str | None = None
    """Extra of Paragon that installs the package."""
    writable: bool = True
    """Whether it is written."""
    alpha: bool = True
    """Whether it holds transparency."""
    high_bit_depth: bool = False
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
    animated: bool = False
    """Whether it holds animations."""
    paged: bool = False
    """Whether it holds pages."""
    longest_side: int = 2**31 - 1
    """Largest width and height in pixels."""


_ROWS = (
    ImageFormat(
        name="png",
        title="PNG",
        extensions=(".png", ".apng"),
        opener="PIL.PngImagePlugin:PngImageFile",
        signatures=(b"\x89PNG\r\n\x1a\n",),
        ends=_png_ends,
        high_bit_depth=True,
        animated=True,
        cicp=True,
        text=True,
        iptc=True,
        dpi=True,
    ),
    ImageFormat(
        name="jpeg",
        title="JPEG",
        extensions=(".jpg", ".jpeg", ".jpe", ".jfif"),
        # Not Pillow's factory, which makes further frames of the previews that cameras append.
        opener="PIL.JpegImagePlugin:JpegImageFile",
        signatures=(b"\xff\xd8\xff",),
        ends=_jpeg_ends,
        alpha=False,
        longest_side=65500,
        comment=True,
        iptc=True,
        dpi=True,
        turned=False,
    ),
    ImageFormat(
        name="webp",
        title="WebP",
        extensions=(".webp",),
        opener="PIL.WebPImagePlugin:WebPImageFile",
        ends=_webp_ends,
        feature="webp",
        animated=True,
        longest_side=16383,
        grey=False,
    ),
    ImageFormat(
        name="tiff",
        title="TIFF",
        extensions=(".tif", ".tiff"),
        opener="PIL.TiffImagePlugin:TiffImageFile",
        signatures=(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
        high_bit_depth=True,
        paged=True,
        iptc=True,
        dpi=True,
        turned=False,
    ),
    ImageFormat(
        name="avif",
        title="AVIF",
        extensions=(".avif", ".avifs"),
        opener="PIL.AvifImagePlugin:AvifImageFile",
        feature="avif",
        animated=True,
        longest_side=65536,
        cicp=True,
    ),
    ImageFormat(
        name="bmp",
        title="BMP",
        extensions=(".bmp", ".dib"),
        opener="PIL.BmpImagePlugin:BmpImageFile",
        signatures=(b"BM",),
        alpha=False,
        metadata=False,
        exif=False,
        dpi=True,
    ),
    ImageFormat(
        name="gif",
        title="GIF",
        extensions=(".gif",),
        opener="paragon_core.media.gif:CompositedGif",
        encoder="paragon_core.media.gif_writer:encode_gif",
        signatures=(b"GIF87a", b"GIF89a"),
        ends=_gif_ends,
        exif=False,
        animated=True,
        longest_side=65535,
        comment=True,
    ),
    ImageFormat(
        name="tga",
        title="TGA",
        extensions=(".tga",),
        opener="PIL.TgaImagePlugin:TgaImageFile",
        options={"compression": "tga_rle"},
        metadata=False,
        exif=False,
        longest_side=65535,
    ),
    ImageFormat(
        name="dds",
        title="DDS",
        extensions=(".dds",),
        opener="PIL.DdsImagePlugin:DdsImageFile",
        signatures=(b"DDS ",),
        writable=False,
    ),
    ImageFormat(
        name="exr",
        title="OpenEXR",
        extensions=(".exr",),
        opener="paragon_core.media.exr:ExrImageFile",
        decoder="paragon_core.media.exr:decode_exr",
        encoder="paragon_core.media.exr:encode_exr",
        signatures=(b"v/1\x01",),
        requirement="OpenEXR",
        extra="exr",
        high_bit_depth=True,
        metadata=False,
        exif=False,
    ),
    ImageFormat(
        name="jxl",
        title="JPEG XL",
        extensions=(".jxl",),
        opener="paragon_core.media.jxl:JxlImageFile",
        decoder="paragon_core.media.jxl:decode_jxl",
        encoder="paragon_core.media.jxl:encode_jxl",
        signatures=(b"\xff\x0a", b"\0\0\0\x0cJXL "),
        requirement="pillow-jxl-plugin",
        extra="jxl",
    ),
)

FORMATS: dict[FormatName, ImageFormat] = {row.name: row for row in _ROWS}

#: Every file name extension that is taken for an image when a folder is searched.
EXTENSIONS: dict[str, FormatName] = {
    extension: image_format.name for image_format in FORMATS.values() for extension in image_format.extensions
}

#: Names of the formats that are written.
WRITABLE: tuple[FormatName, ...] = tuple(row.name for row in _ROWS if row.writable)

#: Extensions of images and videos that are not read, so that jobs over folders can report what they passed over.
FOREIGN_EXTENSIONS: frozenset[str] = frozenset(
    (
        *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpf", ".jpx", ".jxr", ".wdp", ".psd", ".psb"),
        *(".xcf", ".kra", ".ora", ".clip", ".hdr", ".svg", ".svgz", ".eps", ".ai", ".emf", ".wmf", ".ico"),
        *(".icns", ".cur", ".pcx", ".pbm", ".pgm", ".pnm", ".ppm", ".pam", ".pfm", ".qoi", ".sgi"),
        *(".rgb", ".xbm", ".xpm", ".fits", ".mng", ".flif", ".bpg", ".cin", ".dpx", ".djvu", ".mpo", ".jps", ".pns"),
        # Raw files of cameras.
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf"),
        *(".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
        # Videos that no folder is searched for.
        *(".3g2", ".asf", ".divx", ".dv", ".f4v", ".h264", ".h265", ".hevc", ".m2v", ".mxf", ".nut", ".ogm", ".rm"),
        *(".rmvb", ".y4m"),
    )
)

#: What people hand over most often by mistake.
_FOREIGN_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
)


def sniff(head: bytes) -> FormatName | None:
    """Return the format of a file from its first `HEAD_LENGTH` bytes; None when it is not one that Paragon reads."""
    for row in _ROWS:
        if head.startswith(row.signatures):
            return row.name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and _has_brand(head, b"avif", b"avis"):
        return "avif"
    return "tga" if foreign_name(head) is None and _may_be_tga(head) else None


def foreign_name(head: bytes) -> str | None:
    """Return words for a well-known kind of file that Paragon does not read, None when it is unknown."""
    for signature, words in _FOREIGN_SIGNATURES:
        if head.startswith(signature):
            return words
    if head[4:8] == b"ftyp":
        return "a HEIC image" if _has_brand(head, b"heic", b"heix", b"hevc", b"mif1", b"msf1") else "an MP4 video"
    return None


def imported(row: ImageFormat, name: str) -> Any:  # noqa: ANN401 - classes and functions
    """Import what a row names as ``module:name``.

    Raises:
        BackendUnavailableError: the package that it needs is not installed, or does not load.

    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        msg = f"{row.title} images need {row.requirement}, which is not installed or does not load"
        hint = f'pip install "paragon-sr[{row.extra}]", or pip install {row.requirement}; or convert the image to PNG'
        raise BackendUnavailableError(msg, hint=hint) from error


def format_of_name(path: Path) -> ImageFormat:
    """Return the format that a file name asks for.

    Raises:
        UnsupportedFormatError: when the extension is missing, or is not that of a format in `WRITABLE`.

    """
    name = EXTENSIONS.get(path.suffix.lower())
    if name not in WRITABLE:
        kind = f"files with the extension {path.suffix}" if path.suffix else "a file without an extension"
        msg = f"cannot write {kind}: {path.name}"
        extensions = (extension for extension, held in EXTENSIONS.items() if held in WRITABLE)
        raise UnsupportedFormatError(msg, hint=f"use one of {', '.join(extensions)}")
    return FORMATS[name]


def holds_animation(path: Path) -> bool:
    """Return whether a file name asks for an animation and nothing else: all names of such formats but .png."""
    name = EXTENSIONS.get(path.suffix.lower())
    return name in WRITABLE and FORMATS[name].animated and path.suffix.lower() != FORMATS["png"].extensions[0]


def _may_be_tga(head: bytes) -> bool:
    """Return whether the header of a TGA makes sense: it begins with no signature."""
    if len(head) < 18 or head[1] > 1 or head[2] & ~8 not in {1, 2, 3} or head[17] & 0xC0:  # noqa: PLR2004 - its length
        return False
    has_palette = head[2] & ~8 == 1
    depths = {8, 16} if has_palette or head[2] & ~8 == 3 else {15, 16, 24, 32}  # noqa: PLR2004 - grey
    fits = head[1] == has_palette and (not has_palette or head[7] in {15, 16, 24, 32})
    return fits and head[16] in depths and head[12:14] != b"\0\0" and head[14:16] != b"\0\0"


def _has_brand(head: bytes, *brands: bytes) -> bool:
    """Look for a brand in the ``ftyp`` box that opens an ISO media file: major brand at byte 8, others from 16 on."""
    end = int.from_bytes(head[:4], "big")
    listed = [head[8:12], *(head[start : start + 4] for start in range(16, min(end, len(head)), 4))]
    return any(brand in listed for brand in brands)
