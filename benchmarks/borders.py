"""What an image's border looks like with each padding: scores of whole images and of their border, and flat images.

    python benchmarks/borders.py FOLDER [MODEL ...] [--output FILE]

FOLDER has images, or folders of them. The protocol is that of `paragon_core.quality.evaluate`, but nothing is cut off
before images are compared: printed are the mean PSNR of luma in dB and SSIM of the whole image, the PSNR of the ring
of 1 and 4 low-resolution pixels at its border, and by how many levels of 255 flat images are off.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from paragon_core.models.model import bundled, load
from paragon_core.quality.evaluate import find_sets, read_pairs
from paragon_core.quality.metrics import luma, psnr, ssim
from paragon_core.upscaling.border import Padding
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.quality.evaluate import Pair

Image = npt.NDArray[np.uint8]

#: All but the one for textures that repeat.
PADDINGS = [padding for padding in get_args(Padding) if padding != "wrap"]

#: Widths of the ring in low-resolution pixels.
RINGS = (1, 4)

LEVELS = (20, 128, 255)


def scores(pair: Pair, upscale: Callable[[Image], Image]) -> dict[str, float]:
    """Return the scores of one image."""
    result, original = luma(upscale(pair.low)), luma(pair.high)
    found = {"psnr": psnr(result, original), "ssim": ssim(result, original)}
    for ring in RINGS:
        width = ring * pair.scale
        outside = np.ones(original.shape, dtype=bool)
        outside[width:-width, width:-width] = False
        found[f"ring {ring}"] = psnr(result[outside], original[outside])
    return found


def levels_off(level: int, upscale: Callable[[Image], Image]) -> int:
    """Return by how much a flat image is off where it is worst."""
    flat = np.full((40, 50, 3), level, np.uint8)
    return int(np.abs(upscale(flat).astype(int) - level).max())


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Return all figures of one model, for each padding."""
    figures: dict[str, Any] = {}
    model = load(name)
    for padding in PADDINGS:
        with Upscaler(model, precision="fp32", padding=padding) as upscaler:
            figures[padding] = {"flat": {str(level): levels_off(level, upscaler) for level in LEVELS}}
            for each in find_sets(folder):
                images = [scores(pair, upscaler) for pair in read_pairs(each, model.spec.scale)]
                means = {key: float(np.mean([image[key] for image in images])) for key in images[0]}
                figures[padding][each.name] = means
                text = "  ".join(f"{key} {mean:.4f}" for key, mean in means.items())
                print(f"{name:19} {padding:10} {each.name:8}{text}")
        print(f"{name:19} {padding:10} flat    {figures[padding]['flat']}")
    return figures


def main() -> None:
    """Measure each model and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", default=list(bundled()))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    figures = {name: measure(name, options.folder) for name in options.models}
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
