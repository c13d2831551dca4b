"""Draw the images that the documentation compares models with: docs/models/*.webp. Needs PyAV.

    python benchmarks/model_crops.py

Six sources, each upscaled by bicubic interpolation and by two or three of the bundled models: a photograph that none
of them was trained on, halved; the same, moving and compressed with x264; the same as a JPEG; the same, halved by a box
filter; the same at a quarter of its size; and printed text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from paragon_core.media.images import read_image
from paragon_core.models.model import load
from paragon_core.quality.evaluate import make_pair
from paragon_core.quality.h264 import compress
from paragon_core.quality.lossy import as_jpeg
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from paragon_core.quality.evaluate import Reducer

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "models"

#: Left, top, width and height of what is shown, in pixels of the result.
PHOTO_CROP = (180, 122, 130, 96)
SHARP_CROP = (140, 90, 200, 150)
TEXT_CROP = (0, 0, 130, 96)
#: Each pixel becomes a square of this side, so that a browser's own smoothing does not matter.
MAGNIFICATION = 3
CAPTION = 28
GAP = 6

CRF = 28
QUALITY = 60
FRAMES = 8

Pixels = npt.NDArray[np.uint8]


def photo(scale: int = 2, reducer: Reducer = "bicubic") -> Pixels:
    """Return the photograph, ``scale`` times smaller."""
    pair = make_pair("crocodile", read_image(ROOT / "examples" / "crocodile.png").array, scale, reducer)
    return pair.low


def video_frame(image: Pixels) -> Pixels:
    """Return the last frame of a clip that pans to ``image``, compressed with x264 at a CRF of `CRF`."""
    shifted = [np.roll(image, FRAMES - 1 - n, axis=1) for n in range(FRAMES)]
    return compress(shifted, crf=CRF)[-1]


def text() -> Pixels:
    """Return black text on white, antialiased."""
    page = Image.new("RGB", (TEXT_CROP[2] // 2, TEXT_CROP[3] // 2), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=11)
    for row, line in enumerate(("Quick brown", "fox, lazy dog", "0123456789", "(a+b)/2 >= 4")):
        draw.text((2, row * 12), line, fill="black", font=font)
    return np.asarray(page)


def strip(name: str, image: Pixels, models: tuple[str, ...], crop: tuple[int, int, int, int]) -> None:
    """Write ``image`` upscaled by bicubic interpolation and by ``models`` of one scale, side by side."""
    left, top, width, height = crop
    scale = load(models[0]).spec.scale
    size = (scale * image.shape[1], scale * image.shape[0])
    panels = {"bicubic": np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))}
    for model in models:
        with Upscaler(model, precision="fp32") as upscale:
            panels[model] = upscale(image)
    shown = (width * MAGNIFICATION, height * MAGNIFICATION)
    sheet = Image.new("RGB", (len(panels) * (shown[0] + GAP) - GAP, shown[1] + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=18)
    for column, (caption, pixels) in enumerate(panels.items()):
        cut = Image.fromarray(pixels[top : top + height, left : left + width])
        x = column * (shown[0] + GAP)
        sheet.paste(cut.resize(shown, Image.Resampling.NEAREST), (x, 0))
        draw.text((x + 4, shown[1] + 3), caption, fill="black", font=font)
    path = FOLDER / f"{name}.webp"
    sheet.save(path, quality=90, method=6)
    print(f"{path.relative_to(ROOT)}: {sheet.width} x {sheet.height}, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Write all strips."""
    FOLDER.mkdir(exist_ok=True)
    small = photo()
    strip("photo", small, ("realtime-2x", "stream-2x", "photo-2x"), PHOTO_CROP)
    strip("video", video_frame(small), ("realtime-2x", "realtime-video-2x"), PHOTO_CROP)
    strip("web", as_jpeg(small, QUALITY), ("realtime-2x", "realtime-web-2x", "stream-web-2x"), PHOTO_CROP)
    strip("box", photo(reducer="box"), ("realtime-2x", "realtime-box-2x"), PHOTO_CROP)
    strip("sharp", photo(4), ("stream-4x", "stream-4x-sharp"), SHARP_CROP)
    strip("text", text(), ("realtime-2x", "stream-2x"), TEXT_CROP)


if __name__ == "__main__":
    main()
