"""A fused network as the Triton kernels take it: dense matrices of padded width, a row for each input of a tap.

Tensor cores multiply matrices whose sides are multiples of 16, so a depthwise convolution and the 1x1 convolution next
to it become one dense convolution: more arithmetic, which such a card has to spare, and no map in between. Everything
here is exact algebra on float64, like `graph.fuse`. ``C`` is the width of the feature maps, padded with channels that
stay zero, ``p`` the image's planes, ``s`` the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from paragon_core.errors import InputError
from paragon_core.graph.fused_weights import NanoWeights, ResidualGroup, StreamWeights

if TYPE_CHECKING:
    from paragon_core.graph.fused_weights import Array, Block, BorderStrips, Convolution, FusedWeights
    from paragon_core.models.spec import ModelSpec

#: Sides of the smallest matrices that tensor cores multiply.
SMALLEST_SIDE: Final = 16

#: Columns of the tail's result that one program computes at most.
LARGEST_CHUNK: Final = 32

_LARGEST_WIDTH: Final = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedConvolution:
    """A convolution as matrices."""

    weight: Array
    """Shape [taps, in, out]; taps row by row."""
    bias: Array
    """Shape [out]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedNano:
    """`fused_weights.NanoWeights` with GELU: ``x + project(GELU(dense(x)))``."""

    dense: PackedConvolution
    """expand and depthwise in one: weight [9, C, 2C]."""
    edge: Array
    """Shape [9, 2C]: share of each tap in the bias of ``dense``, to be taken off where the tap is outside the image."""
    project: PackedConvolution
    """Weight [1, 2C, C]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedHardswish:
    """`fused_weights.NanoWeights` with Hardswish, which stands between expand and depthwise, too."""

    expand: PackedConvolution
    """Weight [1, C, 2C]."""
    depthwise: Array
    """Shape [9, 2C]."""
    depthwise_bias: Array
    """Shape [2C]."""
    project: PackedConvolution
    """Weight [1, 2C, C]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedStream:
    """`fused_weights.StreamWeights`: ``t = mix(x); x + project(a(t) * b(t))``."""

    mix: PackedConvolution
    """near, far and the mix in one: weight [17, C, C], nine taps next to each other, then eight at a distance of 3."""
    factors: tuple[PackedConvolution, PackedConvolution]
    """expand and gate in one, for each factor: weight [9, C, 2C]."""
    edges: tuple[Array, Array]
    """Shape [9, 2C], as in `PackedNano`."""
    project: PackedConvolution
    """Weight [1, 2C, C]."""
    product_bound: float | None
    """What the product is clamped to, if at all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedGroup:
    """``x + blocks(x)``."""

    blocks: tuple[PackedHardswish | PackedNano | PackedStream, ...]
    """The group's blocks in order."""


