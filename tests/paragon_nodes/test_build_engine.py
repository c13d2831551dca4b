"""Engines built in a real ComfyUI, for GPUs that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.models.checkpoint_files import SMALL_PHOTO, as_stored, safetensors_file
from tests.paragon_nodes.comfy_server import ROOT, ComfyServer, Refused, Workflow, node, upscaling

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


@pytest.fixture
def rtx(comfy: ComfyServer) -> ComfyServer:
    """Return the server if it can build."""
    (text,) = comfy.run({"info": node("ParagonInfo")}).outputs["info"]["text"]
    if "TensorRT is installed" in text:
        pytest.skip("needs tensorrt-rtx-cu13 in COMFYUI_PYTHON")
    return comfy


def building(**inputs: Any) -> Workflow:
    return {"build": node("ParagonBuildEngine", **({"model_name": "realtime-2x", "gpus": "RTX 30 and newer"} | inputs))}


def engines(comfy: ComfyServer) -> set[Path]:
    return {path for path in (comfy.folder / "cache").rglob("*") if path.suffix in {".engine", ".json", ".part"}}


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({}, ("--precision", "fp32")),
        (
            {"sizes": "one size", "width": 320, "height": 200, "precision": "fp32"},
            ("--size", "320x200", "--precision", "fp32"),
        ),
    ],
)
def test_the_engine_is_the_one_that_the_command_line_builds_for_floats(
    rtx: ComfyServer, inputs: dict[str, Any], options: tuple[str, ...]
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")
    before = engines(rtx)
    first, second = (rtx.run(building(**inputs)).outputs["build"]["text"][0] for _ in range(2))
    assert " MB, built in " in first
    assert second.endswith("MB, there already")
    (engine,) = (path for path in engines(rtx) - before if path.suffix == ".engine")
    assert str(engine) in first
    command = [sys.executable, "-m", "paragon_core.cli.main", "engine", "build", "realtime-2x", "--io", "float32"]
    command += [*options, "--cache", str(rtx.folder / "cache")]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    assert f"{engine}: " in printed
    assert "there already" in printed


def test_an_interrupt_ends_a_build_leaves_nothing_and_the_queue_lives_on(rtx: ComfyServer) -> None:
    large = replace(SMALL_PHOTO, groups=4, blocks=4, channels=32)  # takes a dozen seconds
    content = safetensors_file(as_stored(large), {"upsampler_alpha": "0"})
    (rtx.folder / "models" / "paragon" / "large.safetensors").write_bytes(content)
    before = engines(rtx)
    number = rtx.queue(building(model_name="large.safetensors"))
    time.sleep(4)
    assert "building an engine of large" in rtx.log.read_text()
    assert rtx.get("/queue")["queue_running"]
    rtx.post("/interrupt", {})
    run = rtx.wait(number)
    assert not run.ok
    assert run.interrupted == "ParagonBuildEngine"
    assert run.seconds < 4
    assert engines(rtx) == before
    assert rtx.run(building(sizes="one size", width=64, height=64)).ok


def test_a_gpu_that_is_not_here_is_told_and_what_else_can_be_chosen(rtx: ComfyServer) -> None:
    if os.path.exists("/proc/driver/nvidia"):  # noqa: PTH110 - no path of ours
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(Refused, match=r"NVIDIA.*What helps: "):
        rtx.queue(building(gpus="this one"))


def test_the_loader_refuses_tensorrt_where_it_does_not_run(rtx: ComfyServer) -> None:
    with pytest.raises(Refused, match="What helps: "):
        rtx.queue(upscaling("photo.png", loader={"backend": "tensorrt"}))
