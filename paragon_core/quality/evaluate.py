"""Score a model on folders of images, with bicubic and Lanczos upscaling for comparison.

    python -m paragon_core.quality.evaluate --data FOLDER --model NAME|FILE [--reducer box]

The protocol is that of published tables: crop the original to a multiple of the scale, shrink it with MATLAB's
antialiased bicubic, round to 8 bits, upscale in RGB, round to 8 bits, and compare luma without a border as wide as
the scale. A grey original is treated as RGB with three equal channels. Other
reducers than bicubic show how a model takes images that somebody else shrank.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.errors import (
    BackendError,
    InputError,
    ParagonError,
    UnsupportedFormatError,
    UnsupportedSizeError,
    as_lines,
)
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.images import read_image
from paragon_core.models.model import load
from paragon_core.quality.metrics import WINDOW, Score, mean_score, score
from paragon_core.quality.resize import Kernel, resize, round_to_uint8
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Pixels = npt.NDArray[np.uint8]

#: How an original is shrunk; all are antialiased.
Reducer = Literal["bicubic", "box", "bilinear", "lanczos"]

KERNELS: Final[dict[Reducer, Kernel]] = {"bicubic": "cubic", "box": "box", "bilinear": "linear", "lanczos": "lanczos3"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An original and what the protocol makes of it."""

    name: str
    """File name of the original."""
    low: Pixels
    """HxWx3 RGB: the image to upscale."""
    high: Pixels
    """sHxsWx3 RGB: the original, cropped to a multiple of the scale s."""

    @property
    def scale(self) -> int:
        """The upscaling factor that leads from ``low`` to ``high``."""
        return int(self.high.shape[0] // self.low.shape[0])


def make_pair(name: str, original: Pixels, scale: int, reducer: Reducer = "bicubic") -> Pair:
    """Crop an original to a multiple of ``scale`` and shrink it by the protocol.

    Args:
        name: what reports call the image.
        original: HxWx3, RGB.
        scale: the upscaling factor to be scored.
        reducer: how it is shrunk; the protocol says "bicubic".

    Raises:
        UnsupportedSizeError: if the image is too small to be scored.

    """
    height, width = original.shape[0] // scale, original.shape[1] // scale
    smallest = WINDOW + 2 * scale
    if min(height, width) * scale < smallest:
        msg = f"{name} has {original.shape[1]}x{original.shape[0]} pixels, too few to be scored"
        raise UnsupportedSizeError(msg, hint=f"at x{scale} every side needs {smallest + scale - 1} pixels")
    high = original[: height * scale, : width * scale]
    return Pair(name=name, low=round_to_uint8(resize(high, height, width, kernel=KERNELS[reducer])), high=high)


def read_pairs(folder: Path, scale: int, reducer: Reducer = "bicubic") -> Iterable[Pair]:
    """Read the images of one set in the order of their names, one at a time, and shrink them.

    Raises:
        MediaError: if an image cannot be read.
        UnsupportedFormatError: if an image is not 8-bit grey, palette or RGB.
        UnsupportedSizeError: if an image is too small to be scored.

    """
    for path in _images(folder):
        yield make_pair(path.name, _read_rgb(path), scale, reducer)


def upscale_classically(low: Pixels, *, scale: int, kernel: Kernel) -> Pixels:
    """Upscale HxWx3 (or HxW) by ``scale`` with a classical kernel, rounded to 8 bits: the baselines."""
    return round_to_uint8(resize(low, low.shape[0] * scale, low.shape[1] * scale, kernel=kernel))


def score_set(pairs: Iterable[Pair], methods: Mapping[str, Callable[[Pixels], Pixels]]) -> dict[str, dict[str, Score]]:
    """Upscale every image with every method and compare.

    Args:
        pairs: from :func:`read_pairs` or :func:`make_pair`.
        methods: for each name a function from HxWx3 to sHxsWx3, RGB, uint8.

    Returns:
        For each image, for each method, its score.

    Raises:
        UnsupportedSizeError: if a method returns an image of another size.

    """
    return {
        pair.name: {name: score(method(pair.low), pair.high, border=pair.scale) for name, method in methods.items()}
        for pair in pairs
    }


def find_sets(folder: Path) -> list[Path]:
    """Return ``folder`` itself if it holds images, otherwise its subfolders that hold images.

    Raises:
        InputError: if there are none.

    """
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())] if folder.is_dir() else []
    sets = [path for path in candidates if _images(path)]
    if not sets:
        msg = f"{folder} holds no images"
        raise InputError(msg, hint="name a folder of images, or a folder of such folders")
    return sets[:1] if sets[0] == folder else sets


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)


