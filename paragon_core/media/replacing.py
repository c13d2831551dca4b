"""Results in the place of their sources: only where nothing is lost by it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.atomic_files import unwritable
from paragon_core.errors import InputError
from paragon_core.media.formats import FORMATS
from paragon_core.media.images import incomplete

if TYPE_CHECKING:
    from paragon_core.media.formats import ImageFormat
    from paragon_core.media.job_plan import Job
    from paragon_core.media.loaded_image import LoadedImage
    from paragon_core.upscaling.output_size import Size


def grows(size: Size, target: Size) -> bool:
    """Return whether a width and height become larger, one of them at least."""
    return any(after > before for before, after in zip(size, target, strict=True))


def check_replaceable(job: Job, loaded: LoadedImage, target_format: ImageFormat) -> None:
    """Refuse to replace a file by one that holds less, or is of another format than it.

    Raises:
        InputError: it is of another format than its name says, or write-protected.
        JobError: something was not read.

    """
    if loaded.format != target_format.name:
        msg = f"it is {FORMATS[loaded.format].title} by another name, and would become {target_format.title}"
        raise InputError(msg, hint="leave --replace out, or rename it first")
    check_writable(job.target)
    if loaded.notes:
        raise incomplete(job.target, loaded.notes)


def check_writable(path: Path) -> None:
    """Refuse to replace a file that its owner protected; a new one could still take its name."""
    if not os.access(path, os.W_OK):
        raise InputError(f"{path} is write-protected", hint="leave --replace out, or allow writing to it")


def take_place(job: Job, notes: tuple[str, ...]) -> tuple[str, ...]:
    """Move a complete video to its source's place, unless something was not kept: then both stay; return notes."""
    if notes:
        return (*notes, f"it was not replaced, because of that; the result is {job.target}")
    replaced = Path(os.path.realpath(job.source))
    try:
        shutil.copymode(replaced, job.target)
        job.target.replace(replaced)
    except OSError as error:  # on Windows, where a player has it open
        raise unwritable(replaced, error) from error
    return notes
