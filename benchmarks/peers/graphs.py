"""The other networks as ONNX graphs with random weights: bytes in, bytes out.

A graph takes [1, height, width, 3] uint8 and returns [1, scale height, scale width, 3] uint8. The networks compute in
0..1; both factors of 255 are folded into the first and the last weights, as Paragon does with its own.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from benchmarks.peers.networks import SPAN_BLOCKS, Layer, Network
from paragon_core.graph.onnx_nodes import IR_VERSION, OPSET, Graph
from paragon_core.quality.resize import resize

Array = npt.NDArray[np.float64]

#: How a transposed convolution is written: as such, or as the convolution and the shuffle that compute the same.
Form = Literal["deconvolution", "sub-pixel"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

_PEAK: Final = 255.0
#: Weights of R, G and B in luma (BT.601).
_LUMA: Final = (0.299, 0.587, 0.114)
#: Mean colour that SPAN subtracts.
_SPAN_MEAN: Final = (0.4488, 0.4371, 0.4040)
_SLOPE: Final = 0.25


def forms_of(network: Network) -> tuple[Form, ...]:
    """Return the forms in which it is worth trying, all of which compute the same."""
    return FORMS if any(layer.stride > 1 for layer in network.layers) else FORMS[:1]


def build(network: Network, size: tuple[int, int], *, form: Form = "deconvolution") -> onnx.ModelProto:
    """Return the graph of a network for images of one size (width, height), with weights from a fixed seed."""
    width, height = size
    graph = Graph("fp32")
    image = graph.node("Transpose", graph.cast("input", TensorProto.FLOAT), perm=[0, 3, 1, 2])
    layers = _Layers(graph, network, form)
    if network.luma:
        luma = graph.node("Conv", image, graph.weight("luma", np.reshape(_LUMA, (1, 3, 1, 1))))
        result = graph.node("Add", layers.chain(luma), bicubic(graph, graph.node("Sub", image, luma), network.scale))
    elif network.structure == "residual":
        result = graph.node("Add", layers.chain(image), _repeat(graph, image, network.scale))
    else:
        mean = _PEAK * np.reshape(_SPAN_MEAN, (1, 3, 1, 1))
        result = layers.span(graph.node("Sub", image, graph.weight("mean", mean)))
    result = graph.node("Clip", graph.node("Round", result), graph.scalar(0), graph.scalar(_PEAK))
    graph.node("Transpose", graph.cast(result, TensorProto.UINT8), perm=[0, 2, 3, 1])
    graph.nodes[-1].output[0] = "output"
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            network.name,
            [helper.make_tensor_value_info("input", TensorProto.UINT8, [1, height, width, 3])],
            [
                helper.make_tensor_value_info(
                    "output", TensorProto.UINT8, [1, network.scale * height, network.scale * width, 3]
                )
            ],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="paragon-benchmark",
    )


class _Layers:
    """Writes the layers of a network one after the other."""

    def __init__(self, graph: Graph, network: Network, form: Form) -> None:
        self._graph = graph
        self._network = network
        self._form = form
        self._random = np.random.default_rng(zlib.crc32(network.name.encode()))
        self._left = list(enumerate(network.layers))

    def chain(self, value: str) -> str:
        """Append all layers; the last one's result is shuffled into pixels."""
        while self._left:
            value = self._next(value)
        return value if self._deconvolves else self._shuffle(value)

    def span(self, image: str) -> str:
        """Append SPAN's layers: blocks whose result is weighed by what it is, and a tail that sees four of them."""
        graph = self._graph
        first = value = self._next(image)
        after_block: list[str] = []
        inside = ""
        for _ in range(SPAN_BLOCKS):
            before = value
            inside = self._next(before)
            value = self._next(self._silu(self._next(self._silu(inside))))
            attention = graph.node("Sub", graph.node("Sigmoid", value), graph.scalar(0.5))
            value = graph.node("Mul", graph.node("Add", value, before), attention)
            after_block.append(value)
        seen = graph.node("Concat", first, self._next(value), after_block[0], inside, axis=1)
        return self._shuffle(self._next(self._next(seen)))

    @property
    def _deconvolves(self) -> bool:
        return self._network.layers[-1].stride > 1 and self._form == "deconvolution"

    def _next(self, value: str) -> str:
        """Append the next layer."""
        index, layer = self._left.pop(0)
        # Keeps the size of the values about the same from layer to layer.
        weight = self._random.standard_normal((layer.outputs, layer.inputs, layer.kernel, layer.kernel))
        weight *= np.sqrt(layer.stride**2 / (layer.inputs * layer.kernel**2))
        bias = 0.02 * self._random.standard_normal(layer.outputs)
        if index == 0:
            weight /= _PEAK
        if not self._left:
            weight *= _PEAK / 8
            bias *= _PEAK
            if self._network.structure != "residual":
                bias += _PEAK / 2  # so that what is clipped hides no difference
        if layer.stride > 1:
            return self._transposed(value, layer, weight, bias)
        value = self._convolve(value, f"layer{index}", weight, bias)
        if layer.activation == "tanh":
            return self._graph.node("Tanh", value)
        if layer.activation == "prelu":
            slopes = self._graph.weight(f"layer{index}.slope", np.full((layer.outputs, 1, 1), _SLOPE))
            return self._graph.node("PRelu", value, slopes)
        return value

    def _convolve(self, value: str, name: str, weight: Array, bias: Array) -> str:
        radius = weight.shape[2] // 2
        inputs = [value, self._graph.weight(f"{name}.weight", weight), self._graph.weight(f"{name}.bias", bias)]
        return self._graph.node("Conv", *inputs, kernel_shape=list(weight.shape[2:]), pads=[radius] * 4)

    def _transposed(self, value: str, layer: Layer, weight: Array, bias: Array) -> str:
        if self._form == "sub-pixel":
            weight = sub_pixel(weight, layer.stride)
            return self._convolve(value, "deconvolution", weight, bias.repeat(layer.stride**2))
        weights = self._graph.weight("deconvolution.weight", weight.transpose(1, 0, 2, 3))
        return self._graph.node(
            "ConvTranspose",
            value,
            weights,
            self._graph.weight("deconvolution.bias", bias),
            kernel_shape=list(weight.shape[2:]),
            strides=[layer.stride] * 2,
            pads=[layer.kernel // 2] * 4,
            output_padding=[layer.stride - 1] * 2,
        )

    def _silu(self, value: str) -> str:
        return self._graph.node("Mul", value, self._graph.node("Sigmoid", value))

    def _shuffle(self, value: str) -> str:
        return self._graph.node("DepthToSpace", value, blocksize=self._network.scale, mode="CRD")


def sub_pixel(weight: Array, stride: int) -> Array:
    """Return the convolution whose result, shuffled, is that of a transposed one with its centre as the padding.

    Args:
        weight: [out, in, k, k] with an odd k: ``result[stride i + k - k // 2] += weight[k] value[i]`` along each axis.
        stride: of the transposed convolution.

    Returns:
        [out stride^2, in, 2r + 1, 2r + 1], r so large that every weight is in it.

    """
    outputs, inputs, kernel, _ = weight.shape
    centre = kernel // 2
    radius = -(-centre // stride)
    taps = np.arange(2 * radius + 1)
    # Which weight a tap of a phase is: [stride, taps].
    places = stride * (radius - taps)[None] + np.arange(stride)[:, None] + centre
    inside = (places >= 0) & (places < kernel)
    picked = np.where(inside, places, 0)
    rows = weight[:, :, picked] * inside[:, :, None]
    phases = rows[..., picked] * inside
    # [out, in, phase, tap, phase, tap]
    return np.reshape(phases.transpose(0, 2, 4, 1, 3, 5), (outputs * stride**2, inputs, len(taps), len(taps)))


def bicubic(graph: Graph, value: str, scale: int) -> str:
    """Resize three channels by a bicubic kernel: a convolution for each phase, with the edge repeated."""
    radius = 2
    kernels = _phases(scale, radius)
    phases = np.einsum("rt,cu->rctu", kernels, kernels).reshape(scale**2, 1, *[2 * radius + 1] * 2)
    padded = graph.node("Pad", value, graph.integers(0, 0, radius, radius, 0, 0, radius, radius), mode="edge")
    kernel = graph.weight("bicubic", np.tile(phases, (3, 1, 1, 1)))
    return graph.node("DepthToSpace", graph.node("Conv", padded, kernel, group=3), blocksize=scale, mode="CRD")


def _phases(scale: int, radius: int) -> Array:
    """Return the taps of bicubic interpolation for each phase: [scale, 2 radius + 1]."""
    length = 4 * radius + 1
    middle = length // 2
    spread = resize(np.eye(length), scale * length, length)
    return spread[scale * middle : scale * (middle + 1), middle - radius : middle + radius + 1]


def _repeat(graph: Graph, value: str, scale: int) -> str:
    scales = graph.weight("repeats", np.array([1, 1, scale, scale]))
    return graph.node(
        "Resize", value, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )
