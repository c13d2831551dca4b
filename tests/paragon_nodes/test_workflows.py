"""The example workflows in a real ComfyUI: what comes back is what the command line makes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from paragon_core.upscaling.upscaler import Upscaler
from tests.paragon_nodes import example_workflows
from tests.paragon_nodes.comfy_server import ROOT, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.paragon_nodes.comfy_server import ComfyServer

pytest.importorskip("av")
from tests.paragon_nodes.short_videos import frames_of, pan

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

Pixels = npt.NDArray[np.float64]


def results(comfy: ComfyServer, name: str, **loaded: str) -> dict[str, Path]:
    """Run an example workflow and return the file that came of each node whose result was saved, by its kind."""
    workflow = example_workflows.queued(example_workflows.saved(name), comfy.get("/object_info"))
    for node in workflow.values():
        node["inputs"] |= {key: value for key, value in loaded.items() if key in node["inputs"]}
    run = comfy.run(workflow)
    savers = {"SaveImage": "images", "PreviewImage": "images", "SaveVideo": "video"}
    files = {}
    for number, node in workflow.items():
        if node["class_type"] in savers:
            maker, _ = node["inputs"][savers[node["class_type"]]]
            (files[workflow[maker]["class_type"]],) = comfy.saved_files(run, number)
    return files


def from_command_line(source: Path, result: Path, *options: str) -> Path:
    """Let ``paragon upscale`` upscale a file, in ComfyUI's Python, so that the same runtime and codecs are at work."""
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, "-m", "paragon_core.cli.main", "upscale", str(source), "-o", str(result), *options]
    subprocess.run([*command, "--quiet"], cwd=ROOT, check=True)
    return result


def pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def off_by(first: Pixels, second: Pixels) -> float:
    assert first.shape == second.shape
    return float(np.abs(first - second).max())


@pytest.fixture(scope="module")
def source(comfy: ComfyServer) -> Path:
    """Return the image that the examples ask for, and that every ComfyUI has."""
    return comfy.folder / "input" / "example.png"


def test_the_page_is_told_of_them_and_has_an_image_of_each(comfy: ComfyServer) -> None:
    assert sorted(comfy.get("/workflow_templates")["paragon"]) == example_workflows.NAMES
    for name in example_workflows.NAMES:
        with Image.open(example_workflows.FOLDER / f"{name}.jpg") as thumbnail:
            assert thumbnail.size == (400, 400)


@pytest.mark.parametrize("name", example_workflows.NAMES)
def test_values_stand_in_the_order_in_which_older_pages_read_them(comfy: ComfyServer, name: str) -> None:
    for node in example_workflows.saved(name)["nodes"]:
        if node["type"].startswith("Paragon"):
            order = comfy.get(f"/object_info/{node['type']}")[node["type"]]["input_order"]
            named = node["widgets_values_named"]
            ordered = [each for kind in ("required", "optional") for each in order[kind]]
            positions = [ordered.index(each.partition(".")[0]) for each in named]
            assert positions == sorted(positions)
            assert list(named.values()) == node["widgets_values"]


def test_upscale_an_image(comfy: ComfyServer, source: Path, tmp_path: Path) -> None:
    (result,) = results(comfy, "1. Upscale an image").values()
    assert off_by(pixels(result), pixels(from_command_line(source, tmp_path / "large.png"))) <= 1


def test_upscale_to_a_size(comfy: ComfyServer, source: Path) -> None:
    (result,) = results(comfy, "2. Upscale to a size").values()
    with Upscaler("realtime-2x") as upscale:
        large = upscale(upscale((pixels(source) / 255).astype(np.float32)))
    planes = [
        Image.fromarray(plane).resize((2160, 2160), Image.Resampling.BICUBIC) for plane in np.moveaxis(large, 2, 0)
    ]
    expected = np.stack([np.rint(255 * np.asarray(plane).clip(0, 1)) for plane in planes], axis=-1)
    assert off_by(pixels(result), expected) <= 1


def test_the_compare_view_is_given_both(comfy: ComfyServer) -> None:
    workflow = example_workflows.queued(example_workflows.saved(example_workflows.NAMES[-1]), comfy.get("/object_info"))
    (view,) = (each["inputs"] for each in workflow.values() if each["class_type"] == "ImageCompare")
    kinds = [workflow[view[name][0]]["class_type"] for name in ("image_a", "image_b")]
    assert kinds == ["ParagonUpscale", "ImageScaleBy"]


def test_compare_with_other_upscalers(comfy: ComfyServer, source: Path, tmp_path: Path) -> None:
    made = {kind: pixels(path) for kind, path in results(comfy, "4. Compare with other upscalers").items()}
    expected = pixels(from_command_line(source, tmp_path / "large.png"))
    assert off_by(made["ParagonUpscale"], expected) <= 1
    # Core blends its tiles where they overlap, also the pixels that lack their surroundings; 3 levels were seen.
    authors = pixels(from_command_line(source, tmp_path / "authors.png", "--padding", "zero"))
    assert off_by(made["ImageUpscaleWithModel"], authors) <= 4
    with Image.open(source) as image:
        lanczos = np.asarray(image.resize((1536, 1536), Image.Resampling.LANCZOS), dtype=np.float64)
    assert off_by(made["ImageScaleBy"], lanczos) <= 1


def test_upscale_a_video(comfy: ComfyServer, tmp_path: Path) -> None:
    video = comfy.folder / "input" / "video.mp4"
    pan(ROOT / "examples" / "chelsea.png", video)
    (result,) = results(comfy, "3. Upscale a video", file=video.name).values()
    expected = from_command_line(video, tmp_path / "large.mp4", "--model", "realtime-video-2x")
    assert off_by(frames_of(result).astype(np.float64), frames_of(expected).astype(np.float64)) <= 1


def test_a_video_that_nobody_chose_is_asked_for_before_anything_runs(comfy: ComfyServer) -> None:
    with pytest.raises(Refused, match=r"Invalid video file: your video\.mp4"):
        results(comfy, "3. Upscale a video")
