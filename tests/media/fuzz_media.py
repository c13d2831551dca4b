"""Damage images and videos and give them to the command line: no crash, hang, traceback, untyped error or stray file.

    python -m tests.media.fuzz_media --images 5000 --videos 1000 --seed 1 --keep found

Sound files are made on the way (`tests.media.seeds`); ``--seeds FOLDER`` adds others. Files go through ``paragon
upscale`` in batches, each in a process of its own. What a batch stumbles over is looked for file by file and copied
into the folder ``--keep``. The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from paragon_core.errors import ParagonError
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.images import read_image
from paragon_core.media.video.formats import is_video
from paragon_core.media.video.opening import opened
from paragon_core.media.video.time_range import TimeRange
from tests.media import seeds
from tests.media.mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]

_OPTIONS = ("--backend", "onnxruntime", "--precision", "fp32", "--max-pixels", "250000", "--preset", "fast")

#: Seconds that a batch, and a single file, may take; generous, since machines may be busy.
_BATCH_SECONDS, _FILE_SECONDS = 600.0, 120.0


@dataclass(kw_only=True)
class Findings:
    """What came of a run."""

    files: int = 0
    """Damaged files that were given to the command line."""
    upscaled: int = 0
    """Those that it could read all the same."""
    failures: list[str] = field(default_factory=list)
    """What must not happen, in words."""


def fuzz(
    sources: Sequence[Path], count: int, *, seed: int, folder: Path, batch: int = 50, keep: Path | None = None
) -> Findings:
    """Damage files and have them upscaled.

    Args:
        sources: sound files, images or videos.
        count: number of damaged files.
        seed: of the random numbers.
        folder: an empty folder to work in.
        batch: files for one process.
        keep: where files go that were stumbled over.

    """
    random, findings = Random(seed), Findings()  # noqa: S311 - not for secrets
    contents = {path: path.read_bytes() for path in sources}
    for start in range(0, count, batch):
        there = folder / "in"
        there.mkdir()
        for number in range(start, min(start + batch, count)):
            path = random.choice(sources)
            data = mutated(contents[path], contents[random.choice(sources)], random)
            (there / f"{seed}_{number:06}{path.suffix}").write_bytes(data)
        _try(there, findings, keep)
        shutil.rmtree(there)
        shutil.rmtree(folder / "out", ignore_errors=True)
    return findings


def _try(there: Path, findings: Findings, keep: Path | None) -> None:
    files = sorted(there.iterdir())
    trouble = _trouble(there, files, seconds=_BATCH_SECONDS, findings=findings)
    findings.files += len(files)
    if not trouble:
        return
    culprits = 0
    for path in files:
        shutil.rmtree(there.parent / "out", ignore_errors=True)
        if alone := _trouble(path, [path], seconds=_FILE_SECONDS):
            culprits += 1
            findings.failures.append(f"{path.name}: {alone}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, keep)
    if not culprits:  # only in company
        findings.failures.append(f"the batch of {files[0].name}: {trouble}")


def _trouble(given: Path, files: Sequence[Path], *, seconds: float, findings: Findings | None = None) -> str:
    """Upscale a file or a folder; return in words what must not happen, else nothing."""
    out = given.parent / ("out" if given.is_dir() else "../out")
    before = {path: path.read_bytes() for path in files}
    command = [sys.executable, "-m", "paragon_core.cli.main", "upscale", str(given), "-o", f"{out}/", *_OPTIONS]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=seconds,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        )
    except subprocess.TimeoutExpired:
        return f"no end after {seconds:.0f} s"
    made = sorted(path for path in out.rglob("*") if path.is_file()) if out.is_dir() else []
    if findings is not None:
        findings.upscaled += len(made)
    return _wrong_end(done) or _wrong_files(made, files, before) or ""


def _wrong_end(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode not in {0, 2} or "Traceback" in done.stderr:
        return f"code {done.returncode}: {done.stderr[-2000:]}"
    for line in done.stderr.splitlines():  # libtiff writes there, too, and nobody can stop it
        if not line.isprintable():
            return f"a line that is not printable: {line[:300]!r}"
    return f"words on stdout: {done.stdout[:300]}" if done.stdout else ""


def _wrong_files(made: Sequence[Path], files: Sequence[Path], before: dict[Path, bytes]) -> str:
    if any(path.read_bytes() != content for path, content in before.items()):
        return "a source was changed"
    names = {path.stem for path in files}
    for path in made:
        if path.stem not in names:
            return f"a stray file: {path.name}"
        try:
            if _is_image(path):
                read_image(path)
            else:
                with opened(path, TimeRange()):
                    pass
        except ParagonError as error:
            return f"a result that cannot be read: {error}"
    return ""


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=0, metavar="N", help="number of damaged images")
    parser.add_argument("--videos", type=int, default=0, metavar="N", help="number of damaged videos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=Path, action="append", default=[], metavar="FOLDER", help="more sound files")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where files go that were stumbled over")
    options = parser.parse_args(argv)
    more = [path for folder in options.seeds for path in sorted(folder.rglob("*")) if path.is_file()]
    failures = 0
    for kind, count, make, is_kind in (
        ("images", options.images, seeds.images, _is_image),
        ("videos", options.videos, seeds.videos, is_video),
    ):
        if not count:
            continue
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "seeds").mkdir()
            sources = make(Path(name) / "seeds")
            sources += filter(is_kind, more)
            batch = 50 if kind == "images" else 20
            found = fuzz(sources, count, seed=options.seed, folder=Path(name), batch=batch, keep=options.keep)
        sys.stdout.write(f"{found.files} {kind} damaged, {found.upscaled} upscaled, {len(found.failures)} failures\n")
        sys.stdout.writelines(f"  {failure}\n" for failure in found.failures)
        failures += len(found.failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
