"""A thin layer over onnx.helper: name a node, get its output's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.graph.fused_weights import Convolution

Precision = Literal["fp32", "fp16"]

#: Oldest operator set with Gelu; ONNX Runtime, OpenVINO and TensorRT 10 read it.
OPSET: Final = 20

#: Oldest file format version that may hold it.
IR_VERSION: Final = 9

FLOAT_TYPES: Final = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}
_NUMPY_TYPES: Final = {"fp32": np.float32, "fp16": np.float16}


class Graph:
    """Nodes and weights of a graph under construction; values are referred to by name."""

    def __init__(self, precision: Precision) -> None:
        self.precision: Precision = precision
        self.float_type = FLOAT_TYPES[precision]
        self.nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    @property
    def initializers(self) -> list[onnx.TensorProto]:
        """Every constant of the graph."""
        return list(self._initializers.values())

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes are of many types
        """Append a node with one output and return the output's name."""
        return self.nodes_out(operator, *inputs, outputs=1, **attributes)[0]

    def nodes_out(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:  # noqa: ANN401 - as above
        """Append a node with several outputs and return their names."""
        stem = f"{operator}_{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=stem, **attributes))
        return names

    def weight(self, name: str, values: npt.NDArray[Any]) -> str:
        """Store a floating-point constant in the graph's precision."""
        cast = np.asarray(values, dtype=_NUMPY_TYPES[self.precision], order="C")
        self._initializers[name] = numpy_helper.from_array(cast, name)
        return name

    def wide(self, name: str, values: npt.NDArray[np.float32]) -> str:
        """Store a float32 constant, whatever the graph's precision."""
        self._initializers[name] = numpy_helper.from_array(values, name)
        return name

    def scalar(self, value: float) -> str:
        """Return a floating-point constant of shape [] in the graph's precision."""
        return self._constant("value", np.array(value, dtype=_NUMPY_TYPES[self.precision]))

    def scalar32(self, value: float) -> str:
        """Return a float32 constant of shape [], whatever the graph's precision."""
        return self._constant("value", np.array(value, dtype=np.float32))

    def integers(self, *values: int) -> str:
        """Return an int64 vector."""
        return self._constant("ints", np.array(values, dtype=np.int64))

    def index(self, value: int) -> str:
        """Return an int64 constant of shape [], which picks one entry in Gather."""
        return self._constant("index", np.array(value, dtype=np.int64))

    def _constant(self, stem: str, values: npt.NDArray[Any]) -> str:
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self._shared:
            name = f"{stem}_{len(self._shared)}"
            self._shared[key] = name
            self._initializers[name] = numpy_helper.from_array(values, name)
        return self._shared[key]

    def convolution(self, value: str, conv: Convolution, name: str) -> str:
        """Append a convolution; a bias of zeros is left out."""
        inputs = [value, self.weight(f"{name}.weight", conv.weight)]
        if conv.bias.any():
            inputs.append(self.weight(f"{name}.bias", conv.bias))
        rows, columns = conv.padding
        return self.node(
            "Conv",
            *inputs,
            kernel_shape=list(conv.weight.shape[2:]),
            pads=[rows, columns, rows, columns],
            dilations=[conv.dilation, conv.dilation],
            group=conv.groups,
        )

    def dimension(self, value: str, axis: int) -> str:
        """Return the length of an axis as an int64 vector of one element."""
        return self.node("Shape", value, start=axis, end=axis + 1)

    def slice(self, value: str, start: str, end: str, axis: int) -> str:
        """Cut a range out of an axis; ``start`` and ``end`` are int64 vectors of one element."""
        return self.node("Slice", value, start, end, self.integers(axis))

    def reshape(self, value: str, shape: Sequence[str | int]) -> str:
        """Reshape; each entry is a number or the name of an int64 vector of one element."""
        if all(isinstance(entry, int) for entry in shape):
            return self.node("Reshape", value, self.integers(*(int(entry) for entry in shape)))
        parts = [entry if isinstance(entry, str) else self.integers(entry) for entry in shape]
        return self.node("Reshape", value, self.node("Concat", *parts, axis=0))

    def cast(self, value: str, to: int) -> str:
        """Convert to another element type."""
        return self.node("Cast", value, to=to)
