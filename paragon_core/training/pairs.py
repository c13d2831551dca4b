"""Batches of patches as the network sees them: what goes in, and what its learned part has to add to the base path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from paragon_core.training.collapsed import cells
from paragon_core.training.limits import within_limits

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.training.data import Patches


#: Where everything begins, and small runs stay.
CPU: Final = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The patches of a step, on the device that trains."""

    low: Tensor
    """[B, 3, P, P] in 0..1."""
    base: Tensor
    """What the base path makes of ``low``, [B, 3, sP, sP]."""
    high: Tensor
    """What a perfect network would make of it, same shape."""
    limited: Tensor
    """Which of them, as indices [N], have no answer in ``high`` (`paragon_core.training.limits`)."""

    def wanted(self, detail: Tensor) -> Tensor:
        """Return what the learned part has to add to the base path, [B, 3, sP, sP].

        Args:
            detail: what it adds; where there are only limits, what is nearest to it is wanted.

        """
        wanted = self.high - self.base
        if len(self.limited):
            base = self.base[self.limited]
            wanted[self.limited] = within_limits(base + detail[self.limited], self.low[self.limited]) - base
        return wanted


def whole_batch(patches: Patches, base: Tensor) -> Batch:
    """Move patches to where ``base``, from `base_kernel`, is."""
    low, high = (planes(pixels, base.device) for pixels in (patches.low, patches.high))
    limited = torch.from_numpy(np.flatnonzero(patches.limited)).to(base.device)
    return Batch(low=low, base=base_path(low, base), high=high, limited=limited)


def base_path(low: Tensor, base: Tensor) -> Tensor:
    """Return what the fixed path makes of [B, 3, P, P]: [B, 3, sP, sP], with ``base`` from `base_kernel`."""
    scale = math.isqrt(len(base) // low.shape[1])
    upscaled = functional.pixel_shuffle(functional.conv2d(low, base, padding=2), scale)
    return upscaled[..., scale - 1 : -1, scale - 1 : -1]


def interior_pair(patches: Patches, base: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, 3, P, P] in 0..1 and the wanted output minus the base path, as `cells` [B, 3ss, P-3, P-3].

    Without patches that have no answer.
    """
    scale = patches.high.shape[1] // patches.low.shape[1]
    low, high = (planes(pixels[~patches.limited], base.device) for pixels in (patches.low, patches.high))
    wanted = cells(high, scale) - functional.conv2d(low, base)
    return low, wanted


def planes(pixels: npt.NDArray[np.uint8], device: torch.device = CPU) -> Tensor:
    """Turn bytes [B, H, W, 3] into [B, 3, H, W] in 0..1 on a device, the channels still innermost in memory.

    They travel as bytes; to CUDA from memory that stays in place, so that nothing waits for the copy.
    """
    held = torch.from_numpy(np.ascontiguousarray(pixels))
    if device.type == "cuda":
        held = held.pin_memory().to(device, non_blocking=True)
    return held.to(device).movedim(-1, 1).float() / 255
