"""Graphs of bytes say whether the values before rounding were finite, and are the same graph otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

from paragon_core.errors import InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.onnx_graph import CHECK, INPUT, OUTPUT, build
from tests.random_models import random_image, random_model, spec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model

MODELS = {variant: random_model(spec(variant)) for variant in ("realtime", "stream", "photo")}
VALUE = random_image(8, 12, 3)[None]


def outputs(graph: onnx.ModelProto, value: npt.NDArray[Any] = VALUE) -> dict[str, npt.NDArray[Any]]:
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {INPUT: value}), strict=True))


def overflowing(model: Model) -> Model:
    arrays = dict(model.arrays)
    arrays["conv_in.weight"] = np.full_like(arrays["conv_in.weight"], 3e38)
    return replace(model, arrays=arrays)


@pytest.mark.parametrize("size", [None, (12, 8)])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("variant", MODELS)
def test_the_second_output_is_the_mean_before_rounding(variant: str, fused: bool, size: tuple[int, int] | None) -> None:
    model = MODELS[variant]
    found = outputs(build(model, GraphSpec(io="uint8", fused=fused, size=size), check=True))
    plain = outputs(build(model, GraphSpec(io="uint8", fused=fused, size=size)))
    assert set(plain) == {OUTPUT}
    assert np.array_equal(found[OUTPUT], plain[OUTPUT])
    floats = outputs(build(model, GraphSpec(fused=fused, size=size)), np.moveaxis(VALUE, 3, 1) / np.float32(255))[
        OUTPUT
    ]
    assert found[CHECK] == pytest.approx(255 * floats.mean(), rel=1e-4, abs=1e-3)
    assert not np.isfinite(
        outputs(build(overflowing(model), GraphSpec(io="uint8", fused=fused, size=size), check=True))[CHECK]
    )


@pytest.mark.parametrize("size", [None, (12, 8)])
@pytest.mark.parametrize("variant", MODELS)
def test_tensorrts_output_has_a_row_more(variant: str, size: tuple[int, int] | None) -> None:
    model = MODELS[variant]
    found = outputs(build(model, GraphSpec(io="uint8", size=size), check=True, portable=True))
    plain = outputs(build(model, GraphSpec(io="uint8", size=size), portable=True))[OUTPUT]
    assert set(found) == {OUTPUT}
    assert np.array_equal(found[OUTPUT][:, :-1], plain)
    assert not found[OUTPUT][:, -1].any()
    broken = outputs(build(overflowing(model), GraphSpec(io="uint8", size=size), check=True, portable=True))[OUTPUT]
    assert (broken[:, -1] == 1).all()


def test_every_image_of_a_batch_has_its_own() -> None:
    found = outputs(build(MODELS["realtime"], GraphSpec(io="uint8"), check=True), np.stack([VALUE[0], VALUE[0] // 2]))
    assert found[CHECK].shape == (2,)
    assert found[CHECK][0] != found[CHECK][1]


def test_floats_have_no_check() -> None:
    with pytest.raises(InputError, match="check"):
        build(MODELS["realtime"], check=True)
