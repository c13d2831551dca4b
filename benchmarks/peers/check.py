"""Whether the ratios that the project promises hold on this machine; no time is compared with a fixed one.

    python -m benchmarks.peers.check [--rounds 5]

One core, in turns, CPU time. What needs a backend that does not work here is skipped. The exit code is 1 if a ratio is
smaller than promised.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.peers.measure import compare
from benchmarks.peers.promises import NATIVE, PROMISES, RUNTIMES
from benchmarks.peers.ways import Task
from paragon_core.backends import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.peers.measure import Comparison, Measured
    from benchmarks.peers.promises import Promise
    from benchmarks.peers.ways import Kind

Verdict = Literal["PASS", "FAIL", "SKIP"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a promise."""

    promise: Promise
    """Which."""
    required: float
    """The smallest ratio on this processor."""
    ratio: float | None
    """What was measured; None where something does not work here."""

    @property
    def verdict(self) -> Verdict:
        """Whether it holds."""
        if self.ratio is None:
            return "SKIP"
        return "PASS" if self.ratio >= self.required else "FAIL"

    def __str__(self) -> str:
        """Return a line for people."""
        measured = "not available here" if self.ratio is None else f"{self.ratio:.2f}"
        return f"- {self.verdict}: {self.promise.text}: {measured} (required >= {self.required})"


def check(promises: Iterable[Promise], *, rounds: int, avx512: bool) -> list[Outcome]:
    """Measure what promises are about, each size and model once."""
    works = {name for name, backend in BACKENDS.items() if backend.runs_on_cpu and backend.probe().available}
    outcomes: list[Outcome] = []
    comparisons: dict[tuple[str, tuple[int, int]], Comparison] = {}
    for promise in promises:
        ratio = None
        if works.intersection(promise.runtimes) and works.intersection(promise.against[1]):
            key = promise.method, promise.size
            if key not in comparisons:
                print(f"{promise.method}, {promise.size[0]}x{promise.size[1]} ...", file=sys.stderr, flush=True)
                width, height = promise.size
                task = Task(scale=promise.scale, width=width, height=height, calls=1)
                comparisons[key] = compare(task, [promise.method], rounds=rounds, backends={NATIVE, *RUNTIMES})
            ratio = _ratio(comparisons[key].measured, promise)
        required = promise.ratio_required(avx512=avx512)
        outcomes.append(Outcome(promise=promise, required=required, ratio=ratio))
    return outcomes


def _ratio(measured: Sequence[Measured], promise: Promise) -> float | None:
    """Return how many times as much time the other takes, or None if one of the two did not run."""
    kind, runtimes = promise.against
    fast = _fastest(measured, "ours", promise.runtimes)
    slow = _fastest(measured, kind, runtimes)
    return slow.timing.ratio_to(fast.timing) if fast and slow else None


def _fastest(measured: Iterable[Measured], kind: Kind, runtimes: Sequence[str]) -> Measured | None:
    found = [each for each in measured if each.way.kind == kind and each.way.runtime in runtimes]
    return min(found, key=lambda each: each.timing.cpu_median, default=None)


def has_avx512() -> bool:
    """Return whether the processor is known to have AVX-512; only Linux tells."""
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description="Check the promised ratios on this machine.")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each that count (default 5)")
    options = parser.parse_args(arguments)
    outcomes = check(PROMISES, rounds=options.rounds, avx512=has_avx512())
    print(*outcomes, sep="\n")
    return 1 if any(outcome.verdict == "FAIL" for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
