"""How wrong areas of one colour come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from paragon_core.training.collapsed import CollapsedNetwork

SIDE = 64
COLOURS = torch.tensor([(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (240, 240, 10), (12, 200, 77)]) / 255


def field_errors(network: CollapsedNetwork) -> Tensor:
    """Return by how many levels the middle of fields of `COLOURS` comes out wrong, [N, 3, 4s, 4s]."""
    fields = COLOURS[:, :, None, None].expand(-1, -1, SIDE, SIDE)
    middle = slice(SIDE // 2 * network.spec.scale, (SIDE // 2 + 4) * network.spec.scale)
    with torch.inference_mode():
        made: Tensor = network(fields)
    return 255 * made[..., middle, middle].abs()
