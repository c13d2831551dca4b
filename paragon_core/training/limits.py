"""What may become of a pattern that has no answer: anything that keeps to its range and to its mean.

A network that learns an answer to a pattern (`paragon_core.training.patterns`) learns a second filter, and loses
sharpness on photographs. One that only learns limits keeps what it makes, as long as that does not run away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

#: How far outside of a pattern's range a pixel may be, and how far the mean of a channel may be from the pattern's: in
#: 0..1. Half and a quarter of what bundled networks are held to (`paragon_core.quality.hard_images`), as training ends
#: around the limit and not below it.
MARGIN: Final = 12 / 255
SHIFT: Final = 0.5 / 255


@torch.no_grad()
def within_limits(made: Tensor, low: Tensor) -> Tensor:
    """Return what is allowed and nearest to what was made; the same where nothing was wrong.

    Args:
        made: what a network made of ``low``, [B, 3, sH, sW], not clipped.
        low: the pattern, [B, 3, H, W] in 0..1.

    """
    darkest, brightest = low.amin((1, 2, 3), keepdim=True), low.amax((1, 2, 3), keepdim=True)
    # As in a saved image; what the pixels outside of 0..1 are is for the range to say.
    shift = made.clamp(0, 1).mean((2, 3), keepdim=True) - low.mean((2, 3), keepdim=True)
    return made.clamp(darkest - MARGIN, brightest + MARGIN) - torch.nn.functional.softshrink(shift, SHIFT)


def limit_weights(error: Tensor, steepness: float) -> Tensor:
    """Return how much each error counts, at least 1: the more the larger it is. No gradient flows through it.

    Args:
        error: what was made less what `within_limits` allows, of any shape, in 0..1.
        steepness: how much more an error counts for each `MARGIN`.

    """
    return 1 + steepness / MARGIN * error.detach().abs()
