"""ComfyUI's own model management and the memory of runtimes that it does not know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes import in_comfyui
from tests.paragon_nodes.comfy_server import ComfyServer, node, upscaling

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def answer(tmp_path: Path, function: str, backend: str) -> Any:
    """Return what a function returns after a model has upscaled an image; skip where the backend does not work."""
    found = in_comfyui.answer(tmp_path, "runtime_memory", function, backend)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "reference"])
def test_memory_is_given_back_when_comfyui_asks_and_taken_again(tmp_path: Path, backend: str) -> None:
    states, off, loads = answer(tmp_path, "given_back", backend)
    known, size, sessions = states[0]
    assert known
    assert size > 80 * 70 * 3 * 4
    assert sessions == 1
    assert states[1:] == [[False, 0, 0], states[0]] * 2
    assert off == 0
    assert loads == (3 if backend == "reference" else 0)


def test_a_larger_image_asks_for_more_and_a_smaller_one_for_nothing(tmp_path: Path) -> None:
    held, asked, count = answer(tmp_path, "asked_for", "onnxruntime")
    assert held[0] == held[1] < held[2] == held[3]
    assert asked == [held[2]]
    assert count == 1


def test_a_forgotten_model_takes_its_memory_along_without_the_garbage_collector(tmp_path: Path) -> None:
    assert answer(tmp_path, "forgotten", "onnxruntime") == [True, 0]


def test_a_server_is_smaller_again_once_models_are_unloaded(
    comfy: ComfyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = upscaling("photo.png", loader={"model_name": "stream-2x", "backend": "onnxruntime"})
    workflow["large"] = node(
        "ImageScale", image=["image", 0], upscale_method="bilinear", width=640, height=480, crop="disabled"
    )
    workflow["upscale"]["inputs"]["image"] = ["large", 0]
    comfy.post("/free", {"unload_models": True, "free_memory": True})  # what other tests left there
    time.sleep(1)
    sizes = [comfy.memory]
    comfy.saved_files(comfy.run(workflow))
    sizes.append(comfy.memory)
    comfy.post("/free", {"unload_models": True, "free_memory": True})
    for _ in comfy.patience(30):
        if comfy.memory - sizes[0] < (sizes[1] - sizes[0]) / 2:
            break
    sizes.append(comfy.memory)
    with capsys.disabled():
        print("before, after and unloaded: {:.0f}, {:.0f}, {:.0f} MB".format(*(size / 1e6 for size in sizes)))  # noqa: T201 - the figures that the docs tell
