"""How much memory ``paragon upscale`` takes for a large image, and how long.

    python benchmarks/memory.py [--size 3840x2160] [--model realtime-2x] [--output results.json] [-- OPTIONS]

Makes an image, upscales it in a process of its own and reports the largest amount of memory that was resident in it
at any time, as the operating system counted it: everything from the interpreter to the written file. Options after
``--`` go to ``paragon upscale``. The exit code is 1 if it is more than the project promises for 3840x2160 with a
realtime x2 network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from paragon_core.benchmark.bench import describe_machine, run_watched
from paragon_core.models.model import load

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ("numpy", "onnxruntime", "openvino", "pillow")

#: What an image of this size through a realtime x2 network may take, in bytes; other combinations are only reported.
SIZE = (3840, 2160)
LIMIT = 1_500_000_000


def make_image(path: Path, width: int, height: int) -> None:
    """Write an image with smooth and busy parts, RGB, compressible about as well as a photograph."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (max(height // 40, 1), max(width // 40, 1), 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = random.integers(0, 9, (height, width, 3), dtype=np.uint8)
    Image.fromarray(np.asarray(smooth) // 16 * 15 + grain).save(path, compress_level=1)


def size(text: str) -> tuple[int, int]:
    """Parse ``<width>x<height>``."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return 1 if the promise does not hold."""
    parser = argparse.ArgumentParser(description="Measure the peak memory of `paragon upscale` on this machine.")
    parser.add_argument("--size", type=size, default=SIZE, help="of the image (default 3840x2160)")
    parser.add_argument("--model", default="realtime-2x", help="name or file (default realtime-2x)")
    parser.add_argument("--output", type=Path, help="write the result as JSON to this file")
    parser.add_argument("options", nargs="*", help="after --: options for paragon upscale")
    chosen = parser.parse_args(arguments)
    width, height = chosen.size
    spec = load(chosen.model).spec
    limit = LIMIT if (*chosen.size, spec.variant, spec.scale) == (*SIZE, "realtime", 2) else None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "image.png", Path(folder) / "upscaled.png"
        make_image(source, width, height)
        upscale = [sys.executable, "-m", "paragon_core.cli.main", "upscale", str(source), "-o", str(target)]
        peak, seconds = run_watched([*upscale, "--model", chosen.model, *chosen.options])
        with Image.open(target) as upscaled:
            upscaled_size = upscaled.size
    report = {
        "machine": describe_machine(PACKAGES),
        "model": chosen.model,
        "options": chosen.options,
        "width": width,
        "height": height,
        "upscaled": upscaled_size,
        "peak_bytes": peak,
        "seconds": seconds,
        "limit_bytes": limit,
    }
    if chosen.output:
        chosen.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{width}x{height} -> {upscaled_size[0]}x{upscaled_size[1]}, {chosen.model}: {seconds:.1f} s")
    if limit is None:
        print(f"peak memory {peak / 1e9:.2f} GB")
        return 0
    print(f"{'PASS' if peak <= limit else 'FAIL'}: peak memory {peak / 1e9:.2f} GB (required <= {limit / 1e9} GB)")
    return 0 if peak <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
