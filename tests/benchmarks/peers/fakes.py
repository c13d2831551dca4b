"""Ways that take as long as they are told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.peers.measure import Comparison, Measured
from benchmarks.peers.ways import Skipped, Task, Way
from paragon_core.benchmark.bench import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.peers.ways import Kind

    Pixels = npt.NDArray[np.uint8]

TASK = Task(scale=2, width=8, height=6, calls=1)


def doubled(*, seconds: float = 0, level: int = 0) -> Callable[[Pixels], Pixels]:
    """Return a function that repeats pixels, adds a level, and takes CPU time."""

    def upscale(image: Pixels) -> Pixels:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
        return image.repeat(2, axis=0).repeat(2, axis=1) // 2 + np.uint8(level)

    return upscale


def way(
    method: str, kind: Kind, runtime: str, upscale: Callable[[Pixels], Pixels] | None = None, *, count: int = 7
) -> Way:
    return Way(
        method=method,
        kind=kind,
        runtime=runtime,
        upscale=upscale or doubled(),
        parameters=None if kind == "resampling" else count,
    )


def measured(each: Way, milliseconds: float, *, slower: dict[str, float] | None = None) -> Measured:
    """Return what a way took, the same in three rounds, twice as long on the clock."""
    seconds = milliseconds / 1e3
    return Measured(way=each, timing=Timing(cpu=(seconds,) * 3, wall=(2 * seconds,) * 3), slower=slower or {})


def comparison(*ways: Measured, task: Task = TASK, skipped: tuple[Skipped, ...] = ()) -> Comparison:
    return Comparison(task=task, measured=ways, skipped=skipped)
