"""One table of models: sources of every kind, hard images, half precision, size and time.

    python -m paragon_core.quality.table --data FOLDER [--model NAME|FILE ...] [--json] [--output FILE]

Without ``--model`` all bundled models are in it, next to bicubic and Lanczos upscaling. Sources are those of `SOURCES`:
originals that were shrunk by bicubic (the protocol of `paragon_core.quality.evaluate`), by a box filter and by Lanczos,
by bicubic and then compressed as JPEG, and frames of clips that x264 compressed (`paragon_core.quality.video`, without
its blur; needs PyAV). Borders are continued with zeros, as for published figures, and those of hard images as users
have it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends import BACKENDS
from paragon_core.errors import BackendError, ParagonError, as_lines
from paragon_core.models.model import bundled, load
from paragon_core.quality.evaluate import Pair, cell, find_sets, make_pair, means, plain, read_pairs, score_set
from paragon_core.quality.evaluate import upscale_classically as classically
from paragon_core.quality.hard_images import hard_images, measure, worst
from paragon_core.quality.lossy import as_jpeg
from paragon_core.quality.video import PANS, compressed_pairs
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from paragon_core.models.model import Model
    from paragon_core.quality.evaluate import Reducer
    from paragon_core.quality.metrics import Score

Pixels = npt.NDArray[np.uint8]

#: Size of the image that is timed, and how often.
TIMED_SIZE: Final = (360, 640)
TIMED_ROUNDS: Final = 5

#: What needs no data: parameters; processor time of a 640x360 image; by how many levels half precision differs from
#: fp32 on hard images, "-" where no backend has it here; how far results leave the range of hard images, and their
#: mean differs, at worst; how many kinds of hard images keep to `MAX_EXCESS` and `MAX_SHIFT`.
FACTS: Final = ("parameters", "ms 640x360", "fp16", "beyond", "mean", "kinds kept to")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where low-resolution images come from."""

    reducer: Reducer = "bicubic"
    """How originals are shrunk."""
    jpeg: int | None = None
    """Pillow's JPEG quality of the small image, with 4:2:0 chroma; None: no JPEG."""
    crf: float | None = None
    """x264's constant rate factor of a clip of small images; None: no video."""

    def pairs(self, originals: Sequence[Pair]) -> Iterator[Pair]:
        """Yield what is upscaled and compared, of originals whose ``low`` is not used.

        Raises:
            BackendUnavailableError: if PyAV or its x264 is missing and there is a video.

        """
        for index, original in enumerate(originals):
            if self.crf is not None:
                yield from compressed_pairs(original, pan=PANS[index % len(PANS)], crf=self.crf, blur=0)
                continue
            pair = make_pair(original.name, original.high, original.scale, self.reducer)
            yield pair if self.jpeg is None else Pair(name=pair.name, low=as_jpeg(pair.low, self.jpeg), high=pair.high)


#: The columns of the table.
SOURCES: Final[dict[str, Source]] = {
    "bicubic": Source(),
    "box": Source(reducer="box"),
    "Lanczos": Source(reducer="lanczos"),
    "JPEG q75": Source(jpeg=75),
    "H.264 CRF 23": Source(crf=23),
    "H.264 CRF 28": Source(crf=28),
}


def score_sources(
    sets: Mapping[str, Sequence[Pair]], upscale: Callable[[Pixels], Pixels], sources: Mapping[str, Source]
) -> dict[str, dict[str, Score]]:
    """Return the mean score of ``upscale`` for each set and source.

    Args:
        sets: originals by the name of their set, from `evaluate.read_pairs`.
        upscale: a function from HxWx3 to sHxsWx3, RGB, uint8.
        sources: by name.

    """
    return {
        name: {
            source: means(score_set(each.pairs(originals), {"model": upscale}))["model"]
            for source, each in sources.items()
        }
        for name, originals in sets.items()
    }


def describe_model(model: Model, *, backend: str = "auto") -> dict[str, Any]:
    """Return what is measured without any data: hard images, half precision, parameters and time.

    Args:
        model: what is measured.
        backend: what runs it.

    Returns:
        ``parameters``; ``ms``: processor time of a 640x360 image on one stream, the median of `TIMED_ROUNDS`; ``hard``:
        for each kind of `hard_images` the worst excess and shift, and whether they are allowed; ``fp16``: by how many
        levels of 255 half precision differs from fp32 at most on these images, both clipped, or null where no backend
        has half precision here; and the backend of all but that.

    """
    kinds = hard_images()
    exact: dict[tuple[str, str], npt.NDArray[np.float32]] = {}
    with Upscaler(model, backend=backend, precision="fp32", clip=False, streams=1) as upscale:
        for kind, images in kinds.items():
            for name, image in images.items():
                exact[kind, name] = upscale(_floats(image))
        running_on, seconds = upscale.backend, _seconds(upscale)
    found = {
        kind: worst(measure(image, exact[kind, name]) for name, image in images.items())
        for kind, images in kinds.items()
    }
    return {
        "parameters": sum(array.size for key, array in model.arrays.items() if not key.endswith(".kernel")),
        "ms": 1000 * seconds,
        "backend": running_on,
        "hard": {
            kind: {"excess": each.excess, "shift": each.shift, "allowed": each.allowed} for kind, each in found.items()
        },
        "fp16": _fp16_difference(model, running_on, kinds, exact),
    }


