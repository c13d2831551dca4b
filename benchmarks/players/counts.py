"""What shaders cost for each pixel of the source: multiplications and texels, counted.

python -m benchmarks.players.counts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

import paragon_core as paragon
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.graph.fused_weights import NanoWeights
from paragon_core.models.kernels import base_phases
from paragon_core.shaders.passes import GROUP

if TYPE_CHECKING:
    from paragon_core.graph.fused_weights import FusedWeights

#: (channels in, channels out) of the 3x3 convolutions of ArtCNN C4F16, the best of those that players have for luma.
ARTCNN_C4F16: Final = ((1, 16), *5 * ((16, 16),), (16, 4))

#: Our shaders, in the order of the documentation's table.
OURS: Final = tuple((model, luma) for model in ("realtime-2x", "realtime-4x") for luma in (False, True))

#: Texels for the features of a pixel.
_TEXELS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Numbers for each pixel of the source, on average over a group of threads."""

    multiplications: float
    """With weights; each may be one instruction with the addition that follows."""
    repeated: float
    """Those that a neighbouring group does, too. Not among the former."""
    read: float
    """Texels read."""
    written: float
    """Texels written."""


def count(network: FusedWeights) -> Counts:
    """Count what the shader of a fused network does; the outermost ring of the output is left out."""
    blocks = [block for block in network.blocks if isinstance(block, NanoWeights)]
    s, channels = network.spec.scale, network.image_channels
    convolutions = [network.conv_in, network.conv_mid, network.tail.detail]
    convolutions += [conv for block in blocks for conv in (block.expand, block.depthwise, block.project)]
    taps = int(np.count_nonzero(base_phases(s)))
    base = channels * (3 * taps + s * taps)
    rim = _around(1) - 1
    first, others = _around(2), (len(blocks) - 1) * _TEXELS * _around(1)
    return Counts(
        multiplications=sum(conv.weight.size for conv in convolutions) + base,
        repeated=rim * (network.conv_in.weight.size + sum(block.expand.weight.size for block in blocks)),
        read=first + others + _TEXELS * (_around(1) + _around(2)) + 9 + 1,
        written=_TEXELS * (len(blocks) + 1) + s * s,
    )


def table() -> list[str]:
    """Return the rows of the documentation's table."""
    rows = []
    for name, luma in OURS:
        model = paragon.load(name)
        counts = count(fuse_arrays(model.spec, for_grey(model.arrays) if luma else model.arrays))
        rows.append(
            f"| {name}, {'luma' if luma else 'RGB'} | {counts.multiplications:,.0f} | {counts.repeated:,.0f} "
            f"| {counts.read:.0f} | {counts.written:.0f} |"
        )
    artcnn = sum(9 * inputs * outputs for inputs, outputs in ARTCNN_C4F16)
    rows.append(f"| for comparison: ArtCNN C4F16 (2x, luma), by its layers | {artcnn:,} | | | |")
    return rows


def _around(reach: int) -> float:
    """Return how many pixels a group sees for each of its own, with that many around it."""
    return float((GROUP + 2 * reach) ** 2 / GROUP**2)


if __name__ == "__main__":
    print("\n".join(table()))
