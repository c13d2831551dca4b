"""Areas of one colour come out as that colour.

A loss on photographs hardly sees them, where every patch has texture: of pure colours, networks made others that were
up to nine levels of 255 away, and one that was trained against a discriminator drew a pattern on them. Nothing
non-linear lies behind the features, so what the tail has to do differently is found at once, by least squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from paragon_core.network.blocks import bias_of
from paragon_core.training.collapsed import LOST

if TYPE_CHECKING:
    from paragon_core.training.collapsed import CollapsedNetwork

#: Levels of each channel whose mixtures are made right; what lies between them follows.
_LEVELS: Final = (0, 85, 170, 255)

#: Side of a field where a network sees everything at once: photo and pro.
_SIDE: Final = 64

#: Images that go through the network together.
_AT_ONCE: Final = 16

#: How much a change of real images counts beside what is wrong with the fields, in squares. At 0.1 fields stay up to
#: 0.7 levels away, at 0.001 real images change by a fourth more.
_CARE: Final = 0.01


@torch.no_grad()
def settle_flat_fields(network: CollapsedNetwork, low: Tensor) -> None:
    """Let the learned part of fields of one colour be 0, by the least change of what becomes of real images.

    The change is the same at every weight that belongs to a channel, so it sees the mean of some four by four pixels.

    Args:
        network: its tail is changed in place.
        low: real images [B, 3, P, P] in 0..1, where the network is.

    """
    kernel, bias = network.tail.weight * network.reach, bias_of(network.tail)
    fields = _field_features(network)
    features = torch.cat([network.features(some) for some in torch.split(low, _AT_ONCE)])
    images = functional.avg_pool2d(features, LOST + 1, stride=1).movedim(1, 3).flatten(0, 2)
    wrong = torch.einsum("nc,ockl->no", fields, kernel) + bias
    # In double precision, which not every device has.
    fields, images, wrong = (each.cpu().double() for each in (fields, images, wrong))
    fields, images = (functional.pad(each, (0, 1), value=1) for each in (fields, images))
    weighed = fields.T @ fields / len(fields) + _CARE * images.T @ images / len(images)
    # The least-norm solution, also where a channel is always 0.
    change = torch.linalg.lstsq(weighed, -fields.T @ wrong / len(fields), driver="gelsd").solution.T.to(kernel)
    network.tail.weight += (change[:, :-1] / network.reach.sum((1, 2, 3))[:, None])[:, :, None, None] * network.reach
    bias += change[:, -1]


def _field_features(network: CollapsedNetwork) -> Tensor:
    """Return what the tail sees in the middle of fields of one colour, [N, C]."""
    levels = torch.tensor(_LEVELS, device=network.tail.weight.device) / 255
    colours = torch.cartesian_prod(levels, levels, levels)[:, :, None, None]
    radius = network.spec.receptive_radius
    side = _SIDE if radius is None else 2 * radius + 1
    seen = [network.features(some.expand(-1, -1, side, side)) for some in torch.split(colours, _AT_ONCE)]
    return torch.cat([features[:, :, side // 2, side // 2] for features in seen])
