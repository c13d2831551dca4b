"""How models take what is harder than photographs: screen content, and patterns of single pixels.

    python -m benchmarks.hard_edges [MODEL ...]

The 200 images are of `scripts.training_data.screen_content` with a seed that no training uses. Printed are the mean
PSNR of all pixels in dB, the lowest and the highest value of any output (0..1 would be right), and the same two for
patterns that no reduced photograph holds. The model cards quote these figures.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InferenceError
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.upscaling.upscaler import Upscaler
from scripts.training_data.screen_content import screen_content

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGES, SIDE, SEED = 200, 192, 7

#: Brightness of single pixels.
_LEVELS = (128, 192, 224, 255)

_MIDDLE = 32


def patterns() -> dict[str, npt.NDArray[np.uint8]]:
    """Return images 64x64x3 of single pixels."""
    generator = np.random.default_rng(0)
    rows, columns = np.indices((64, 64))
    found = {
        "checkerboard": np.where((rows + columns) % 2, 255, 0),
        "noise of full range": generator.integers(0, 256, (64, 64)),
    }
    for level in _LEVELS:
        found[f"pixel of {level} on black"] = np.where((rows == _MIDDLE) & (columns == _MIDDLE), level, 0)
        found[f"line of {level} on black"] = np.where(rows == _MIDDLE, level, 0)
    return {name: np.repeat(plane[:, :, None], 3, axis=2).astype(np.uint8) for name, plane in found.items()}


def main(models: Sequence[str]) -> None:
    """Print the figures of each model."""
    drawn = [np.asarray(image) for image in screen_content(IMAGES, SIDE, seed=SEED)]
    small = [round_to_uint8(resize(image, SIDE // 2, SIDE // 2)) for image in drawn]
    for name in models:
        with Upscaler(name, precision="fp32", clip=False) as upscale:
            made = [upscale(image.astype(np.float32) / 255) for image in small]
            pairs = zip(made, drawn, strict=True)
            errors = [np.mean((np.clip(one, 0, 1) - image / 255.0) ** 2) for one, image in pairs]
            lowest, highest = min(one.min() for one in made), max(one.max() for one in made)
            print(f"{name}: screen content {np.mean(-10 * np.log10(errors)):.1f} dB, {lowest:.3g} to {highest:.3g}")
            for pattern, image in patterns().items():
                try:
                    one = upscale(image.astype(np.float32) / 255)[16:-16, 16:-16]
                    print(f"  {pattern}: {one.min():.3g} to {one.max():.3g}")
                except InferenceError as error:
                    print(f"  {pattern}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["realtime-2x", "stream-2x"])
