"""Every graph that can be asked for is valid, says what it is, and computes the network."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import paragon_core
from paragon_core.errors import InputError
from paragon_core.graph import onnx_graph
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_graph import INPUT, OUTPUT, build
from paragon_core.graph.onnx_nodes import IR_VERSION, OPSET, Graph
from tests.random_models import batch, random_image, random_model, spec
from tests.upscalers import same

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from paragon_core.models.model import Model

    Runner = Callable[[onnx.ModelProto, npt.NDArray[Any]], npt.NDArray[Any]]

MODELS: dict[str, Model] = {
    "realtime-v6": random_model(spec("realtime", revision="v6", scale=3)),
    "realtime-v9": random_model(spec("realtime", revision="v9", upsampler_alpha=0.0)),
    "realtime-v11": random_model(spec("realtime", scale=4)),
    "stream-v9": random_model(spec("stream", revision="v9", scale=3)),
    "stream-v11": random_model(spec("stream", upsampler_alpha=-0.2)),
    "photo": random_model(spec("photo")),
    "photo-without-attention": random_model(spec("photo")).without_attention(),
    "pro": random_model(spec("pro")),
    "pro-without-attention": random_model(spec("pro", scale=8)).without_attention(),
}
SIZE = (9, 6)
SMALL_SIZES = [(1, 1), (2, 1), (1, 5), (3, 2), (4, 4), (5, 9), (8, 8), (13, 7)]


def in_onnxruntime(graph: onnx.ModelProto, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: value})[0])


def in_openvino(graph: onnx.ModelProto, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    import openvino  # noqa: PLC0415 - not everywhere

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(graph.SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1"},
    )
    return np.array(compiled([value])[0])


RUNNERS: dict[str, Runner] = {"openvino": in_openvino, "onnxruntime": in_onnxruntime}


def declared_shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


# --- validity ----------------------------------------------------------------------------------------------------

FORMS = [(False, True), (True, True), (True, False)]  # fused, merge_base


@pytest.mark.parametrize("io", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", MODELS)
def test_every_combination_is_valid(name: str, precision: Any, io: Any) -> None:
    model = MODELS[name]
    scale = model.spec.scale
    for (fused, merge_base), size, grey in itertools.product(FORMS, (None, SIZE), (False, True)):
        graph = build(
            model, GraphSpec(fused=fused, io=io, size=size, grey=grey), precision=precision, merge_base=merge_base
        )
        onnx.checker.check_model(graph, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(graph, strict_mode=True, data_prop=True)
        channels = 1 if grey else 3
        expected: list[list[int | str]] = [
            ["batch", "height", "width"] if size is None else [1, SIZE[1], SIZE[0]],
            ["batch", "output_height", "output_width"] if size is None else [1, scale * SIZE[1], scale * SIZE[0]],
        ]
        for value, shape in zip((inferred.graph.input[0], inferred.graph.output[0]), expected, strict=True):
            shape.insert(3 if io == "uint8" else 1, channels)
            assert declared_shape(value) == shape
        weights = {tensor.data_type for tensor in graph.graph.initializer} - {onnx.TensorProto.INT64}
        wide = onnx.TensorProto.FLOAT  # sizes of upscaling and limits of products and means stay in float32
        assert weights <= {wide if precision == "fp32" else onnx.TensorProto.FLOAT16, wide}


@pytest.mark.parametrize("io", ["float32", "uint8"])
@pytest.mark.parametrize("name", MODELS)
def test_the_portable_form_gives_the_same_pixels_with_operators_that_all_runtimes_have(name: str, io: Any) -> None:
    fast, portable = build(MODELS[name], GraphSpec(io=io)), build(MODELS[name], GraphSpec(io=io), portable=True)
    for width, height in SMALL_SIZES:
        value = batch(2, height, width) if io == "float32" else random_image(height, width, 3)[None]
        expected, found = in_onnxruntime(fast, value), in_onnxruntime(portable, value)
        assert same(found, expected)
    assert not {node.op_type for node in portable.graph.node if node.op_type.startswith("Scatter")}
    onnx.checker.check_model(portable, full_check=True)
    bytes_made_by = [node for node in portable.graph.node if node.op_type == "Cast" and node.output[0] == OUTPUT]
    assert len(bytes_made_by) == (io == "uint8")


@pytest.mark.parametrize("io", ["float32", "uint8"])
@pytest.mark.parametrize("name", MODELS)
def test_the_form_for_webgpu_gives_the_same_pixels_with_the_operators_that_it_has(name: str, io: Any) -> None:
    fast = build(MODELS[name], GraphSpec(io=io), merge_base=False)
    webgpu = build(MODELS[name], GraphSpec(io=io), merge_base=False, webgpu=True, check=io == "uint8")
    for width, height in SMALL_SIZES:
        value = batch(2, height, width) if io == "float32" else random_image(height, width, 3)[None]
        assert same(in_onnxruntime(webgpu, value), in_onnxruntime(fast, value))
    onnx.checker.check_model(webgpu, full_check=True)
    assert not {node.op_type for node in webgpu.graph.node} & {"Round", "IsNaN", "ScatterElements"}
    assert [output.name for output in webgpu.graph.output] == [OUTPUT, *(["mean"] if io == "uint8" else [])]
    half = build(MODELS[name], GraphSpec(io=io), precision="fp16", webgpu=True)
    assert np.abs(in_onnxruntime(half, value) - in_onnxruntime(fast, value).astype(np.float64)).mean() < (
        1 if io == "uint8" else 0.01
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@given(
    values=st.lists(st.one_of(st.floats(-6e4, 6e4, width=32), st.integers(-512, 512).map(lambda n: n / 2)), min_size=1)
)
def test_sums_round_like_numpy(precision: Any, values: list[float]) -> None:
    graph = Graph(precision)
    onnx_graph._rounded_by_sums(graph, INPUT)  # noqa: SLF001 - whole networks meet no ties
    graph.nodes[-1].output[0] = OUTPUT
    types = {INPUT: graph.float_type, OUTPUT: onnx.TensorProto.FLOAT}
    given_, found = ([onnx.helper.make_tensor_value_info(name, kind, ["n"])] for name, kind in types.items())
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "rounding", given_, found, graph.initializers),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    array = np.array(values, np.float32 if precision == "fp32" else np.float16)
    np.testing.assert_array_equal(in_onnxruntime(model, array), np.rint(array).clip(0, 255))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_an_empty_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="empty"):
        build(MODELS["realtime-v9"], GraphSpec(size=size))


def test_the_graph_says_what_it_is() -> None:
    model = MODELS["photo"]
    graph = build(model, GraphSpec(fused=False, io="uint8"), precision="fp16")
    assert graph.producer_name == "paragon"
    assert graph.producer_version == paragon_core.__version__
    assert {entry.key: entry.value for entry in graph.metadata_props} == {
        "model": "random",
        "checkpoint_sha256": "0" * 64,
        "variant": "photo",
        "revision": "v9",
        "scale": "2",
        "upsampler_alpha": "0.3",
        "window_size": "4",
        "form": "plain",
        "precision": "fp16",
        "io": "uint8",
    }
    without = build(model.without_attention())
    notes = {entry.key: entry.value for entry in without.metadata_props}
    assert (notes["form"], notes["window_size"]) == ("fused", "")


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = (build(random_model(spec("stream"))).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_alpha_survives_the_metadata() -> None:
    """Rebuilding a network from the notes takes the number itself, not a rounded one."""
    alpha = 0.123456789012345
    graph = build(random_model(spec("realtime", upsampler_alpha=alpha)))
    assert float({entry.key: entry.value for entry in graph.metadata_props}["upsampler_alpha"]) == alpha


# --- pixels ------------------------------------------------------------------------------------------------------


@pytest.mark.openvino
@pytest.mark.parametrize("name", MODELS)
def test_both_forms_in_both_runtimes_make_the_same_pixels_at_every_size(name: str) -> None:
    """One graph of each form, for any size; the plain one in ONNX Runtime is what the others are held against."""
    model = MODELS[name]
    graphs = {fused: build(model, GraphSpec(fused=fused)) for fused in (False, True)}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    import openvino  # noqa: PLC0415 - not everywhere

    core = openvino.Core()
    sessions: list[Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = []
    for graph in graphs.values():
        data = graph.SerializeToString()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        sessions.append(lambda value, session=session: np.asarray(session.run(None, {INPUT: value})[0]))  # type: ignore[misc]
        compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        sessions.append(lambda value, compiled=compiled: np.array(compiled([value])[0]))  # type: ignore[misc]
    tolerance = 1e-4 if model.spec.variant in {"photo", "pro"} else 1e-5
    for width, height in SMALL_SIZES:
        for count in (1, 3):
            value = batch(count, height, width)
            expected = sessions[0](value)
            assert expected.shape == (count, 3, height * model.spec.scale, width * model.spec.scale)
            for session in sessions[1:]:
                assert np.abs(session(value) - expected).max() <= tolerance


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("name", ["stream-v11", "photo", "pro"])
def test_a_graph_of_one_size_equals_the_one_of_any_size(name: str, runtime: str) -> None:
    value = batch(1, SIZE[1], SIZE[0])
    fixed, free = (RUNNERS[runtime](build(MODELS[name], GraphSpec(size=size)), value) for size in (SIZE, None))
    assert np.abs(fixed - free).max() <= 1e-5


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("name", ["realtime-v6", "realtime-v11", "stream-v9"])
def test_merging_the_base_path_changes_nothing(name: str, runtime: str) -> None:
    value = batch(2, 7, 5)
    merged, apart = (RUNNERS[runtime](build(MODELS[name], merge_base=merge), value) for merge in (True, False))
    assert np.abs(merged - apart).max() <= 1e-5


def test_the_outermost_ring_and_nothing_else_needs_the_exact_border() -> None:
    value = batch(1, 7, 5)
    exact, rough = (
        in_onnxruntime(build(MODELS["realtime-v9"], exact_border=border), value) for border in (True, False)
    )
    difference = np.abs(exact - rough)[0].max(axis=0)
    assert difference[1:-1, 1:-1].max() == 0
    difference[1:-1, 1:-1] = 1
    assert difference.min() > 0


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["realtime-v6", "stream-v11", "photo"])
def test_bytes_are_the_float_path_within_one_level(name: str, fused: bool, runtime: str) -> None:
    model = MODELS[name]
    pixels = random_image(7, 9, 3)[None]
    in_bytes = RUNNERS[runtime](build(model, GraphSpec(fused=fused, io="uint8")), pixels)
    floats = RUNNERS[runtime](build(model, GraphSpec(fused=fused)), (pixels / np.float32(255)).transpose(0, 3, 1, 2))
    expected = np.rint(np.clip(floats, 0, 1) * 255).transpose(0, 2, 3, 1)
    assert in_bytes.dtype == np.uint8
    assert {0, 255} <= set(in_bytes.ravel().tolist())  # the clipping is at work
    difference = np.abs(in_bytes.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.01  # and only where float32 leaves open to which side a half goes


@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bytes_are_the_float_path_within_one_level_for_any_network(data: st.DataObject) -> None:
    variant = data.draw(st.sampled_from(["realtime", "stream"]))
    changes = {"scale": data.draw(st.sampled_from([2, 3, 4, 8])), "upsampler_alpha": data.draw(st.floats(-1, 1))}
    model = random_model(spec(variant, **changes), seed=data.draw(st.integers(0, 99)))
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    pixels = random_image(height, width, 3, seed=height * width)[None]
    in_bytes = in_onnxruntime(build(model, GraphSpec(io="uint8")), pixels)
    floats = in_onnxruntime(build(model), (pixels / np.float32(255)).transpose(0, 3, 1, 2))
    expected = np.rint(np.clip(floats, 0, 1) * 255).transpose(0, 2, 3, 1)
    assert np.abs(in_bytes.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_half_precision_is_close_in_onnxruntime(name: str, fused: bool) -> None:
    model = MODELS[name]
    value = batch(1, 7, 9)
    single = in_onnxruntime(build(model, GraphSpec(fused=fused)), value)
    for io in ("float32", "float16"):
        cast = value.astype(io)
        half = in_onnxruntime(build(model, GraphSpec(fused=fused, io=io), precision="fp16"), cast)
        assert half.dtype == io
        error = np.abs(half.astype(np.float64) - single)
        assert error.max() <= 0.01 * max(1, np.abs(single).max())
    pixels = random_image(7, 9, 3)[None]
    in_bytes, in_half = (
        in_onnxruntime(build(model, GraphSpec(fused=fused, io="uint8"), precision=p), pixels) for p in ("fp32", "fp16")
    )
    assert np.abs(in_bytes.astype(int) - in_half.astype(int)).max() <= 3


@pytest.mark.openvino
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["realtime-v6", "stream-v11", "photo"])
def test_half_precision_is_read_by_openvino(name: str, fused: bool) -> None:
    model = MODELS[name]
    value = batch(2, 7, 9)
    single = in_onnxruntime(build(model, GraphSpec(fused=fused)), value)
    half = in_openvino(build(model, GraphSpec(fused=fused), precision="fp16"), value)
    assert np.abs(half - single).max() <= 0.01 * max(1, np.abs(single).max())


def test_float16_images_run_in_single_precision_too() -> None:
    value = batch(1, 4, 5).astype(np.float16)
    wide = in_onnxruntime(build(MODELS["stream-v11"]), value.astype(np.float32))
    narrow = in_onnxruntime(build(MODELS["stream-v11"], GraphSpec(io="float16")), value)
    assert np.array_equal(narrow, wide.astype(np.float16))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_grey_graph_is_the_mean_over_the_colours_of_a_grey_image(name: str, fused: bool) -> None:
    model = MODELS[name]
    value = batch(2, 5, 9, channels=1)
    grey = in_onnxruntime(build(model, GraphSpec(fused=fused, grey=True)), value)
    colour = in_onnxruntime(build(model, GraphSpec(fused=fused)), value.repeat(3, axis=1))
    assert grey.shape == (2, 1, *colour.shape[2:])
    assert np.abs(grey - colour.mean(axis=1, keepdims=True)).max() <= 1e-5
    pixels = random_image(5, 9, 1)[None]
    in_bytes = in_onnxruntime(build(model, GraphSpec(fused=fused, grey=True, io="uint8")), pixels)
    floats = in_onnxruntime(
        build(model, GraphSpec(fused=fused, grey=True)), (pixels / np.float32(255)).transpose(0, 3, 1, 2)
    )
    assert np.abs(in_bytes - np.rint(np.clip(floats, 0, 1) * 255).transpose(0, 2, 3, 1)).max() <= 1


def test_a_stream_network_neither_overflows_in_half_precision_nor_forgets_the_clamp() -> None:
    """Products beyond float16 are clamped, as upstream does, in both precisions."""
    model = random_model(spec("stream", blocks=1))
    arrays: dict[str, npt.NDArray[np.float32]] = dict(model.arrays)
    name = "body.0.blocks.0."
    arrays[name + "gate.weight"] = np.zeros_like(arrays[name + "gate.weight"])
    arrays[name + "gate.bias"] = np.full_like(arrays[name + "gate.bias"], 300)
    arrays[name + "out.weight"] = np.full_like(arrays[name + "out.weight"], 1e-6)
    loud = type(model)(**(vars(model) | {"arrays": arrays}))
    value = batch(1, 3, 3)
    outputs = [
        in_onnxruntime(build(loud, GraphSpec(fused=fused), precision=precision), value)
        for fused in (False, True)
        for precision in ("fp32", "fp16")
    ]
    assert all(np.isfinite(output).all() for output in outputs)
    assert max(np.abs(output - outputs[0]).max() for output in outputs) <= 0.02


@pytest.mark.parametrize(("grey", "separate", "channels"), [(False, False, 3), (True, False, 1), (True, True, 2)])
def test_a_graph_has_the_channels_that_its_spec_says(channels: int, *, grey: bool, separate: bool) -> None:
    form = GraphSpec(grey=grey, separate_detail=separate)
    shape = build(MODELS["realtime-v9"], form).graph.input[0].type.tensor_type.shape
    assert form.channels == shape.dim[1].dim_value == channels
