"""Long videos whose process is killed at random moments, also while they are joined, and started again.

``python -m tests.faults.chunk_kills 100`` kills 100 of them, which takes some ten minutes; `tests.cli.test_chunks` a
few.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.media.video.chunks import samples

ROOT: Final = Path(__file__).parents[2]
CHUNKS: Final = 11
_OPTIONS: Final = ("--backend", "onnxruntime", "--precision", "fp32", "--chunk", "24", "--temporal", "0.5")
#: Share of the kills that wait until all chunks are there, and seconds after that in which the process is joining them.
_WHILE_JOINING: Final = 0.45
_JOINING: Final = 0.12


@dataclass(kw_only=True)
class Kills:
    """How often a process was killed."""

    anywhere: int = 0
    """At any moment."""
    joining: int = 0
    """When all chunks were there."""


def started(source: Path, target: Path) -> subprocess.Popen[str]:
    """Start the command that makes a video in chunks."""
    command = [sys.executable, "-m", "paragon_core", "upscale", str(source), "-o", str(target), *_OPTIONS]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finished(source: Path, target: Path) -> float:
    """Run the command to its end, and return the seconds that it took."""
    start = time.monotonic()
    process = started(source, target)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return time.monotonic() - start


def harass(source: Path, target: Path, seconds: float, chance: random.Random, kills: Kills) -> None:
    """Start the command again and again, killing it at random moments, until it comes to its end."""
    while True:
        process = started(source, target)
        joining = chance.random() < _WHILE_JOINING
        if joining:
            folder = target.with_name(f"{target.name}.paragon-job")
            while process.poll() is None and len(list(folder.glob("*.chunk"))) < CHUNKS:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, _JOINING))
        else:
            time.sleep(chance.uniform(0.2, seconds))
        process.kill()
        _, errors = process.communicate()
        if process.returncode == 0:
            return
        assert process.returncode < 0, errors
        kills.joining += joining
        kills.anywhere += not joining


def main(count: int, seed: int) -> int:
    """Kill ``count`` processes; report what went wrong, and return the exit code."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    kills, wrong = Kills(), 0
    with TemporaryDirectory() as base:
        source = samples.make_rich(Path(base, "in.mkv"), frames=250, size=(96, 64), options="keyint=12:open-gop=1")
        seconds = finished(source, Path(base, "whole.mkv"))
        whole = Path(base, "whole.mkv").read_bytes()
        while kills.anywhere + kills.joining < count:
            target = Path(base, f"out{kills.anywhere + kills.joining}", "film.mkv")
            harass(source, target, seconds, chance, kills)
            finished(source, target)  # it only looks, and removes what a process left that died at the very end
            good = [path.name for path in target.parent.iterdir()] == ["film.mkv"] and target.read_bytes() == whole
            wrong += not good
            print(kills, "as it should be" if good else f"WRONG: {list(target.parent.iterdir())}", flush=True)  # noqa: T201
    print(f"seed {seed}: {wrong} results went wrong")  # noqa: T201
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.getrandbits(32)))
