"""ComfyUI's own model management and the memory of runtimes that it does not know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes.comfy_server import ROOT, ComfyServer, node, upscaling

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

PRELUDE = f"""
import gc, json, sys, weakref
sys.path[:0] = [{str(ROOT / "tests" / "paragon_nodes")!r}, {str(ROOT)!r}]
import start_comfyui
import torch
if torch.version.cuda is None:
    start_comfyui.declare_operators()
start_comfyui.stand_in_for_torchaudio()
backend = sys.argv[1]
sys.argv = ["main.py", "--cpu"]
sys.path.insert(0, ".")
import comfy.options
comfy.options.enable_args_parsing()
from comfy import model_management
from paragon_core.backends import BACKENDS
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.reference import Reference
from paragon_core.errors import ParagonError
from paragon_core.models.model import load
from paragon_nodes.upscale_model import UpscaleModel
BACKENDS["reference"] = EngineBackend(Reference())
loads = []
really_load = Reference.load
def load_engine(*given, **more):
    loads.append(given)
    return really_load(*given, **more)
Reference.load = load_engine
image = torch.rand(70, 80, 3).numpy()
try:
    model = UpscaleModel(load("realtime-2x"), backend=backend, precision="auto")
    large = model.upscaler(0)(image)
except ParagonError as error:
    print(json.dumps(str(error)))
    raise SystemExit
sessions = lambda: len(model.upscaler(0)._runner.pool._sessions)
"""


def answer(tmp_path: Path, backend: str, code: str) -> Any:
    """Run code in a Python with ComfyUI's modules, where a model has enlarged a picture; it prints JSON last."""
    checkout = os.environ.get("COMFYUI_PATH")
    if not checkout:
        pytest.skip("needs COMFYUI_PATH, a checkout of ComfyUI")
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "-c", PRELUDE + code, backend]
    environment = os.environ | {"PARAGON_CACHE": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=checkout, env=environment, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "reference"])
def test_memory_is_given_back_when_comfyui_asks_and_taken_anew(tmp_path: Path, backend: str) -> None:
    code = """
state = lambda: [model.patcher in model_management.loaded_models(), model.patcher.loaded_size(), sessions()]
states, off = [state()], 0.0
for ask in (model_management.unload_all_models, lambda: model_management.free_memory(1e30, torch.device("cpu"))):
    ask()
    states.append(state())
    off = max(off, float(abs(model.upscaler(0)(image) - large).max()))
    states.append(state())
print(json.dumps([states, off, len(loads)]))
"""
    states, off, loads = answer(tmp_path, backend, code)
    known, size, sessions = states[0]
    assert known
    assert size > 80 * 70 * 3 * 4
    assert sessions == 1
    assert states[1:] == [[False, 0, 0], states[0]] * 2
    assert off == 0
    assert loads == (3 if backend == "reference" else 0)


def test_a_larger_picture_asks_for_more_and_a_smaller_one_for_nothing(tmp_path: Path) -> None:
    code = """
held = [model.patcher.loaded_size()]
asked = []
load_models_gpu = model_management.load_models_gpu
def watched(models):
    asked.append(models[0].model_size())
    load_models_gpu(models)
model_management.load_models_gpu = watched
for picture in (image[:40], image.repeat(2, 0), image):
    model.upscaler(0)(picture)
    held.append(model.patcher.loaded_size())
print(json.dumps([held, asked, len(model_management.loaded_models())]))
"""
    held, asked, count = answer(tmp_path, "onnxruntime", code)
    assert held[0] == held[1] < held[2] == held[3]
    assert asked == [held[2]]
    assert count == 1


def test_a_forgotten_model_takes_its_memory_along_without_the_garbage_collector(tmp_path: Path) -> None:
    code = """
session = weakref.ref(next(iter(model.upscaler(0)._runner.pool._sessions.values())))
gc.collect()
gc.disable()
del model
print(json.dumps([session() is None, len(model_management.loaded_models())]))
"""
    assert answer(tmp_path, "onnxruntime", code) == [True, 0]


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
    comfy.pictures(comfy.run(workflow))
    sizes.append(comfy.memory)
    comfy.post("/free", {"unload_models": True, "free_memory": True})
    for _ in comfy.patience(30):
        if comfy.memory - sizes[0] < (sizes[1] - sizes[0]) / 2:
            break
    sizes.append(comfy.memory)
    with capsys.disabled():
        print("before, after and unloaded: {:.0f}, {:.0f}, {:.0f} MB".format(*(size / 1e6 for size in sizes)))  # noqa: T201 - the figures that the docs tell
