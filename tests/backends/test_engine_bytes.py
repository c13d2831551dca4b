"""Builds of TensorRT-RTX for one size are reproducible; for many sizes, some lengths get other numbers each time."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends.tensorrt_build import GraphToBuild, build, graph_to_build
from paragon_core.engines import IMAGES, Profile, Target
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from tests.fresh_python import run
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from paragon_core.graph.onnx_nodes import Precision

pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")

ONE_SIZE = Profile.static((1920, 1080))
TWO_GPUS = Target.parse("sm_86,sm_89")
MODELS = {
    "realtime": load("realtime-2x"),
    "stream": load("stream-2x"),
    "photo": random_model(spec("photo")),
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")
CASES = [(variant, precision) for variant in MODELS for precision in PRECISIONS]

#: Of more than a million. In some hundred builds, no two differed in more than 22.
A_FEW_BYTES = 60


def graph_of(variant: str, precision: Precision) -> GraphToBuild:
    return graph_to_build(MODELS[variant], GraphSpec(io="uint8"), precision)


def digests() -> dict[str, str]:
    """Build an engine of one size for every case."""
    return {
        " ".join(case): hashlib.sha256(build(graph_of(*case), ONE_SIZE, target=TWO_GPUS)).hexdigest() for case in CASES
    }


def test_an_engine_for_one_size_has_the_same_bytes_here_and_in_other_processes() -> None:
    here = [digests() for _ in range(3)]
    code = "import json; from tests.backends.test_engine_bytes import digests; print(json.dumps(digests()))"
    elsewhere = [json.loads(run(code).stdout) for _ in range(2)]
    assert len(set(here[0].values())) == len(CASES)
    for others in (*here[1:], *elsewhere):
        assert others == here[0]


@pytest.mark.parametrize(("variant", "precision"), CASES)
def test_engines_for_many_sizes_have_the_same_bytes_but_for_a_few(variant: str, precision: Precision) -> None:
    """In which order the builder numbers the lengths that follow from width and height is left to chance."""
    graph = graph_of(variant, precision)
    first, *others = (np.frombuffer(build(graph, IMAGES, target=TWO_GPUS), np.uint8) for _ in range(3))
    for other in others:
        assert len(other) == len(first)
        assert np.count_nonzero(other != first) <= A_FEW_BYTES
