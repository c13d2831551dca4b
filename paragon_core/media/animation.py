"""Animations: frames as viewers show them, one at a time, with the times for which they are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paragon_core.errors import UnsupportedSizeError
from paragon_core.media.avif_times import avif_plays
from paragon_core.media.decoding import MAX_PIXELS, check_size, decode, open_header
from paragon_core.media.formats import FORMATS
from paragon_core.media.gif import MOST_FRAMES
from paragon_core.media.images import opened_image
from paragon_core.media.loaded_image import full_scale
from paragon_core.media.metadata import as_viewed, upright
from paragon_core.media.webp import frames_are_lossless

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from PIL.ImageFile import ImageFile

    from paragon_core.media.loaded_image import Array, LoadedImage

#: An animation may have this many times the pixels that a still image may have, over all frames.
_MOST_STILLS: Final = 100
#: Frames of a GIF that ask for this time or less, and the time for which browsers show them.
_SHORTEST, _SHOWN_INSTEAD = Fraction(1, 100), Fraction(1, 10)


@dataclass(frozen=True, kw_only=True)
class Animation:
    """An animation in a file; every frame in it has been decoded once."""

    source: Path
    """The file."""
    still: LoadedImage
    """What a still image made of the file would be, with everything around the pixels."""
    durations: tuple[Fraction, ...]
    """Seconds for which each frame is shown."""
    plays: int
    """Number of times that it is shown; 0 for endless."""
    has_alpha: bool
    """Whether a frame lets the background through."""
    has_half_alpha: bool
    """Whether a pixel is neither opaque nor transparent."""
    hidden: bool = False
    """Whether `still` is not among the frames: some animated PNGs have another image for other viewers."""
    notes: tuple[str, ...] = ()
    """What was not kept when the file was read, in words for the user."""

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.durations)

    def frames(self) -> Generator[Array]:
        """Yield the frames: HxW, HxWx2, HxWx3 or HxWx4 uint8, upright; with alpha where one is not opaque.

        Raises:
            MediaError: the file cannot be read any more.

        """
        with opened_image(self.source) as (stream, name):
            image = open_header(stream, name)
            for index in range(self.count):
                image.seek(index + self.hidden)
                yield as_viewed(_pixels(image, grey=self.still.is_grey), self.still.orientation)

    def shown_durations(self) -> tuple[Fraction, ...]:
        """Return the durations that browsers keep to: a tenth of a second for frames without one, or of a fast GIF."""
        shortest = _SHORTEST if self.still.format == "gif" else 0
        return tuple(_SHOWN_INSTEAD if duration <= shortest else duration for duration in self.durations)

    def upright_still(self) -> LoadedImage:
        """Return `still`, its pixels turned for viewing; libavif 1.4.2 crashes over frames that viewers must turn."""
        turned = as_viewed(self.still.array, self.still.orientation)
        return replace(
            self.still.with_array(turned), exif=None if self.still.exif is None else upright(self.still.exif)
        )


def read_animation(path: Path, *, max_pixels: int = MAX_PIXELS) -> Animation | None:
    """Read what there is to know of an animation, and decode it once so that damage shows before any work.

    Args:
        path: the file.
        max_pixels: animations with larger frames are refused, and those with a hundred times as many in all frames.

    Returns:
        None when the file holds a still image, or pages.

    Raises:
        MediaError: when the file is missing, unreadable, damaged or no image.
        UnsupportedFormatError: when it is an image of a kind that is not handled.
        UnsupportedSizeError: when it has more pixels than the limits.
        OutOfMemoryError: when there is too little memory for it.

    """
    with opened_image(path) as (stream, name):
        if not FORMATS[name].animated:
            return None
        image: Any = open_header(stream, name)
        hidden = bool(image.info.get("default_image"))
        count = _frame_count(image) - hidden
        if count < 2:  # noqa: PLR2004 - moves
            return None
        check_size(image.size, max_pixels)
        _check_total(image.size, count, max_pixels)
        still = decode(stream, name, max_pixels=max_pixels, first_only=False)
        if name == "webp":
            still = replace(still, lossless=frames_are_lossless(stream))
        notes = list(still.notes)
        image = open_header(stream, name)
        if still.array.dtype != np.uint8:
            notes.append("its frames hold more than 8 bits per channel, of which 8 are used")
        durations, has_alpha, has_half_alpha = [], False, False
        for index in range(count):
            image.seek(index + hidden)
            frame = _pixels(image, grey=still.is_grey)
            durations.append(Fraction(image.info.get("duration", 0)).limit_denominator(10**6) / 1000)
            if frame.shape[2:] in {(2,), (4,)}:
                has_alpha = True
                has_half_alpha |= bool(((frame[..., -1] > 0) & (frame[..., -1] < full_scale(frame))).any())
        return Animation(
            source=path,
            still=still,
            durations=tuple(durations),
            plays=avif_plays(stream) if name == "avif" else _plays(image, name),
            has_alpha=has_alpha,
            has_half_alpha=has_half_alpha,
            hidden=hidden,
            notes=tuple(notes),
        )


def _frame_count(image: ImageFile) -> int:
    return int(getattr(image, "n_frames", 1))


def _check_total(size: tuple[int, int], count: int, max_pixels: int) -> None:
    width, height = size
    if count > MOST_FRAMES or width * height * count > max_pixels * _MOST_STILLS:
        limit = f"{MOST_FRAMES} frames or {max_pixels * _MOST_STILLS / 1e9:.0f} billion pixels"
        msg = f"it claims {count} frames of {width} x {height} pixels, more than the limit of {limit}"
        raise UnsupportedSizeError(
            msg, hint="if you trust the file, raise the limit with --max-pixels, or make a video of it first"
        )


def _pixels(image: ImageFile, *, grey: bool) -> Array:
    """Return the current frame; an alpha channel in which all is opaque is left out."""
    image.load()
    with_alpha = image.mode in {"LA", "RGBA", "PA", "La", "RGBa"} or image.has_transparency_data
    if image.mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8)
    mode = ("LA" if with_alpha else "L") if grey else "RGBA" if with_alpha else "RGB"
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    if with_alpha and (array[..., -1] == full_scale(array)).all():
        array = array[..., 0] if grey else array[..., :3]
    return np.ascontiguousarray(array)


def _plays(image: ImageFile, name: str) -> int:
    loop = image.info.get("loop")
    if name == "gif":  # counts repetitions, and without a count there is none
        return 1 if loop is None else 0 if loop == 0 else loop + 1
    return int(loop or 0)
