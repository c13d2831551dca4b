"""The pack in a real ComfyUI: loading, workflows, interrupts, caching."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from tests.paragon_nodes.comfy_server import ROOT, ComfyServer, Refused, Workflow, node, upscaling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

WEIGHTS = ROOT / "paragon_core" / "weights" / "realtime-2x.safetensors"
NODES = (
    "ParagonLoadModel",
    "ParagonUpscale",
    "ParagonUpscaleTo",
    "ParagonUpscaleVideo",
    "ParagonBuildEngine",
    "ParagonInfo",
)
LANGUAGES = sorted(path.name for path in (ROOT / "locales").iterdir())


def pixels(path: Path) -> npt.NDArray[np.int16]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int16)


def from_command_line(path: Path, folder: Path, *options: str) -> npt.NDArray[np.int16]:
    """Return what ``paragon upscale`` makes of a file."""
    result = folder / f"expected-{path.stem}.png"
    command = [sys.executable, "-m", "paragon_core.cli.main", "upscale", str(path), "-o", str(result), *options]
    subprocess.run([*command, "--quiet"], cwd=ROOT, check=True)
    return pixels(result)


def off_by(first: npt.NDArray[np.int16], second: npt.NDArray[np.int16]) -> int:
    assert first.shape == second.shape
    return int(np.abs(first - second).max())


def test_the_pack_loads_without_a_warning(comfy: ComfyServer) -> None:
    start, _, _ = comfy.log.read_text().partition("got prompt")  # what other tests asked for comes later
    lines = [line for line in start.splitlines() if "paragon" in line.lower()]
    assert [line for line in lines if "seconds" in line]
    assert not [line for line in lines if any(mark in line for mark in ("WARN", "ERROR", "FAILED", "Traceback"))]


def inputs_of(kinds: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of a node by name, each followed by those of its options, as ``name.inner``."""
    inputs = {}
    for name, (kind, options) in (kinds.get("required", {}) | kinds.get("optional", {})).items():
        inputs[name] = (kind, options)
        if kind == "COMFY_DYNAMICCOMBO_V3":
            for option in options["options"]:
                inputs |= {f"{name}.{inner}": each for inner, each in inputs_of(option["inputs"]).items()}
    return inputs


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_listed_and_explains_each_input_and_output(comfy: ComfyServer, name: str) -> None:
    info = comfy.get(f"/object_info/{name}")[name]
    inputs = inputs_of(info["input"])
    assert not [each for each, (_, options) in inputs.items() if not options.get("tooltip")]
    assert all(info["output_tooltips"])
    assert info["description"]
    assert not [each for each, (kind, options) in inputs.items() if kind in {"INT", "FLOAT"} and "max" not in options]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NODES)
def test_a_node_has_help_and_is_localised_whole(comfy: ComfyServer, name: str, language: str) -> None:
    info = comfy.get(f"/object_info/{name}")[name]
    inputs = list(inputs_of(info["input"]))
    words = comfy.get("/i18n")[language]["nodeDefs"][name]
    assert list(words["inputs"]) == [each.replace(".", "_") for each in inputs]
    assert list(words["outputs"]) == [str(index) for index in range(len(info["output"]))]
    assert all(each["name"] and each["tooltip"] for kind in ("inputs", "outputs") for each in words[kind].values())
    for file, title in ((f"{name}.md", info["display_name"]), (f"{name}/{language}.md", words["display_name"])):
        page = comfy.read(f"/extensions/paragon/docs/{file}").decode()
        assert page.startswith(f"# {title}\n")
        shown = (each.rpartition(".")[2] for each in inputs if each not in {"upscale_model", "image"})
        assert all(f"**{each}**" in page for each in shown)


@pytest.mark.parametrize("backend", ["auto", "torch", "onnxruntime"])
def test_an_image_equals_that_of_the_command_line(comfy: ComfyServer, backend: str, tmp_path: Path) -> None:
    (result,) = comfy.saved_files(comfy.run(upscaling("photo.png", loader={"backend": backend})))
    assert off_by(pixels(result), from_command_line(comfy.folder / "input" / "photo.png", tmp_path)) <= 1


