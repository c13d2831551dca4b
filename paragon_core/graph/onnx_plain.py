"""Spell out the network as upstream wrote it, layer by layer: what the fused form is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paragon_core.graph import onnx_blocks as blocks
from paragon_core.graph.fused_weights import Convolution
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS, Array
from paragon_core.models.spec import HEADS, TOKEN_DIM, ModelSpec

if TYPE_CHECKING:
    from paragon_core.graph.fuse import Arrays
    from paragon_core.graph.onnx_nodes import Graph


class _Layers:
    """The layers of a checkpoint by their names in the state dict."""

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self.graph = graph
        self.arrays = arrays

    def convolution(
        self, value: str, name: str, *, padding: int = 0, dilation: int = 1, depthwise: bool = False
    ) -> str:
        weight = self.arrays[f"{name}.weight"].astype(np.float64)
        conv = Convolution(
            weight=weight,
            bias=self.arrays[f"{name}.bias"].astype(np.float64),
            padding=(padding, padding),
            dilation=dilation,
            groups=weight.shape[0] if depthwise else 1,
        )
        return self.graph.convolution(value, conv, name)

    def linear(self, value: str, name: str) -> str:
        value = self.graph.node("MatMul", value, self.weight(f"{name}.weight", transposed=True))
        return self.graph.node("Add", value, self.weight(f"{name}.bias"))

    def weight(self, key: str, *, transposed: bool = False) -> str:
        values = self.arrays[key]
        return self.graph.weight(key, values.T if transposed else values)

    def normalised(self, value: str, name: str) -> str:
        divided = blocks.divide_by_rms(self.graph, value)
        scaled = self.graph.node("Mul", divided, self.weight(f"{name}.scale"))
        return self.graph.node("Add", scaled, self.weight(f"{name}.bias"))

    def scaled(self, value: str, name: str) -> str:
        return self.graph.node("Mul", value, self.weight(f"{name}.gamma"))


def write(graph: Graph, image: str, detail: str, spec: ModelSpec, arrays: Arrays) -> str:
    """Append the plain network to ``graph`` and return the name of its NCHW output.

    ``image`` goes to the base path, ``detail`` to the detail path; as a rule they are one.
    """
    layers = _Layers(graph, arrays)
    features = layers.convolution(detail, "conv_in", padding=1)
    block = {"realtime": _nano, "stream": _stream, "photo": _photo, "pro": _pro}[spec.variant]
    for group in range(spec.groups):
        before = features
        for position in range(spec.blocks):
            index = group * spec.blocks + position
            features = block(layers, features, f"body.{group}.blocks.{position}.", spec, index)
        if spec.revision == "v6":
            features = graph.node("Add", before, features)
    merged = layers.convolution(features, "conv_mid", padding=1)
    features = graph.node("Add", features, merged) if spec.revision == "v6" else merged
    upscaled = layers.convolution(features, "up.0", padding=1)
    upscaled = graph.node("DepthToSpace", upscaled, blocksize=spec.scale, mode="CRD")
    detail = layers.convolution(upscaled, "conv_out", padding=1)
    detail = graph.node("Mul", detail, layers.weight("detail_gain"))
    return graph.node("Add", _base(graph, image, spec, arrays["conv_out.weight"].shape[0]), detail)


def _base(graph: Graph, image: str, spec: ModelSpec, channels: int) -> str:
    if spec.softens:
        softened = _separable(graph, image, SOFTENING_TAPS, channels, "base.sharp")
        difference = graph.node("Sub", softened, image)
        image = graph.node("Add", image, graph.node("Mul", difference, graph.scalar(spec.upsampler_alpha)))
    scales = graph.wide("scales", np.array([1, 1, spec.scale, spec.scale], dtype=np.float32))
    upscaled = graph.node(
        "Resize", image, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )
    return _separable(graph, upscaled, BINOMIAL_TAPS, channels, "base.blur")


def _separable(graph: Graph, value: str, taps: Array, channels: int, name: str) -> str:
    for direction, shape in (("h", (1, -1)), ("v", (-1, 1))):
        conv = Convolution(
            weight=np.tile(taps.reshape(shape), (channels, 1, 1, 1)),
            bias=np.zeros(channels),
            padding=(0, taps.size // 2) if direction == "h" else (taps.size // 2, 0),
            groups=channels,
        )
        value = graph.convolution(value, conv, f"{name}.{direction}")
    return value


def _convolutional_branch(layers: _Layers, value: str, prefix: str, spec: ModelSpec) -> str:
    value = layers.convolution(value, prefix + "conv1")
    if spec.revision == "v6":
        value = layers.graph.node("HardSwish", value)
    value = layers.convolution(value, prefix + "dw", padding=1, depthwise=True)
    value = layers.graph.node("HardSwish" if spec.revision == "v6" else "Gelu", value)
    return layers.convolution(value, prefix + "conv2")


def _nano(layers: _Layers, value: str, prefix: str, spec: ModelSpec, _: int) -> str:
    branch = _convolutional_branch(layers, value, prefix, spec)
    if spec.revision == "v11":
        branch = layers.scaled(branch, prefix + "scale")
    return layers.graph.node("Add", value, branch)


def _stream(layers: _Layers, value: str, prefix: str, spec: ModelSpec, _: int) -> str:
    graph = layers.graph
    near = layers.convolution(value, prefix + "dw1", padding=1, depthwise=True)
    far = layers.convolution(value, prefix + "dw3", padding=3, dilation=3, depthwise=True)
    mixed = layers.convolution(graph.node("Concat", near, far, axis=1), prefix + "fuse")
    gated = layers.convolution(layers.convolution(mixed, prefix + "proj"), prefix + "gate", padding=1, depthwise=True)
    a, b = graph.nodes_out("Split", gated, outputs=2, axis=1, num_outputs=2)
    product = blocks.gated_product(graph, a, b, bound=spec.product_bound)
    branch = layers.convolution(product, prefix + "out")
    if spec.revision == "v11":
        branch = layers.scaled(branch, prefix + "scale")
    return graph.node("Add", value, branch)


def _photo(layers: _Layers, value: str, prefix: str, spec: ModelSpec, index: int) -> str:
    branch = _convolutional_branch(layers, layers.normalised(value, prefix + "norm"), prefix, spec)
    value = layers.graph.node("Add", value, layers.scaled(branch, prefix + "scale"))
    if not spec.attention:
        return value
    branch = _window_attention(layers, layers.normalised(value, prefix + "attn_norm"), prefix + "attn", spec, index)
    return layers.graph.node("Add", value, layers.scaled(branch, prefix + "scale"))


def _pro(layers: _Layers, value: str, prefix: str, spec: ModelSpec, index: int) -> str:
    graph = layers.graph
    branch = _convolutional_branch(layers, layers.normalised(value, prefix + "norm1"), prefix, spec)
    value = graph.node("Add", value, layers.scaled(branch, prefix + "scale1"))
    branch = graph.node("Mul", value, _channel_weights(layers, value, prefix + "channel_attn.fc."))
    value = graph.node("Add", value, layers.scaled(branch, prefix + "scale2"))
    if spec.attention:
        branch = _window_attention(
            layers, layers.normalised(value, prefix + "norm3"), prefix + "window_attn", spec, index
        )
        value = graph.node("Add", value, layers.scaled(branch, prefix + "scale3"))
    branch = _token_attention(layers, layers.normalised(value, prefix + "norm4"), prefix + "token_ca.")
    return graph.node("Add", value, layers.scaled(branch, prefix + "scale4"))


def _channel_weights(layers: _Layers, value: str, prefix: str) -> str:
    graph = layers.graph
    mean = graph.node("ReduceMean", value, graph.integers(2, 3), keepdims=0)
    hidden = graph.node("Gelu", graph.node("MatMul", mean, layers.weight(prefix + "0.weight", transposed=True)))
    shares = graph.node("Sigmoid", graph.node("MatMul", hidden, layers.weight(prefix + "2.weight", transposed=True)))
    return graph.reshape(shares, [0, -1, 1, 1])


def _window_attention(layers: _Layers, image: str, name: str, spec: ModelSpec, index: int) -> str:
    graph, channels, window, shift = layers.graph, spec.channels, spec.window_size, spec.shift_of_block(index)
    padded = blocks.pad_to_windows(graph, graph.node("Transpose", image, perm=[0, 2, 3, 1]), window)
    windows = blocks.to_windows(graph, padded, channels, window, shift)
    qkv = layers.linear(windows, name + ".qkv")
    query_scale = np.ones(3 * channels)
    query_scale[:channels] = (channels // HEADS) ** -0.5
    scaled = graph.node("Mul", qkv, graph.weight(name + ".query_scale", query_scale))
    mixed = layers.linear(blocks.attend(graph, scaled, channels, window), name + ".proj")
    joined = blocks.from_windows(graph, mixed, padded, channels=channels, window=window, shift=shift)
    return graph.node("Transpose", blocks.crop_like(graph, joined, image), perm=[0, 3, 1, 2])


def _token_attention(layers: _Layers, image: str, prefix: str) -> str:
    graph = layers.graph
    tokens = graph.node("Transpose", image, perm=[0, 2, 3, 1])
    dictionary = layers.weight(prefix + "token_dict")
    query = layers.linear(tokens, prefix + "q_proj")
    key, value = (layers.linear(dictionary, prefix + part) for part in ("k_proj", "v_proj"))
    logits = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 1]))
    logits = graph.node("Mul", logits, graph.scalar(TOKEN_DIM**-0.5))
    mixed = graph.node("MatMul", graph.node("Softmax", logits, axis=-1), value)
    return graph.node("Transpose", layers.linear(mixed, prefix + "out_proj"), perm=[0, 3, 1, 2])
