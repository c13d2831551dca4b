"""Spell out the fused network as ONNX nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from paragon_core.fuse import merge_inputs
from paragon_core.fused_weights import (
    Attention,
    Block,
    BorderStrips,
    FusedWeights,
    NanoBlock,
    PhotoBlock,
    ProBlock,
    ResidualGroup,
    StreamBlock,
)
from paragon_core.onnx_graph import blocks

if TYPE_CHECKING:
    from paragon_core.onnx_graph.nodes import Graph


def write(
    graph: Graph,
    image: str,
    detail: str,
    weights: FusedWeights,
    *,
    merge_base: bool = True,
    exact_border: bool = True,
    for_tensorrt: bool = False,
) -> str:
    """Append the fused network to ``graph`` and return the name of its NCHW output.

    ``image`` goes to the base path, ``detail`` to the detail path; as a rule they are one. ``merge_base`` runs the base
    path as extra input channels of the tail's convolution, else as a convolution of its own that is added.
    ``exact_border=False`` leaves the outermost ring of output pixels wrong; it exists to measure what the ring costs.
    ``for_tensorrt`` mends the ring without a scattered addition, which TensorRT does not know.
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
    enlarged = graph.node("DepthToSpace", cells, blocksize=scale, mode="CRD")
    first, last = graph.integers(scale - 1, scale - 1), graph.integers(-1, -1)
    cropped = graph.node("Slice", enlarged, first, last, graph.integers(2, 3))
    if not exact_border:
        return cropped
    rows, columns = _strips(graph, features, weights.border, scale)
    channels = weights.border.column_out.weight.shape[0] // 2
    subtract = _joined if for_tensorrt else _scattered
    return subtract(graph, cropped, rows, columns, channels)


def _strips(graph: Graph, features: str, border: BorderStrips, scale: int) -> tuple[str, str]:
    """Return what is too much in the ring (see `fuse.border_strips`).

    [batch, channel, side, column, phase] for the first and last row, [batch, channel, enlarged row, side] for the
    columns.
    """
    channels = border.column_out.weight.shape[0] // 2
    strips = graph.convolution(_first_and_last(graph, features, 2), border.rows, "border.rows")
    strips = graph.reshape(strips, [0, 2, channels, scale, -1])  # batch, side, channel, phase, column
    rows = graph.node("Transpose", strips, perm=[0, 2, 1, 4, 3])
    outside = graph.convolution(_first_and_last(graph, features, 3), border.column_up, "border.column_up")
    outside = graph.reshape(
        outside, [0, border.column_out.weight.shape[1] * 2, scale, -1]
    )  # batch, feature, phase, row
    outside = graph.reshape(graph.node("Transpose", outside, perm=[0, 1, 3, 2]), [0, 0, -1, 1])
    strips = graph.convolution(outside, border.column_out, "border.column_out")
    strips = graph.reshape(strips, [0, 2, channels, -1])  # batch, side, channel, enlarged row
    columns = graph.node("Transpose", strips, perm=[0, 2, 3, 1])
    return rows, columns


def _scattered(graph: Graph, image: str, rows: str, columns: str, channels: int) -> str:
    """Subtract the strips from the ring of ``image``, in a way that is cheap on a CPU.

    Done by one scattered addition into the flattened image, which runtimes carry out in place: passes over the whole
    image (masks, thin matrix products, concatenations) cost up to ten times as much. Corners belong to a row and to a
    column and get both strips, as they should.
    """
    values = graph.node("Concat", *(graph.reshape(part, [-1]) for part in (rows, columns)), axis=0)
    places = _ring_places(graph, image, channels)
    flat, updates = graph.reshape(image, [-1]), graph.node("Neg", values)
    if graph.precision == "fp16":  # ONNX Runtime's kernel for the CPU adds in float32 only
        flat, updates = graph.cast(flat, TensorProto.FLOAT), graph.cast(updates, TensorProto.FLOAT)
    summed = graph.node("ScatterElements", flat, places, updates, axis=0, reduction="add")
    if graph.precision == "fp16":
        summed = graph.cast(summed, graph.float_type)
    return graph.node("Reshape", summed, graph.node("Shape", image))


