"""Write a model as ONNX: plain or fused, float or bytes, any size or one, with its provenance inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx
from onnx import TensorProto, helper

import paragon_core
from paragon_core.errors import InputError
from paragon_core.graph import onnx_fused as fused_form
from paragon_core.graph import onnx_plain as plain_form
from paragon_core.graph.fuse import Arrays, for_bytes, for_grey, fuse_arrays
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_nodes import IR_VERSION, OPSET, Graph, Precision

if TYPE_CHECKING:
    from paragon_core.graph.graph_spec import Io
    from paragon_core.models.model import Model

INPUT: Final = "input"
OUTPUT: Final = "output"
#: The second output of graphs with ``check``.
CHECK: Final = "mean"

_IO_TYPES: Final = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def build(
    model: Model,
    spec: GraphSpec = GraphSpec(),  # noqa: B008 - frozen
    *,
    precision: Precision = "fp32",
    merge_base: bool = True,
    exact_border: bool = True,
    portable: bool = False,
    webgpu: bool = False,
    check: bool = False,
) -> onnx.ModelProto:
    """Return a model as an ONNX graph with one input, "input", and one output, "output".

    Args:
        model: what to write.
        spec: in which form.
        precision: type of weights and intermediate values.
        merge_base: whether the base path shares the tail's convolution (fused only; same pixels): faster in OpenVINO,
            slower in ONNX Runtime.
        exact_border: False leaves the outermost ring of output pixels wrong (fused only; to measure its cost).
        portable: keep to operators that every runtime has, TensorRT, ncnn and float16 in ONNX Runtime among them: the
            same pixels, 3 to 5 % slower on a CPU.
        webgpu: keep to those that ONNX Runtime has for WebGPU: ``portable``, and bytes are rounded by sums, since it
            lacks Round.
        check: what ``uint8`` cannot show, that values are not finite, at a cost below what can be measured (a sum over
            what is in the cache anyway). A second output, "mean", [batch] of float32, is the mean of each image before
            it is rounded and clipped. With ``portable`` alone, the output has one more row instead, of ones if a
            value is not finite, else of zeros: with two outputs TensorRT-RTX no longer makes the same engine twice.

    Raises:
        InputError: for a combination that does not exist.

    """
    _refuse_impossible(spec, check=check)
    arrays: Arrays = model.arrays
    if spec.grey:
        arrays = for_grey(arrays)
    if spec.io == "uint8":
        arrays = for_bytes(arrays)
    graph = Graph(precision)
    image = detail = _read(graph, spec.io)
    if spec.separate_detail:
        image, detail = graph.nodes_out("Split", image, outputs=2, axis=1, num_outputs=2)
    if spec.fused:
        weights = fuse_arrays(model.spec, arrays)
        result = fused_form.write(
            graph, image, detail, weights, merge_base=merge_base, exact_border=exact_border, portable=portable or webgpu
        )
    else:
        result = plain_form.write(graph, image, detail, model.spec, arrays)
    if check:
        _write_mean(graph, result)
    as_row = check and portable and not webgpu
    if spec.io == "uint8":
        result = (_rounded_by_sums if webgpu else _rounded)(graph, result)
    _write(graph, result, spec.io, bytes_last=portable or webgpu, with_row=as_row)
    proto = _finish(model, spec, graph, precision)
    if as_row:
        if spec.size is not None:
            proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value += 1
    elif check:
        batch = "batch" if spec.size is None else 1
        proto.graph.output.append(helper.make_tensor_value_info(CHECK, TensorProto.FLOAT, [batch]))
    return proto


def _refuse_impossible(spec: GraphSpec, *, check: bool) -> None:
    if check and spec.io != "uint8":
        msg = "floats need no check: they show by themselves what is not finite"
        raise InputError(msg, hint="leave check out")
    if spec.size is not None and min(spec.size) < 1:
        msg = f"size {spec.size[0]}x{spec.size[1]} is empty"
        raise InputError(msg, hint="give width and height of the input in pixels")
    if spec.separate_detail and spec.io == "uint8":
        msg = "there is no separate input of the detail path in bytes"
        raise InputError(msg, hint="use float32 or float16")


def _read(graph: Graph, io: Io) -> str:
    value = INPUT
    if _IO_TYPES[io] != graph.float_type:
        value = graph.cast(value, graph.float_type)
    return graph.node("Transpose", value, perm=[0, 3, 1, 2]) if io == "uint8" else value


def _write_mean(graph: Graph, value: str) -> None:
    """Append the mean of each image, [batch], under the name `CHECK`."""
    if graph.float_type != TensorProto.FLOAT:
        value = graph.cast(value, TensorProto.FLOAT)  # the sum of an image exceeds float16
    graph.node("ReduceMean", value, graph.integers(1, 2, 3), keepdims=0)
    graph.nodes[-1].output[0] = CHECK


def _rounded(graph: Graph, value: str) -> str:
    """Round half to even and clip to 0..255."""
    return graph.node("Clip", graph.node("Round", value), graph.scalar(0), graph.scalar(255))


def _rounded_by_sums(graph: Graph, value: str) -> str:
    """Do what `_rounded` does without Round: floats as large as what is added have no digits after the point."""
    if graph.float_type != TensorProto.FLOAT:
        value = graph.cast(value, TensorProto.FLOAT)  # cards may keep or round sums of float16 in ways of their own
    large = graph.scalar32(2.0**23)
    clipped = graph.node("Clip", value, graph.scalar32(0), graph.scalar32(255))
    return graph.node("Sub", graph.node("Add", clipped, large), large)


def _write(graph: Graph, value: str, io: Io, *, bytes_last: bool, with_row: bool) -> None:
    if io == "uint8":
        if bytes_last:  # TensorRT and WebGPU have bytes at their doors only
            value = graph.node("Transpose", value, perm=[0, 2, 3, 1])
            if with_row:
                value = graph.node("Concat", value, _row(graph, value), axis=1)
            graph.cast(value, TensorProto.UINT8)
        else:  # fewer of them to move about
            graph.node("Transpose", graph.cast(value, TensorProto.UINT8), perm=[0, 2, 3, 1])
    elif _IO_TYPES[io] != graph.float_type:
        value = graph.cast(value, _IO_TYPES[io])
    last = graph.nodes[-1]
    last.output[0] = OUTPUT


def _row(graph: Graph, like: str) -> str:
    """Return a row for an NHWC map: ones where the mean of the image is not finite, else zeros."""
    difference = graph.node("Sub", CHECK, CHECK)  # 0, but NaN of infinity, too
    flag = graph.cast(graph.node("IsNaN", difference), graph.float_type)
    flag = graph.node("Unsqueeze", flag, graph.integers(1, 2, 3))
    shape = [graph.dimension(like, axis) for axis in range(4)]
    shape[1] = graph.integers(1)
    return graph.node("Expand", flag, graph.node("Concat", *shape, axis=0))


def _finish(model: Model, spec: GraphSpec, graph: Graph, precision: Precision) -> onnx.ModelProto:
    scale = model.spec.scale
    inputs: list[int | str] = ["batch", "height", "width"]
    outputs: list[int | str] = ["batch", "output_height", "output_width"]
    if spec.size is not None:
        width, height = spec.size
        inputs, outputs = [1, height, width], [1, scale * height, scale * width]
    place = 3 if spec.io == "uint8" else 1
    inputs.insert(place, spec.channels)
    outputs.insert(place, 1 if spec.grey else 3)
    form = {"form": "fused" if spec.fused else "plain", "precision": precision, "io": spec.io}
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"{model.name}_{form['form']}",
            [helper.make_tensor_value_info(INPUT, _IO_TYPES[spec.io], inputs)],
            [helper.make_tensor_value_info(OUTPUT, _IO_TYPES[spec.io], outputs)],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="paragon",
        producer_version=paragon_core.__version__,
    )
    helper.set_model_props(proto, provenance(model) | form)
    return proto


def provenance(model: Model) -> dict[str, str]:
    """Return what a file needs to say about where it came from, as text."""
    spec = model.spec
    return {
        "model": model.name,
        "checkpoint_sha256": model.sha256,
        "variant": spec.variant,
        "revision": spec.revision,
        "scale": str(spec.scale),
        "upsampler_alpha": str(spec.upsampler_alpha),
        "window_size": str(spec.window_size) if spec.attention else "",
    }