PackedBlock = PackedGroup | PackedHardswish | PackedNano | PackedStream


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedTail:
    """The tail on 4x4 cells; output column ``n`` of a cell is ``(row * s + column) * p + plane``, padded at the end.

    Cells at the border have weights of their own, with the strips (`fused_weights.BorderStrips`) taken off: kind 0
    holds the image's first line, 2 its last line, 1 all others. The kinds of its rows and of its columns make nine.
    """

    detail: Array
    """Shape [9, 16, C, N]: kind ``3 * kind of row + kind of column``, then taps."""
    bias: Array
    """Shape [9, N]."""
    base: Array
    """Shape [K, N]: row ``tap * p + plane``, padded at the end."""
    chunk: int
    """Columns that one program computes; N is a multiple of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedNetwork:
    """A network for the kernels, in float64."""

    scale: int
    """Upscaling factor ``s``."""
    planes: int
    """Channels ``p`` of the image: 1 or 3."""
    width: int
    """Width C of the feature maps."""
    head: PackedConvolution
    """conv_in: weight [1, K, C], row ``tap * p + plane``, padded at the end."""
    blocks: tuple[PackedBlock, ...]
    """The body in order."""
    middle: PackedConvolution
    """conv_mid: weight [9, C, C]."""
    soften: Array | None
    """Shape [49]: taps of the filter before the base path, where upsampler_alpha asks for it."""
    tail: PackedTail
    """Everything behind conv_mid."""


def obstacle(spec: ModelSpec) -> str:
    """Return why there are no kernels for a network; empty if there are."""
    if spec.variant not in {"realtime", "stream"}:
        return f"there are Triton kernels for realtime and stream networks, not for {spec.variant}"
    if spec.channels > _LARGEST_WIDTH:
        return f"the Triton kernels take up to {_LARGEST_WIDTH} channels, not {spec.channels}"
    return ""


def pack(fused: FusedWeights) -> PackedNetwork:
    """Return a network as the kernels take it.

    Raises:
        InputError: there are no kernels for it (`obstacle`).

    """
    if reason := obstacle(fused.spec):
        raise InputError(reason, hint="use another backend")
    width = padded_side(fused.spec.channels)
    planes = fused.image_channels
    head = fused.conv_in.weight.transpose(2, 3, 1, 0).reshape(9 * planes, -1)
    return PackedNetwork(
        scale=fused.spec.scale,
        planes=planes,
        width=width,
        head=PackedConvolution(
            weight=_padded(head, padded_side(9 * planes), width)[None],
            bias=_padded(fused.conv_in.bias, width),
        ),
        blocks=tuple(_block(block, width) for block in fused.blocks),
        middle=_taps(fused.conv_mid, width, width),
        soften=None if fused.soften is None else fused.soften.weight[0, 0].reshape(-1),
        tail=_tail(fused, width),
    )


def padded_side(count: int) -> int:
    """Return the side of a matrix that holds ``count`` rows: a power of two, 16 at least."""
    return int(max(SMALLEST_SIDE, 1 << (count - 1).bit_length()))


def _padded(values: Array, *shape: int) -> Array:
    """Return an array with zeros behind the end of each axis."""
    result = np.zeros(shape)
    result[tuple(map(slice, values.shape))] = values
    return result


def _taps(convolution: Convolution, inputs: int, outputs: int) -> PackedConvolution:
    """Return a convolution that is not depthwise."""
    weight = convolution.weight.transpose(2, 3, 1, 0)
    taps = weight.shape[0] * weight.shape[1]
    return PackedConvolution(
        weight=_padded(weight.reshape(taps, *weight.shape[2:]), taps, inputs, outputs),
        bias=_padded(convolution.bias, outputs),
    )


def _depthwise_taps(convolution: Convolution) -> Array:
    """Return the weights of a depthwise convolution as [taps, channels]."""
    return convolution.weight.reshape(convolution.weight.shape[0], -1).T


def _matrix(convolution: Convolution) -> Array:
    """Return the weights of a 1x1 convolution as [out, in]."""
    return convolution.weight[:, :, 0, 0]


def _block(block: Block, width: int) -> PackedBlock:
    match block:
        case NanoWeights():
            return _nano(block, width) if block.activation == "gelu" else _hardswish(block, width)
        case StreamWeights():
            return _stream(block, width)
        case ResidualGroup():
            inner = [_block(each, width) for each in block.blocks]
            return PackedGroup(blocks=tuple(each for each in inner if not isinstance(each, PackedGroup)))
        case _:  # `obstacle` lets no others pass
            raise InputError(f"there is no Triton kernel for {type(block).__name__}", hint="use another backend")


def _dense(expand: Convolution, depthwise: Convolution, width: int) -> tuple[PackedConvolution, Array]:
    """Return ``depthwise(expand(x))`` as one convolution, and the share of each tap in its bias.

    ``sum_t d_t (E x_t + e) = sum_t (d_t E) x_t + sum_t d_t e``. Outside the image the depthwise convolution sees zeros
    and not ``e``, so there the tap's share ``d_t e`` is to be taken off again.
    """
    taps = _depthwise_taps(depthwise)
    edge = taps * expand.bias
    dense = PackedConvolution(
        weight=_padded(np.einsum("tn,nc->tcn", taps, _matrix(expand)), 9, width, 2 * width),
        bias=_padded(depthwise.bias + edge.sum(0), 2 * width),
    )
    return dense, _padded(edge, 9, 2 * width)


def _nano(block: NanoWeights, width: int) -> PackedNano:
    dense, edge = _dense(block.expand, block.depthwise, width)
    return PackedNano(dense=dense, edge=edge, project=_taps(block.project, 2 * width, width))


def _hardswish(block: NanoWeights, width: int) -> PackedHardswish:
    return PackedHardswish(
        expand=_taps(block.expand, width, 2 * width),
        depthwise=_padded(_depthwise_taps(block.depthwise), 9, 2 * width),
        depthwise_bias=_padded(block.depthwise.bias, 2 * width),
        project=_taps(block.project, 2 * width, width),
    )


def _stream(block: StreamWeights, width: int) -> PackedStream:
    """Return the block; near and far have their biases behind them, so ``mix`` needs no care at the border."""
    mix_near, mix_far = _matrix(block.mix_near), _matrix(block.mix_far)
    near, far = (
        np.einsum("oc,kc->kco", matrix, _depthwise_taps(convolution))
        for matrix, convolution in ((mix_near, block.near), (mix_far, block.far))
    )
    centre = 4
    near[centre] += far[centre]
    mix = np.concatenate([near, np.delete(far, centre, axis=0)])
    bias = block.mix_near.bias + mix_near @ block.near.bias + block.mix_far.bias + mix_far @ block.far.bias
    (factor_a, edge_a), (factor_b, edge_b) = (
        _dense(expand, gate, width) for expand, gate in ((block.expand_a, block.gate_a), (block.expand_b, block.gate_b))
    )
    return PackedStream(
        mix=PackedConvolution(weight=_padded(mix, 17, width, width), bias=_padded(bias, width)),
        factors=(factor_a, factor_b),
        edges=(edge_a, edge_b),
        project=_taps(block.project, 2 * width, width),
        product_bound=block.product_bound,
    )


def _tail(fused: FusedWeights, width: int) -> PackedTail:
    scale, planes = fused.spec.scale, fused.image_channels
    outputs = planes * scale**2
    chunk = min(padded_side(outputs), LARGEST_CHUNK)
    columns = outputs + -outputs % chunk
    detail = fused.tail.detail.weight.reshape(planes, scale, scale, -1, 4, 4)
    bias = fused.tail.detail.bias.reshape(planes, scale, scale)
    rows = _row_strips(fused.border, planes, scale)
    weights, biases = np.zeros((9, 16, width, columns)), np.zeros((9, columns))
    for kind in range(9):
        row, column = divmod(kind, 3)
        of_columns = _column_strips(fused.border, planes, scale, row)
        kernel = detail - rows[row][0] - of_columns[column][0]
        kernel = kernel.transpose(4, 5, 3, 1, 2, 0).reshape(16, -1, outputs)
        weights[kind, :, : kernel.shape[1], :outputs] = kernel
        rest = bias - rows[row][1] - of_columns[column][1]
        biases[kind, :outputs] = rest.transpose(1, 2, 0).reshape(-1)
    base = fused.tail.base.weight.reshape(planes, scale, scale, planes, 4, 4)
    base = base.transpose(4, 5, 3, 1, 2, 0).reshape(16 * planes, outputs)
    return PackedTail(
        detail=weights,
        bias=biases,
        base=_padded(base, padded_side(16 * planes), columns),
        chunk=chunk,
    )


def _row_strips(border: BorderStrips, planes: int, scale: int) -> tuple[tuple[Array, Array], ...]:
    """Return what cells have too much in the image's first and last row, for each kind of row: kernel and bias.

    Kernels are [p, row, column, C, 4, 4], biases [p, row, column]. Column ``s * j + 1 + b`` of a cell is phase
    ``(1 + b) mod s`` of low-resolution column ``j + q``, ``q = (1 + b) // s``: its five taps are those of the cell, and
    one that is zero. The first row is row ``s - 1`` of cell ``i = -1``, which sees row 0 with its third kernel row; the
    last is row ``s - 2`` of cell ``i = H - 1``, which sees row H - 1 with its second.
    """
    kernels = border.rows.weight.reshape(2, planes, scale, -1, 5)
    biases = border.rows.bias.reshape(2, planes, scale)
    strips = [_nothing(planes, scale, kernels.shape[3]) for _ in range(3)]
    for side, (kind, row, tap) in enumerate(((0, scale - 1, 2), (2, scale - 2, 1))):
        kernel, bias = strips[kind]
        for column in range(scale):
            step, phase = divmod(1 + column, scale)
            kernel[:, row, column, :, tap] = kernels[side, :, phase, :, 1 - step : 5 - step]
            bias[:, row, column] = biases[side, :, phase]
    return tuple(strips)


def _column_strips(border: BorderStrips, planes: int, scale: int, row_kind: int) -> tuple[tuple[Array, Array], ...]:
    """Return what cells have too much in the first and last column, for each kind of column; see `_row_strips`.

    ``column_out`` sees zeros above and below the image: cells in rows of kind 0 and 2 leave out the tap that is there.
    """
    up = border.column_up.weight.reshape(2, -1, scale, border.column_up.weight.shape[1], 3)
    up_bias = border.column_up.bias.reshape(2, -1, scale)
    out = border.column_out.weight.reshape(2, planes, -1, 3)
    outside = {0: (scale - 1, 0), 2: (scale - 2, 2)}.get(row_kind)
    strips = [_nothing(planes, scale, up.shape[3]) for _ in range(3)]
    for side, (kind, column, tap) in enumerate(((0, scale - 1, 2), (2, scale - 2, 1))):
        kernel, bias = strips[kind]
        for row in range(scale):
            for dy in range(3):
                if (row, dy) == outside:
                    continue
                step, phase = divmod(row + dy, scale)
                moved = np.einsum("pk,kct->pct", out[side, :, :, dy], up[side, :, phase])
                kernel[:, row, column, :, step : step + 3, tap] += moved
                bias[:, row, column] += out[side, :, :, dy] @ up_bias[side, :, phase]
    return tuple(strips)


def _nothing(planes: int, scale: int, channels: int) -> tuple[Array, Array]:
    return np.zeros((planes, scale, scale, channels, 4, 4)), np.zeros((planes, scale, scale))
