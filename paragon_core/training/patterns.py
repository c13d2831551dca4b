"""Draw what is harder than any photograph: patterns of single pixels from full black to full white.

No reduced photograph holds a checkerboard of single pixels, but screens, scans of text and pixel art do, and a network
answers what it never saw with anything. Some per cent of its patches are patterns like these.

There is no larger original. The answer to be learned is that of Lanczos, clipped, or that of Pillow's Hamming kernel.
Clipping makes sparse bright dots and lines up to 13 levels of 255 brighter on the mean. The Hamming kernel is narrow
and never negative: it keeps the range of the pattern and its mean, and is sharper than linear interpolation.

Or there is no answer, only limits: anything that keeps to the range and the mean of the pattern is right
(`within_limits`). That costs photographs least: the network may stay as sharp as it is where it does not run away.

Of patterns with an answer, only those that photographs do not have are drawn by default: to learn an answer to noise,
letters and single lines, a small network gives up sharpness where it is wanted. `PatternKind` lists all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[Any]
Draw = Callable[[np.random.Generator, int], Plane]

#: What can be drawn:
#:
#: ==============  ==================================================================================================
#: checkers        squares of one or two pixels
#: lines           lines of one pixel, two to five apart, in one or two of eight directions
#: dots            single pixels in a grid, two to five apart
#: speckles        single pixels at random places; from 0.05 % of all pixels to half of them
#: single lines    one line of one pixel from side to side, in one of eight directions
#: noise           every pixel by itself, grey or with three channels, of all levels or of 0 and 255 alone
#: text            rows of random glyphs of 7x5 pixels, 1 pixel apart
#: large checkers  squares of two to five pixels
#: fields          rectangles of even colours, one on the other
#: dither          a slope from one colour to the other in two colours, by a Bayer matrix or by chance
#: halftones       the same slope in round dots, three to nine pixels apart
#: ==============  ==================================================================================================
PatternKind = Literal[
    "checkers",
    "lines",
    "dots",
    "speckles",
    "single lines",
    "noise",
    "text",
    "large checkers",
    "fields",
    "dither",
    "halftones",
]
PATTERN_KINDS: Final[tuple[PatternKind, ...]] = get_args(PatternKind)

#: The kernel that makes the answer; what leaves 0..255 is clipped. "limits": none, see `within_limits`.
PatternAnswer = Literal["lanczos", "hamming", "limits"]
PATTERN_ANSWERS: Final[tuple[PatternAnswer, ...]] = get_args(PatternAnswer)

_FEW: Final[tuple[PatternKind, ...]] = ("checkers", "lines", "lines", "dots", "dots")

#: Kinds that are drawn unless a recipe says otherwise. Those with an answer are none that photographs have, too; within
#: limits there is room for all, most often for the one that is hardest to keep there.
USUAL_KINDS: Final[dict[PatternAnswer, tuple[PatternKind, ...]]] = {
    "lanczos": _FEW,
    "hamming": _FEW,
    "limits": (
        *("checkers", "large checkers", "lines", "lines", "dots", "speckles", "single lines", "text"),
        *("noise", "noise", "noise", "fields", "fields", "dither", "halftones"),
    ),
}

_WHITE = 255

#: Share of the patterns that are black and white, and of the others whose two colours have channels of 0 or 255 only.
_GREY_SHARE = 0.6
_EXTREME_SHARE = 0.7

#: How many fields there are at most, and which levels most grey ones have.
_FIELDS = 12
_FIELD_LEVELS = (0, 64, 128, 192, 255)

#: Distance of a halftone's dots in pixels, and sides of Bayer matrices.
_SCREENS = (3.0, 9.0)
_BAYER_SIDES = (2, 4, 8)

#: Share of the pixels that are speckles: the logarithm is drawn uniformly from this range.
_SPECKLES = (5e-4, 0.5)

_RESAMPLING: Final = {"lanczos": Image.Resampling.LANCZOS, "hamming": Image.Resampling.HAMMING}

#: Rows and columns of a glyph.
_GLYPH = (7, 5)

#: Directions of lines: which multiples of x and y stay the same along one.
_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))


def pattern_pair(
    random: np.random.Generator,
    size: int,
    scale: int,
    *,
    kinds: Sequence[PatternKind] = (),
    answer: PatternAnswer = "lanczos",
) -> tuple[Pixels, Pixels]:
    """Draw a pattern and return it with what is to be made of it.

    Args:
        random: decides the pattern.
        size: its side in pixels.
        scale: the upscaling factor.
        kinds: one of these is drawn; a kind that is named twice, twice as often. Empty: of `USUAL_KINDS`.
        answer: how what is to be made of it is made.

    Returns:
        RGB [size, size, 3] and [scale * size, scale * size, 3]; the latter is all 0 if there are only limits.

    """
    kinds = kinds or USUAL_KINDS[answer]
    kind = kinds[int(random.integers(len(kinds)))]
    if kind in _IMAGES:
        low = _IMAGES[kind](random, size)
    else:
        mask = np.asarray(_MASKS[kind](random, size), dtype=np.float64)[:, :, None]
        first, second = _colours(random)
        low = np.rint(mask * first + (1 - mask) * second).astype(np.uint8)
    side = size * scale
    if answer == "limits":
        return low, np.zeros((side, side, 3), dtype=np.uint8)
    return low, np.asarray(Image.fromarray(low).resize((side, side), _RESAMPLING[answer]))


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
    lines = np.zeros((size, size), dtype=bool)
    for _ in range(random.integers(1, 3)):
        across, down = _DIRECTIONS[int(random.integers(len(_DIRECTIONS)))]
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


def _speckles(random: np.random.Generator, size: int) -> Plane:
    """Draw single pixels at random places, at least one."""
    density = np.exp(random.uniform(*np.log(_SPECKLES)))
    speckles: Plane = random.random((size, size)) < density
    speckles[tuple(random.integers(size, size=2))] = True
    return speckles


def _single_line(random: np.random.Generator, size: int) -> Plane:
    """Draw one line without gaps through a random pixel, as far as the patch goes."""
    y, x = np.mgrid[:size, :size]
    across, down = _DIRECTIONS[int(random.integers(len(_DIRECTIONS)))]
    row, column = random.integers(size, size=2)
    distance = across * (x - column) + down * (y - row)
    return np.asarray((distance >= 0) & (distance < max(abs(across), abs(down))))


def _text(random: np.random.Generator, size: int) -> Plane:
    """Draw rows of glyphs, each of random pixels."""
    height, width = _GLYPH[0] + 1, _GLYPH[1] + 1
    rows, columns = size // height + 2, size // width + 2  # one more than fit, to begin inside of a glyph
    glyphs = np.pad(random.integers(0, 2, (rows, columns, *_GLYPH)), ((0, 0), (0, 0), (1, 0), (1, 0)))
    page = glyphs.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    top, left = random.integers(height), random.integers(width)
    return np.asarray(page[top : top + size, left : left + size])


def _noise(random: np.random.Generator, size: int) -> Pixels:
    """Draw every pixel by itself."""
    channels, levels = (1, 3)[random.integers(2)], (2, _WHITE + 1)[random.integers(2)]
    noise = random.integers(levels, size=(size, size, channels)) * (_WHITE // (levels - 1))
    return noise.repeat(3 // channels, axis=2).astype(np.uint8)


def _large_checkers(random: np.random.Generator, size: int) -> Plane:
    """Draw squares of two to five pixels."""
    y, x = np.mgrid[:size, :size]
    side = random.integers(2, 6)
    return np.asarray(((y + random.integers(side)) // side + (x + random.integers(side)) // side) % 2)


def _fields(random: np.random.Generator, size: int) -> Pixels:
    """Draw rectangles of any size on one another, most of them of greys or of the purest colours."""
    image = np.empty((size, size, 3), dtype=np.uint8)
    image[:] = _field_colour(random)
    for _ in range(random.integers(1, _FIELDS)):
        top, left = random.integers(size, size=2)
        height, width = random.integers(1, size // 2 + 2, size=2)
        image[top : top + height, left : left + width] = _field_colour(random)
    return image


def _field_colour(random: np.random.Generator) -> Plane:
    kind = ("any", "grey", "grey", "pure", "pure")[int(random.integers(5))]
    if kind == "any":
        return random.integers(_WHITE + 1, size=3)
    if kind == "grey":
        return np.full(3, random.choice(_FIELD_LEVELS))
    return _WHITE * random.integers(2, size=3)


def _dither(random: np.random.Generator, size: int) -> Plane:
    """Draw a slope by a Bayer matrix or by chance (B. Bayer, "An optimum method for two-level rendition", 1973)."""
    if random.integers(2):
        return np.asarray(random.random((size, size)) < _slope(random, size))
    side = int(random.choice(_BAYER_SIDES))
    matrix = np.zeros((1, 1))
    while len(matrix) < side:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    y, x = np.mgrid[:size, :size] % side
    return np.asarray((matrix[y, x] + 0.5) / side**2 < _slope(random, size))


def _halftones(random: np.random.Generator, size: int) -> Plane:
    """Draw a slope in round dots, in rows of any direction."""
    y, x = np.mgrid[:size, :size]
    angle, turn = random.uniform(0, np.pi / 2), 2 * np.pi / random.uniform(*_SCREENS)
    across, down = turn * (np.cos(angle) * x + np.sin(angle) * y), turn * (np.cos(angle) * y - np.sin(angle) * x)
    return np.asarray((2 - np.cos(across) - np.cos(down)) / 4 < _slope(random, size))


def _slope(random: np.random.Generator, size: int) -> Plane:
    """Return levels that rise from 0 to 1 in any direction."""
    y, x = np.mgrid[:size, :size]
    angle = random.uniform(0, 2 * np.pi)
    level = np.cos(angle) * x + np.sin(angle) * y
    return np.asarray((level - level.min()) / (level.max() - level.min()))


_IMAGES: Final[dict[PatternKind, Draw]] = {"noise": _noise, "fields": _fields}

_MASKS: Final[dict[PatternKind, Draw]] = {
    "checkers": _checkers,
    "lines": _lines,
    "dots": _dots,
    "speckles": _speckles,
    "single lines": _single_line,
    "text": _text,
    "large checkers": _large_checkers,
    "dither": _dither,
    "halftones": _halftones,
}
