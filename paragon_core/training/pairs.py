"""Batches of patches as the network sees them: what goes in, and what its learned part has to add to the base path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from paragon_core.training.collapsed import cells

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.training.data import Patches


#: Where everything begins, and small runs stay.
CPU: Final = torch.device("cpu")


def whole_pair(patches: Patches, base: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, 3, P, P] in 0..1 and the wanted output minus the base path, [B, 3, sP, sP]."""
    low, high = (planes(pixels, base.device) for pixels in (patches.low, patches.high))
    return low, high - base_path(low, base)


def base_path(low: Tensor, base: Tensor) -> Tensor:
    """Return what the fixed path makes of [B, 3, P, P]: [B, 3, sP, sP], with ``base`` from `base_kernel`."""
    scale = math.isqrt(len(base) // low.shape[1])
    upscaled = functional.pixel_shuffle(functional.conv2d(low, base, padding=2), scale)
    return upscaled[..., scale - 1 : -1, scale - 1 : -1]


def interior_pair(patches: Patches, base: Tensor) -> tuple[Tensor, Tensor]:
    """Return [B, 3, P, P] in 0..1 and the wanted output minus the base path, as `cells` [B, 3ss, P-3, P-3]."""
    scale = patches.high.shape[1] // patches.low.shape[1]
    low, high = (planes(pixels, base.device) for pixels in (patches.low, patches.high))
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
