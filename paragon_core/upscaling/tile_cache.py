"""Keep the tiles of the last image, so that what stands still is not computed again."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from paragon_core.backends import Precision
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.upscaling.tiling import Tile, TilePlan

Array = npt.NDArray[Any]

#: Kinds of images (colour or grey, bytes or floats) that are kept at a time: an image with alpha has two.
KINDS_KEPT: Final = 2


class CachedTiles:
    """Input, halo included, and output of each tile of the last image of one kind; safe to use from threads.

    An output is found only for an input that is the same in every bit, and only one session ever made it: the pixels
    are those that would be computed, whatever came in which order.
    """

    def __init__(self, spec: GraphSpec, precision: Precision, plan: TilePlan, limit: int) -> None:
        self.made_by = spec, precision, plan
        self._limit = limit
        self._bytes = 0
        self._tiles: dict[Tile, tuple[Array, Array]] = {}
        self._lock = threading.Lock()

    def find(self, tile: Tile, batch: Array) -> Array | None:
        """Return the output of a tile that had this input, not to be changed; None if there is none."""
        known = self._tiles.get(tile)
        return known[1] if known is not None and _same_bits(known[0], batch) else None

    def keep(self, tile: Tile, batch: Array, output: Array) -> None:
        """Keep a tile in copies, in place of what it was before; what exceeds the limit is not kept."""
        with self._lock:
            before = self._tiles.get(tile, ())
            total = self._bytes - sum(array.nbytes for array in before) + batch.nbytes + output.nbytes
            if total > self._limit:
                return
            self._bytes = total
            self._tiles[tile] = np.array(batch), np.array(output)


class TileCache:
    """The tiles of the last images of the last two kinds."""

    def __init__(self, limit: int) -> None:
        """Start with nothing, to keep at most ``limit`` bytes in all."""
        self._limit = limit
        self._kinds: dict[GraphSpec, CachedTiles] = {}
        self._lock = threading.Lock()

    def of(self, spec: GraphSpec, precision: Precision, plan: TilePlan) -> CachedTiles:
        """Return what is known of images cut like this one; of another size, plan or session nothing is of use."""
        kind = replace(spec, size=None)
        with self._lock:
            tiles = self._kinds.pop(kind, None)
            if tiles is None or tiles.made_by != (spec, precision, plan):
                tiles = CachedTiles(spec, precision, plan, self._limit // KINDS_KEPT)
            self._kinds[kind] = tiles  # the newest last
            while len(self._kinds) > KINDS_KEPT:
                self._kinds.pop(next(iter(self._kinds)))
            return tiles

    def forget(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._kinds.clear()


def _same_bits(first: Array, second: Array) -> bool:
    """Compare as integers: 0.0 and -0.0 are not the same."""
    integer = f"u{first.itemsize}"
    return np.array_equal(first.view(integer), second.view(integer))
