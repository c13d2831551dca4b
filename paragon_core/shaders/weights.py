"""The functions that hold the weights of each pass; the templates declare and call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paragon_core.graph.column_lines import compose_columns
from paragon_core.models.kernels import base_phases
from paragon_core.shaders.glsl import SINGLE, function, number, product, sums, vector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paragon_core.graph.fused_weights import Array, Convolution, FusedWeights, NanoWeights

#: Features travel in vectors of as many values.
QUAD = 4


def conv_in(conv: Convolution) -> str:
    """Return the function that makes the features of a pixel from the image in shared memory."""
    outputs, inputs = conv.weight.shape[:2]
    weight = conv.weight.reshape(-1, QUAD, inputs, 9).transpose(0, 3, 1, 2)
    reads = [f"PIXEL({y}, {x})" for y in (-1, 0, 1) for x in (-1, 0, 1)]
    lines = sums(_quads("f", outputs), reads, weight, conv.bias.reshape(-1, QUAD))
    return function("conv_in(ivec2 at, out real4 f[4])", lines)


def expand(block: NanoWeights) -> str:
    """Return the function that puts the expanded values of a pixel into shared memory."""
    conv = block.expand
    matrices = _in_quads(conv)[..., 0, 0]
    lines = ["real4 e;"]
    for quad, (row, bias) in enumerate(zip(matrices, conv.bias.reshape(-1, QUAD), strict=True)):
        lines.append(f"e = {vector(bias)};")
        lines += [f"e += {product(matrix, f'f[{source}]')};" for source, matrix in enumerate(row)]
        lines.append(f"keep({quad}, at, e);")
    return function("expand(ivec2 at, real4 f[4])", lines)


def branch(block: NanoWeights) -> str:
    """Return the function that adds the rest of a block to its input.

    The depthwise convolution, a small part of the work, is in single precision: its values are the largest of the
    network, and in halves would be the largest error.
    """
    taps, project = block.depthwise.weight[:, 0].reshape(-1, QUAD, 3, 3), _in_quads(block.project)[..., 0, 0]
    lines = [f"x[{quad}] += {vector(bias)};" for quad, bias in enumerate(block.project.bias.reshape(-1, QUAD))]
    lines += ["vec4 sum;", "real4 e;"]
    for source, bias in enumerate(block.depthwise.bias.reshape(-1, QUAD)):
        lines.append(f"sum = {vector(bias, SINGLE)};")
        lines += [
            f"sum += {vector(taps[source, :, y, x], SINGLE)} * EXPANDED({source}, {y - 1}, {x - 1});"
            for y in range(3)
            for x in range(3)
        ]
        lines.append("e = real4(gelu(sum));")
        lines += [f"x[{quad}] += {product(matrix, 'e')};" for quad, matrix in enumerate(project[:, source])]
    return function("branch(ivec2 at, inout real4 x[4])", lines)


def conv_mid(conv: Convolution) -> str:
    """Return the function of the convolution behind the blocks, on the tile in shared memory."""
    weight = _in_quads(conv)
    reads = [f"TILED({quad}, {y}, {x})" for quad in range(weight.shape[1]) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    weight = weight.transpose(0, 1, 4, 5, 2, 3).reshape(weight.shape[0], -1, QUAD, QUAD)
    lines = sums(_quads("f", conv.bias.size), reads, weight, conv.bias.reshape(-1, QUAD))
    return function("conv_mid(ivec2 at, out real4 f[4])", lines)


def tail(weights: FusedWeights) -> Iterable[str]:
    """Yield the functions of the last pass: detail, base path, border."""
    yield detail(weights)
    yield base(weights.spec.scale)
    yield from border(weights)


def detail(weights: FusedWeights) -> str:
    """Return the function of the 4x4 convolution that makes the detail of all output pixels of a source pixel.

    Cells of the tail are shifted by one output pixel (`fuse.collapse_tail`): the first row and column of a source
    pixel's output belong to the cell before, so that five rows and columns of features are read.
    """
    s, channels = weights.spec.scale, weights.image_channels
    conv = weights.tail.detail
    kernel = conv.weight.reshape(channels, s, s, -1, 4, 4)
    spread = np.zeros((s, s, channels, kernel.shape[3], 5, 5))
    bias = np.zeros((s, s, channels))
    for y in range(s):
        for x in range(s):
            (row, a), (column, b) = divmod(y - 1, s), divmod(x - 1, s)
            spread[y, x, :, :, row + 1 : row + 5, column + 1 : column + 5] = kernel[:, a, b]
            bias[y, x] = conv.bias.reshape(channels, s, s)[:, a, b]
    quads = spread.shape[3] // QUAD
    reads = [f"TILED({quad}, {y}, {x})" for quad in range(quads) for y in range(-2, 3) for x in range(-2, 3)]
    weight = spread.reshape(s * s, channels, quads, QUAD, 25).transpose(0, 2, 4, 1, 3)
    weight = weight.reshape(s * s, -1, channels, QUAD)
    lines = sums([f"d[{i}]" for i in range(s * s)], reads, weight, bias.reshape(s * s, channels))
    return function("detail(ivec2 at, out real_colour d[PIXELS])", lines)


def base(scale: int) -> str:
    """Return the function of the fixed base path: three taps along each axis, in single precision."""
    phases = base_phases(scale)

    def weighted(taps: Array, values: Iterable[str]) -> str:
        return " + ".join(f"{number(tap)} * {value}" for tap, value in zip(taps, values, strict=True) if tap)

    lines = ["colour row[3];"]
    for x in range(scale):
        lines += [f"row[{y}] = {weighted(phases[x], (f'image[{y}][{i}]' for i in range(3)))};" for y in range(3)]
        lines += [f"b[{y * scale + x}] = {weighted(phases[y], (f'row[{i}]' for i in range(3)))};" for y in range(scale)]
    return function("base(colour image[3][3], out colour b[PIXELS])", lines)


def border(weights: FusedWeights) -> Iterable[str]:
    """Yield the functions that make the outermost ring of output pixels exact, in single precision.

    Few pixels need them, and they subtract from each other.
    """
    s, channels = weights.spec.scale, weights.image_channels
    lines = compose_columns(weights.border, s)
    for conv, kind in ((weights.border.rows, "row"), (lines.columns, "column")):
        weight = conv.weight.reshape(2, channels, s, -1, QUAD, 5).transpose(0, 2, 3, 5, 1, 4)
        weight = weight.reshape(2, s, -1, channels, QUAD)
        bias = conv.bias.reshape(2, channels, s).swapaxes(1, 2)
        places = [(i, 0) if kind == "column" else (0, i) for i in range(-2, 3)]
        reads = [f"vec4(TILED({quad}, {y}, {x}))" for quad in range(weight.shape[2] // 5) for y, x in places]
        for side, name in enumerate(("first", "last")):
            body = [f"colour c[{s}];"]
            body += sums([f"c[{i}]" for i in range(s)], reads, weight[side], bias[side], types=SINGLE)
            end = side * (s - 1)
            pixels = [end * s + i if kind == "row" else i * s + end for i in range(s)]
            body += [f"d[{pixel}] -= real_colour(c[{i}]);" for i, pixel in enumerate(pixels)]
            yield function(f"{name}_{kind}(ivec2 at, inout real_colour d[PIXELS])", body)
    yield _corners(lines.corners, s)


def _corners(corners: tuple[tuple[Convolution, Convolution], ...], scale: int) -> str:
    """Return the function for the pixels that are in a row and a column of the border."""
    body = ["colour c;"]
    for row, (y, pair) in enumerate(zip(("first.y", "last.y"), corners, strict=True)):
        for column, (x, conv) in enumerate(zip(("first.x", "last.x"), pair, strict=True)):
            quads = conv.weight.shape[1] // QUAD
            weight = conv.weight[:, :, 0, 0].reshape(1, -1, quads, QUAD).swapaxes(1, 2)
            reads = [f"vec4(TILED({quad}, 0, 0))" for quad in range(quads)]
            inner = sums(["c"], reads, weight, conv.bias[None], types=SINGLE)
            inner.append(f"d[{(scale - 1) * (row * scale + column)}] += real_colour(c);")
            body += [f"if ({y} && {x}) {{", *(f"    {line}" for line in inner), "}"]
    return function("corners(ivec2 at, bvec2 first, bvec2 last, inout real_colour d[PIXELS])", body)


def _quads(name: str, count: int) -> list[str]:
    """Return the names of an array's elements, four of ``count`` values each."""
    return [f"{name}[{quad}]" for quad in range(count // QUAD)]


def _in_quads(conv: Convolution) -> Array:
    """Return the weight of a convolution as [quad out, quad in, value out, value in, rows, columns]."""
    outputs, inputs, *taps = conv.weight.shape
    return conv.weight.reshape(outputs // QUAD, QUAD, inputs // QUAD, QUAD, *taps).swapaxes(1, 2)
