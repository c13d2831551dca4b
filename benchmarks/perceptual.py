"""Score models by LPIPS: how alike two images look to AlexNet, where PSNR asks how alike their pixels are. Needs torch.

    scripts/perceptual-weights FOLDER
    python -m benchmarks.perceptual --data FOLDER --weights FOLDER/lpips.safetensors [--model NAME|FILE ...]

The lower, the more alike; 0 for the same image. R. Zhang et al., "The unreasonable effectiveness of deep features as a
perceptual metric", 2018, version 0.1 with AlexNet, which is what papers print as LPIPS. Pairs are those of
`paragon_core.quality.evaluate`; LPIPS is of whole images, PSNR without a border, as there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from paragon_core.models.model import load
from paragon_core.quality.comparison import compare
from paragon_core.quality.evaluate import find_sets, read_pairs
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Pixels = npt.NDArray[np.uint8]

RESULTS = Path(__file__).parent / "results" / "perceptual.json"

#: What is scored when nothing is named: all of one scale, so that rows can be compared.
MODELS: Final = ("realtime-4x", "stream-4x", "stream-4x-sharp")

#: For pixels in -1..1.
_MEAN: Final = (-0.030, -0.088, -0.188)
_DEVIATION: Final = (0.458, 0.448, 0.450)

#: Of each convolution: its place among torchvision's ``features``, stride, padding, and whether a pool is before it.
_CONVOLUTIONS: Final = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))


def lpips(one: Pixels, other: Pixels, weights: Mapping[str, Tensor]) -> float:
    """Return how different two images look.

    Args:
        one: HxWx3, RGB.
        other: the same shape.
        weights: AlexNet's convolutions under torchvision's names, and ``weights.0`` to ``weights.4`` of its layers.

    """
    total = 0.0
    for number, (ours, theirs) in enumerate(zip(_responses(one, weights), _responses(other, weights), strict=True)):
        distance = (ours - theirs).square()
        total += float(torch.einsum("bchw,c->bhw", distance, weights[f"weights.{number}"]).mean())
    return total


@torch.inference_mode()
def _responses(image: Pixels, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Return what each layer responds, every pixel's responses brought to the length 1."""
    mean, deviation = torch.tensor([_MEAN, _DEVIATION]).view(2, 3, 1, 1)
    x = (torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1 - mean) / deviation
    found = []
    for layer, stride, padding, pooled in _CONVOLUTIONS:
        if pooled:
            x = functional.max_pool2d(x, 3, 2)
        kernel, bias = weights[f"features.{layer}.weight"], weights[f"features.{layer}.bias"]
        x = functional.conv2d(x, kernel, bias, stride, padding).relu()
        found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
    return found


def scores(
    folder: Path, scale: int, weights: Mapping[str, Tensor], upscale: Callable[[Pixels], Pixels]
) -> dict[str, dict[str, float]]:
    """Return, for every set of images, the means of LPIPS and of PSNR of luma in dB."""
    found = {}
    for path in find_sets(folder):
        pairs = [(upscale(pair.low), pair.high) for pair in read_pairs(path, scale)]
        found[path.name] = {
            "lpips": round(mean(lpips(image, high, weights) for image, high in pairs), 4),
            "psnr_y": round(mean(compare(image, high, border=scale).psnr_y for image, high in pairs), 3),
        }
    return found


def bicubic(scale: int) -> Callable[[Pixels], Pixels]:
    """Return bicubic interpolation."""

    def upscale(image: Pixels) -> Pixels:
        size = (scale * image.shape[1], scale * image.shape[0])
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))

    return upscale


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or of such folders")
    parser.add_argument("--weights", type=Path, required=True, help="lpips.safetensors of scripts/perceptual-weights")
    parser.add_argument("--model", nargs="*", default=MODELS, help="bundled models or checkpoints of one scale")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    options = parser.parse_args(arguments)
    weights = load_file(options.weights)
    models = {Path(name).name: load(name) for name in options.model}
    scale = next(iter(models.values())).spec.scale
    rows: dict[str, dict[str, Any]] = {"bicubic": {"scores": scores(options.data, scale, weights, bicubic(scale))}}
    for name, model in models.items():
        with Upscaler(model, precision="fp32", padding="zero") as upscale:
            rows[name] = {"sha256": model.sha256, "scores": scores(options.data, scale, weights, upscale)}
    for name, row in rows.items():
        cells = (f"{key} {each['lpips']:.4f} {each['psnr_y']:.3f} dB" for key, each in row["scores"].items())
        print(f"{name:24}", *cells, sep="   ")
    options.output.write_text(json.dumps({"scale": scale, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
