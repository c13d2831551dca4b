"""How much memory it takes to upscale an image: measured in a process of its own, which this module is, too.

    python -m paragon_core.benchmark.footprint MODEL --backend NAME --precision NAME --size WxH

prints JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.backends import Precision

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a process had at most."""

    process: int
    """Bytes of memory that were resident at once, interpreter and runtime included."""
    device: int | None
    """Bytes of the memory of NVIDIA's GPUs at the end, when runtimes still hold what they took; None if unknown."""


def measure(
    source: str,
    *,
    backend: str,
    precision: Precision,
    size: tuple[int, int],
    device: str = "auto",
    upsampler_alpha: float | None = None,
    window_size: int | None = None,
) -> Footprint | None:
    """Upscale an image of 8 bits with `Upscaler` in a new process; None if that fails.

    Args:
        source: model or path, as `model.load` takes it.
        backend: name.
        precision: of the arithmetic.
        size: width and height of the image.
        device: see `UpscaleOptions`.
        upsampler_alpha: as `model.load` takes it.
        window_size: likewise.

    """
    command = [sys.executable, "-m", __name__, source, "--backend", backend, "--precision", precision]
    command += ["--size", f"{size[0]}x{size[1]}", "--device", device]
    if upsampler_alpha is not None:
        command += ["--alpha", str(upsampler_alpha)]
    if window_size is not None:
        command += ["--window-size", str(window_size)]
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    result = subprocess.run(  # noqa: S603 - this Python, this module
        command, capture_output=True, check=False, encoding="utf-8", env=os.environ | {"PYTHONPATH": path}
    )
    if result.returncode:
        _LOG.info("the memory of %s %s is unknown: %s", backend, precision, result.stderr.strip())
        return None
    return Footprint(**json.loads(result.stdout))


def peak() -> int:
    """Return the largest amount of memory in bytes that was ever resident in this process."""
    if sys.platform == "linux":  # not getrusage: that counts what the process was before it became this program
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, flags=re.MULTILINE)
        return int(found[1]) * 1024 if found else psutil.Process().memory_info().rss
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - absent from Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(arguments: Sequence[str] | None = None) -> int:
    """Upscale twice, print what it took, and return 0."""
    from paragon_core.benchmark.gpus import memory_of  # noqa: PLC0415 - `measure` needs none of these
    from paragon_core.benchmark.images import like_a_photograph  # noqa: PLC0415 - likewise
    from paragon_core.models.model import load  # noqa: PLC0415 - likewise
    from paragon_core.upscaling.upscaler import Upscaler  # noqa: PLC0415 - likewise

    parser = argparse.ArgumentParser(description="Measure the memory that it takes to upscale an image.")
    parser.add_argument("model", help="name or file")
    parser.add_argument("--backend", required=True, help="name of the runtime")
    parser.add_argument("--precision", required=True, help="fp32, fp16 or bf16")
    parser.add_argument("--size", required=True, help="of the image, WIDTHxHEIGHT")
    parser.add_argument("--device", default="auto", help="the runtime's name of a device")
    parser.add_argument("--alpha", type=float, help="upsampler_alpha")
    parser.add_argument("--window-size", type=int, help="window_size")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    model = load(options.model, upsampler_alpha=options.alpha, window_size=options.window_size)
    with Upscaler(model, backend=options.backend, precision=options.precision, device=options.device) as upscaler:
        for _ in range(2):
            upscaler(like_a_photograph(width, height))
        on_device = memory_of(os.getpid())
    sys.stdout.write(json.dumps({"process": peak(), "device": on_device}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
