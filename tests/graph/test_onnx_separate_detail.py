"""Graphs whose two paths see two images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import InputError
from paragon_core.graph.export import onnx_bytes
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_graph import build
from tests.random_models import batch, random_model, spec
from tests.upscalers import ROUNDING

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model

    Array = npt.NDArray[np.float32]

MODELS: dict[str, Model] = {
    "realtime-v6": random_model(spec("realtime", revision="v6", scale=3)),
    "stream": random_model(spec("stream", upsampler_alpha=-0.2)),
    "photo": random_model(spec("photo")),
    "pro": random_model(spec("pro")),
}


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_base_path_sees_the_first_half_and_the_detail_path_the_second(
    name: str,
    grey: bool,
    fused: bool,
    runtime: str,
) -> None:
    model = MODELS[name]
    specs = [GraphSpec(fused=fused, grey=grey, separate_detail=separate) for separate in (False, True)]
    plain, separate = (BACKENDS[runtime].open(model, each, SessionOptions()) for each in specs)
    a, b = (batch(2, 5, 7, channels=1 if grey else 3, seed=seed) for seed in (1, 2))

    def both(base: Array, detail: Array) -> Array:
        return separate.run(np.concatenate([base, detail], axis=1))

    bound = ROUNDING * max(1, float(np.abs(plain.run(a)).max()))
    assert np.abs(both(a, a) - plain.run(a)).max() <= bound
    # out = base(a) + detail(b), where base is linear and detail is not
    swapped = both(a, b) + both(b, a)
    assert np.abs(swapped - plain.run(a) - plain.run(b)).max() <= 2 * bound
    nothing = both(np.zeros_like(a), b)
    assert np.abs((both(2 * a, b) - nothing) - 2 * (both(a, b) - nothing)).max() <= 2 * bound
    assert np.abs(both(a, b) - both(b, a)).max() > 0.01


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("io", ["float32", "float16"])
@pytest.mark.parametrize("size", [None, (7, 5)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_bytes_are_a_valid_graph_with_twice_the_channels(precision: Any, io: Any, size: Any, grey: bool) -> None:
    model = MODELS["stream"]
    content = onnx_bytes(model, GraphSpec(io=io, size=size, grey=grey, separate_detail=True), precision=precision)
    graph = onnx.load_from_string(content)
    onnx.checker.check_model(graph, full_check=True)
    channels = 2 if grey else 6
    assert [axis.dim_value for axis in graph.graph.input[0].type.tensor_type.shape.dim][1] == channels
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    value = batch(1, 5, 7, channels=channels).astype(io)
    output = np.asarray(session.run(None, {"input": value})[0])
    assert output.shape == (1, channels // 2, 10, 14)
    exact = onnxruntime.InferenceSession(
        onnx_bytes(model, GraphSpec(grey=grey, separate_detail=True), merge_base=False),
        providers=["CPUExecutionProvider"],
    ).run(None, {"input": value.astype(np.float32)})[0]
    tolerance = 1e-5 if precision == io == "float32" else 0.02 * max(1, np.abs(exact).max())
    assert np.abs(output - exact).max() <= tolerance


def test_there_are_no_two_inputs_in_bytes() -> None:
    with pytest.raises(InputError) as caught:
        build(MODELS["stream"], GraphSpec(io="uint8", separate_detail=True))
    assert "float" in caught.value.hint
