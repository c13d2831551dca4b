"""Image files: read to a `LoadedImage`, written from one, with everything around the pixels kept.

PNG, JPEG, WebP, TIFF, BMP, and AVIF where Pillow has it. See `decoding` and `encoding` for what each format gives.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from paragon_core.atomic_files import atomic_write
from paragon_core.errors import (
    BackendUnavailableError,
    JobError,
    MediaError,
    ParagonError,
    UnsupportedFormatError,
    UnsupportedSizeError,
)
from paragon_core.media.compression import ImageCompression
from paragon_core.media.decoding import MAX_PIXELS, decode, read_layout
from paragon_core.media.encoding import encode
from paragon_core.media.formats import FORMATS, HEAD_LENGTH, FormatName, foreign_name, format_of_name, sniff
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.sources import check_regular, out_of_memory, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "MAX_PIXELS",
    "ImageHeader",
    "LoadedImage",
    "incomplete",
    "opened_image",
    "read_header",
    "read_image",
    "write_image",
]


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What a file says of its image before any pixel is decoded."""

    format: FormatName
    """The file's format, whatever its name says."""
    size: tuple[int, int]
    """Width and height in pixels, as stored."""
    orientation: int
    """The EXIF orientation, 1 to 8."""
    ends: bool
    """Whether the file ends as its format prescribes: a truncated copy does not."""


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> LoadedImage:
    """Read an image file.

    Args:
        path: the file. Its content decides on the format, not its name.
        max_pixels: images with more pixels are refused before their memory is allocated.

    Raises:
        MediaError: when the file is missing, unreadable, damaged or no image.
        UnsupportedFormatError: when it is an image of a kind that is not handled.
        UnsupportedSizeError: when it has more pixels than the limit, or none.
        BackendUnavailableError: when it needs a package that is not installed.
        OutOfMemoryError: when there is too little memory for it.

    """
    with opened_image(path) as (stream, name):
        return decode(stream, name, max_pixels=max_pixels)


def read_header(path: Path) -> ImageHeader:
    """Read what a file says of its image, quickly.

    Raises:
        MediaError: when the file is missing, unreadable, damaged or no image.
        UnsupportedFormatError: when it is an image of a kind that is not handled.

    """
    with opened_image(path) as (stream, name):
        size, orientation = read_layout(stream, name)
        return ImageHeader(format=name, size=size, orientation=orientation, ends=FORMATS[name].ends(stream))


def write_image(
    path: Path,
    image: LoadedImage,
    *,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - it is frozen
    complete: bool = False,
) -> tuple[str, ...]:
    """Write an image file in the format that its name asks for; it appears whole or not at all.

    Args:
        path: the file, replaced if it is there.
        image: what goes into it.
        compression: how lossy formats are written.
        complete: write nothing if anything could not be kept.

    Returns:
        In words for the user, what the format could not keep.

    Raises:
        MediaError: when the file cannot be written.
        JobError: when it must be ``complete`` and is not.
        UnsupportedFormatError: when the name's extension is not that of a format, or the format holds no such image.
        UnsupportedSizeError: when the format holds no image of that size.
        BackendUnavailableError: when it is high dynamic range for AVIF, and imagecodecs is missing.

    """
    data, notes = encode(image, format_of_name(path), compression)
    if notes and complete:
        raise incomplete(path, notes)
    with atomic_write(path) as stream:
        stream.write(data)
    return notes


def incomplete(path: Path, notes: Sequence[str]) -> JobError:
    """Return the error to raise when a file must not be replaced, because something would be lost."""
    msg = f"{path} was not replaced, because something would be lost: {'; '.join(notes)}"
    return JobError(msg, hint="leave --replace out: the result then gets a name of its own")


@contextmanager
def opened_image(path: Path) -> Iterator[tuple[BinaryIO, FormatName]]:
    """Open an image file, find out its format, and turn what goes wrong in the body into errors that name the file.

    Raises:
        ParagonError: as `read_image`.

    """
    try:
        check_regular(path, kind="an image file")
        with path.open("rb") as stream:
            yield stream, _format(stream, path)
    except (BackendUnavailableError, UnsupportedFormatError, UnsupportedSizeError) as error:
        raise type(error)(f"{path}: {error}", hint=error.hint) from error
    except ParagonError:
        raise
    except Image.DecompressionBombError as error:
        msg = f"{path} claims more pixels than Pillow accepts in this format"
        raise UnsupportedSizeError(msg, hint="if you trust the file, convert it to PNG first") from error
    except MemoryError as error:
        raise out_of_memory(path) from error
    except OSError as error:
        raise (_damaged(path, error) if error.errno is None else unreadable(path, error)) from error
    except Exception as error:  # Pillow raises nearly every type there is on damaged files
        raise _damaged(path, error) from error


def _format(stream: BinaryIO, path: Path) -> FormatName:
    head = stream.read(HEAD_LENGTH)
    if not head:
        msg = f"{path} is empty"
        raise MediaError(msg, hint="copy or download it again")
    name = sniff(head)
    if name is None:
        msg = f"it is {foreign_name(head) or 'not an image of a known kind'}"
        titles = ", ".join(image_format.title for image_format in FORMATS.values())
        raise UnsupportedFormatError(msg, hint=f"Paragon reads {titles}: convert it to one of these")
    return name


def _damaged(path: Path, error: Exception) -> MediaError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return MediaError(f"{path} is damaged or incomplete ({reason})", hint="copy, download or export it again")
