"""Draw what is harder than any photograph: patterns of single pixels from full black to full white.

No reduced photograph holds a checkerboard of single pixels, but screens, scans of text and pixel art do, and a network
answers what it never saw with anything. Some per cent of its patches are patterns like these. There is no larger
original; the answer to be learned is that of Lanczos, clipped: plain, and never wrong.
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
_GLYPH = (7, 5)

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
        _text,
        _halftone,
        _noise,
        _single_pixels,
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
    """Draw squares of one to four pixels."""
    y, x = np.mgrid[:size, :size]
    side = random.integers(1, 5)
    return np.asarray(((y + random.integers(side)) // side + (x + random.integers(side)) // side) % 2)


def _lines(random: np.random.Generator, size: int) -> Plane:
    """Draw lines of one or two pixels in one of eight directions, or two directions at once."""
    y, x = np.mgrid[:size, :size]
    steps = ((1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))
    lines = np.zeros((size, size), dtype=bool)
    for _ in range(random.integers(1, 3)):
        across, down = steps[int(random.integers(len(steps)))]
        period = int(random.integers(2, 9))
        width = random.integers(1, min(period, 3))
        lines |= (across * x + down * y + random.integers(period)) % period < width
    return lines


def _dots(random: np.random.Generator, size: int) -> Plane:
    """Draw single pixels at equal distances, rows shifted or not."""
    y, x = np.mgrid[:size, :size]
    across, down = random.integers(2, 9, size=2)
    shift = random.integers(across) * (y // down)
    columns, rows = (x + random.integers(across) + shift) % across, (y + random.integers(down)) % down
    return np.asarray((columns == 0) & (rows == 0))


def _text(random: np.random.Generator, size: int) -> Plane:
    """Write letters of no alphabet, 5x7 pixels each."""
    rows, columns = size // (_GLYPH[0] + 1) + 1, size // (_GLYPH[1] + 1) + 1
    share = random.uniform(0.3, 0.6)
    glyphs = np.pad(random.random((rows, columns, *_GLYPH)) < share, ((0, 0), (0, 0), (1, 0), (1, 0)))
    page = glyphs.transpose(0, 2, 1, 3).reshape(rows * (_GLYPH[0] + 1), -1)
    return np.asarray(page[:size, :size])


def _halftone(random: np.random.Generator, size: int) -> Plane:
    """Draw a ramp in black and white: by an ordered dither of 2x2, 4x4 or 8x8, or by chance."""
    y, x = np.mgrid[:size, :size]
    angle = random.random() * 2 * np.pi
    ramp = 0.5 + (np.cos(angle) * (x - size / 2) + np.sin(angle) * (y - size / 2)) / size
    if random.random() < 1 / 4:
        return np.asarray(random.random((size, size)) < ramp)
    order = random.integers(1, 4)
    matrix = np.zeros((1, 1))
    for _ in range(order):  # Bayer's
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    thresholds = (matrix + 0.5) / matrix.size
    return np.asarray(ramp > thresholds[y % len(matrix), x % len(matrix)])


def _noise(random: np.random.Generator, size: int) -> Plane:
    """Draw every pixel by itself: black or white, or anything between."""
    values = random.random((size, size))
    return values < random.random() if random.random() < 1 / 2 else values


def _single_pixels(random: np.random.Generator, size: int) -> Plane:
    """Draw a few pixels and short lines on an empty field, or fields that meet at a hard edge."""
    plane = np.zeros((size, size), dtype=bool)
    if random.random() < 1 / 2:
        plane[:, random.integers(size) :] = True
    for _ in range(random.integers(1, 12)):
        row, column = random.integers(size, size=2)
        long = random.integers(1, 9)
        if random.random() < 1 / 2:
            plane[row, column : column + long] ^= True
        else:
            plane[row : row + long, column] ^= True
    return plane
