"""The frame size of a new video: chosen as they are shown, so that pixels that are not square count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from paragon_core.upscaling.output_size import passes

if TYPE_CHECKING:
    from paragon_core.upscaling.output_size import OutputSize, Size


@dataclass(frozen=True, kw_only=True)
class FrameSize:
    """The size of upright frames."""

    pixels: Size
    """Width and height of what is shown."""
    stored: Size
    """Width and height of the frames: a pixel more than ``pixels`` where that is odd and may not be."""
    aspect: Fraction
    """Width of a pixel by its height."""
    runs: int
    """Number of times that the network runs over a frame; what is beyond the size is resized away."""


def frame_size(size: Size, aspect: Fraction, wanted: OutputSize | None, *, scale: int, even: bool) -> FrameSize:
    """Return what upright frames of ``size`` become.

    By a factor, and without a wanted size, pixels keep their shape. All other sizes are counted in square pixels, as
    players show the frames, and the result has such.

    Args:
        size: width and height of the source's frames, upright.
        aspect: width of their pixels by the height.
        wanted: the size that was asked for; None for the network's scale.
        scale: that of the network.
        even: whether sides must be even.

    Raises:
        InputError: no even size fits into the box.
        UnsupportedSizeError: the result, or a step on the way to it, has more than 2^30 pixels.

    """
    shown, plain = size, (size[0] * scale, size[1] * scale)
    if wanted is None:
        pixels = plain
    elif wanted.factor is not None:
        pixels = wanted.of(size)
    else:
        shown, aspect = (max(round(size[0] * aspect), 1), size[1]), Fraction(1)
        pixels = wanted.of(shown)
    if wanted is not None and even and pixels != plain:
        pixels = replace(wanted, multiple=lcm(wanted.multiple, 2)).of(shown)
    stored = (pixels[0] + pixels[0] % 2, pixels[1] + pixels[1] % 2) if even else pixels
    return FrameSize(pixels=pixels, stored=stored, aspect=aspect, runs=passes(size, pixels, scale))
