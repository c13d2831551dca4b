"""Paragon in every runtime beside other upscalers, in one table: frames a second on one core and on all, and dB.

    python -m benchmarks.peers [--data FOLDER] [--scales 2 4] [--sizes 640x360] [--rounds 9] [--output results.json]

Everything runs in one process and in turns, from uint8 to uint8, whole calls: Paragon's bundled models in each of its
backends in float32; the same networks layer by layer, as upstream exports them; ESPCN, FSRCNN, Real-ESRGAN's compact
networks and SPAN as ONNX graphs with the published layer sizes and random weights; bicubic and Lanczos interpolation
of OpenCV and Pillow. What needs no backend of Paragon runs in OpenVINO and in ONNX Runtime; only the faster of the two
takes part after the first rounds, and the table names it. "All cores" is an image on each core at once, as in a video.

FOLDER has the test sets, each in a folder of its own; without it Paragon and interpolation get no dB. Those of other
networks are as published (`networks`).
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import quality, report
from benchmarks.peers.measure import compare
from benchmarks.peers.resampling import HINT, opencv
from benchmarks.peers.ways import Task, methods
from paragon_core.benchmark.bench import describe_machine
from paragon_core.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ("numpy", "openvino", "onnxruntime", "torch", "opencv-python-headless", "opencv-python", "pillow")
SCALES = (2, 4)


def size(text: str) -> tuple[int, int]:
    """Parse ``<width>x<height>``."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write, and return 0."""
    parser = argparse.ArgumentParser(description="Paragon beside other upscalers: frames a second, and dB.")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="test sets to measure dB on")
    parser.add_argument("--scales", type=int, nargs="+", choices=SCALES, default=SCALES, help="default: 2 4")
    parser.add_argument(
        "--sizes", type=size, nargs="+", default=[(640, 360)], metavar="WxH", help="of the input (default 640x360)"
    )
    parser.add_argument("--rounds", type=int, default=9, help="runs of each that count (default 9)")
    parser.add_argument("--cores", type=int, nargs="+", metavar="N", help="images at once (default: 1, and all cores)")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--backends", nargs="+", metavar="NAME", help="of Paragon (default: all that work here)")
    parser.add_argument("--output", type=Path, help="write everything as JSON to this file")
    options = parser.parse_args(arguments)
    machine = describe_machine(PACKAGES)
    comparisons = []
    scores = {}
    for scale in options.scales:
        if not opencv(scale):
            print(f"OpenCV is not installed, and left out: {HINT}", file=sys.stderr)
        chosen = options.methods or methods(scale)
        scores[scale] = quality.published(scale, chosen)
        if options.data:
            scores[scale] |= quality.measure(options.data, scale, chosen)
        for (width, height), calls in product(options.sizes, options.cores or sorted({1, usable_cores()})):
            print(f"x{scale}, {width}x{height}, {calls} at once ...", file=sys.stderr, flush=True)
            task = Task(scale=scale, width=width, height=height, calls=calls)
            comparisons.append(compare(task, chosen, rounds=options.rounds, backends=options.backends))
    found = report.as_json(comparisons, scores, machine, rounds=options.rounds)
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(report.machine_of(found), report.tables(found), sep="\n\n")
    for each in comparisons:
        for skipped in each.skipped:
            print(f"not measured: {skipped.name}: {skipped.reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
