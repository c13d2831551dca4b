"""The arithmetic that plain and fused graphs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onnx import TensorProto

from paragon_core.models.spec import HEADS

if TYPE_CHECKING:
    from paragon_core.graph.onnx_nodes import Graph

#: Largest finite float16.
FLOAT16_MAX: Final = 65504.0

_RMS_EPSILON: Final = 1e-6
#: An end beyond every axis, for Slice.
END: Final = 2**31 - 1


def divide_by_rms(graph: Graph, value: str) -> str:
    """Return ``x / sqrt(mean over channels of x^2 + 1e-6)`` of an NCHW map; the mean is taken in float32."""
    wide = value if graph.precision == "fp32" else graph.cast(value, TensorProto.FLOAT)
    mean = graph.node("ReduceMean", graph.node("Mul", wide, wide), graph.integers(1), keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", mean, graph.scalar32(_RMS_EPSILON)))
    return graph.node("Div", value, root if graph.precision == "fp32" else graph.cast(root, graph.float_type))


def gated_product(graph: Graph, a: str, b: str, *, bound: float | None) -> str:
    """Return stream's product, clamped if there is a bound.

    float16 always takes the wide, clamped way. Without a bound that differs only on overflow.
    """
    if graph.precision == "fp32":
        product = graph.node("Mul", a, b)
        return product if bound is None else _clamped(graph, product, bound)
    wide = graph.node("Mul", graph.cast(a, TensorProto.FLOAT), graph.cast(b, TensorProto.FLOAT))
    return graph.cast(_clamped(graph, wide, FLOAT16_MAX if bound is None else bound), graph.float_type)


def _clamped(graph: Graph, product: str, bound: float) -> str:
    return graph.node("Clip", product, graph.scalar32(-bound), graph.scalar32(bound))


def to_windows(graph: Graph, tokens: str, channels: int, window: int, shift: int) -> str:
    """Cut a zero-padded NHWC map into windows: [batch * windows, window^2, channels].

    The map is padded at the bottom and right to multiples of ``window`` by the caller.
    """
    if shift:
        tokens = _roll(graph, tokens, shift)
    rows, columns = (_divided(graph, graph.dimension(tokens, axis), window) for axis in (1, 2))
    cut = graph.reshape(tokens, [graph.dimension(tokens, 0), rows, window, columns, window, channels])
    return graph.reshape(graph.node("Transpose", cut, perm=[0, 1, 3, 2, 4, 5]), [-1, window * window, channels])


def from_windows(graph: Graph, windows: str, like: str, *, channels: int, window: int, shift: int) -> str:
    """Undo `to_windows`; ``like`` is the padded map it started from."""
    batch, height, width = (graph.dimension(like, axis) for axis in range(3))
    rows, columns = (_divided(graph, length, window) for length in (height, width))
    cut = graph.reshape(windows, [batch, rows, columns, window, window, channels])
    tokens = graph.reshape(graph.node("Transpose", cut, perm=[0, 1, 3, 2, 4, 5]), [batch, height, width, channels])
    return _roll(graph, tokens, -shift) if shift else tokens


def pad_to_windows(graph: Graph, tokens: str, window: int) -> str:
    """Pad an NHWC map with zeros at the bottom and right to multiples of ``window``."""
    bottom, right = (
        graph.node("Mod", graph.node("Neg", graph.dimension(tokens, axis)), graph.integers(window)) for axis in (1, 2)
    )
    zero = graph.integers(0)
    return graph.node("Pad", tokens, graph.node("Concat", zero, zero, zero, zero, zero, bottom, right, zero, axis=0))


def crop_like(graph: Graph, tokens: str, image: str) -> str:
    """Crop a padded NHWC map to the rows and columns of an NCHW map.

    Always done, also where nothing was padded: a graph has no ifs, and upstream's export, which decides this while
    tracing, is wrong at every other size (spec §9, B13).
    """
    for axis in (1, 2):
        tokens = graph.slice(tokens, graph.integers(0), graph.dimension(image, axis + 1), axis)
    return tokens


def attend(graph: Graph, windows: str, channels: int, window: int) -> str:
    """Return ``softmax(q k^T) v`` per head for [n, window^2, 3 * channels] rows of q, k, v; q is scaled already."""
    area, size = window * window, channels // HEADS
    split = graph.reshape(windows, [-1, area, 3, HEADS, size])
    ordered = graph.node("Transpose", split, perm=[2, 0, 3, 1, 4])
    query, key, value = (graph.node("Gather", ordered, graph.index(part), axis=0) for part in range(3))
    logits = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
    mixed = graph.node("MatMul", graph.node("Softmax", logits, axis=-1), value)
    return graph.reshape(graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), [-1, area, channels])


def _roll(graph: Graph, tokens: str, shift: int) -> str:
    """Roll rows and columns of an NHWC map up and left by ``shift`` (down and right if negative)."""
    for axis in (1, 2):
        head = graph.slice(tokens, graph.integers(0), graph.integers(shift), axis)
        rest = graph.slice(tokens, graph.integers(shift), graph.integers(END), axis)
        tokens = graph.node("Concat", rest, head, axis=axis)
    return tokens


def _divided(graph: Graph, length: str, divisor: int) -> str:
    return graph.node("Div", length, graph.integers(divisor))
