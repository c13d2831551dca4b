"""The part of scripts/test behind the environments: runs pytest in each of them, on several processors if need be.

Most tests keep one core busy, so a run of all tests is several runs of pytest, two of them at any time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from scripts.processors import PROCESSORS, REPEATED

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]

#: Parts of the tests of "run" that are runs of pytest of their own, and their folders; the rest is one more. Each takes
#: some minutes, so that wherever one ends another begins, and at the end no processor waits long for the other.
PARTS = {
    "commands and media": ("tests/cli", "tests/media"),
    "native code, players and documentation": (
        "tests/docs",
        "tests/native",
        "tests/scripts",
        "tests/shaders",
        "tests/vs_paragon",
    ),
}

#: Runs of pytest at once, where there are as many processors: with more of them memory would be short.
AT_ONCE = 2

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
    title: str = ""
    """Which part of the tests of an environment it is, if it is not all of them."""

    def __str__(self) -> str:
        """Name the environment, the part and the processor."""
        part = f", {self.title}" if self.title else ""
        return self.environment.name + part + (f", computing as on {self.processor}" if self.processor else "")

    def start(self, output: IO[bytes] | None = None) -> int:
        """Run pytest in the project's folder, with its output into a file if there is one; return its exit code."""
        commands = self.environment / ("Scripts" if os.name == "nt" else "bin")
        variables = os.environ | (PROCESSORS[self.processor] if self.processor else {})
        variables["PATH"] = os.pathsep.join([str(commands), variables.get("PATH", os.defpath)])
        # With the environments, which are kept where nothing else is: Mesa compiles a shader for seconds.
        variables.setdefault("MESA_SHADER_CACHE_DIR", str(self.environment.with_name("mesa")))
        if output is None:
            self.announce()
        command = [str(commands / "python"), "-m", "pytest", "-m", self.markers, *self.arguments]
        with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.wait()  # Ctrl-C reached it as well; it ends in its own way, and leaves whole files only
                raise

    def announce(self) -> None:
        """Print what runs."""
        print(f"\n== pytest -m '{self.markers}' in {self}", flush=True)


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
    if not selected:
        runs = [*in_parts(runs[0]), *runs[1:]]
    if not (selected or options.processor):
        files = files_with("processor")
        runs += [
            Run(environment=environment, markers=f"processor and {kind}", arguments=files, processor=processor)
            for processor in REPEATED
            for environment, kind in kinds.items()
        ]
    codes = [run.start() for run in runs] if selected else side_by_side(runs)
    if selected and 0 in codes:
        codes = [0 if code == NO_TESTS else code for code in codes]
    for run, code in zip(runs, codes, strict=True):
        if code:
            print(f"scripts/test: failed in {run} (pytest's exit code {code})", flush=True)
    return max(SHELL_SIGNAL - code if code < 0 else code for code in codes)


def in_parts(run: Run) -> list[Run]:
    """Return runs that together have every test of a run of all tests once, the longest one first."""
    apart = [folder for folders in PARTS.values() for folder in folders]
    rest = replace(run, arguments=[*run.arguments, *(f"--ignore={folder}" for folder in apart)], title="all others")
    return [rest, *(replace(run, arguments=[*run.arguments, *PARTS[title]], title=title) for title in PARTS)]


def side_by_side(runs: Sequence[Run]) -> list[int]:
    """Start runs in their order, as many at once as there are processors, and return their exit codes.

    The first one prints as it goes. The output of each of the others is printed as a whole when it and those before it
    have ended. On Ctrl-C those that run end in their own way, and the others do not start.
    """

    def start(run: Run, output: IO[bytes] | None) -> tuple[int, float]:
        begin = time.monotonic()
        return run.start(output), time.monotonic() - begin

    at_once = min(AT_ONCE, processors())
    with ExitStack() as stack:
        outputs = [None, *(stack.enter_context(TemporaryFile()) for _ in runs[1:])]
        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        ends = [pool.submit(start, run, output) for run, output in zip(runs, outputs, strict=True)]
        try:
            for run, output, end in zip(runs, outputs, ends, strict=True):
                end.result()
                if output is not None:
                    run.announce()
                    output.seek(0)
                    shutil.copyfileobj(output, sys.stdout.buffer)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    print()
    for run, end in zip(runs, ends, strict=True):
        print(f"scripts/test: {end.result()[1]:.0f} s, {run}", flush=True)
    return [end.result()[0] for end in ends]


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def files_with(marker: str) -> list[str]:
    """Return the test files that use a marker, so that pytest need not read all others for it."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"pytest.mark.{marker}" in file.read_text("utf-8")]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
