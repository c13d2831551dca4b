"""Initial weights from which training makes progress at once.

Upstream's initial weights end up at the best *linear* filter (35.0 dB on Set5 at x2) and stay there for thousands of
steps: the values in front of every GELU are so small that it is a straight line (of stream's products of two small
values nothing is left at all), and the tail has to be found by gradient descent through three badly scaled factors.
Two cures, both from data:

* every convolution up to an activation is scaled so that its output has mean 0 and a set deviation, from the first
  block to the last (D. Mishkin, J. Matas, "All you need is a good init", 2015);
* the tail is then the solution of a least-squares problem, not something to be learned first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from paragon_core.network.blocks import Group, NanoBlock, StreamBlock, bias_of
from paragon_core.training.collapsed import LOST, CollapsedNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Deviation of the features behind conv_in, and gain of its three channels that pass the image on.
_EDGE_DEVIATION = 0.5
_PASS_GAIN = 2.0

#: Deviation of both factors of stream's products. With 1, six blocks of products end in values of 400.
_FACTOR_DEVIATION = 0.3

#: Deviation of the weights that no data decides.
_PROJECT_DEVIATION = 0.1
_MIDDLE_DEVIATION = 0.05
_MIDDLE_GAIN = 0.7

#: Weight of the ridge penalty, as a share of the mean squared feature.
_RIDGE = 1e-3


@torch.no_grad()
def scale_from_data(network: CollapsedNetwork, low: Tensor, generator: torch.Generator) -> None:
    """Draw weights and scale them by the features that real images produce.

    The blocks of photo and pro normalise their inputs themselves and keep torch's default weights.

    Args:
        network: changed in place.
        low: [B, 3, P, P] of real images, as many as fit in memory.
        generator: decides the weights.

    """
    _init_conv_in(network.conv_in, low, generator)
    x = network.conv_in(low)
    for group in network.body:
        assert isinstance(group, Group)  # noqa: S101  (torch types the items of a list as Module)
        for block in group.blocks:
            if isinstance(block, NanoBlock):
                _init_nano_block(block, x, generator)
            elif isinstance(block, StreamBlock):
                _init_stream_block(block, x, generator)
            x = block(x)
    weight = network.conv_mid.weight
    weight.normal_(0, _MIDDLE_DEVIATION, generator=generator)
    weight[:, :, 1, 1] += _MIDDLE_GAIN * torch.eye(len(weight))
    bias_of(network.conv_mid).zero_()


@torch.no_grad()
def solve_tail(network: CollapsedNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set the tail to the least-squares solution with the rest of the network as it is.

    Args:
        network: changed in place.
        batches: pairs of low-resolution patches [B, 3, P, P] and wanted cells [B, 3ss, P-3, P-3].

    """
    taps = network.tail.weight[0].numel()
    gram = torch.zeros(taps + 1, taps + 1, dtype=torch.float64)
    moment = torch.zeros(taps + 1, len(network.tail.weight), dtype=torch.float64)
    for low, wanted in batches:
        seen = functional.unfold(network.features(low), LOST + 1).movedim(1, 2).flatten(0, 1).double()
        seen = functional.pad(seen, (0, 1), value=1)
        gram += seen.T @ seen
        moment += seen.T @ wanted.movedim(1, 3).flatten(0, 2).double()
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(taps + 1, dtype=torch.float64)
    for output, reach in enumerate(network.reach.expand_as(network.tail.weight).flatten(1)):
        used = functional.pad(reach, (0, 1), value=1).nonzero()[:, 0]
        solution = torch.linalg.solve(gram[used][:, used], moment[used, output]).float()
        network.tail.weight[output].view(-1)[used[:-1]] = solution[:-1]
        bias_of(network.tail)[output] = solution[-1]


def _init_conv_in(conv: nn.Conv2d, low: Tensor, generator: torch.Generator) -> None:
    """Let three channels pass the image on and the others see edges, all with mean 0."""
    weight, bias = conv.weight, bias_of(conv)
    colours = weight.shape[1]
    weight.normal_(generator=generator)
    weight -= weight.mean((1, 2, 3), keepdim=True)
    weight[:colours] = 0
    weight[:colours, :, 1, 1] = _PASS_GAIN * torch.eye(colours)
    bias.zero_()
    weight[colours:] *= (_EDGE_DEVIATION / conv(low).std((0, 2, 3))[colours:]).view(-1, 1, 1, 1)
    bias.copy_(-conv(low).mean((0, 2, 3)))


def _init_nano_block(block: NanoBlock, x: Tensor, generator: torch.Generator) -> None:
    """Give the GELU inputs of mean 0 and deviation 1."""
    hidden = _init_outputs(block.conv1, x, generator)
    _init_outputs(block.dw, hidden, generator, edges=True)
    _init_project(block.conv2, generator)


def _init_stream_block(block: StreamBlock, x: Tensor, generator: torch.Generator) -> None:
    """Give the product factors of mean 0, large enough to matter and small enough not to blow up block by block."""
    near = _init_outputs(block.dw1, x, generator, edges=True)
    far = _init_outputs(block.dw3, x, generator, edges=True)
    mixed = _init_outputs(block.fuse, torch.cat([near, far], dim=1), generator)
    hidden = _init_outputs(block.proj, mixed, generator)
    _init_outputs(block.gate, hidden, generator, deviation=_FACTOR_DEVIATION)
    _init_project(block.out, generator)


def _init_outputs(
    conv: nn.Conv2d, x: Tensor, generator: torch.Generator, *, edges: bool = False, deviation: float = 1
) -> Tensor:
    """Redraw a convolution so that its outputs on ``x`` have mean 0 and the wanted deviation; return those outputs.

    With ``edges`` every other kernel sums to 0, so that half of the outputs see edges and half see levels.
    """
    weight, bias = conv.weight, bias_of(conv)
    weight.normal_(generator=generator)
    if edges:
        weight[::2] -= weight[::2].mean((2, 3), keepdim=True)
    bias.zero_()
    weight *= (deviation / conv(x).std((0, 2, 3))).view(-1, 1, 1, 1)
    bias.copy_(-conv(x).mean((0, 2, 3)))
    outputs: Tensor = conv(x)
    return outputs


def _init_project(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """Redraw the last convolution of a block with small weights: at first the block adds little to its input."""
    conv.weight.normal_(0, _PROJECT_DEVIATION, generator=generator)
    bias_of(conv).zero_()
