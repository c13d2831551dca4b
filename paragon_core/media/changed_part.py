"""The part of a frame that differs from the one before: all that animations need to store of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from paragon_core.media.loaded_image import Array


def bounds(changed: Array) -> tuple[slice, slice]:
    """Return the rows and columns that hold all changed pixels; one pixel where there are none.

    Args:
        changed: HxW booleans.

    """
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
