"""Where images differ most: squares that do not overlap, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from paragon_core.quality.metrics import Floats

#: Steps in which a square moves, in parts of its side.
_STEPS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of an image."""

    left: int
    """First column."""
    top: int
    """First row."""
    width: int
    """Number of columns."""
    height: int
    """Number of rows."""


def places_that_differ(error: Floats, *, side: int, most: int) -> tuple[Place, ...]:
    """Return the squares with the largest sums of error, the worst first; none overlap, and none is without error.

    Args:
        error: [h, w], not negative: how wrong each pixel is.
        side: columns and rows of a square; a smaller image has a smaller one.
        most: squares at most.

    """
    height, width = error.shape
    tall, wide = min(side, height), min(side, width)
    step_down, step_right = max(tall // _STEPS, 1), max(wide // _STEPS, 1)
    tops, lefts = _starts(height, tall, step_down), _starts(width, wide, step_right)
    sums = np.zeros((height + 1, width + 1))
    np.cumsum(np.cumsum(error, axis=0), axis=1, out=sums[1:, 1:])
    rows, columns = np.ix_(tops, lefts)
    found = sums[rows + tall, columns + wide] - sums[rows, columns + wide] - sums[rows + tall, columns]
    found += sums[rows, columns]
    places: list[Place] = []
    smallest = 1e-9 * sums[-1, -1]  # what cumulative sums leave of nothing
    while len(places) < most:
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        if found[row, column] <= smallest:
            break
        top, left = int(tops[row]), int(lefts[column])
        places.append(Place(left=left, top=top, width=wide, height=tall))
        found[np.ix_(np.abs(tops - top) < tall, np.abs(lefts - left) < wide)] = 0
    return tuple(places)


def _starts(length: int, side: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return where squares may start; the last one ends where the image does."""
    return np.unique(np.append(np.arange(0, length - side + 1, step), length - side))
