"""Images and video frames as a viewer shows them: upright RGB of 0..255, the form in which they are compared."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import MediaError
from paragon_core.media.images import read_image
from paragon_core.media.loaded_image import Array, full_scale
from paragon_core.media.metadata import as_viewed
from paragon_core.media.video.frames import colour_of, planes_of
from paragon_core.media.video.opening import opened
from paragon_core.media.video.rotation import Rotation, rotation_of
from paragon_core.media.video.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av import VideoFrame

    from paragon_core.media.loaded_image import LoadedImage
    from paragon_core.media.video.source import VideoReader

#: HxWx3, RGB of 0..255: uint8 where the file has 8 bits, else float64 between these levels.
Levels = npt.NDArray[np.uint8] | npt.NDArray[np.float64]

_PEAK: Final = 255.0
_BYTE: Final = 8
_WHOLE: Final = TimeRange()
#: Level over which transparent images are laid.
_BACKGROUND: Final = 128.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewedImage:
    """An image as it is viewed."""

    levels: Levels
    """[h, w, 3], upright RGB of 0..255; grey as three equal channels, transparency laid over mid-grey."""
    loaded: LoadedImage
    """The file that it comes from."""
    notes: tuple[str, ...]
    """What is not shown as the file has it, in words for the user."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewedFrame:
    """A frame of a video as it is viewed."""

    index: int
    """Number of the frame, from 0 on."""
    seconds: float
    """When it is shown, from the start of what is read."""
    levels: Levels
    """[h, w, 3], upright RGB of 0..255."""


class ViewedVideo:
    """A video that is being read."""

    def __init__(self, path: Path, reader: VideoReader) -> None:
        """Begin at its first frame.

        Args:
            path: its file.
            reader: the opened video.

        """
        self.path = path
        self.reader = reader

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read so far, in words for the user."""
        return self.reader.notes

    def frames(self) -> Iterator[ViewedFrame]:
        """Yield the frames in the order of display.

        Raises:
            MediaError: there are none, or the file cannot be read on.
            UnsupportedFormatError: their colours cannot be converted.

        """
        index = 0
        for step in self.reader.steps():
            if step.frame is not None:
                seconds = float((step.frame.pts or 0) * self.reader.time_base)
                yield ViewedFrame(index=index, seconds=seconds, levels=levels_of_frame(step.frame))
                index += 1
        if not index:
            msg = f"{self.path} has no frames{self.reader.no_frames}"
            raise MediaError(msg, hint="check the file with a player")


def view_image(path: Path) -> ViewedImage:
    """Read an image file.

    Raises:
        MediaError: it cannot be read.
        InputError: it is of a kind or size that is not handled.

    """
    loaded = read_image(path)
    notes = list(loaded.notes)
    if not loaded.opaque:
        notes.append("its transparency was laid over mid-grey")
    return ViewedImage(levels=levels_of_image(loaded), loaded=loaded, notes=tuple(notes))


def levels_of_image(image: LoadedImage) -> Levels:
    """Return the pixels of an image as [h, w, 3], upright RGB of 0..255."""
    array = _in_levels(image.without_alpha().array)
    if not image.opaque:
        share = image.array[..., -1:].astype(np.float64) / full_scale(image.array)
        array = array if array.ndim == 3 else array[:, :, None]  # noqa: PLR2004 - axes
        laid = _BACKGROUND + (array - _BACKGROUND) * share
        array = np.rint(laid).astype(np.uint8) if image.array.dtype == np.uint8 else laid
    array = array.reshape(*array.shape[:2], -1)
    levels: Levels = as_viewed(np.broadcast_to(array, (*array.shape[:2], 3)), image.orientation)
    return levels


@contextmanager
def view_video(path: Path, time_range: TimeRange = _WHOLE) -> Iterator[ViewedVideo]:
    """Open a video file.

    Raises:
        MediaError: it cannot be read, or is no video.
        BackendUnavailableError: PyAV is missing.

    """
    with opened(path, time_range) as reader:
        yield ViewedVideo(path, reader)


def levels_of_frame(frame: VideoFrame) -> Levels:
    """Return a frame as [h, w, 3], upright RGB of 0..255.

    Raises:
        UnsupportedFormatError: its colours cannot be converted.

    """
    colour = colour_of(frame)
    rotation = rotation_of(frame) or Rotation()
    planes = [rotation.apply(plane) for plane in planes_of(frame, colour)]
    rgb = np.stack(planes if len(planes) == 3 else planes * 3, axis=2)  # noqa: PLR2004 - R, G and B
    levels: npt.NDArray[np.float64] = np.clip(rgb, 0, 1).astype(np.float64) * _PEAK
    return rounded(levels) if colour.bits <= _BYTE else levels


def rounded(levels: Levels) -> npt.NDArray[np.uint8]:
    """Return levels as a screen of 8 bits shows them."""
    whole = levels if levels.dtype == np.uint8 else np.rint(levels)
    return whole.astype(np.uint8, copy=False)


def _in_levels(array: Array) -> Array:
    if array.dtype == np.uint8:
        return array
    return np.clip(array.astype(np.float64) * (_PEAK / full_scale(array)), 0, _PEAK)
