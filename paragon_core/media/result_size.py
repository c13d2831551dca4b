"""The size of an upscaled image: what was asked for is meant as it is viewed, and files hold it as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from paragon_core.upscaling.output_size import OutputSize, Size

#: EXIF orientations from here on are viewed with width and height exchanged.
_FIRST_SIDEWAYS: Final = 5


def as_viewed(size: Size, orientation: int) -> Size:
    """Return width and height as viewers show them, or back."""
    return size[::-1] if orientation >= _FIRST_SIDEWAYS else size


def result_size(size: Size, orientation: int, *, scale: int, wanted: OutputSize | None) -> Size:
    """Return width and height of a result as stored.

    Args:
        size: those of the source, as stored.
        orientation: the source's EXIF orientation, 1 to 8.
        scale: that of the network.
        wanted: the size that was asked for, of the image as viewed; None for the network's scale.

    Raises:
        InputError: nothing fits into the box.
        UnsupportedSizeError: the result has more than 2^30 pixels.

    """
    if wanted is None:
        return size[0] * scale, size[1] * scale
    return as_viewed(wanted.of(as_viewed(size, orientation)), orientation)
