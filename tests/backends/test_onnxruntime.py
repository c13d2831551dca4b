"""What is special about ONNX Runtime."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import psutil
import pytest

from paragon_core.backends import SessionOptions
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from tests.fresh_python import run
from tests.random_models import batch, random_model, spec

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = OnnxRuntimeBackend()
MODEL = random_model(spec("stream"))
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def test_a_session_starts_no_threads_of_its_own() -> None:
    """One stream is one thread, the caller's: a pool next to it would fight with the other streams."""
    session = BACKEND.open(MODEL, GraphSpec(), SessionOptions(streams=2))
    session.run(batch(1, 8, 8))
    before = psutil.Process().num_threads()
    sessions = [BACKEND.open(MODEL, GraphSpec(), SessionOptions(streams=2, device="cpu")) for _ in range(3)]
    for each in sessions:
        each.run(batch(1, 64, 64))
    assert psutil.Process().num_threads() <= before
    assert threading.active_count() >= 1


@pytest.mark.skipif(HAS_CUDA, reason="needs an ONNX Runtime without CUDA")
def test_without_cuda_it_says_which_wheel_helps() -> None:
    assert BACKEND.probe().accelerator == ""
    assert BACKEND.reduced_precisions("auto") == ()
    assert "onnxruntime-gpu" in BACKEND.probe().hint
    with pytest.raises(BackendUnavailableError, match="without CUDA") as caught:
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(device="cuda:1"))
    assert "onnxruntime-gpu" in caught.value.hint


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="needs the onnxruntime-gpu wheel and an NVIDIA card")
def test_cuda_computes_the_same() -> None:
    value = batch(2, 40, 30)
    cpu, cuda, half = (
        BACKEND.open(MODEL, GraphSpec(), settings).run(value)
        for settings in (
            SessionOptions(device="cpu"),
            SessionOptions(device="cuda"),
            SessionOptions(device="cuda", precision="fp16"),
        )
    )
    assert np.abs(cpu - cuda).max() <= 1e-4
    assert np.abs(cpu - half).max() <= 0.05


@pytest.mark.openvino
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "broken"),  # what is left when two wheels that share a folder were mixed and one was removed
        ("raise OSError('DLL load failed')", "does not load"),
        ("raise AttributeError('_ARRAY_API not found')", "does not load"),
    ],
    ids=["leftover", "library", "numpy"],
)
def test_a_broken_installation_is_reported_not_raised(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime/__init__.py").write_text(source, encoding="utf-8")
    result = run(
        f"""
        from paragon_core.backends import BACKENDS, choose
        info = BACKENDS["onnxruntime"].probe()
        assert not info.available and {said!r} in info.reason, info
        assert info.hint.endswith("pip install onnxruntime"), info
        assert "uninstall ;" not in info.hint, info.hint
        assert choose("auto").name == "openvino"
        """,
        without=["native", "torch"],
        path=tmp_path,
    )
    assert result.stdout == ""
