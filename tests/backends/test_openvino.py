"""What is special about OpenVINO."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends import BACKENDS, SessionOptions, choose
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.session_pool import session_options
from tests.fresh_python import PROGRAMS, run
from tests.random_models import batch, random_model, spec

if TYPE_CHECKING:
    from pathlib import Path

openvino = pytest.importorskip("openvino", reason="needs OpenVINO")

BACKEND = OpenVinoBackend()
MODEL = random_model(spec("stream"))


def has_bf16() -> bool:
    return "bf16" in BACKEND.reduced_precisions("cpu")


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
    exact, rounded = (
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(precision=precision)).run(value)
        for precision in ("fp32", "bf16")
    )
    assert 1e-4 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_precisions_are_what_the_processor_has_and_no_limit_takes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for limit, taken in (("", set()), ("AVX512_CORE_AMX", set()), ("AVX2", {"BF16"}), ("avx2_vnni", {"BF16"})):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
        found = {precision.upper() for precision in BACKEND.reduced_precisions("cpu")}
        assert found == {"FP16", "BF16"} & set(capabilities) - taken, limit
    with pytest.raises(BackendUnavailableError, match="no bf16"):
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(precision="bf16"))


def test_the_version_is_the_short_one() -> None:
    version = BACKEND.probe().version
    assert openvino.__version__.startswith(version)
    assert "-" not in version


class Core:
    """OpenVINO's core, with graphics cards of Intel that compute on the processor."""

    def __init__(self, *cards: str) -> None:
        self.core = openvino.Core()
        self.cards = cards
        self.compiled: list[tuple[str, dict[str, str | bool]]] = []

    def get_property(self, device: str, name: str) -> object:
        if device not in {"CPU", *self.cards}:
            raise RuntimeError("no supported devices found")
        return ["FP32", "FP16"] if name == "OPTIMIZATION_CAPABILITIES" else f"Card {device}"

    def read_model(self, graph: bytes) -> object:
        return self.core.read_model(graph)

    def compile_model(self, model: object, device: str, settings: dict[str, str | bool]) -> object:
        self.compiled.append((device, settings))
        return self.core.compile_model(model, "CPU", settings)


@pytest.mark.parametrize(("name", "device"), [("gpu", "GPU"), ("gpu:1", "GPU.1")])
def test_intels_cards_are_openvinos(monkeypatch: pytest.MonkeyPatch, name: str, device: str) -> None:
    """That the card computes is not tested: no such card was available."""
    core = Core("GPU", "GPU.1")
    monkeypatch.setattr(sys.modules[OpenVinoBackend.__module__], "_core", lambda: (core, "2026.4"))
    assert BACKEND.reduced_precisions(name) == ("fp16",)
    value = batch(1, 9, 7)
    on_card = BACKEND.open(MODEL, GraphSpec(), SessionOptions(device=name)).run(value)
    assert core.compiled == [(device, {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"})]
    assert np.abs(on_card - BACKEND.open(MODEL, GraphSpec(), SessionOptions()).run(value)).max() <= 1e-5
    assert choose("auto", name) is BACKENDS["openvino"]
    assert session_options(MODEL, UpscaleOptions(device=name), BACKEND).streams == 1
    with pytest.raises(BackendUnavailableError, match="no bf16"):
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(device=name, precision="bf16"))


def test_a_card_that_is_not_here_has_a_remedy() -> None:
    if "GPU.7" in openvino.Core().available_devices:
        pytest.skip("here are eight graphics cards")
    with pytest.raises(BackendUnavailableError, match="finds no graphics card 'gpu:7' of Intel") as caught:
        BACKEND.open(MODEL, GraphSpec(), SessionOptions(device="gpu:7"))
    assert "driver" in caught.value.hint
    for name in ("npu", "gpu:first", "cuda"):
        with pytest.raises(BackendUnavailableError, match="not on"):
            BACKEND.reduced_precisions(name)


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
