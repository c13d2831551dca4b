"""Graphs hold the layers, and both forms of a deconvolution compute the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("openvino")

from benchmarks.peers.graphs import FORMS, bicubic, build, forms_of, sub_pixel
from benchmarks.peers.networks import NETWORKS, Network
from benchmarks.peers.runtimes import RUNTIMES
from paragon_core.benchmark.images import like_a_photograph
from paragon_core.graph.onnx_nodes import Graph
from paragon_core.quality.resize import resize

pytestmark = pytest.mark.openvino

SIZE = (20, 12)
ALL = [make(scale) for scale in (2, 4) for make in NETWORKS]
IDS = [f"{network.name}-x{network.scale}" for network in ALL]


def in_layers(model: onnx.ModelProto) -> int:
    names = ("layer", "deconvolution")
    return sum(int(np.prod(each.dims)) for each in model.graph.initializer if each.name.startswith(names))


@pytest.mark.parametrize("network", ALL, ids=IDS)
def test_a_graph_holds_all_parameters(network: Network) -> None:
    model = build(network, SIZE)
    onnx.checker.check_model(model, full_check=True)
    assert in_layers(model) == network.parameters


@pytest.mark.parametrize("network", ALL, ids=IDS)
def test_bytes_are_the_same_in_every_form_and_runtime(network: Network) -> None:
    image = like_a_photograph(*SIZE)
    results = [
        opening(build(network, SIZE, form=form), 1)(image).astype(int)
        for form in forms_of(network)
        for opening in RUNTIMES.values()
    ]
    assert results[0].shape == (network.scale * SIZE[1], network.scale * SIZE[0], 3)
    assert all(np.abs(result - results[0]).max() <= 1 for result in results)
    assert results[0].std() > 2
    assert ((results[0] == 0) | (results[0] == 255)).mean() < 0.1  # what is clipped shows no difference


def test_only_a_deconvolution_has_two_forms() -> None:
    assert {network.name for network in ALL if forms_of(network) == FORMS} == {"FSRCNN"}


def test_weights_are_the_same_every_time() -> None:
    assert build(ALL[0], SIZE) == build(ALL[0], SIZE)


def transposed(image: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], stride: int) -> npt.NDArray[np.float64]:
    """Spread each pixel over its neighbourhood in the upscaled image, by the definition."""
    outputs, inputs, kernel, _ = weight.shape
    height, width = image.shape[1:]
    result = np.zeros((outputs, stride * height + kernel, stride * width + kernel))
    for row in range(height):
        for column in range(width):
            spread = np.einsum("oikl,i->okl", weight, image[:, row, column])
            result[:, stride * row : stride * row + kernel, stride * column : stride * column + kernel] += spread
    assert inputs == image.shape[0]
    centre = kernel // 2
    return result[:, centre : centre + stride * height, centre : centre + stride * width]


def convolved(image: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    kernel = weight.shape[2]
    padded = np.pad(image, [(0, 0), *[(kernel // 2,) * 2] * 2])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return np.asarray(np.einsum("oikl,ihwkl->ohw", weight, windows))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_deconvolution_is_a_convolution_and_a_shuffle(data: st.DataObject) -> None:
    stride, kernel = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 3, 5, 9]))
    outputs, inputs, height, width = (data.draw(st.integers(1, most)) for most in (2, 3, 5, 5))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weight = random.standard_normal((outputs, inputs, kernel, kernel))
    image = random.standard_normal((inputs, height, width))
    phases = convolved(image, sub_pixel(weight, stride)).reshape(outputs, stride, stride, height, width)
    shuffled = phases.transpose(0, 3, 1, 4, 2).reshape(outputs, stride * height, stride * width)
    np.testing.assert_allclose(shuffled, transposed(image, weight, stride), atol=1e-12)


@pytest.mark.parametrize("scale", [2, 4])
def test_chroma_is_resized_by_the_bicubic_kernel(scale: int) -> None:
    from onnx import helper  # noqa: PLC0415 - next to its only use
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - likewise

    image = np.random.default_rng(0).standard_normal((12, 14, 3)).astype(np.float32)
    graph = Graph("fp32")
    result = bicubic(graph, "input", scale)
    float32 = onnx.TensorProto.FLOAT
    shapes = [1, 3, 12, 14], [1, 3, 12 * scale, 14 * scale]
    info = [
        helper.make_tensor_value_info(name, float32, shape)
        for name, shape in zip(("input", result), shapes, strict=True)
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "bicubic", info[:1], info[1:], graph.initializers),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    (found,) = ReferenceEvaluator(model).run(None, {"input": image.transpose(2, 0, 1)[None]})
    inside = slice(3 * scale, -3 * scale)  # at the edge one repeats a pixel, the other mirrors them
    expected = resize(image, 12 * scale, 14 * scale)[inside, inside]
    np.testing.assert_allclose(np.asarray(found)[0].transpose(1, 2, 0)[inside, inside], expected, atol=1e-5)
