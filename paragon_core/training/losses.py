"""What a step tries to make small."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: BT.601 luma of R, G, B in full range.
_LUMA = (0.299, 0.587, 0.114)


def luma_weighted_l1(error: Tensor, *, luma_share: float) -> Tensor:
    """Return the mean absolute error, part of it taken on luma.

    Eyes and published scores look at luma; the rest keeps the colours right.

    Args:
        error: [B, 3n, H, W], n values of red, then of green, then of blue; in units of the pixels.
        luma_share: 0 (red, green and blue count alike) to 1 (luma alone).

    Returns:
        A scalar in the same units.

    """
    red, green, blue = error.chunk(3, dim=1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    loss: Tensor = luma_share * luma.abs().mean() + (1 - luma_share) * error.abs().mean()
    return loss