def test_tiles_do_not_show(comfy: ComfyServer) -> None:
    results = []
    for size in (0, 64):
        workflow = upscaling("photo.png", tile_size=size)
        workflow["large"] = node("ImageScale", **scaled(["image", 0], 180, 130))
        workflow["upscale"]["inputs"]["image"] = ["large", 0]
        (result,) = comfy.saved_files(comfy.run(workflow))
        results.append(pixels(result))
    assert off_by(*results) <= 1


def test_transparency_is_kept(comfy: ComfyServer, tmp_path: Path) -> None:
    workflow = upscaling("clear.png")
    workflow["join"] = node("JoinImageWithAlpha", image=["image", 0], alpha=["image", 1])
    workflow["upscale"]["inputs"]["image"] = ["join", 0]
    (result,) = comfy.saved_files(comfy.run(workflow))
    assert off_by(pixels(result), from_command_line(comfy.folder / "input" / "clear.png", tmp_path)) <= 1


def test_each_image_of_a_batch_is_its_own(comfy: ComfyServer, tmp_path: Path) -> None:
    workflow = upscaling("photo.png")
    workflow["second"] = node("LoadImage", image="other.png")
    workflow["batch"] = node("ImageBatch", image1=["image", 0], image2=["second", 0])
    workflow["many"] = node("RepeatImageBatch", image=["batch", 0], amount=25)
    workflow["upscale"]["inputs"]["image"] = ["many", 0]
    results = comfy.saved_files(comfy.run(workflow))
    assert len(results) == 50
    for offset, name in enumerate(("photo", "other")):
        expected = from_command_line(comfy.folder / "input" / f"{name}.png", tmp_path)
        assert max(off_by(pixels(path), expected) for path in results[offset::2]) <= 1


def test_a_single_pixel(comfy: ComfyServer, tmp_path: Path) -> None:
    (result,) = comfy.saved_files(comfy.run(upscaling("dot.png")))
    assert off_by(pixels(result), from_command_line(comfy.folder / "input" / "dot.png", tmp_path)) <= 1


def test_an_image_of_4k(comfy: ComfyServer) -> None:
    workflow = upscaling("photo.png")
    workflow["large"] = node("ImageScale", **scaled(["image", 0], 3840, 2160))
    workflow["upscale"]["inputs"]["image"] = ["large", 0]
    workflow["small"] = node("ImageScale", **scaled(["upscale", 0], 64, 48))
    workflow["save"]["inputs"]["images"] = ["small", 0]
    workflow["size"] = node("GetImageSize", image=["upscale", 0])
    (result,) = comfy.saved_files(comfy.run(workflow))
    # Upscaled and made small again, it is what it was, but for the borders.
    assert off_by(pixels(result)[4:-4, 4:-4], pixels(comfy.folder / "input" / "photo.png")[4:-4, 4:-4]) < 40


def scaled(image: list[Any], width: int, height: int) -> dict[str, Any]:
    return {"image": image, "upscale_method": "bilinear", "width": width, "height": height, "crop": "disabled"}


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_core_s_node_runs_the_model(comfy: ComfyServer, backend: str, tmp_path: Path) -> None:
    workflow = upscaling("photo.png", loader={"backend": backend})
    workflow["upscale"] = node("ImageUpscaleWithModel", upscale_model=["load", 0], image=["image", 0])
    (result,) = comfy.saved_files(comfy.run(workflow))
    assert (
        off_by(pixels(result), from_command_line(comfy.folder / "input" / "photo.png", tmp_path, "--padding", "zero"))
        <= 1
    )


@pytest.mark.parametrize(
    ("inputs", "size"),
    [
        ({}, (128, 96)),
        ({"mode": "factor"}, (128, 96)),
        ({"mode": "factor", "mode.factor": 0.5}, (32, 24)),
        ({"mode": "short edge", "mode.edge": 100}, (133, 100)),
        ({"mode": "long edge", "mode.edge": 100, "multiple_of": 8}, (96, 72)),
        ({"mode": "fit", "mode.width": 150, "mode.height": 100}, (133, 100)),
        ({"mode": "megapixels", "mode.megapixels": 0.03}, (200, 150)),
        # As release 0.1 had them.
        ({"mode": "factor", "factor": 3.0, "edge": 1080}, (192, 144)),
        ({"mode": "fit", "factor": 3.0, "width": 150, "height": 100}, (133, 100)),
    ],
)
def test_upscale_to_makes_the_size_that_was_asked_for(
    comfy: ComfyServer, inputs: dict[str, Any], size: tuple[int, int]
) -> None:
    workflow = upscaling("photo.png")
    workflow["upscale"] = node("ParagonUpscaleTo", upscale_model=["load", 0], image=["image", 0], **inputs)
    workflow["told"] = node("EmptyImage", width=["upscale", 1], height=["upscale", 2], batch_size=1, color=0)
    workflow["other"] = node("SaveImage", images=["told", 0], filename_prefix="told")
    run = comfy.run(workflow)
    for saved in ("save", "other"):
        with Image.open(comfy.saved_files(run, saved)[0]) as image:
            assert image.size == size


@pytest.mark.parametrize("inputs", [{"mode": "long edge", "mode.edge": ["zero", 0]}, {"multiple_of": ["zero", 0]}])
def test_a_zero_of_another_node_is_refused_in_words(comfy: ComfyServer, inputs: dict[str, Any]) -> None:
    workflow = upscaling("photo.png") | {"zero": node("PrimitiveInt", value=0)}
    workflow["upscale"] = node("ParagonUpscaleTo", upscale_model=["load", 0], image=["image", 0], **inputs)
    run = comfy.run(workflow)
    assert "must be positive" in run.message
    assert "What helps: " in run.message


