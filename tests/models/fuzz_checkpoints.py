"""Load mutated checkpoints by the thousand: each is loaded or refused in words, quickly and with little memory.

``python -m tests.models.fuzz_checkpoints --seconds 600 --seed 1`` runs for ten minutes and prints what it found. Files
are made and loaded in another process, which is started again when a file ends or stops it. A file is known by its seed
and index: ``python -m tests.models.fuzz_checkpoints --seed 1 --first 4711 --files 1 --keep FOLDER`` makes one again and
keeps it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from paragon_core.benchmark.footprint import peak
from paragon_core.errors import CheckpointError
from paragon_core.models.catalogue import foreign, scores
from paragon_core.models.detect import expected_shapes
from paragon_core.models.model import load
from tests.models.mutated_archives import mutated_archive
from tests.models.mutated_safetensors import mutated_safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.models.model import Model

ROOT: Final = Path(__file__).resolve().parents[2]

#: Limits of each file: of the processor's time, and of the process's memory.
MOST_SECONDS: Final = 2.0
MOST_BYTES: Final = 300 * 2**20

#: A file without a result after this much of the processor's time, or of any time, has stopped the process.
_MOST_WORK: Final = 30.0
_MOST_WAITING: Final = 600.0

_LONGEST_MESSAGE: Final = 1500


@dataclass(kw_only=True)
class Findings:
    """Result of a run."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Number of files by what came of them: loaded, or the error's name."""
    defects: list[str] = field(default_factory=list)
    """What must not happen, with the index of the file."""
    slowest: float = 0.0
    """Most seconds of processor time for a file."""
    peak: int = 0
    """Most bytes of memory that the process ever took."""


def mutated(seed: int, index: int) -> bytes:
    """Return the bytes of one file."""
    chance = random.Random(f"{seed}/{index}")  # noqa: S311 - tests, not secrets
    return (mutated_archive if chance.random() < 0.6 else mutated_safetensors)(chance)


def fuzz(*, seed: int, files: int, first: int = 0, seconds: float = float("inf")) -> Findings:
    """Load files ``first`` to ``first + files`` of a seed, or as many of them as there is time for."""
    findings = Findings()
    end, deadline = first + files, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while first < end and time.monotonic() < deadline:
            first = _one_worker(findings, range(first, end), seed=seed, deadline=deadline, folder=folder)
    return findings


def _one_worker(findings: Findings, indices: range, *, seed: int, deadline: float, folder: str) -> int:
    """Take in what a worker reports until it or the time ends; return the index after its last file."""
    first, end = indices.start, indices.stop
    command = [sys.executable, "-m", "tests.models.fuzz_checkpoints", "--seed", str(seed)]
    command += ["--first", str(first), "--files", str(end - first), "--keep", folder]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as worker:
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pass_on, args=(worker, lines), daemon=True).start()
        try:
            while first < end and time.monotonic() < deadline:
                line = _next_line(lines, worker.pid)
                if line is None:
                    findings.defects.append(f"{seed}/{first}: stopped the process")
                    return first + 1
                if not line:
                    findings.defects.append(f"{seed}/{first}: ended the process with {worker.wait()}")
                    return first + 1
                _take(findings, json.loads(line), f"{seed}/{first}")
                first += 1
        finally:
            worker.kill()
    return first


def _next_line(lines: queue.Queue[str], worker: int) -> str | None:
    """Return the worker's next line, an empty one at its end, or None if it has stopped; a busy machine is no stop."""
    started, worked = time.monotonic(), _work(worker)
    while time.monotonic() - started < _MOST_WAITING and _work(worker) - worked < _MOST_WORK:
        with suppress(queue.Empty):
            return lines.get(timeout=1)
    return None


def _work(worker: int) -> float:
    """Return the seconds of processor time that a process has used; none if it has ended."""
    try:
        times = psutil.Process(worker).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _pass_on(worker: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put(line)
    lines.put("")


def _take(findings: Findings, report: dict[str, Any], file: str) -> None:
    findings.outcomes[report["outcome"]] += 1
    findings.slowest = max(findings.slowest, report["seconds"])
    if report["defect"]:
        findings.defects.append(f"{file}: {report['defect']}")
    if report["seconds"] > MOST_SECONDS:
        findings.defects.append(f"{file}: took {report['seconds']:.1f} s")
    if report["peak"] > MOST_BYTES >= findings.peak:
        findings.defects.append(f"{file}: took {report['peak'] / 2**20:.0f} MiB")
    findings.peak = max(findings.peak, report["peak"])


def _reports(seed: int, first: int, files: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Make files in a folder, load each, and yield what came of it."""
    os.chdir(folder)
    path = folder / "net.pth"
    for index in range(first, first + files):
        path.write_bytes(mutated(seed, index))
        start = time.process_time()
        outcome, defect = examine(path)
        used = time.process_time() - start
        if strays := sorted(stray.name for stray in folder.iterdir() if stray != path):
            defect = f"left {strays} behind"
        yield {"outcome": outcome, "defect": defect, "seconds": used, "peak": peak()}


def examine(path: Path) -> tuple[str, str]:
    """Return what comes of a file, and what must not come of any, or nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            foreign(path)
            model = load(path)
        return "loaded", _wrong_with(model)
    except CheckpointError as error:
        text = str(error)
        fine = text.isprintable() and 0 < len(text) <= _LONGEST_MESSAGE and error.hint
        return type(error).__name__, "" if fine else f"says {text[:_LONGEST_MESSAGE]!r}"
    except BaseException:  # noqa: BLE001 - whatever else it is, it is what is looked for
        return "defect", traceback.format_exc()


def _wrong_with(model: Model) -> str:
    arrays = model.arrays
    if {key: value.shape for key, value in arrays.items()} != expected_shapes(model.spec):
        return "the tensors do not fit the spec"
    if not all(value.dtype == np.float32 and np.isfinite(value).all() for value in arrays.values()):
        return "a tensor holds what is no weight"
    told = scores(model)
    return "" if all(name.isprintable() and 0 <= psnr < 1e4 for name, psnr in told.items()) else f"scores {told}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Load mutated checkpoints.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--files", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument(
        "--keep", type=Path, help="load them in this process, print a line for each, and leave the last in this folder"
    )
    options = parser.parse_args()
    if options.keep:
        for report in _reports(options.seed, options.first, options.files, options.keep.absolute()):
            sys.stdout.write(json.dumps(report) + "\n")
            sys.stdout.flush()
        return 0
    findings = fuzz(seed=options.seed, files=options.files, first=options.first, seconds=options.seconds)
    facts = [
        f"{findings.outcomes.total()} files: {dict(findings.outcomes.most_common())}",
        f"slowest {findings.slowest:.2f} s, peak {findings.peak / 2**20:.0f} MiB, {len(findings.defects)} defects",
    ]
    sys.stdout.write("\n".join([*facts, *findings.defects, ""]))
    return 1 if findings.defects else 0


if __name__ == "__main__":
    sys.exit(main())
