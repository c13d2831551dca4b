"""Make docs/before-after.png: a photograph that no model knows, halved and upscaled again, next to the original.

python benchmarks/before_after.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from paragon_core.media.images import read_image
from paragon_core.quality.evaluate import make_pair
from paragon_core.quality.metrics import score
from paragon_core.upscaling.upscaler import Upscaler

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "examples" / "crocodile.png"
RESULT = ROOT / "docs" / "before-after.png"

#: Left, top, right and bottom of what is shown, in pixels of the original.
CROP = (180, 122, 300, 212)
#: Each pixel of the original becomes a square of this side, so that a browser's own smoothing does not matter.
MAGNIFICATION = 3
CAPTION = 30
GAP = 6

Pixels = npt.NDArray[np.uint8]


def panels() -> list[tuple[str, Pixels]]:
    """Return captions and images of one size: bicubic, Lanczos, Paragon, original."""
    pair = make_pair(SAMPLE.name, read_image(SAMPLE).array, scale=2)
    height, width, _ = pair.high.shape
    small = Image.fromarray(pair.low)
    with Upscaler("realtime-2x") as upscaler:
        upscaled = {
            "Bicubic": np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)),
            "Lanczos": np.asarray(small.resize((width, height), Image.Resampling.LANCZOS)),
            "Paragon realtime-2x": upscaler(pair.low),
        }
    scored = [
        (f"{name}  {score(pixels, pair.high, border=2).psnr_y:.2f} dB", pixels) for name, pixels in upscaled.items()
    ]
    return [*scored, ("Original", pair.high)]


def main() -> None:
    """Draw the panels side by side."""
    left, top, right, bottom = CROP
    width, height = (right - left) * MAGNIFICATION, (bottom - top) * MAGNIFICATION
    shown = panels()
    columns = 2
    rows = -(-len(shown) // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + CAPTION))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=18)
    for index, (caption, pixels) in enumerate(shown):
        row, column = divmod(index, columns)
        crop = Image.fromarray(pixels[top:bottom, left:right])
        place = (column * (width + GAP), row * (height + CAPTION))
        sheet.paste(crop.resize((width, height), Image.Resampling.NEAREST), place)
        draw.text((place[0] + 4, place[1] + height + 4), caption, fill="black", font=font)
    RESULT.parent.mkdir(exist_ok=True)
    sheet.save(RESULT, optimize=True)
    print(f"{RESULT.relative_to(ROOT)}: {sheet.width} x {sheet.height}")


if __name__ == "__main__":
    main()
