"""What films can be read and written: codecs, and files by their endings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from paragon_core.errors import UnsupportedFormatError

if TYPE_CHECKING:
    from pathlib import Path

Codec = Literal["h264", "hevc", "av1", "ffv1"]
CODECS: Final[tuple[Codec, ...]] = get_args(Codec)
Preset = Literal["fast", "medium", "slow"]
PRESETS: Final[tuple[Preset, ...]] = get_args(Preset)

#: Endings of the files that can be written, with FFmpeg's names of their formats.
CONTAINERS: Final = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".m4v": "mp4"}

#: Every file name ending that is taken for a film when a folder is searched.
FILM_EXTENSIONS: Final = (
    *CONTAINERS,
    *(".3gp", ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)


def is_film(path: Path) -> bool:
    """Tell whether a file's name is that of a film."""
    return path.suffix.lower() in FILM_EXTENSIONS


def container_of_name(path: Path) -> str:
    """Return FFmpeg's name of the format that a file name asks for.

    Raises:
        UnsupportedFormatError: the ending is none of `CONTAINERS`.

    """
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        msg = f"cannot write a film into {path.name}"
        raise UnsupportedFormatError(msg, hint=f"use a name that ends in {', '.join(CONTAINERS)}")
    return container
