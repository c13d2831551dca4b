"""Make the images of ComfyUI: docs/comfyui.webp, and a thumbnail next to each example workflow.

COMFYUI_PATH=... COMFYUI_PYTHON=... python -m tests.paragon_nodes.make_images

All are made by running the workflows, with the project's sample photo as the image that they load.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from tests.browsers import chromium
from tests.paragon_nodes import example_workflows
from tests.paragon_nodes.comfy_page import opened
from tests.paragon_nodes.comfy_server import ROOT, ComfyServer
from tests.paragon_nodes.short_videos import frames_of, pan

PHOTO = ROOT / "examples" / "chelsea.png"
SCREENSHOT = ROOT / "docs" / "comfyui.webp"
SIDE = 400
LINE = 4


def main() -> None:
    """Make all of them."""
    browser = chromium()
    if browser is None:
        raise SystemExit("needs Chromium or Chrome on the PATH, or its path in CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        server = ComfyServer(Path(folder) / "comfyui", Path(os.environ["COMFYUI_PATH"]).resolve())
        try:
            with Image.open(PHOTO) as photo:
                photo.convert("RGB").save(server.folder / "input" / "example.png")
            pan(PHOTO, server.folder / "input" / "video.mp4", size=(320, 240))
            for name, thumbnail in thumbnails(server).items():
                thumbnail.save(example_workflows.FOLDER / f"{name}.jpg", quality=88)
            screenshot(server, browser).save(SCREENSHOT, quality=90, method=6)
        finally:
            server.close()


def thumbnails(server: ComfyServer) -> dict[str, Image.Image]:
    """Run the workflows and return an image for each."""
    with Image.open(server.folder / "input" / "example.png") as photo:
        photo.load()
    (large,) = results(server, "1. Upscale an image")
    (sized,) = results(server, "2. Upscale to a size")
    ours, _, lanczos = results(server, "4. Compare with other upscalers")
    (video,) = results(server, "3. Upscale a video")
    return {
        "1. Upscale an image": halves(photo, large, (120, 64, 220, 164)),
        "2. Upscale to a size": inset(photo, sized),
        "4. Compare with other upscalers": halves(lanczos, ours, (580, 206, 700, 326)),
        "3. Upscale a video": perforated(
            halves(frame(server.folder / "input" / "video.mp4"), video, (55, 34, 155, 134)),
        ),
    }


def results(server: ComfyServer, name: str) -> list[Image.Image]:
    """Run an example workflow and return what it saved, from top to bottom; of a video a frame."""
    saved = example_workflows.saved(name)
    workflow = example_workflows.queued(saved, server.get("/object_info"))
    for node in workflow.values():
        if node["class_type"] == "LoadVideo":
            node["inputs"]["file"] = "video.mp4"
    run = server.run(workflow)
    images = []
    for number, node in workflow.items():
        if node["class_type"] in {"SaveImage", "PreviewImage", "SaveVideo"}:
            (path,) = server.saved_files(run, number)
            images.append(frame(path) if path.suffix == ".mp4" else Image.open(path).convert("RGB"))
    return images


def frame(video: Path) -> Image.Image:
    """Return a frame from the middle of a video."""
    frames = frames_of(video)
    return Image.fromarray(frames[len(frames) // 2])


def halves(before: Image.Image, after: Image.Image, area: tuple[int, int, int, int]) -> Image.Image:
    """Return a square of which the left half is from one image and the right half from an upscaled one.

    Each pixel of the images becomes a square, so that nothing but them shows. The area is one of ``before``.
    """
    scale = after.width // before.width
    left, top, right, bottom = area
    square = before.crop(area).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    large = after.crop((scale * left, scale * top, scale * right, scale * bottom))
    large = large.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    middle = SIDE // 2
    square.paste(large.crop((middle, 0, SIDE, SIDE)), (middle, 0))
    ImageDraw.Draw(square).rectangle((middle - LINE // 2, 0, middle + LINE // 2 - 1, SIDE), fill="white")
    return square


def inset(before: Image.Image, after: Image.Image) -> Image.Image:
    """Return the middle of an image as a square, and in it what it was upscaled from, at the same scale."""
    edge = (after.width - after.height) // 2
    square = after.crop((edge, 0, edge + after.height, after.height)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    ratio = SIDE / after.height
    small = before.resize((round(before.width * ratio), round(before.height * ratio)), Image.Resampling.LANCZOS)
    corner = (SIDE - small.width - 16, SIDE - small.height - 16)
    frame = (
        corner[0] - LINE,
        corner[1] - LINE,
        corner[0] + small.width + LINE - 1,
        corner[1] + small.height + LINE - 1,
    )
    ImageDraw.Draw(square).rectangle(frame, fill="white")
    square.paste(small, corner)
    return square


def perforated(image: Image.Image) -> Image.Image:
    """Return an image between the perforations of a strip of film."""
    draw = ImageDraw.Draw(image)
    band, hole = 44, 20
    for top in (0, SIDE - band):
        draw.rectangle((0, top, SIDE, top + band), fill="black")
        for left in range(hole // 2, SIDE, 2 * hole):
            box = (left, top + (band - hole) // 2, left + hole, top + (band + hole) // 2)
            draw.rounded_rectangle(box, radius=4, fill="white")
    return image


def screenshot(server: ComfyServer, browser: str) -> Image.Image:
    """Run the first example in the page and return what it then shows."""
    with opened(server, browser=browser, size=(1600, 1000)) as page:
        page.open_template("1. Upscale an image")
        assert page.run().ok
        page.shown_size("SaveImage")
        page.tooltip("ParagonUpscale", "tile_size")
        return Image.open(io.BytesIO(page.image())).convert("RGB")


if __name__ == "__main__":
    main()
