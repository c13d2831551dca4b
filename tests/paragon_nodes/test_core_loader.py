"""In a real ComfyUI: core's own loader opens our files, and nodes of others call our models as they call core's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.models.checkpoint_files import SMALL, as_stored, torch_file
from tests.paragon_nodes.comfy_server import ROOT, Refused, node, upscaling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tests.paragon_nodes.comfy_server import ComfyServer, Workflow

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

WEIGHTS = ROOT / "paragon_core" / "weights"
PATTERNS = (
    *("plain", "whole_batch", "half", "module_in_bfloat16", "like_its_parameters", "a_copy", "ultimate"),
    "parameter_by_parameter",
)
CORE = "core's own"


@pytest.fixture(scope="module")
def server(comfy: ComfyServer) -> ComfyServer:
    """Return the server with a bundled model among core's."""
    shutil.copy(WEIGHTS / "realtime-2x.safetensors", comfy.folder / "models" / "upscale_models" / "ours.safetensors")
    return comfy


def pixels(path: Path) -> npt.NDArray[np.int16]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


def calling(backend: str, upscale: dict[str, Any], image: str = "photo.png") -> Workflow:
    workflow = upscaling(image, loader={"backend": backend if backend != CORE else "auto", "precision": "fp32"})
    if backend == CORE:
        workflow["load"] = node("UpscaleModelLoader", model_name="ours.safetensors")
    workflow["upscale"] = upscale
    return workflow


@pytest.fixture(scope="module")
def expected(server: ComfyServer) -> npt.NDArray[np.int16]:
    """Return the image of our own node, with the border that the networks of others have."""
    ours = upscaling("photo.png", loader={"backend": "torch"}, padding="zero")
    return pixels(server.saved_files(server.run(ours))[0])


def test_core_s_loader_opens_a_bundled_file(server: ComfyServer, expected: npt.NDArray[np.int16]) -> None:
    core = node("ImageUpscaleWithModel", upscale_model=["load", 0], image=["image", 0])
    (result,) = server.saved_files(server.run(calling(CORE, core)))
    assert np.abs(pixels(result) - expected).max() <= 1  # Save Image truncates


def test_our_node_takes_what_core_s_loader_opened(server: ComfyServer, expected: npt.NDArray[np.int16]) -> None:
    ours = node("ParagonUpscale", upscale_model=["load", 0], image=["image", 0], padding="zero")
    (result,) = server.saved_files(server.run(calling(CORE, ours)))
    assert np.abs(pixels(result) - expected).max() <= 1


def test_core_s_loader_opens_a_wrapped_pth(server: ComfyServer) -> None:
    path = server.folder / "models" / "upscale_models" / "fidelity.pth"
    path.write_bytes(torch_file({f"module.{key}": value / 20 for key, value in as_stored(SMALL).items()} | fixed()))
    core = node("ImageUpscaleWithModel", upscale_model=["load", 0], image=["image", 0])
    workflow = calling(CORE, core)
    workflow["load"]["inputs"]["model_name"] = path.name
    ours = upscaling("photo.png", loader={"model_name": path.name, "precision": "fp32"}, padding="zero")
    (first,), (second,) = (server.saved_files(server.run(each)) for each in (workflow, ours))
    assert np.abs(pixels(first) - pixels(second)).max() <= 1


def fixed() -> dict[str, Any]:
    return {f"module.{key}": value for key, value in as_stored(SMALL).items() if key.startswith("base.")}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("backend", [CORE, "torch", "onnxruntime"])
def test_nodes_of_others_get_our_pixels(
    server: ComfyServer, expected: npt.NDArray[np.int16], backend: str, pattern: str
) -> None:
    call = node("TestCallPattern", upscale_model=["load", 0], image=["many", 0], pattern=pattern)
    workflow = calling(backend, call)
    workflow["many"] = node("RepeatImageBatch", image=["image", 0], amount=2)
    results = server.saved_files(server.run(workflow))
    assert len(results) == 2
    # bfloat16 has 8 bits. Between tiles, core blends.
    levels = 5 if pattern == "module_in_bfloat16" else 2
    assert max(int(np.abs(pixels(path) - expected).max()) for path in results) <= levels


@pytest.mark.parametrize("backend", [CORE, "torch", "onnxruntime"])
def test_half_tensors_go_through_core_s_node(
    server: ComfyServer, expected: npt.NDArray[np.int16], backend: str
) -> None:
    workflow = calling(backend, node("ImageUpscaleWithModel", upscale_model=["load", 0], image=["half", 0]))
    workflow["half"] = node("TestHalfImage", image=["image", 0], with_nan=False)
    (result,) = server.saved_files(server.run(workflow))
    assert np.abs(pixels(result) - expected).max() <= 2


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_nan_is_refused_alike_by_all_backends(server: ComfyServer, backend: str) -> None:
    workflow = calling(backend, node("ImageUpscaleWithModel", upscale_model=["load", 0], image=["half", 0]))
    workflow["half"] = node("TestHalfImage", image=["image", 0], with_nan=True)
    run = server.run(workflow)
    assert not run.ok
    assert "values that are not numbers" in run.message
    assert "What helps: " in run.message


def test_names_with_either_slash_load_and_damaged_files_are_refused_before_the_run(server: ComfyServer) -> None:
    folder = server.folder / "models" / "upscale_models"
    (folder / "sub").mkdir()
    whole = (WEIGHTS / "realtime-2x.safetensors").read_bytes()
    (folder / "sub" / "deep.safetensors").write_bytes(whole)
    (folder / "damaged.safetensors").write_bytes(whole[:3000])
    for name in ("sub/deep.safetensors", "sub\\deep.safetensors"):
        assert server.run(upscaling("photo.png", loader={"model_name": name})).ok
    for name, words in (("damaged.safetensors", "damaged or truncated"), ("gone.safetensors", "there is no model")):
        with pytest.raises(Refused, match=words):
            server.run(upscaling("photo.png", loader={"model_name": name}))


def test_the_model_s_name_is_an_output(server: ComfyServer) -> None:
    workflow = upscaling("photo.png")
    workflow["save"]["inputs"]["filename_prefix"] = ["load", 1]
    (result,) = server.saved_files(server.run(workflow))
    assert result.name.startswith("realtime-2x")
