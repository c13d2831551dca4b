"""The size of tiles: the input that several nodes have, what it takes, and what is quick to stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from comfy_api.latest import io

from paragon_core.errors import InputError
from paragon_core.upscaling.border import halo_of

if TYPE_CHECKING:
    from paragon_core.models.spec import ModelSpec

#: Pixels a side. Smaller tiles are nearly all overlap.
LEAST_TILE: Final = 64
LARGEST_TILE: Final = 8192

#: Tiles below this number of halos a side take more than four times as long as the whole image.
_LEAST_HALOS: Final = 4

#: Pixels of a tile times layers times squared width of the network: half a second to a second on a core.
_WORK_OF_A_TILE: Final = 2**30


def tile_input() -> io.Int.Input:
    """Return the input for the size of tiles."""
    return io.Int.Input(
        "tile_size",
        default=0,
        min=0,
        max=LARGEST_TILE,
        step=LEAST_TILE,
        optional=True,
        advanced=True,
        tooltip="Pixels of the source along each side of a tile, 64 at least; 0 chooses by itself and takes smaller "
        "tiles when memory runs out. Tiles overlap by as much as the network looks around, so they do not show; only "
        "photo and pro networks look further than any tile.",
    )


def check_tile_size(size: int | None) -> None:
    """Check a value of `tile_input`; None stands for one that another node makes.

    Raises:
        InputError: it is out of range.

    """
    if size is not None and size != 0 and not LEAST_TILE <= size <= LARGEST_TILE:
        raise InputError(
            f"tile_size is {size}",
            hint=f"choose 0 (automatic), or {LEAST_TILE} to {LARGEST_TILE} pixels",
        )


def least_tile(spec: ModelSpec) -> int:
    """Return the smallest side of a tile, in pixels, that is no waste of time for a network."""
    return max(LEAST_TILE, _LEAST_HALOS * halo_of(spec))


def quick_area(spec: ModelSpec) -> float:
    """Return the most pixels of a tile with which a processor stops soon, and the progress bar moves.

    Infinity for networks that look at the whole image.
    """
    if spec.receptive_radius is None:
        return math.inf
    return max(_WORK_OF_A_TILE / (spec.channels**2 * spec.groups * spec.blocks), least_tile(spec) ** 2)
