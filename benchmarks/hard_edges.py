"""How models take what is harder than photographs: screen content, and patterns of single pixels.

    python -m benchmarks.hard_edges [MODEL ...]

The 200 images are of `scripts.training_data.screen_content` with a seed that no training uses. Printed are the mean
PSNR of all pixels in dB, the lowest and the highest value of any output (0..1 would be right), and for each kind of
`paragon_core.quality.hard_images` the worst: by how many levels of 255 values leave the range of the image, and by how
many the mean changes. The model cards quote these figures.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.errors import InferenceError
from paragon_core.models.model import bundled
from paragon_core.quality.hard_images import hard_images, measure, worst
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.upscaling.upscaler import Upscaler
from scripts.training_data.screen_content import screen_content

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGES, SIDE, SEED = 200, 192, 7


def main(models: Sequence[str]) -> None:
    """Print the figures of each model."""
    drawn = [np.asarray(image) for image in screen_content(IMAGES, SIDE, seed=SEED)]
    for name in models:
        with Upscaler(name, precision="fp32", clip=False) as upscale:
            small = [round_to_uint8(resize(image, *[SIDE // upscale.scale] * 2)) for image in drawn]
            made = [upscale(image.astype(np.float32) / 255) for image in small]
            pairs = zip(made, drawn, strict=True)
            errors = [np.mean((np.clip(one, 0, 1) - image / 255.0) ** 2) for one, image in pairs]
            lowest, highest = min(one.min() for one in made), max(one.max() for one in made)
            print(f"{name}: screen content {np.mean(-10 * np.log10(errors)):.1f} dB, {lowest:.3g} to {highest:.3g}")
            for kind, images in hard_images().items():
                try:
                    found = worst(measure(image, upscale(image.astype(np.float32) / 255)) for image in images.values())
                    print(f"  {kind}: {found}{'' if found.allowed else ' (not allowed)'}")
                except InferenceError as error:
                    print(f"  {kind}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:] or bundled())
