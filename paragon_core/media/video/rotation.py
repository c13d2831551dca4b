"""Rotated videos: phones store frames as the sensor reads them, with a matrix that says how to show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.media.video.frames import side_data

if TYPE_CHECKING:
    from av import VideoFrame

    from paragon_core.media.loaded_image import Array


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Operations that make a stored frame upright: a swap of its axes, then mirroring."""

    transposed: bool = False
    """Whether rows become columns."""
    mirrored: bool = False
    """Whether left and right change places afterwards."""
    upside_down: bool = False
    """Whether top and bottom do."""

    def __bool__(self) -> bool:
        """Whether anything is to be done."""
        return self.transposed or self.mirrored or self.upside_down

    def apply(self, plane: Array) -> Array:
        """Return a plane upright, as a view."""
        if self.transposed:
            plane = plane.T
        return plane[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


def rotation_of(frame: VideoFrame) -> Rotation | None:
    """Return how a frame is to be rotated; None for angles that are no multiple of 90 degrees.

    The matrix maps a stored point (p, q) to (a p + c q, b p + d q), right and down (ISO/IEC 14496-12, 6.2.2).
    """
    matrix = _display_matrix(frame)
    if matrix is None:
        return Rotation()
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if not b and not c and a and d:
        return Rotation(mirrored=bool(a < 0), upside_down=bool(d < 0))
    if not a and not d and b and c:
        return Rotation(transposed=True, mirrored=bool(c < 0), upside_down=bool(b < 0))
    return None


def _display_matrix(frame: VideoFrame) -> np.ndarray[Any, np.dtype[np.int32]] | None:
    data = side_data(frame).get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3)
