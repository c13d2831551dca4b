"""Cut a picture into windows that a network can take one by one: pure index arithmetic.

A network whose output depends on a bounded neighbourhood (`ModelSpec.receptive_radius`) gives the same pixels window
by window as in one go, if every window carries that many extra pixels on each side, the *halo*, and ends at the
picture's border exactly where the picture ends, so that the network's zero padding stays where it belongs. All
windows of a plan have the same size, so that one compiled session serves them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

TileSize = Literal["auto", "off"] | int | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Span:
    """One window along one axis, in low-resolution pixels."""

    start: int
    """First pixel that the window reads; negative in a margin (see `cover`)."""
    end: int
    """One past the last pixel that the window reads."""
    core_start: int
    """First pixel that the window is responsible for."""
    core_end: int
    """One past the last pixel that the window is responsible for."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One window of a picture."""

    rows: Span
    """What it covers vertically."""
    columns: Span
    """What it covers horizontally."""


@dataclass(frozen=True, kw_only=True)
class TilePlan:
    """All windows of a picture; their cores cover it once."""

    rows: tuple[Span, ...]
    """Vertical spans, top to bottom."""
    columns: tuple[Span, ...]
    """Horizontal spans, left to right."""

    @property
    def window(self) -> tuple[int, int]:
        """Width and height of a window in low-resolution pixels (those at the right and bottom may be shorter)."""
        return self.columns[0].end - self.columns[0].start, self.rows[0].end - self.rows[0].start

    @property
    def is_even(self) -> bool:
        """Whether all windows have the size of the first."""
        width, height = self.window
        same = all(span.end - span.start == width for span in self.columns)
        return same and all(span.end - span.start == height for span in self.rows)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[Tile]:
        """Iterate over the windows, row by row."""
        for rows in self.rows:
            for columns in self.columns:
                yield Tile(rows=rows, columns=columns)


def checked(tile: TileSize) -> Literal["auto", "off"] | tuple[int, int]:
    """Return the setting of a user, a size as (width, height).

    Raises:
        InputError: it is none.

    """
    sizes = (tile, tile) if isinstance(tile, int) else tile
    if isinstance(sizes, tuple):
        if len(sizes) == 2 and all(isinstance(size, int) and size > 0 for size in sizes):  # noqa: PLR2004 - width, height
            return sizes
    elif isinstance(sizes, str) and sizes in {"auto", "off"}:
        return sizes
    msg = f"tile {tile!r} is not a size"
    raise InputError(msg, hint='give "auto", "off", a number of pixels or (width, height)')


def cover(length: int, window: int, *, halo: int, multiple: int = 1, margin: int = 0) -> tuple[Span, ...]:
    """Cover an axis by as few equal windows as possible, spread evenly.

    Args:
        length: pixels to cover, at least 1.
        window: wanted size of a window; the whole axis is one window where it is not shorter.
        halo: pixels on each inner side that a window reads but is not responsible for.
        multiple: windows start at multiples of this; above 1 the last window may be shorter than the others.
        margin: pixels beyond both ends of the axis that its first and last window read, but are not responsible for;
            at most ``halo``. Places there are negative, or not below ``length``.

    Raises:
        InputError: the window has no core left between its halos.

    """
    inside, length = length, length + 2 * margin
    if window >= length:
        return (Span(start=-margin, end=inside + margin, core_start=0, core_end=inside),)
    smallest = _smallest_window(halo, multiple)
    if window < smallest:
        msg = f"tiles of {window} pixels are too small: this model needs {halo} extra pixels on each side"
        raise InputError(msg, hint=f"use tiles of at least {smallest} pixels, or auto")
    window = window // multiple * multiple
    stride = (window - 2 * halo) // multiple * multiple
    count = math.ceil((length - window) / stride) + 1
    reach = math.ceil((length - window) / multiple)
    starts = [round(reach * index / (count - 1)) * multiple for index in range(count)]
    starts[-1] = length - window if multiple == 1 else starts[-1]
    spans = []
    core_start = 0
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        end = min(start + window, length)
        core_end = length if following is None else (following + end) // 2
        spans.append(
            Span(
                start=start - margin,
                end=end - margin,
                core_start=max(core_start - margin, 0),
                core_end=min(core_end - margin, inside),
            )
        )
        core_start = core_end
    return tuple(spans)


@lru_cache(maxsize=64)
def choose_window(
    size: tuple[int, int], *, halo: int, streams: int, largest_area: float, multiple: int = 1
) -> tuple[int, int]:
    """Return the window (width, height) that finishes a picture of ``size`` soonest.

    Time is taken as the number of rounds, each of ``streams`` windows side by side, times the window's area; more
    windows cost more halo, fewer leave streams idle. Windows have at most ``largest_area`` pixels (if the halo leaves
    any choice). Among equals the fewest windows win.
    """
    width, height = size
    candidates = []
    for columns in _counts(width, halo):
        window_width = _window_length(width, columns, halo, multiple)
        for rows in _counts(height, halo):
            window_height = _window_length(height, rows, halo, multiple)
            area, tiles = window_width * window_height, columns * rows
            time = math.ceil(tiles / streams) * area
            candidates.append((max(area - largest_area, 0), time, tiles, window_width, window_height))
    *_, window_width, window_height = min(candidates)
    return window_width, window_height


def fitting_window(size: tuple[int, int], largest: tuple[int, int], *, halo: int, multiple: int = 1) -> tuple[int, int]:
    """Return the window (width, height) no larger than ``largest`` of which a picture takes the fewest."""

    def length(total: int, most: int) -> int:
        lengths = (_window_length(total, count, halo, multiple) for count in range(1, total + 1))
        return next((window for window in lengths if window <= most), most)

    return length(size[0], largest[0]), length(size[1], largest[1])


def _counts(length: int, halo: int) -> range:
    """Return the numbers of windows worth trying along an axis: cores of at least a quarter of the halo, up to 128."""
    return range(1, min(max(length // max(halo // 4, 16), 1), 128) + 1)


def _window_length(length: int, count: int, halo: int, multiple: int) -> int:
    """Return the length of ``count`` equal windows with a halo on each inner side that cover ``length``."""
    if count == 1:
        return length
    window = math.ceil((length + 2 * halo * (count - 1)) / count)
    return min(max(math.ceil(window / multiple) * multiple, _smallest_window(halo, multiple)), length)


def _smallest_window(halo: int, multiple: int) -> int:
    """Return the smallest multiple of ``multiple`` that can step on by as much and keep its halo on both sides."""
    return math.ceil((2 * halo + multiple) / multiple) * multiple
