"""Cut an image into tiles that a network can take one by one: pure index arithmetic.

A network whose output depends on a bounded neighbourhood (`ModelSpec.receptive_radius`) gives the same pixels tile by
tile as in one go, if every tile carries that many extra pixels on each side, the *halo*, and ends at the
image's border exactly where the image ends, so that the network's zero padding stays where it belongs. All
tiles of a plan have the same size, so that one compiled session serves them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

TileSize = Literal["auto", "off"] | int | tuple[int, int]

#: A tile lower than this many halos costs too much of them.
_LOW: Final = 6


@dataclass(frozen=True, kw_only=True)
class Span:
    """One tile along one axis, in low-resolution pixels."""

    start: int
    """First pixel that the tile reads; negative in a margin (see `cover`)."""
    end: int
    """One past the last pixel that the tile reads."""
    core_start: int
    """First pixel that the tile is responsible for."""
    core_end: int
    """One past the last pixel that the tile is responsible for."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile of an image."""

    rows: Span
    """What it covers vertically."""
    columns: Span
    """What it covers horizontally."""


@dataclass(frozen=True, kw_only=True)
class TilePlan:
    """All tiles of an image; their cores cover it once."""

    rows: tuple[Span, ...]
    """Vertical spans, top to bottom."""
    columns: tuple[Span, ...]
    """Horizontal spans, left to right."""

    @property
    def tile_size(self) -> tuple[int, int]:
        """Width and height of a tile in low-resolution pixels (those at the right and bottom may be shorter)."""
        return self.columns[0].end - self.columns[0].start, self.rows[0].end - self.rows[0].start

    @property
    def is_even(self) -> bool:
        """Whether all tiles have the size of the first."""
        width, height = self.tile_size
        same = all(span.end - span.start == width for span in self.columns)
        return same and all(span.end - span.start == height for span in self.rows)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[Tile]:
        """Iterate over the tiles, row by row."""
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


def cover(length: int, tile: int, *, halo: int, multiple: int = 1, margin: int = 0) -> tuple[Span, ...]:
    """Cover an axis by as few equal tiles as possible, spread evenly.

    Args:
        length: pixels to cover, at least 1.
        tile: wanted size of a tile; the whole axis is one tile where it is not shorter.
        halo: pixels on each inner side that a tile reads but is not responsible for.
        multiple: tiles start at multiples of this; above 1 the last tile may be shorter than the others.
        margin: pixels beyond both ends of the axis that its first and last tile read, but are not responsible for;
            at most ``halo``. Places there are negative, or not below ``length``.

    Raises:
        InputError: the tile has no core left between its halos.

    """
    inside, length = length, length + 2 * margin
    if tile >= length:
        return (Span(start=-margin, end=inside + margin, core_start=0, core_end=inside),)
    smallest = _smallest_tile(halo, multiple)
    if tile < smallest:
        msg = f"tiles of {tile} pixels are too small: this model needs {halo} extra pixels on each side"
        raise InputError(msg, hint=f"use tiles of at least {smallest} pixels, or auto")
    tile = tile // multiple * multiple
    stride = (tile - 2 * halo) // multiple * multiple
    count = math.ceil((length - tile) / stride) + 1
    reach = math.ceil((length - tile) / multiple)
    starts = [round(reach * index / (count - 1)) * multiple for index in range(count)]
    starts[-1] = length - tile if multiple == 1 else starts[-1]
    spans = []
    core_start = 0
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        end = min(start + tile, length)
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
def choose_tile(
    size: tuple[int, int], *, halo: int, streams: int, largest_area: float, multiple: int = 1
) -> tuple[int, int]:
    """Return the tile (width, height) that finishes an image of ``size`` soonest.

    Time is taken as the number of rounds, each of ``streams`` tiles side by side, times the tile's area; more
    tiles cost more halo, fewer leave streams idle. Tiles have at most ``largest_area`` pixels (if the halo leaves
    any choice). Among equals the fewest tiles win.
    """
    width, height = size
    candidates = []
    for columns in _counts(width, halo):
        tile_width = _tile_length(width, columns, halo, multiple)
        for rows in _counts(height, halo):
            tile_height = _tile_length(height, rows, halo, multiple)
            area, tiles = tile_width * tile_height, columns * rows
            time = math.ceil(tiles / streams) * area
            candidates.append((max(area - largest_area, 0), time, tiles, tile_width, tile_height))
    *_, tile_width, tile_height = min(candidates)
    return tile_width, tile_height


@lru_cache(maxsize=64)
def choose_piece(
    size: tuple[int, int], *, halo: int, streams: int, largest_area: float, largest_height: float
) -> tuple[int, int]:
    """Return the tile (width, height) for sessions that compute an image row by row, whatever its width.

    As many tiles as streams keep all of these busy: below each other, because a row costs least as a whole, and next to
    each other too where they would be lower than a few halos. More, in whole rounds of streams, where a tile would be
    larger than ``largest_area`` pixels or ``largest_height`` rows (if the halo leaves any choice).
    """
    width, height = size
    rows = min(streams, max(height // (_LOW * halo), 1))
    columns = min(math.ceil(streams / rows), max(width // (_LOW * halo), 1))
    step = max(streams // columns, 1)
    highest = max(largest_height, _smallest_tile(halo, 1))
    while True:
        tile = _tile_length(width, columns, halo, 1), _tile_length(height, rows, halo, 1)
        is_large = math.prod(tile) > largest_area
        if tile[1] > highest or (is_large and tile[1] > _LOW * halo):
            rows = rows // step * step + step
        elif is_large and tile[0] > _LOW * halo:
            columns += 1
        else:
            return tile


def fitting_tile(size: tuple[int, int], largest: tuple[int, int], *, halo: int, multiple: int = 1) -> tuple[int, int]:
    """Return the tile (width, height) no larger than ``largest`` of which an image takes the fewest."""

    def length(total: int, most: int) -> int:
        lengths = (_tile_length(total, count, halo, multiple) for count in range(1, total + 1))
        return next((tile for tile in lengths if tile <= most), most)

    return length(size[0], largest[0]), length(size[1], largest[1])


def _counts(length: int, halo: int) -> range:
    """Return the numbers of tiles worth trying along an axis: cores of at least a quarter of the halo, up to 128."""
    return range(1, min(max(length // max(halo // 4, 16), 1), 128) + 1)


def _tile_length(length: int, count: int, halo: int, multiple: int) -> int:
    """Return the length of ``count`` equal tiles with a halo on each inner side that cover ``length``."""
    if count == 1:
        return length
    tile = math.ceil((length + 2 * halo * (count - 1)) / count)
    return min(max(math.ceil(tile / multiple) * multiple, _smallest_tile(halo, multiple)), length)


def _smallest_tile(halo: int, multiple: int) -> int:
    """Return the smallest multiple of ``multiple`` that can step on by as much and keep its halo on both sides."""
    return math.ceil((2 * halo + multiple) / multiple) * multiple
