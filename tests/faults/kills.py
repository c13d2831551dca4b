"""Real commands that are ended at random moments, and started again: what they leave, and what comes out in the end.

``python -m tests.faults.kills 300`` ends 300 of them, which takes some fifteen minutes; `tests.cli.test_kills` a few.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
from PIL import Image

assert sys.platform != "win32"  # for the type checker: Windows has no signal that reaches one process only

ROOT: Final = Path(__file__).parents[2]
Kind = Literal["images", "video", "engine"]

_FAST: Final = ("--backend", "onnxruntime", "--precision", "fp32")
#: A shell's background job ignores SIGINT, nohup SIGHUP, and children inherit that.
_PROGRAM: Final = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from paragon_core.cli.program import program
program()
"""
_PATIENCE: Final = 600
_KILLS_UNTIL_RERUN: Final = 4


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command, its results, and how long it takes."""

    kind: Kind
    arguments: list[str]
    """Of the command; it writes into ``out`` in the working directory."""
    results: dict[str, bytes]
    """The files that it makes, by their names in ``out``."""
    seconds: float
    """How long an uninterrupted run takes."""


def kinds() -> list[Kind]:
    """Return what can be done here."""
    found: list[Kind] = ["images"]
    if find_spec("av"):
        found.append("video")
    if find_spec("tensorrt_rtx"):
        found.append("engine")
    return found


def prepare(kind: Kind, folder: Path) -> Job:
    """Make the sources in a folder, and run the command once without interruption."""
    sources = folder / "in"
    sources.mkdir()
    if kind == "engine":
        arguments = ["engine", "build", "realtime-2x", "--size", "64x64", "--cache", "out"]
    else:
        arguments = ["upscale", str(sources), "-o", "out", *_FAST]
    if kind == "images":
        noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
        for name in ("a.png", "b.jpg", "c.tif", "d.webp", "e.bmp", "f.png", "g.png"):
            Image.fromarray(noise).save(sources / name)
    if kind == "video":
        from tests.media.video import videos  # noqa: PLC0415 - needs PyAV

        videos.make(sources / "a.mkv", size=(160, 120), times=range(20))
        videos.make(sources / "b.mp4", size=(160, 120), times=range(20), codec="libx264")
    start = time.monotonic()
    code, errors = run(arguments, folder)
    assert code == 0, errors
    results = content(folder / "out")
    seconds = time.monotonic() - start
    shutil.rmtree(folder / "out")
    return Job(kind=kind, arguments=arguments, results=results, seconds=seconds)


def run(
    arguments: list[str], folder: Path, *, number: int = 0, after: float = 0.0, again: bool = False
) -> tuple[int, str]:
    """Run a command, and end it with a signal after some seconds; return its exit code and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if number:
        time.sleep(after)
        process.send_signal(number)
        if again:
            process.send_signal(number)
    _, errors = process.communicate(timeout=_PATIENCE)
    return process.returncode, errors


def content(out: Path) -> dict[str, bytes]:
    """Return the files in a folder that count: not locks, nor manifests and stamps of engines, which hold times."""
    files = [path for path in out.rglob("*") if path.is_file()]
    kept = [path for path in files if not path.suffix.startswith((".lock", ".lease", ".json", ".used"))]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in kept}


def harass(job: Job, folder: Path, kills: int, chance: random.Random) -> tuple[list[str], Counter[str]]:
    """End a job ``kills`` times, starting it again after every few; return what went wrong, and all exit codes."""
    wrong: list[str] = []
    codes: Counter[str] = Counter()
    for number in range(1, kills + 1):
        kind = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        after = chance.uniform(0.1, job.seconds)
        older = content(folder / "out")
        code, errors = run(job.arguments, folder, number=kind, after=after, again=chance.random() < 1 / 3)
        codes[f"{kind.name} {code}"] += 1
        told = f"{job.kind} after {kind.name} at {after:.2f} of {job.seconds:.2f} s"
        # A negative code: before the program had begun to handle signals.
        expected = {0, -kind} if kind == signal.SIGKILL else {0, -kind, 128 + kind}
        if code not in expected:
            wrong.append(f"{told}: exit code {code}: {errors}")
        if code == 128 + kind and "Traceback" in errors:
            wrong.append(f"{told}: {errors}")
        left = content(folder / "out")
        parts = [name for name in left if name.endswith(".part")]
        if code > 0 and not set(parts) <= set(older):
            wrong.append(f"{told}: left {parts}")
        wrong += [
            f"{told}: {name} is not whole"
            for name, data in left.items()
            if name not in parts and data != job.results.get(name)
        ]
        if number % _KILLS_UNTIL_RERUN == 0 or number == kills:
            code, errors = run(job.arguments, folder)
            if code != 0 or content(folder / "out") != job.results:
                wrong.append(f"{told}: the next run, code {code}, leaves {sorted(content(folder / 'out'))}: {errors}")
            shutil.rmtree(folder / "out")
    return wrong, codes


def main(kills: int, seed: int) -> int:
    """End ``kills`` commands of all kinds; report what went wrong, and return the exit code."""
    failed = False
    with TemporaryDirectory() as base:
        for kind in kinds():
            folder = Path(base, kind)
            folder.mkdir()
            wrong, codes = harass(prepare(kind, folder), folder, kills // len(kinds()), random.Random(seed))  # noqa: S311 - no secret
            print(kind, dict(codes), *(wrong or ["all as it should be"]), sep="\n  ", flush=True)  # noqa: T201
            failed |= bool(wrong)
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.getrandbits(32)))
