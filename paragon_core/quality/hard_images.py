"""What is harder for a network than photographs: patterns of single pixels, text, screens, noise and flat fields.

Nothing of it may run away: what a network makes of an image stays within the image's range by `MAX_EXCESS` levels of
255, and as bright as the image on the whole, by `MAX_SHIFT`. `measure` says how far from it a result is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[Any]

#: Side of every image.
SIDE: Final = 96

#: Levels of 255 by which a result may leave the range of its image, and by which its mean may differ from the image's.
MAX_EXCESS: Final = 24.0
MAX_SHIFT: Final = 2.0

_WHITE: Final = 255
_MIDDLE: Final = SIDE // 2

#: Directions of lines, by their angle in degrees: what stays the same along one, (x, y).
_DIRECTIONS: Final = {
    0: (0, 1),
    27: (1, 2),
    45: (1, 1),
    63: (2, 1),
    90: (1, 0),
    117: (2, -1),
    135: (1, -1),
    153: (1, -2),
}

#: Threshold matrix of an ordered dither of 16 levels (B. Bayer, "An optimum method for two-level rendition of
#: continuous-tone pictures", 1973).
_BAYER: Final = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])

#: Distance of a halftone's dots in pixels.
_SCREEN: Final = 6

_GLYPH: Final = (7, 5)

#: Brightness of single pixels and lines on black, in levels.
_LEVELS: Final = (64, 128, 192, 224, 255)


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far what a network made of an image is from keeping to it, in levels of 0..255."""

    excess: float
    """How far the unclipped values leave the range of the image, at the worst pixel; 0 inside of it."""
    shift: float
    """Mean of the values, clipped to 0..255 as a saved image is, minus that of the image."""

    @property
    def allowed(self) -> bool:
        """Whether both are within `MAX_EXCESS` and `MAX_SHIFT`."""
        return self.excess <= MAX_EXCESS and abs(self.shift) <= MAX_SHIFT

    def __str__(self) -> str:
        """Return both, for a report."""
        return f"{self.excess:.4g} beyond, mean {self.shift:+.2f}"


def measure(image: Pixels, result: npt.NDArray[np.floating]) -> Deviation:
    """Compare a result with its image.

    Args:
        image: [h, w, 3], uint8.
        result: [sh, sw, 3], in 0..1 apart from what runs away: not clipped.

    """
    levels = result.astype(np.float64) * _WHITE
    excess = max(0.0, float(image.min() - levels.min()), float(levels.max() - image.max()))
    return Deviation(excess=excess, shift=float(np.clip(levels, 0, _WHITE).mean() - image.mean()))


def worst(deviations: Iterable[Deviation]) -> Deviation:
    """Return the largest excess and the largest shift, whatever its sign, of several images."""
    found = list(deviations)
    return Deviation(excess=max(each.excess for each in found), shift=max((each.shift for each in found), key=abs))


