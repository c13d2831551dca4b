"""Time all ways of a task in turns; of what runs in several runtimes only the fastest takes part in all rounds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.peers.ways import CONTESTED, Skipped, Task, Way, open_ways
from paragon_core.benchmark.bench import Timing, time_interleaved
from paragon_core.benchmark.images import like_a_photograph
from paragon_core.errors import ParagonError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

#: Rounds in which the fastest runtime is found out.
HEATS: Final = 2

#: Levels of 255 by which the same network may differ between two runtimes: one rounds up where another rounds down.
_SAME: Final = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a way took."""

    way: Way
    """What ran."""
    timing: Timing
    """Seconds of each round, for as many images as the task has calls."""
    slower: Mapping[str, float]
    """CPU seconds for the same by the name of each runtime that was left behind."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was found out about a task."""

    task: Task
    """What had to be done."""
    measured: tuple[Measured, ...]
    """In the order of the table."""
    skipped: tuple[Skipped, ...]
    """What could not run."""

    def seconds(self, each: Measured) -> tuple[float, float]:
        """Return median CPU and wall seconds for one image; wall seconds at the pace at which images come."""
        return each.timing.cpu_median / self.task.calls, each.timing.wall_median / self.task.calls

    def ratio(self, each: Measured) -> float:
        """Return how many times as much CPU time as the fastest way of the same network it takes, round by round."""
        rivals = [other for other in self.measured if other.way.method == each.way.method]
        fastest = min(rivals, key=lambda other: other.timing.cpu_median)
        return each.timing.ratio_to(fastest.timing)


def compare(task: Task, chosen: Collection[str], *, rounds: int, backends: Collection[str] | None = None) -> Comparison:
    """Open all ways of a task, time them and close them.

    Args:
        task: what they have to do.
        chosen: methods that take part.
        rounds: runs of each that count.
        backends: those of Paragon that take part, or None for all.

    Raises:
        RuntimeError: the same network gives different images in different runtimes, so that a time would mean nothing.

    """
    image = like_a_photograph(task.width, task.height)
    with ExitStack() as stack:
        opened, skipped = open_ways(stack, task, chosen, backends)
        pool = stack.enter_context(ThreadPoolExecutor(task.calls, thread_name_prefix="peers"))
        ways, failed = _without_failures(opened, image)

        def action(way: Way) -> Callable[[], object]:
            if task.calls == 1:
                return lambda: way.upscale(image)
            return lambda: list(pool.map(way.upscale, [image] * task.calls))

        slower = _left_behind({way: action(way) for way in ways if way.kind in CONTESTED})
        left = {way for losers in slower.values() for way in losers}
        timings = _time({way: action(way) for way in ways if way not in left}, rounds=rounds)
    return Comparison(
        task=task,
        measured=tuple(
            Measured(
                way=way,
                timing=timings[way.name],
                slower={loser.runtime: seconds for loser, seconds in slower.get(way, {}).items()},
            )
            for way in ways
            if way.name in timings
        ),
        skipped=(*skipped, *failed),
    )


def _left_behind(actions: Mapping[Way, Callable[[], object]]) -> dict[Way, dict[Way, float]]:
    """Return for the fastest way of each contest the others, with the CPU seconds that they took."""
    timings = _time(actions, rounds=HEATS)
    contests: dict[tuple[str, str], list[Way]] = {}
    for way in actions:
        contests.setdefault((way.method, way.kind), []).append(way)
    found: dict[Way, dict[Way, float]] = {}
    for rivals in contests.values():
        fastest, *others = sorted(rivals, key=lambda way: min(timings[way.name].cpu))
        found[fastest] = {other: min(timings[other.name].cpu) for other in others}
    return found


def _time(actions: Mapping[Way, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """Time actions in turns; the result is by name."""
    named = {way.name: action for way, action in actions.items()}
    return time_interleaved(named, rounds=rounds) if named else {}


def _without_failures(ways: Sequence[Way], image: Pixels) -> tuple[list[Way], list[Skipped]]:
    """Run each way once, and return those that work and those that do not."""
    working: list[Way] = []
    skipped: list[Skipped] = []
    first: dict[str, Pixels] = {}
    for way in ways:
        try:
            result = way.upscale(image)
        except ParagonError as error:
            skipped.append(Skipped(name=way.name, reason=str(error)))
            continue
        working.append(way)
        if way.kind == "resampling":
            continue
        difference = int(np.abs(result.astype(np.int16) - first.setdefault(way.method, result)).max())
        if difference > _SAME:
            msg = f"{way.name} differs by {difference} levels of 255; a timing would mean nothing"
            raise RuntimeError(msg)
    return working, skipped