@pytest.mark.parametrize(
    ("kind", "inputs", "text"),
    [
        ("ParagonLoadModel", {"backend": "none such"}, "there is no backend 'none such'"),
        ("ParagonLoadModel", {"backend": "onnxruntime", "precision": "fp16"}, "does not run fp16"),
        ("ParagonLoadModel", {"precision": "fp8"}, "there is no precision 'fp8'"),
        ("ParagonUpscale", {"tile_size": 32}, "tile_size is 32"),
        ("ParagonUpscaleTo", {"tile_size": 8200}, "tile_size is 8200"),
        ("ParagonUpscaleTo", {"mode": "width"}, "there is no size by 'width'"),
        ("ParagonUpscaleTo", {"mode": "factor", "mode.factor": 99}, "mode.factor"),
        ("ParagonUpscaleVideo", {"tile_size": 1}, "tile_size is 1"),
        ("ParagonUpscaleVideo", {"crf": 60}, "crf 60"),
        ("ParagonUpscaleVideo", {"crf": 64, "codec": "av1"}, "crf 64"),
        ("ParagonUpscaleVideo", {"codec": "vp9"}, "there is no codec 'vp9'"),
        ("ParagonUpscaleVideo", {"size": "twice"}, "there is no size by 'twice'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    comfy: ComfyServer, kind: str, inputs: dict[str, Any], text: str
) -> None:
    workflow = upscaling("photo.png")
    if kind == "ParagonLoadModel":
        workflow["load"]["inputs"] |= inputs
    else:
        workflow["video"] = node("CreateVideo", images=["image", 0], fps=24.0)
        source = {"video": ["video", 0]} if kind == "ParagonUpscaleVideo" else {"image": ["image", 0]}
        workflow["upscale"] = node(kind, upscale_model=["load", 0], **source, **inputs)
        if kind == "ParagonUpscaleVideo":
            workflow["save"] = node("SaveVideo", video=["upscale", 0], filename_prefix="test", format="auto")
    with pytest.raises(Refused) as refused:
        comfy.queue(workflow)
    assert text in str(refused.value)


def test_info_tells_what_works(comfy: ComfyServer) -> None:
    run = comfy.run({"info": node("ParagonInfo")})
    (text,) = run.outputs["info"]["text"]
    assert "ComfyUI computes on cpu" in text
    assert "torch 2" in text
    assert "tensorrt: off, because" in text
    assert "realtime-2x" in text


def long_work() -> Workflow:
    """Return work for minutes, in tiles of a moment each."""
    workflow = upscaling("photo.png", tile_size=192, loader={"model_name": "stream-2x"})
    workflow["large"] = node("ImageScale", **scaled(["image", 0], 7680, 4320))
    workflow["upscale"]["inputs"]["image"] = ["large", 0]
    return workflow


def test_an_interrupt_stops_within_a_tile_and_the_queue_lives_on(comfy: ComfyServer) -> None:
    tile = upscaling("photo.png", loader={"model_name": "stream-2x"})
    tile["large"] = node("ImageScale", **scaled(["image", 0], 192, 192))
    tile["upscale"]["inputs"]["image"] = ["large", 0]
    one_tile = comfy.run(tile).seconds

    number = comfy.queue(long_work())
    time.sleep(8)
    assert comfy.get("/queue")["queue_running"]
    comfy.post("/interrupt", {})
    run = comfy.wait(number)
    assert not run.ok
    assert run.interrupted == "ParagonUpscale"
    assert run.seconds < 2 * one_tile + 1
    assert comfy.run(upscaling("photo.png")).ok


@pytest.mark.parametrize("backend", ["torch", "onnxruntime", "openvino"])
def test_an_interrupt_does_not_wait_for_a_network_that_sees_the_whole_image(
    comfy: ComfyServer, shared: Path, backend: str
) -> None:
    weights = shared / "weights" / "v9_2xParagonSR2_Photo_fidelity.safetensors"
    shutil.copy(weights, comfy.folder / "models" / "upscale_models" / weights.name)
    workflow = upscaling("photo.png", loader={"model_name": weights.name, "backend": backend})
    workflow["large"] = node("ImageScale", **scaled(["image", 0], 1280, 960))
    workflow["upscale"]["inputs"]["image"] = ["large", 0]
    number = comfy.queue(workflow)
    time.sleep(6)  # of more than a minute
    assert comfy.get("/queue")["queue_running"]
    comfy.post("/interrupt", {})
    run = comfy.wait(number)
    assert run.interrupted == "ParagonUpscale"
    assert run.seconds < 10  # two seconds where nothing else runs


@pytest.mark.parametrize("folder", ["upscale_models", "paragon"])
def test_a_changed_checkpoint_is_loaded_again_and_nothing_else(comfy: ComfyServer, folder: str) -> None:
    file = comfy.folder / "models" / folder / f"in_{folder}.safetensors"
    shutil.copy(WEIGHTS, file)
    workflow = upscaling("photo.png", loader={"model_name": file.name})
    assert comfy.run(workflow).ok
    assert comfy.run(workflow).cached == {"load", "image", "upscale", "save"}
    os.utime(file)
    assert comfy.run(workflow).cached == {"image"}


def test_networks_of_others_are_not_listed(comfy: ComfyServer) -> None:
    save_file({"conv_first.weight": np.zeros((4, 3, 3, 3))}, comfy.folder / "models/upscale_models/esrgan.safetensors")
    save_file({"conv_in.weight": np.zeros((4, 3, 3, 3))}, comfy.folder / "models/upscale_models/odd.safetensors")
    loader = comfy.get("/object_info/ParagonLoadModel")["ParagonLoadModel"]
    options = loader["input"]["required"]["model_name"][1]["options"]
    assert "realtime-2x" in options
    assert not {"esrgan.safetensors", "odd.safetensors"} & set(options)


def test_a_damaged_checkpoint_is_refused_with_a_remedy(comfy: ComfyServer) -> None:
    file = comfy.folder / "models" / "upscale_models" / "damaged.safetensors"
    file.write_bytes(WEIGHTS.read_bytes()[:-1000])
    with pytest.raises(Refused, match=r"damaged.*What helps: "):
        comfy.queue(upscaling("photo.png", loader={"model_name": file.name}))


def test_a_missing_checkpoint_is_refused_by_name(comfy: ComfyServer) -> None:
    with pytest.raises(Refused, match=r"gone\.safetensors"):
        comfy.queue(upscaling("photo.png", loader={"model_name": "gone.safetensors"}))