def hard_images() -> dict[str, dict[str, Pixels]]:
    """Return images [96, 96, 3] by kind and name, always the same."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[:SIDE, :SIDE]
    slope = (x + y) / (2 * SIDE - 2)
    text, row, pixel = _text(generator), _single_line(0, 1), _single_pixel()
    noise = {
        "grey": generator.integers(0, _WHITE + 1, (SIDE, SIDE)),
        "RGB": generator.integers(0, _WHITE + 1, (SIDE, SIDE, 3)),
        "1 bit": _white(generator.integers(0, 2, (SIDE, SIDE))),
        "1 bit, RGB": _white(generator.integers(0, 2, (SIDE, SIDE, 3))),
    }
    speckles = {f"{share} %": _white(generator.random((SIDE, SIDE)) < share / 100) for share in (1, 10)}
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    kinds: dict[str, dict[str, Plane]] = {
        "lines": {
            f"{angle} degrees, every {period}": _white(_lines(across, down, period))
            for angle, (across, down) in _DIRECTIONS.items()
            for period in ((2, 4) if 0 in {across, down} else (3, 4))  # two apart, slanted ones would be checkers
        },
        "single lines": {
            f"{angle} degrees": _white(_single_line(*direction)) for angle, direction in _DIRECTIONS.items()
        }
        | {f"of {level} on black": level * row for level in _LEVELS[:-1]},
        "checkers": {str(side): _white((x // side + y // side) % 2) for side in (1, 2, 3, 4)},
        "dots": {f"every {step}": _white((x % step == 0) & (y % step == 0)) for step in (2, 3, 4, 8)},
        "halftones": {
            "45 degrees": _white(_halftone(x, y) < slope),
            "upright": _white(_halftone((x - y) / np.sqrt(2), (x + y) / np.sqrt(2)) < slope),
        },
        "1-bit text": {"white on black": _white(text), "black on white": _white(1 - text)},
        "dither": {
            "ordered": _white((_BAYER[y % 4, x % 4] + 0.5) / 16 < slope),
            "random": _white(generator.random((SIDE, SIDE)) < slope),
        },
        "noise": noise,
        "flat fields": {str(level): np.full((SIDE, SIDE), level) for level in (0, 64, 128, 192, 255)}
        | {name: np.broadcast_to(colour, (SIDE, SIDE, 3)) for name, colour in colours.items()}
        | {"that meet": _flat_fields()},
        "single pixels": {f"of {level} on black": level * pixel for level in _LEVELS}
        | {"of 0 on white": _white(1 - pixel)}
        | speckles,
    }
    return {kind: {name: _rgb(plane) for name, plane in images.items()} for kind, images in kinds.items()}


def _rgb(plane: Plane) -> Pixels:
    channels = plane if plane.ndim == 3 else plane[:, :, None].repeat(3, axis=2)  # noqa: PLR2004 - axes
    return np.ascontiguousarray(channels, dtype=np.uint8)


def _white(mask: Plane) -> Plane:
    return np.asarray(mask, dtype=int) * _WHITE


def _single_pixel() -> Plane:
    mask = np.zeros((SIDE, SIDE), dtype=int)
    mask[_MIDDLE, _MIDDLE] = 1
    return mask


def _lines(across: int, down: int, period: int) -> Plane:
    """Return lines of one pixel without gaps, ``period`` pixels apart along the rows or the columns."""
    y, x = np.mgrid[:SIDE, :SIDE]
    width = max(abs(across), abs(down))
    return np.asarray((across * x + down * y) % (period * width) < width)


def _single_line(across: int, down: int) -> Plane:
    """Return a line of one pixel without gaps through the middle."""
    y, x = np.mgrid[:SIDE, :SIDE] - _MIDDLE
    distance = across * x + down * y
    return np.asarray((distance >= 0) & (distance < max(abs(across), abs(down))), dtype=int)


def _halftone(x: Plane, y: Plane) -> Plane:
    """Return the thresholds, 0..1, of a screen of round dots, their rows at 45 degrees."""
    turn = np.sqrt(2) * np.pi / _SCREEN
    return np.asarray((2 - np.cos(turn * (x + y)) - np.cos(turn * (x - y))) / 4)


def _text(generator: np.random.Generator) -> Plane:
    """Return rows of glyphs of random pixels: 1 is ink."""
    height, width = _GLYPH[0] + 1, _GLYPH[1] + 1
    glyphs = generator.integers(0, 2, (SIDE // height, SIDE // width, *_GLYPH))
    page = np.pad(glyphs, ((0, 0), (0, 0), (1, 0), (1, 0)))
    return page.transpose(0, 2, 1, 3).reshape(SIDE, SIDE)


def _flat_fields() -> Plane:
    """Return fields of grey and of the purest colours, [96, 96, 3], that meet at hard edges."""
    greys = [(level, level, level) for level in (0, 128, 255, 64)]
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    fields: Plane = np.array([greys, colours])
    return fields.repeat(SIDE // 2, axis=0).repeat(SIDE // 4, axis=1)