def _joined(graph: Graph, image: str, rows: str, columns: str, channels: int) -> str:
    """Subtract the strips from the ring of ``image`` by cutting it off and putting it back."""
    rows = graph.reshape(rows, [0, channels, 2, -1])
    for strips, axis in ((rows, 2), (columns, 3)):
        first = graph.node("Sub", _cut(graph, image, 0, 1, axis), _cut(graph, strips, 0, 1, axis))
        middle = _cut(graph, image, 1, -1, axis)
        last = graph.node("Sub", _cut(graph, image, -1, blocks.END, axis), _cut(graph, strips, 1, 2, axis))
        image = graph.node("Concat", first, middle, last, axis=axis)
    return image


def _cut(graph: Graph, value: str, start: int, end: int, axis: int) -> str:
    return graph.slice(value, graph.integers(start), graph.integers(end), axis)


def _ring_places(graph: Graph, image: str, channels: int) -> str:
    """Return the places of the ring in the flattened NCHW image, int64.

    First [batch * channels, 2, width] for the first and last row, then [batch * channels, height, 2] for the columns.
    """
    batch, height, width = (graph.node("Squeeze", graph.dimension(image, axis)) for axis in (0, 2, 3))
    zero, one = graph.index(0), graph.index(1)
    area = graph.node("Mul", height, width)
    planes = graph.node("Range", zero, graph.node("Mul", batch, graph.index(channels)), one)
    planes = graph.reshape(graph.node("Mul", planes, area), [-1, 1, 1])
    row_starts = graph.reshape(_pair(graph, zero, graph.node("Sub", area, width)), [2, 1])
    in_row = graph.node("Add", row_starts, graph.node("Range", zero, width, one))
    column_starts = graph.reshape(graph.node("Range", zero, area, width), [-1, 1])
    in_column = graph.node("Add", column_starts, _pair(graph, zero, graph.node("Sub", width, one)))
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
        case NanoBlock():
            return graph.node("Add", value, _nano(graph, value, block, name))
        case StreamBlock():
            return graph.node("Add", value, _stream(graph, value, block, name))
        case ResidualGroup():
            result = value
            for index, inner in enumerate(block.blocks):
                result = _block(graph, result, inner, f"{name}.{index}")
            return graph.node("Add", value, result)
        case PhotoBlock():
            return _photo(graph, value, block, name)
        case ProBlock():
            return _pro(graph, value, block, name)


def _nano(graph: Graph, value: str, block: NanoBlock, name: str) -> str:
    value = graph.convolution(value, block.expand, f"{name}.expand")
    if block.activation == "hardswish":
        value = graph.node("HardSwish", value)
    value = graph.convolution(value, block.depthwise, f"{name}.depthwise")
    value = graph.node("Gelu" if block.activation == "gelu" else "HardSwish", value)
    return graph.convolution(value, block.project, f"{name}.project")


def _stream(graph: Graph, value: str, block: StreamBlock, name: str) -> str:
    near = graph.convolution(value, block.near, f"{name}.near")
    far = graph.convolution(value, block.far, f"{name}.far")
    mixed = graph.node(
        "Add",
        graph.convolution(near, block.mix_near, f"{name}.mix_near"),
        graph.convolution(far, block.mix_far, f"{name}.mix_far"),
    )
    a = graph.convolution(graph.convolution(mixed, block.expand_a, f"{name}.expand_a"), block.gate_a, f"{name}.gate_a")
    b = graph.convolution(graph.convolution(mixed, block.expand_b, f"{name}.expand_b"), block.gate_b, f"{name}.gate_b")
    product = blocks.gated_product(graph, a, b, clamped=block.clamped)
    return graph.convolution(product, block.project, f"{name}.project")


def _photo(graph: Graph, value: str, block: PhotoBlock, name: str) -> str:
    branch = _nano(graph, blocks.divide_by_rms(graph, value), block.convolutional, name)
    value = graph.node("Add", value, branch)
    return value if block.attention is None else _attention(graph, value, block.attention, f"{name}.attention")


def _pro(graph: Graph, value: str, block: ProBlock, name: str) -> str:
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
