"""Films among the files of a job: what is to be done, and what is done already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import prepare_folder
from paragon_core.errors import JobError, MediaError, UnsupportedSizeError
from paragon_core.media.video.excerpt import Excerpt
from paragon_core.media.video.formats import container_of_name
from paragon_core.media.video.opening import opened

if TYPE_CHECKING:
    from pathlib import Path


#: Seconds, and share of the whole, by which the length of a result may differ from what the source states.
_LONG_FRAME: Final = 2.0
_INEXACT: Final = 0.1

_ALL: Final = Excerpt()


def film_is_done(
    source: Path, target: Path, *, scale: int, excerpt: Excerpt = _ALL, keep_damaged: bool = False
) -> bool:
    """Tell whether a film's target is there: a whole film of the right size and length, not older than the source.

    Raises:
        JobError: the target is something else: it may be somebody's only copy.
        MediaError: the source cannot be read.
        BackendUnavailableError: PyAV is missing.

    """
    if not target.exists():
        return False
    try:
        made, length = _size_and_length(target, _ALL)
    except MediaError:
        return False
    stored, wanted = _size_and_length(source, excerpt, keep_damaged=keep_damaged)
    enlarged = tuple(scale * side for side in stored)
    even = tuple(side + side % 2 for side in enlarged)  # what 4:2:0 needs
    if not {made, made[::-1]} & {enlarged, even}:  # turned where players would have to turn the source
        msg = f"{target} exists and is not {source.name} enlarged {scale} times"
        raise JobError(msg, hint="choose another output, or replace it with --overwrite")
    if length is not None and wanted is not None and not keep_damaged:
        limit = max(_LONG_FRAME, wanted * _INEXACT)
        too_long = length - wanted > limit and excerpt != _ALL  # recordings that were joined state too little
        if wanted - length > limit or too_long:  # that of another time range
            return False
    return target.stat().st_mtime_ns >= source.stat().st_mtime_ns


def prepare_film(source: Path, target: Path, *, max_pixels: int, keep_damaged: bool = False) -> None:
    """Find out, before any work is spent on it, whether a film can be read and its target written.

    Raises:
        MediaError: one of them cannot.
        UnsupportedFormatError: the target's name is not that of a film.
        UnsupportedSizeError: its frames have more pixels than the limit.
        BackendUnavailableError: PyAV is missing.

    """
    container_of_name(target)
    (width, height), _ = _size_and_length(source, _ALL, keep_damaged=keep_damaged)
    if width * height > max_pixels:
        limit = f"the limit of {max_pixels / 1e6:.0f} million"
        msg = f"{source}: its frames have {width} x {height} pixels, more than {limit}"
        raise UnsupportedSizeError(msg, hint="if you trust the file, raise the limit with --max-pixels")
    prepare_folder(target)


def _size_and_length(
    path: Path, excerpt: Excerpt, *, keep_damaged: bool = False
) -> tuple[tuple[int, int], float | None]:
    """Return width and height of a film's frames, as stored, and how many seconds of it are wanted, if it says so."""
    with opened(path, excerpt, keep_damaged=keep_damaged) as film:
        width, height = film.stream.codec_context.width, film.stream.codec_context.height
        seconds = film.seconds
    if not (width and height):
        msg = f"{path} does not say how large its pictures are"
        raise MediaError(msg, hint="see whether a player shows it; if so, convert it to another format first")
    return (width, height), seconds
