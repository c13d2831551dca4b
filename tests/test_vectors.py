"""Upstream's own images, reproduced by every runtime in both forms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from paragon_core.upscaling.upscaler import Upscaler
from tests.reference_vectors import NAMES, TOLERANCE, model_of_case, vectors

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parent / "data"
RUNTIMES = ("native", "openvino", "onnxruntime")
HERE = ("v9_realtime_x3", "head_stream_x2")
SHARED = tuple(name for name in NAMES if name != "head_photo_x2")


def forms(names: Iterable[str]) -> list[Any]:
    """Return the vectors, runtimes and forms that there are: the native kernel runs some networks, in one form."""
    return [
        pytest.param(name, runtime, fused, marks=cost(name, runtime), id=f"{name}-{runtime}-{form}")
        for name in names
        for runtime in RUNTIMES
        for form, fused in (("plain", False), ("fused", True))
        if runtime != "native" or (fused and not {"photo", "pro"}.intersection(name.split("_")))
    ]


def cost(name: str, runtime: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if (name, runtime) == ("head_pro_x2", "openvino") else []  # compiling takes 5 s a setting


def check(folder: Path, name: str, runtime: str, *, fused: bool) -> None:
    """Run every case of a vector, one session for each setting, and compare every pixel."""
    vector = vectors(folder)[name]
    tensors = load_file(folder / vector["io"])
    sessions = {}
    for case in vector["cases"]:
        model = model_of_case(folder, vector, case)
        assert (model.spec.variant, model.spec.scale) == (vector["variant"], vector["scale"])
        if model.spec not in sessions:
            sessions[model.spec] = BACKENDS[runtime].open(model, GraphSpec(fused=fused), SessionOptions())
        output = sessions[model.spec].run(tensors[case["input"]])
        expected = tensors[case["output"]]
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() <= TOLERANCE[model.spec.variant], case["output"]


@pytest.mark.processor
@pytest.mark.parametrize(("name", "runtime", "fused"), forms(HERE))
def test_reproduces_upstream_without_the_shared_files(name: str, runtime: str, fused: bool) -> None:
    check(DATA, name, runtime, fused=fused)


@pytest.mark.parametrize(("name", "runtime", "fused"), forms(name for name in SHARED if name not in HERE))
def test_reproduces_upstream(shared: Path, name: str, runtime: str, fused: bool) -> None:
    check(shared / "vectors", name, runtime, fused=fused)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_shared_vector_is_covered(shared: Path, runtime: str) -> None:
    of_networks = {name: vector for name, vector in vectors(shared / "vectors").items() if "scale" in vector}
    images = {name: vector for name, vector in of_networks.items() if "frames" not in vector}
    seen = {(images[name]["weights_sha256"], images[name]["io_sha256"]) for name in SHARED}
    for name, vector in images.items():
        if (vector["weights_sha256"], vector["io_sha256"]) not in seen:  # some are the same files under another name
            for fused in (False, True):
                if runtime != "native" or (fused and vector["variant"] in {"realtime", "stream"}):
                    check(shared / "vectors", name, runtime, fused=fused)


def test_the_copies_are_those_of_the_shared_files(shared: Path) -> None:
    for name in HERE:
        assert vectors(DATA)[name] == vectors(shared / "vectors")[name]
        for file in (vectors(DATA)[name]["weights"], vectors(DATA)[name]["io"]):
            assert (DATA / file).read_bytes() == (shared / "vectors" / file).read_bytes()


@pytest.mark.parametrize("tile", ["auto", "off"])
@pytest.mark.parametrize("name", ["v9_photo_x2", "head_pro_x2"])
def test_the_upscaler_leaves_attention_the_whole_image(shared: Path, name: str, tile: Any) -> None:
    """Neither vector has a size that is a multiple of the attention window."""
    vector = vectors(shared / "vectors")[name]
    tensors = load_file(shared / "vectors" / vector["io"])
    model = load(shared / "vectors" / vector["weights"], upsampler_alpha=0.4, window_size=16)
    with Upscaler(
        model, backend="onnxruntime", precision="fp32", padding="zero", tile=tile, clip=False, streams=1
    ) as upscaler:
        output = upscaler(tensors["odd.in"][0].transpose(1, 2, 0))
    assert np.abs(output - tensors["odd.out"][0].transpose(1, 2, 0)).max() <= TOLERANCE[model.spec.variant]