def _seconds(upscale: Upscaler) -> float:
    image = np.random.default_rng(0).integers(0, 256, (*TIMED_SIZE, 3), np.uint8)
    times = []
    for _ in range(TIMED_ROUNDS + 1):
        started = time.process_time()
        upscale(image)
        times.append(time.process_time() - started)
    return median(times[1:])  # the first one makes the session


def _fp16_difference(
    model: Model,
    backend: str,
    kinds: Mapping[str, Mapping[str, Pixels]],
    exact: Mapping[tuple[str, str], npt.NDArray[np.float32]],
) -> float | None:
    """Return what `describe_model` calls "fp16", by ``backend`` or, if it has none, by another one."""
    for each in dict.fromkeys((backend, *BACKENDS)):
        found = BACKENDS[each]
        if found.probe().available and "fp16" in found.reduced_precisions("cpu"):
            with Upscaler(model, backend=each, precision="fp16", device="cpu", clip=False, streams=1) as half:
                return max(
                    255 * float(np.abs(half(_floats(image)).clip(0, 1) - exact[kind, name].clip(0, 1)).max())
                    for kind, images in kinds.items()
                    for name, image in images.items()
                )
    return None


def _floats(image: Pixels) -> npt.NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 2 for bad input, 3 for a backend that does not work here."""
    options = _parser().parse_args(arguments)
    try:
        report = make_report(options.data, options.model or bundled(), backend=options.backend)
    except ParagonError as error:
        sys.stderr.write(as_lines(error))
        return 3 if isinstance(error, BackendError) else 2
    as_json = json.dumps(report, indent=2) + "\n"
    if options.output:
        options.output.write_text(as_json, encoding="utf-8")
    sys.stdout.write(as_json if options.json else as_text(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paragon_core.quality.table",
        description="Score models on images from every kind of source, and on hard images, in one table.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or folder of such folders")
    parser.add_argument("--model", action="append", help="name or file; may be given more than once [all bundled]")
    parser.add_argument("--backend", default="auto", help="openvino, onnxruntime, torch or auto (default)")
    parser.add_argument("--json", action="store_true", help="print JSON; null: infinite PSNR, or not to be had here")
    parser.add_argument("--output", type=Path, help="also write the JSON to this file")
    return parser


def make_report(
    data: Path, models: Sequence[str], *, backend: str = "auto", sources: Mapping[str, Source] = SOURCES
) -> dict[str, Any]:
    """Return the table as JSON can hold it: ``scores[set][source]`` of each model, and of baselines of its scale.

    Raises:
        InputError: there are no images, or no such model.
        MediaError: an image cannot be read.
        BackendError: a backend does not work here, or PyAV is missing.

    """
    folders = {folder.resolve().name: folder for folder in find_sets(data)}
    originals: dict[int, dict[str, list[Pair]]] = {}
    rows: list[dict[str, Any]] = []
    for source in models:
        model = load(source)
        scale = model.spec.scale
        if scale not in originals:
            originals[scale] = {name: list(read_pairs(folder, scale)) for name, folder in folders.items()}
            for name, method in _baselines(scale).items():
                scores = score_sources(originals[scale], method, sources)
                rows.append({"model": name, "scale": scale, "scores": _plain(scores)})
        with Upscaler(model, backend=backend, precision="fp32", padding="zero") as upscaler:
            scores = score_sources(originals[scale], upscaler, sources)
        rows.append(
            {"model": model.name, "sha256": model.sha256, "variant": model.spec.variant, "scale": scale}
            | {"scores": _plain(scores)}
            | describe_model(model, backend=backend)
        )
    rows.sort(key=lambda row: row["scale"])
    return {"sources": list(sources), "models": rows}


def _baselines(scale: int) -> dict[str, Callable[[Pixels], Pixels]]:
    return {
        "bicubic": partial(classically, scale=scale, kernel="cubic"),
        "Lanczos": partial(classically, scale=scale, kernel="lanczos3"),
    }


def _plain(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, dict[str, float | None]]]:
    return {name: plain(each) for name, each in scores.items()}


def as_text(report: Mapping[str, Any]) -> str:
    """Return the table for a terminal: a block for each set, and one for what needs no data."""
    sources, rows = report["sources"], report["models"]
    lines = []
    for name in rows[0]["scores"]:
        lines.append(f"{name}: PSNR-Y in dB / SSIM".ljust(30) + "".join(f"{source:>18}" for source in sources))
        for row in rows:
            cells = "".join(f"{cell(**row['scores'][name][source]):>18}" for source in sources)
            lines.append(f"x{row['scale']} {row['model']}".ljust(30) + cells)
        lines.append("")
    lines.append("hard images, in levels".ljust(30) + "".join(f"{name:>15}" for name in FACTS))
    for row in rows:
        if "hard" in row:
            cells = "".join(f"{cell:>15}" for cell in facts(row))
            lines.append(f"x{row['scale']} {row['model']}".ljust(30) + cells)
    return "\n".join(lines) + "\n"


def facts(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a model under `FACTS`."""
    kinds = row["hard"].values()
    shift = max((kind["shift"] for kind in kinds), key=abs)
    return (
        f"{row['parameters']:,}",
        f"{row['ms']:.1f}",
        "-" if row["fp16"] is None else f"{row['fp16']:.2f}",
        f"{max(kind['excess'] for kind in kinds):.4g}",
        f"{shift:+.2f}",
        f"{sum(kind['allowed'] for kind in kinds)} of {len(kinds)}",
    )


if __name__ == "__main__":
    sys.exit(main())
