"""The columns of the border as one convolution and four corners, for writers that compute each pixel by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.graph.fused_weights import Convolution

if TYPE_CHECKING:
    from paragon_core.graph.fused_weights import Array, BorderStrips


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnLines:
    """What `BorderStrips` subtracts from the first and last column of output pixels, in one step."""

    columns: Convolution
    """[first, last column of f] (2C, two groups) to 2 * image channels * s, 5x1: both columns, corners counted with the
    rows outside the image."""
    corners: tuple[tuple[Convolution, Convolution], tuple[Convolution, Convolution]]
    """[first or last row][first or last column]: 1x1, C to image channels, on the corner pixel of f. What ``columns``
    subtracts too much from the corner of the output, since it is in the rows already."""


def compose_columns(border: BorderStrips, scale: int) -> ColumnLines:
    """Compose ``column_out(column_up(f))`` along the columns, as `fuse.border_strips` does along the rows.

    Output row ``s*i + b`` needs, through column_out's three taps, upscaled rows ``s*i + b - 1 ... s*i + b + 1``: phase
    ``(b + d - 1) mod s`` of low-resolution row ``i + floor((b + d - 1) / s)``, which through column_up's three taps
    reads rows ``i-2 ... i+2``. column_out has zero padding, but the composition continues the upscaled column outside
    the image: into row ``-1``, which is phase ``s - 1`` and meets only the last tap of column_up on row 0, and into the
    row below the last, mirrored. Each reaches one output pixel, through one tap: a corner.
    """
    s = scale
    features = border.column_up.weight.shape[0] // (2 * s)
    channels = border.column_out.weight.shape[0] // 2
    up_weight = border.column_up.weight.reshape(2, features, s, -1, 3)  # side, k, row phase, feature, rows
    up_bias = border.column_up.bias.reshape(2, features, s)
    out = border.column_out.weight.reshape(2, channels, features, 3)
    inner = up_weight.shape[3]
    weight = np.zeros((2, channels, s, inner, 5))
    bias = np.zeros((2, channels, s)) + border.column_out.bias.reshape(2, channels, 1)
    for side in range(2):
        for b in range(s):
            for dy in range(3):
                row, phase = divmod(b + dy - 1, s)
                taps = out[side, :, :, dy]
                moved = np.tensordot(taps, up_weight[side, :, phase], axes=1)
                weight[side, :, b, :, row + 1 : row + 4] += moved
                bias[side, :, b] += taps @ up_bias[side, :, phase]

    def corner(side: int, tap: int, phase: int, row: int) -> Convolution:
        taps: Array = out[side, :, :, tap]
        matrix = taps @ up_weight[side, :, phase, :, row]
        return Convolution(weight=matrix[:, :, None, None], bias=taps @ up_bias[side, :, phase])

    columns = Convolution(
        weight=weight.reshape(2 * channels * s, inner, 5, 1), bias=bias.reshape(-1), padding=(2, 0), groups=2
    )
    top, bottom = (0, s - 1, 2), (2, 0, 0)
    return ColumnLines(
        columns=columns,
        corners=(
            (corner(0, *top), corner(1, *top)),
            (corner(0, *bottom), corner(1, *bottom)),
        ),
    )