def _read_rgb(path: Path) -> Pixels:
    image = read_image(path)
    if image.array.dtype != np.uint8 or not image.opaque:
        msg = f"{path.name} cannot be scored: it has more than 8 bits a channel, or transparency"
        raise UnsupportedFormatError(msg, hint="convert it to 8-bit RGB without transparency")
    array = image.without_alpha().array
    return array if array.ndim == 3 else array[:, :, None].repeat(3, axis=2)  # noqa: PLR2004 - axes


def evaluate(
    data: Path, upscale: Callable[[Pixels], Pixels], scale: int, reducer: Reducer = "bicubic"
) -> dict[str, dict[str, dict[str, Score]]]:
    """Score ``upscale`` and the two baselines on every set under ``data``: ``result[set][image][method]``.

    Raises:
        InputError: if there are no images, or one cannot be scored.
        MediaError: if an image cannot be read.

    """
    methods: dict[str, Callable[[Pixels], Pixels]] = {
        "model": upscale,
        "bicubic": partial(upscale_classically, scale=scale, kernel="cubic"),
        "lanczos": partial(upscale_classically, scale=scale, kernel="lanczos3"),
    }
    sets = {folder.resolve().name: read_pairs(folder, scale, reducer) for folder in find_sets(data)}
    return {name: score_set(pairs, methods) for name, pairs in sets.items()}


def means(images: Mapping[str, Mapping[str, Score]]) -> dict[str, Score]:
    """Return the mean score of every method over the images of one set, as :func:`score_set` returns them."""
    methods = next(iter(images.values()))
    return {method: mean_score([scores[method] for scores in images.values()]) for method in methods}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for bad input, 3 for a backend that does not work here."""
    options = _parser().parse_args(arguments)
    try:
        report = _report(options)
    except ParagonError as error:
        sys.stderr.write(as_lines(error))
        return 3 if isinstance(error, BackendError) else 2
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if options.json else _table(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paragon_core.quality.evaluate",
        description="Score a model on folders of images: PSNR on luma (dB) and SSIM, next to bicubic and Lanczos.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or folder of such folders")
    parser.add_argument("--model", required=True, help="name of a bundled model, or a weights file")
    parser.add_argument("--alpha", type=float, help="upsampler_alpha, where the file does not hold it")
    parser.add_argument("--backend", default="auto", help="openvino, onnxruntime, torch or auto (default)")
    parser.add_argument("--precision", default="fp32", help="fp32 (default), fp16, bf16 or auto")
    parser.add_argument(
        "--reducer", default="bicubic", choices=KERNELS, help="how originals are shrunk; bicubic is the protocol"
    )
    parser.add_argument("--json", action="store_true", help="print every image as JSON; null: infinite PSNR")
    return parser


def _report(options: argparse.Namespace) -> dict[str, Any]:
    """Load, run and collect everything that the two forms of output show."""
    model = load(options.model, upsampler_alpha=options.alpha)
    # The author's border: the protocol leaves it out, and published figures are of networks that see zeros beyond it.
    with Upscaler(model, backend=options.backend, precision=options.precision, padding="zero") as upscaler:
        sets = evaluate(options.data, upscaler, model.spec.scale, options.reducer)
        running_on = {"backend": upscaler.backend, "precision": upscaler.precision_of("uint8")}
    return {
        "model": model.name,
        "sha256": model.sha256,
        "variant": model.spec.variant,
        "scale": model.spec.scale,
        "upsampler_alpha": model.spec.upsampler_alpha,
        "settings_from": model.settings_from,
        "reducer": options.reducer,
        **running_on,
        "sets": {
            name: {
                "mean": plain(means(images)),
                "pictures": {image: plain(scores) for image, scores in images.items()},
            }
            for name, images in sets.items()
        },
    }


def plain(scores: Mapping[str, Score]) -> dict[str, dict[str, float | None]]:
    """Return scores as JSON can hold them: it has no infinity, so null stands for "no pixel differs"."""
    return {
        method: {"psnr_y": each.psnr_y if math.isfinite(each.psnr_y) else None, "ssim": each.ssim}
        for method, each in scores.items()
    }


def _table(report: Mapping[str, Any]) -> str:
    what = "{model}: {variant} x{scale}, alpha {upsampler_alpha:g}, {backend} {precision}".format_map(report)
    what += "" if report["reducer"] == "bicubic" else f"; originals shrunk by {report['reducer']}"
    heading = "PSNR-Y in dB / SSIM" + "".join(f"{method:>18}" for method in ("model", "bicubic", "lanczos"))
    lines = [what, heading]
    for name, scores in report["sets"].items():
        cells = "".join(f"{cell(**mean):>18}" for mean in scores["mean"].values())
        lines.append(f"{name} ({len(scores['pictures'])})".ljust(19) + cells)
    return "\n".join(lines) + "\n"


def cell(psnr_y: float | None, ssim: float) -> str:
    """Return a score of `plain` as a table shows it."""
    return f"{'inf' if psnr_y is None else format(psnr_y, '.3f')} / {ssim:.4f}"


if __name__ == "__main__":
    sys.exit(main())
