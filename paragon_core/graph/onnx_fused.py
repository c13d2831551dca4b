"""Spell out the fused network as ONNX nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from paragon_core.graph import onnx_blocks as blocks
from paragon_core.graph.fuse import merge_inputs
from paragon_core.graph.fused_weights import (
    Attention,
    Block,
    BorderStrips,
    Convolution,
    FusedWeights,
    NanoWeights,
    PhotoWeights,
    ProWeights,
    ResidualGroup,
    StreamWeights,
)

if TYPE_CHECKING:
    from paragon_core.graph.onnx_nodes import Graph


def write(
    graph: Graph,
    image: str,
    detail: str,
    weights: FusedWeights,
    *,
    merge_base: bool = True,
    exact_border: bool = True,
    portable: bool = False,
) -> str:
    """Append the fused network to ``graph`` and return the name of its NCHW output.

    ``image`` goes to the base path, ``detail`` to the detail path; as a rule they are one. ``merge_base`` runs the base
    path as extra input channels of the tail's convolution, else as a convolution of its own that is added.
    ``exact_border=False`` leaves the outermost ring of output pixels wrong; it exists to measure what the ring costs.
    ``portable`` corrects the ring without a scattered addition, which TensorRT, ncnn and float16 in ONNX Runtime lack.
    """
    features = graph.convolution(detail, weights.conv_in, "conv_in")
    for index, block in enumerate(weights.blocks):
        features = _block(graph, features, block, f"block.{index}")
    features = graph.convolution(features, weights.conv_mid, "conv_mid")
    softened = image if weights.soften is None else graph.convolution(image, weights.soften, "soften")
    if merge_base:
        both = graph.node("Concat", features, softened, axis=1)
        cells = graph.convolution(both, merge_inputs(weights.tail.detail, weights.tail.base), "tail")
    else:
        detail = graph.convolution(features, weights.tail.detail, "tail.detail")
        # The base first: OpenVINO adds the second to the first as that is computed, and in bfloat16 rounds the second.
        cells = graph.node("Add", graph.convolution(softened, weights.tail.base, "tail.base"), detail)
    scale = weights.spec.scale
    upscaled = graph.node("DepthToSpace", cells, blocksize=scale, mode="CRD")
    if not exact_border:
        return _cropped(graph, upscaled, scale)
    rows, columns = _strips(graph, features, weights.border, scale)
    subtract = _joined if portable else _scattered
    return subtract(graph, upscaled, rows, columns, weights)


def _strips(graph: Graph, features: str, border: BorderStrips, scale: int) -> tuple[str, str]:
    """Return what is too much in the ring (see `fuse.border_strips`), first and last side on top of each other.

    [batch, 2 * channels, 1, upscaled width] for the rows, [batch, 2 * channels, upscaled height, 1] for the columns.
    Phases are put in order by DepthToSpace on lines that are one pixel wide, each phase there ``scale`` times: every
    runtime has that operator, but not every one has tensors of more than four axes.
    """
    strips = graph.convolution(_first_and_last(graph, features, 2), _repeated(border.rows, scale, 1), "border.rows")
    rows = _cut(graph, graph.node("DepthToSpace", strips, blocksize=scale, mode="CRD"), 0, 1, 2)
    outside = graph.convolution(
        _first_and_last(graph, features, 3), _repeated(border.column_up, scale, 2), "border.column_up"
    )
    outside = _cut(graph, graph.node("DepthToSpace", outside, blocksize=scale, mode="CRD"), 0, 1, 3)
    return rows, graph.convolution(outside, border.column_out, "border.column_out")


def _repeated(conv: Convolution, scale: int, axis: int) -> Convolution:
    """Return a convolution whose outputs are [channel, phase] with those of the other axis of a cell: all the same.

    ``axis`` is where that one goes among [channel, row phase, column phase].
    """
    outputs = conv.weight.reshape(-1, scale, *conv.weight.shape[1:]), conv.bias.reshape(-1, scale)
    weight, bias = (np.repeat(np.expand_dims(each, axis), scale, axis) for each in outputs)
    return replace(conv, weight=weight.reshape(-1, *conv.weight.shape[1:]), bias=bias.reshape(-1))


def _scattered(graph: Graph, upscaled: str, rows: str, columns: str, weights: FusedWeights) -> str:
    """Crop what was upscaled cell by cell, and subtract the strips from the ring, in a way that is cheap on a CPU.

    Done by one scattered addition into the flattened image, which runtimes carry out in place: passes over the whole
    image (masks, thin matrix products, concatenations) cost up to ten times as much. Corners belong to a row and to a
    column and get both strips, as they should.
    """
    image = _cropped(graph, upscaled, weights.spec.scale)
    values = graph.node("Concat", *(graph.reshape(part, [-1]) for part in (rows, columns)), axis=0)
    places = _ring_places(graph, image, weights.border.column_out.weight.shape[0] // 2)
    flat, updates = graph.reshape(image, [-1]), graph.node("Neg", values)
    if graph.precision == "fp16":  # ONNX Runtime's kernel for the CPU adds in float32 only
        flat, updates = graph.cast(flat, TensorProto.FLOAT), graph.cast(updates, TensorProto.FLOAT)
    summed = graph.node("ScatterElements", flat, places, updates, axis=0, reduction="add")
    if graph.precision == "fp16":
        summed = graph.cast(summed, graph.float_type)
    return graph.node("Reshape", summed, graph.node("Shape", image))


def _joined(graph: Graph, upscaled: str, rows: str, columns: str, weights: FusedWeights) -> str:
    """Do what `_scattered` does with operators that every runtime has: put the image together from its parts."""
    scale, channels = weights.spec.scale, weights.border.column_out.weight.shape[0] // 2
    first, inside, last = (scale - 1, scale), (scale, -2), (-2, -1)  # of rows and columns of what is to be cropped
    top, bottom = _cut(graph, rows, 0, channels, 1), _cut(graph, rows, channels, 2 * channels, 1)
    lines = []
    for place, own in ((first, (0, 1)), (inside, (1, -1)), (last, (-1, blocks.END))):
        ends = _cut(graph, columns, *own, 2)
        left = graph.node("Sub", _box(graph, upscaled, place, first), _cut(graph, ends, 0, channels, 1))
        right = graph.node("Sub", _box(graph, upscaled, place, last), _cut(graph, ends, channels, 2 * channels, 1))
        lines.append(graph.node("Concat", left, _box(graph, upscaled, place, inside), right, axis=3))
    lines[0], lines[2] = graph.node("Sub", lines[0], top), graph.node("Sub", lines[2], bottom)
    return graph.node("Concat", *lines, axis=2)


def _cropped(graph: Graph, upscaled: str, scale: int) -> str:
    """Cut off the part of the cells that lies outside the image."""
    return _box(graph, upscaled, (scale - 1, -1), (scale - 1, -1))


def _box(graph: Graph, value: str, rows: tuple[int, int], columns: tuple[int, int]) -> str:
    """Cut rows and columns, each from one to before another, out of an NCHW map."""
    starts, ends = zip(rows, columns, strict=True)
    return graph.node("Slice", value, graph.integers(*starts), graph.integers(*ends), graph.integers(2, 3))


def _cut(graph: Graph, value: str, start: int, end: int, axis: int) -> str:
    return graph.slice(value, graph.integers(start), graph.integers(end), axis)


def _ring_places(graph: Graph, image: str, channels: int) -> str:
    """Return the places of the ring in the flattened NCHW image, int64: of the strips of rows, then of columns.

    Both are [batch, side, channel, length].
    """
    batch, height, width = (graph.node("Squeeze", graph.dimension(image, axis)) for axis in (0, 2, 3))
    zero, one = graph.index(0), graph.index(1)
    area = graph.node("Mul", height, width)
    planes = graph.node("Range", zero, graph.node("Mul", batch, graph.index(channels)), one)
    planes = graph.reshape(graph.node("Mul", planes, area), [-1, 1, channels, 1])
    row_starts = graph.reshape(_pair(graph, zero, graph.node("Sub", area, width)), [2, 1, 1])
    in_row = graph.node("Add", row_starts, graph.node("Range", zero, width, one))
    column_starts = graph.reshape(_pair(graph, zero, graph.node("Sub", width, one)), [2, 1, 1])
    in_column = graph.node("Add", column_starts, graph.node("Range", zero, area, width))
    places = (graph.reshape(graph.node("Add", planes, part), [-1]) for part in (in_row, in_column))
    return graph.node("Concat", *places, axis=0)


def _pair(graph: Graph, first: str, second: str) -> str:
    """Return two int64 scalars as a vector."""
    return graph.node("Concat", *(graph.node("Unsqueeze", part, graph.integers(0)) for part in (first, second)), axis=0)


def _first_and_last(graph: Graph, features: str, axis: int) -> str:
    """Return the first and the last line of an NCHW map along ``axis``, concatenated along the channels."""
    first, last = _cut(graph, features, 0, 1, axis), _cut(graph, features, -1, blocks.END, axis)
    return graph.node("Concat", first, last, axis=1)


def _block(graph: Graph, value: str, block: Block, name: str) -> str:
    match block:
        case NanoWeights():
            return graph.node("Add", value, _nano(graph, value, block, name))
        case StreamWeights():
            return graph.node("Add", value, _stream(graph, value, block, name))
        case ResidualGroup():
            result = value
            for index, inner in enumerate(block.blocks):
                result = _block(graph, result, inner, f"{name}.{index}")
            return graph.node("Add", value, result)
        case PhotoWeights():
            return _photo(graph, value, block, name)
        case ProWeights():
            return _pro(graph, value, block, name)


def _nano(graph: Graph, value: str, block: NanoWeights, name: str) -> str:
    value = graph.convolution(value, block.expand, f"{name}.expand")
    if block.activation == "hardswish":
        value = graph.node("HardSwish", value)
    value = graph.convolution(value, block.depthwise, f"{name}.depthwise")
    value = graph.node("Gelu" if block.activation == "gelu" else "HardSwish", value)
    return graph.convolution(value, block.project, f"{name}.project")


def _stream(graph: Graph, value: str, block: StreamWeights, name: str) -> str:
    near = graph.convolution(value, block.near, f"{name}.near")
    far = graph.convolution(value, block.far, f"{name}.far")
    mixed = graph.node(
        "Add",
        graph.convolution(near, block.mix_near, f"{name}.mix_near"),
        graph.convolution(far, block.mix_far, f"{name}.mix_far"),
    )
    a = graph.convolution(graph.convolution(mixed, block.expand_a, f"{name}.expand_a"), block.gate_a, f"{name}.gate_a")
    b = graph.convolution(graph.convolution(mixed, block.expand_b, f"{name}.expand_b"), block.gate_b, f"{name}.gate_b")
    product = blocks.gated_product(graph, a, b, bound=block.product_bound)
    return graph.convolution(product, block.project, f"{name}.project")


def _photo(graph: Graph, value: str, block: PhotoWeights, name: str) -> str:
    branch = _nano(graph, blocks.divide_by_rms(graph, value), block.convolutional, name)
    value = graph.node("Add", value, branch)
    return value if block.attention is None else _attention(graph, value, block.attention, f"{name}.attention")


def _pro(graph: Graph, value: str, block: ProWeights, name: str) -> str:
    branch = _nano(graph, blocks.divide_by_rms(graph, value), block.convolutional, name)
    value = graph.node("Add", value, branch)
    mean = graph.node("ReduceMean", value, graph.integers(2, 3), keepdims=0)
    hidden = graph.node("Gelu", graph.node("MatMul", mean, graph.weight(f"{name}.squeeze", block.squeeze.T)))
    shares = graph.node("Sigmoid", graph.node("MatMul", hidden, graph.weight(f"{name}.excite", block.excite.T)))
    gains = graph.node("Mul", shares, graph.weight(f"{name}.channel_gain", block.channel_gain))
    gains = graph.reshape(graph.node("Add", gains, graph.scalar(1)), [0, -1, 1, 1])
    value = graph.node("Mul", value, gains)
    if block.attention is not None:
        value = _attention(graph, value, block.attention, f"{name}.attention")
    logits = graph.convolution(blocks.divide_by_rms(graph, value), block.token_logits, f"{name}.token_logits")
    shares = graph.node("Softmax", logits, axis=1)
    return graph.node("Add", value, graph.convolution(shares, block.token_values, f"{name}.token_values"))


def _attention(graph: Graph, value: str, attention: Attention, name: str) -> str:
    """Append ``value + attention(value)`` for an NCHW map."""
    channels, window = attention.project_bias.size, attention.window
    tokens = graph.node("Transpose", blocks.divide_by_rms(graph, value), perm=[0, 2, 3, 1])
    tokens = graph.node("MatMul", tokens, graph.weight(f"{name}.qkv_weight", attention.qkv_weight.T))
    tokens = graph.node("Add", tokens, graph.weight(f"{name}.token_bias", attention.token_bias))
    padded = blocks.pad_to_windows(graph, tokens, window)
    padded = graph.node("Add", padded, graph.weight(f"{name}.qkv_bias", attention.qkv_bias))
    windows = blocks.to_windows(graph, padded, 3 * channels, window, attention.shift)
    mixed = blocks.attend(graph, windows, channels, window)
    mixed = graph.node("MatMul", mixed, graph.weight(f"{name}.project_weight", attention.project_weight.T))
    mixed = graph.node("Add", mixed, graph.weight(f"{name}.project_bias", attention.project_bias))
    joined = blocks.from_windows(graph, mixed, padded, channels=channels, window=window, shift=attention.shift)
    cropped = blocks.crop_like(graph, joined, value)
    return graph.node("Add", value, graph.node("Transpose", cropped, perm=[0, 3, 1, 2]))
