"""What is special about OpenVINO."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends import SessionOptions
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.graph.graph_spec import GraphSpec
from tests.fresh_python import PROGRAMS, run
from tests.random_models import batch, random_model, spec

if TYPE_CHECKING:
    from pathlib import Path

openvino = pytest.importorskip("openvino", reason="needs OpenVINO")

BACKEND = OpenVinoBackend()
MODEL = random_model(spec("stream"))


def has_bf16() -> bool:
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.processor
def test_single_precision_is_never_left_to_openvino() -> None:
    """Where the processor can, it would compute in bfloat16, with errors of a hundredth."""
    value = batch(1, 20, 20)
    output = BACKEND.open(MODEL, GraphSpec(), SessionOptions()).run(value)
    expected = OnnxRuntimeBackend().open(MODEL, GraphSpec(), SessionOptions()).run(value)
    assert np.abs(output - expected).max() <= 1e-5


@pytest.mark.processor
@pytest.mark.skipif(not has_bf16(), reason="needs a processor with bfloat16 instructions")
def test_bfloat16_is_rounded_and_close() -> None:
    value = batch(1, 20, 20)
    assert "bf16" in BACKEND.reduced_precisions("auto")
    exact, rounded = (
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(precision=precision)).run(value)
        for precision in ("fp32", "bf16")
    )
    assert 1e-4 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_the_version_is_the_short_one() -> None:
    version = BACKEND.probe().version
    assert openvino.__version__.startswith(version)
    assert "-" not in version


@pytest.mark.parametrize(
    "source",
    [
        "raise OSError('libopenvino.so.0: wrong ELF class')",
        "raise AttributeError('_ARRAY_API not found')",
        "__version__ = '2025.0'",
    ],
    ids=["library", "numpy", "leftover"],
)
def test_a_broken_installation_is_reported_not_raised(tmp_path: Path, source: str) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino/__init__.py").write_text(source, encoding="utf-8")
    result = run(
        """
        from paragon_core.backends import BACKENDS, choose
        info = BACKENDS["openvino"].probe()
        assert not info.available and "does not load" in info.reason and info.hint == "pip install openvino", info
        assert choose("auto").name == "onnxruntime"
        """,
        without=["native", "torch"],
        path=tmp_path,
    )
    assert result.stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the address space")
def test_running_out_of_memory_is_noticed() -> None:
    """Its synchronous call swallows this and returns the previous result."""
    result = run(PROGRAMS / "openvino_without_memory.py")
    assert result.stdout == "openvino ran out of memory\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal stacks")
def test_ctrl_c_arrives_after_sessions_came_and_went() -> None:
    """Cores that lived side by side left signals a stack that was gone."""
    assert run(PROGRAMS / "openvino_and_ctrl_c.py").stdout == "arrived\n"
