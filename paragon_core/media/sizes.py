"""Sizes of images and videos, from their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core.errors import InputError, ParagonError
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.images import read_header
from paragon_core.media.job_plan import plan
from paragon_core.media.sources import unreadable
from paragon_core.media.video.jobs import video_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Size = tuple[int, int]


def sizes_of(path: Path, *, unusable: Callable[[Path, ParagonError], None]) -> list[Size]:
    """Return width and height, as stored, of every image and video in a folder, or of one.

    Args:
        path: a folder (searched like `jobs.plan` does), an image or a video.
        unusable: called with each image in the folder that cannot be read, and why.

    Raises:
        InputError: there is no such file, or no image in the folder.
        MediaError: the file cannot be read.
        UnsupportedFormatError: it is an image of a kind that is not handled.
        BackendUnavailableError: it is a video, and PyAV is not installed.

    """
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_folder:
        sizes: list[Size] = []
        refused: list[tuple[Path, ParagonError]] = []
        jobs = plan([path], suffix="_", unusable=lambda *reason: refused.append(reason))
        if not jobs and refused:
            raise refused[0][1]
        for reason in refused:
            unusable(*reason)
        for job in jobs:
            try:
                sizes.append(_size(job.source))
            except ParagonError as error:
                unusable(job.source, error)
        return sizes
    if not exists:
        msg = f"{path} does not exist"
        raise InputError(msg, hint="check the name; names with spaces need quotes")
    return [_size(path)]


def _size(path: Path) -> Size:
    return read_header(path).size if path.suffix.lower() in EXTENSIONS else video_size(path)
