"""What a network sees beyond the border of an image.

The author's network sees zeros there, that is black: a bright image gets a dark ring, up to 60 levels of 255 off on
white. Instead, an image can be continued by a margin, and the result be cropped. Only the outermost pixels of the
result change, because a network with a receptive radius looks no further than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from paragon_core.models.spec import ModelSpec
    from paragon_core.upscaling.tiling import Tile

#: How an image is continued: "zero" (not at all, as the author), "edge" (its outermost pixels repeated), "symmetric"
#: (mirrored, outermost pixels included) or "wrap" (by its opposite side). All but "zero" are names of `numpy.pad`.
Padding = Literal["zero", "edge", "symmetric", "wrap"]

#: Margin where attention or a global mean leaves no exact one, in low-resolution pixels; also of tiles.
INEXACT_HALO: Final = 32

#: Margin for what only continues the image: zeros further out change the bundled networks' results by a level of 255
#: at most, and no score (benchmarks/borders.py).
_ENOUGH: Final = 6


@dataclass(frozen=True, kw_only=True)
class Border:
    """How an image is continued, and how far."""

    padding: Padding
    """The way."""
    margin: int
    """Pixels on each side, in low resolution."""

    @classmethod
    def of(cls, spec: ModelSpec, padding: Padding | Literal["auto"]) -> Self:
        """Return the border for a network; "auto" is "symmetric" with a receptive radius, else "zero".

        What wraps has the whole receptive radius as margin, so that opposite sides fit exactly.

        Raises:
            InputError: there is no such padding.

        """
        if padding not in {"auto", *get_args(Padding)}:
            msg = f"there is no padding {padding!r}"
            raise InputError(msg, hint=f"choose one of auto, {', '.join(get_args(Padding))}")
        radius = spec.receptive_radius
        if padding == "auto":
            padding = "zero" if radius is None else "symmetric"
        whole = halo_of(spec)
        return cls(
            padding=padding, margin=0 if padding == "zero" else whole if padding == "wrap" else min(whole, _ENOUGH)
        )

    def grown(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return a width and height with the margin on both sides: what the network takes."""
        return size[0] + 2 * self.margin, size[1] + 2 * self.margin

    def read(self, source: npt.NDArray[Any], tile: Tile) -> npt.NDArray[Any]:
        """Return what a tile reads of an image [h, w, ...]; a view where that lies inside."""
        spans = tile.rows, tile.columns
        top, left = (max(-span.start, 0) for span in spans)  # how much of the margin it reads
        part = source[tile.rows.start + top : tile.rows.end, tile.columns.start + left : tile.columns.end]
        bottom, right = top + part.shape[0], left + part.shape[1]
        rows, columns = (
            self.places(span.start, span.end, length) for span, length in zip(spans, source.shape, strict=False)
        )
        if part.shape[:2] == (len(rows), len(columns)):
            return part
        result = np.empty((len(rows), len(columns), *source.shape[2:]), source.dtype)
        result[top:bottom, left:right] = part
        for lines, across in (
            (slice(0, top), slice(None)),
            (slice(bottom, None), slice(None)),
            (slice(top, bottom), slice(0, left)),
            (slice(top, bottom), slice(right, None)),
        ):
            result[lines, across] = source[np.ix_(rows[lines], columns[across])]
        return result

    def places(self, start: int, end: int, length: int) -> npt.NDArray[np.intp]:
        """Return which pixels of a line of a length stand at the places from ``start`` to before ``end``."""
        places = np.arange(start, end)
        if self.padding == "wrap":
            return places % length
        if self.padding == "symmetric":
            places %= 2 * length
            return np.minimum(places, 2 * length - 1 - places)
        return np.clip(places, 0, length - 1)


#: The border of the author's network.
AUTHORS: Final = Border(padding="zero", margin=0)


def halo_of(spec: ModelSpec) -> int:
    """Return how many pixels beyond what it is responsible for a tile reads, in low resolution."""
    return INEXACT_HALO if spec.receptive_radius is None else spec.receptive_radius
