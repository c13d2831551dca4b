"""The part of scripts/test behind the environments: runs pytest in each of them, on several processors if need be."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.processors import PROCESSORS, REPEATED

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]

#: pytest's exit code when no test was selected.
NO_TESTS = 5

#: A process that a signal ended has minus its number for an exit code; shells make it this plus the number.
SHELL_SIGNAL = 128


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of pytest."""

    environment: Path
    """Folder of a virtual environment."""
    markers: str
    """Which tests, as pytest's option ``-m`` takes it."""
    arguments: Sequence[str]
    """Further arguments to pytest."""
    processor: str | None
    """What libraries compute as: a key of ``PROCESSORS``; ``None`` for the machine's own processor."""

    def __str__(self) -> str:
        """Name the environment and the processor."""
        return self.environment.name + (f", computing as on {self.processor}" if self.processor else "")

    def start(self) -> int:
        """Run pytest in the project's folder and return its exit code."""
        commands = self.environment / ("Scripts" if os.name == "nt" else "bin")
        variables = os.environ | (PROCESSORS[self.processor] if self.processor else {})
        variables["PATH"] = os.pathsep.join([str(commands), variables.get("PATH", os.defpath)])
        print(f"\n== pytest -m '{self.markers}' in {self}", flush=True)
        command = [str(commands / "python"), "-m", "pytest", "-m", self.markers, *self.arguments]
        with subprocess.Popen(command, cwd=ROOT, env=variables) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.wait()  # Ctrl-C reached it as well; it ends in its own way, and leaves whole files only
                raise


def main(arguments: Sequence[str]) -> int:
    """Run every test in one environment: those marked ``torch`` in "torch", all others in "run".

    Then those marked ``processor`` once more for each of REPEATED, unless tests or a processor were chosen. Where the
    arguments select tests of one kind only, the other run is empty, which is then no failure; without arguments it is
    one, since nothing may vanish unseen.
    """
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run all tests; other arguments go to pytest.")
    parser.add_argument("--no-torch", action="store_true", help="leave out the tests that need torch")
    parser.add_argument("--processor", choices=PROCESSORS, help="let libraries compute as on an older processor")
    parser.add_argument("-m", metavar="MARKERS", help="only tests with these markers, as pytest has it")
    options, rest = parser.parse_known_args(arguments)
    selected = bool(options.m or rest)
    here = Path(sys.prefix)
    kinds = {here: "not torch"} if options.no_torch else {here: "not torch", here.with_name("torch"): "torch"}
    narrowed = f"({options.m}) and " if options.m else ""
    runs = [
        Run(environment=environment, markers=narrowed + kind, arguments=rest, processor=options.processor)
        for environment, kind in kinds.items()
    ]
    if not (selected or options.processor):
        files = files_with("processor")
        runs += [
            Run(environment=environment, markers=f"processor and {kind}", arguments=files, processor=processor)
            for processor in REPEATED
            for environment, kind in kinds.items()
        ]
    codes = [run.start() for run in runs]
    if selected and 0 in codes:
        codes = [0 if code == NO_TESTS else code for code in codes]
    for run, code in zip(runs, codes, strict=True):
        if code:
            print(f"scripts/test: failed in {run} (pytest's exit code {code})", flush=True)
    return max(SHELL_SIGNAL - code if code < 0 else code for code in codes)


def files_with(marker: str) -> list[str]:
    """Return the test files that use a marker, so that pytest need not read all others for it."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"pytest.mark.{marker}" in file.read_text("utf-8")]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
