"""What ``reuse`` saves on a screen recording: how many tiles fewer are computed, and how much time.

    python benchmarks/still_areas.py [--size 1280x720] [--frames 30] [--backend openvino] [--output results.json]

The recording is drawn here: a desk of boxes with a cursor that wanders, a line that is being typed and a log that
scrolls. It is upscaled with realtime-2x, with and without ``reuse``, each frame in turn; the pixels must be the same.
The exit code is 1 if not at least three times fewer tiles are computed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.benchmark.bench import describe_machine
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Frame = npt.NDArray[np.float32]

MODEL = "realtime-2x"
PACKAGES = ("numpy", "onnxruntime", "openvino")
PROMISED = 3.0


def recording(width: int, height: int, frames: int) -> Iterator[Frame]:
    """Yield frames [3, height, width] of 0..1, most of which stand still."""
    generator = np.random.default_rng(0)
    desk = np.full((3, height, width), 0.9, dtype=np.float32)
    desk[:, :, : width // 6] = 0.75
    desk[:, : height // 18] = 0.2
    for _ in range(400):
        top, left = int(generator.integers(0, height - 20)), int(generator.integers(0, width - 60))
        desk[:, top : top + 10, left : left + 40] = generator.random((3, 1, 1), dtype=np.float32)
    letters = generator.random((12 * frames + height, 200)) > 0.7  # noqa: PLR2004 - how much of a line is ink
    log = np.s_[:, height * 2 // 3 : height * 7 // 8, width * 3 // 4 : width * 3 // 4 + 200]
    for n in range(frames):
        frame = desk.copy()
        rows = log[1].stop - log[1].start
        frame[log] = np.where(letters[12 * n : 12 * n + rows], 0.1, 0.95)[:, : frame[log].shape[2]]
        for place in range(n // 2 + 1):
            left = width // 4 + 11 * place
            frame[:, height // 2 : height // 2 + 18, left : left + 8] = letters[18 * place : 18 * place + 18, :8] * 0.8
        top, left = int(height * (0.3 + 0.2 * np.sin(n / 6))), (width // 4 + 25 * n) % (width - 14)
        frame[:, top : top + 22, left : left + 14] = 0
        yield frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return 1 if too little is saved."""
    parser = argparse.ArgumentParser(description="What reuse saves on a screen recording.")
    parser.add_argument("--size", default="1280x720", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with (
        Upscaler(MODEL, backend=options.backend, reuse=True, clip=False) as saving,
        Upscaler(MODEL, backend=options.backend, clip=False) as plain,
    ):
        for n, frame in enumerate(recording(width, height, options.frames)):
            results = {}
            for upscale, reuse in ((saving, True), (plain, False)):
                results[reuse] = [np.empty((2 * height, 2 * width), dtype=np.float32) for _ in range(3)]
                before = time.process_time()
                upscale.upscale_planes(list(frame), results[reuse])
                seconds[reuse].append(time.process_time() - before)
            # Tiles of other sizes need other sessions, which round differently.
            if not np.allclose(results[True], results[False], atol=1e-5):
                print(f"frame {n} differs")
                return 1
            if n == 0:
                first = saving.tiles_computed
        tiles = (saving.tiles_computed + saving.tiles_reused - first) / (options.frames - 1)
        computed = (saving.tiles_computed - first) / (options.frames - 1)
    medians = {reuse: 1000 * statistics.median(times[1:]) for reuse, times in seconds.items()}
    report = {
        "machine": describe_machine(PACKAGES),
        "tiles_per_frame": tiles,
        "computed_per_frame": computed,
        "cpu_ms": medians[True],
        "cpu_ms_without": medians[False],
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{tiles:.0f} tiles a frame, {computed:.1f} of them computed: {tiles / computed:.1f} times fewer")
    print(f"{medians[True]:.0f} ms CPU a frame instead of {medians[False]:.0f} ms for whole frames")
    return 0 if tiles / computed >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
