"""Draw what is harder than any photograph: patterns of single pixels from full black to full white.

No reduced photograph holds a checkerboard of single pixels, but screens, scans of text and pixel art do, and a network
answers what it never saw with anything. Some per cent of its patches are patterns like these. There is no larger
original; the answer to be learned is that of Lanczos, clipped: plain, and never wrong. Only patterns that photographs
do not have are drawn: with noise, letters and single lines among them, the network loses sharpness where it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[Any]
Shape = Callable[[np.random.Generator, int], Plane]

_WHITE = 255

#: Share of the patterns that are black and white, and of the others whose two colours have channels of 0 or 255 only.
_GREY_SHARE = 0.6
_EXTREME_SHARE = 0.7


def pattern_pair(random: np.random.Generator, size: int, scale: int) -> tuple[Pixels, Pixels]:
    """Draw a pattern [size, size, 3] and return it with what is to be made of it, [scale * size, scale * size, 3]."""
    shapes: tuple[Shape, ...] = (
        _checkers,
        _lines,
        _lines,
        _dots,
        _dots,
    )
    mask = np.asarray(shapes[random.integers(len(shapes))](random, size), dtype=np.float64)[:, :, None]
    first, second = _colours(random)
    low = np.rint(mask * first + (1 - mask) * second).astype(np.uint8)
    side = (size * scale, size * scale)
    return low, np.asarray(Image.fromarray(low).resize(side, Image.Resampling.LANCZOS))


def _colours(random: np.random.Generator) -> tuple[Plane, Plane]:
    if random.random() < _GREY_SHARE:
        colours = np.array([[0], [_WHITE]]).repeat(3, axis=1)
        turn = int(random.integers(2))
        return colours[turn], colours[1 - turn]
    if random.random() < _EXTREME_SHARE:
        return _WHITE * random.integers(2, size=3), _WHITE * random.integers(2, size=3)
    return random.integers(_WHITE + 1, size=3), random.integers(_WHITE + 1, size=3)


def _checkers(random: np.random.Generator, size: int) -> Plane:
    """Draw squares of one or two pixels."""
    y, x = np.mgrid[:size, :size]
    side = random.integers(1, 3)
    return np.asarray(((y + random.integers(side)) // side + (x + random.integers(side)) // side) % 2)


def _lines(random: np.random.Generator, size: int) -> Plane:
    """Draw lines of one pixel in one of eight directions, or two directions at once, two to five pixels apart."""
    y, x = np.mgrid[:size, :size]
    steps = ((1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))
    lines = np.zeros((size, size), dtype=bool)
    for _ in range(random.integers(1, 3)):
        across, down = steps[int(random.integers(len(steps)))]
        period = int(random.integers(2, 6))
        lines |= (across * x + down * y + random.integers(period)) % period == 0
    return lines


def _dots(random: np.random.Generator, size: int) -> Plane:
    """Draw single pixels two to five apart, rows shifted or not."""
    y, x = np.mgrid[:size, :size]
    across, down = random.integers(2, 6, size=2)
    shift = random.integers(across) * (y // down)
    columns, rows = (x + random.integers(across) + shift) % across, (y + random.integers(down)) % down
    return np.asarray((columns == 0) & (rows == 0))
