"""A fused network as the native kernel takes it: a few numbers, and one array of weights.

This is the only place that knows the order of the weights besides the kernel itself. Each weight in C order is
followed by its bias; ``C`` is the width of the feature maps, ``p`` the image's planes, ``s`` the scale.

============= ============================== ==================================================================
part          shape                          notes
============= ============================== ==================================================================
conv_in       [C, p, 3, 3]                   weight divided by the peak
nano blocks   [2C, C], [2C, 3, 3], [C, 2C]   expand, depthwise, project
stream blocks [C, 3, 3], [C, 3, 3], [C, 2C], near, far, mix (columns of near first; bias of mix_near),
              [4C, C], [4C, 3, 3], [C, 2C]   expand, gate (first factor, then the second), project; where products
                                             are clamped, then the bound
conv_mid      [C, C, 3, 3]
tail.detail   [p s s, C, 4, 4]               weight and bias times the peak
border.rows   [2 p s, C, 1, 5]               weight and bias times the peak
column_up     [2 C s, C, 3]
column_out    [2 p, C, 3]                    weight times the peak, no bias
============= ============================== ==================================================================

The base path is not among them: the kernel knows it (`kernels.base_phases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError
from paragon_core.graph.fused_weights import NanoWeights, ResidualGroup, StreamWeights
from paragon_core.native.interface import BlockKind, ParagonNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paragon_core.graph.fused_weights import Array, Block, Convolution, FusedWeights
    from paragon_core.models.spec import ModelSpec, Variant

_VARIANTS: Final[frozenset[Variant]] = frozenset({"realtime", "stream"})


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedNetwork:
    """A network for the kernel."""

    fields: ParagonNetwork
    """What it is."""
    weights: npt.NDArray[np.float32]
    """Its weights, one behind the other."""


def runs(spec: ModelSpec) -> bool:
    """Return whether the kernel runs such networks: realtime and stream, of any width, depth and scale."""
    return spec.variant in _VARIANTS


def pack(fused: FusedWeights, peak: float) -> PackedNetwork:
    """Return a network for images whose values are 0..peak, in and out: 255 for bytes, 1 for floats.

    The base path is linear without a constant, so it is the same on any range. The detail path gets ``1 / peak`` in
    conv_in's weight and ``peak`` in everything that makes output.

    Raises:
        InputError: the kernel does not run such networks (`runs`).

    """
    spec = fused.spec
    if not runs(spec):
        raise InputError(f"the native kernel does not run {spec.variant} networks", hint="use another backend")
    blocks = list(_single(fused.blocks))
    groups = [len(block.blocks) for block in fused.blocks if isinstance(block, ResidualGroup)]
    arrays = [fused.conv_in.weight / peak, fused.conv_in.bias]
    for block in blocks:
        arrays += _block(block)
    arrays += [fused.conv_mid.weight, fused.conv_mid.bias]
    for scaled in (fused.tail.detail, fused.border.rows):
        arrays += [scaled.weight * peak, scaled.bias * peak]
    border = fused.border
    arrays += [border.column_up.weight, border.column_up.bias, border.column_out.weight * peak]
    fields = ParagonNetwork(
        block=_kind(blocks[0]),
        channels=spec.channels,
        blocks=len(blocks),
        group=groups[0] if groups else 0,
        scale=spec.scale,
        planes=fused.image_channels,
        softening=spec.upsampler_alpha if spec.softens else 0.0,
        peak=peak,
    )
    return PackedNetwork(fields=fields, weights=np.concatenate([array.ravel() for array in arrays], dtype=np.float32))


def _single(blocks: Iterable[Block]) -> Iterator[NanoWeights | StreamWeights]:
    """Yield the blocks one by one, those of groups too."""
    for block in blocks:
        if isinstance(block, ResidualGroup):
            yield from _single(block.blocks)
        elif isinstance(block, NanoWeights | StreamWeights):
            yield block
        else:  # `runs` lets no others pass
            raise InputError(f"the native kernel has no block for {type(block).__name__}", hint="use another backend")


def _kind(block: NanoWeights | StreamWeights) -> BlockKind:
    if isinstance(block, StreamWeights):
        return BlockKind.STREAM if block.product_bound is None else BlockKind.STREAM_CLAMPED
    return BlockKind.NANO_HARDSWISH if block.activation == "hardswish" else BlockKind.NANO_GELU


def _block(block: NanoWeights | StreamWeights) -> list[Array]:
    if isinstance(block, NanoWeights):
        return [*_both(block.expand), *_both(block.depthwise), *_both(block.project)]
    mix = np.concatenate([block.mix_near.weight, block.mix_far.weight], axis=1)
    return [
        *_both(block.near),
        *_both(block.far),
        mix,
        block.mix_near.bias,
        *_both(block.expand_a, block.expand_b),
        *_both(block.gate_a, block.gate_b),
        *_both(block.project),
        *(() if block.product_bound is None else (np.array([block.product_bound]),)),
    ]


def _both(*convolutions: Convolution) -> tuple[Array, Array]:
    """Return the weights and the biases of convolutions, one below the other."""
    return (
        np.concatenate([each.weight for each in convolutions]),
        np.concatenate([each.bias for each in convolutions]),
    )
