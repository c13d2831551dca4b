"""Where the time of a video goes: the wall and CPU time of each stage, and how long its threads had nothing to do."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")

Stage = Literal["decode", "colour in", "smoothing", "network", "colour out", "encode"]
Pool = Literal["reader", "workers", "writer"]

#: The stages in the order in which a frame goes through them, each with the threads that run it.
POOLS: Final[Mapping[Stage, Pool]] = {
    "decode": "reader",
    "colour in": "workers",
    "smoothing": "workers",
    "network": "workers",
    "colour out": "workers",
    "encode": "writer",
}

_END: Final = object()


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Time of one stage, summed over its threads."""

    wall: float = 0.0
    """Seconds by the clock; waiting for other threads of a codec or a runtime included."""
    cpu: float = 0.0
    """Seconds of the processor, without those of threads that codecs and runtimes start themselves."""


class StageTimes:
    """Adds up the time that stages take, in any threads; this one measures nothing, see `MeasuredTimes`."""

    def spent(self, stage: Stage) -> AbstractContextManager[None]:  # noqa: ARG002 - for who measures
        """Count the time of a block for a stage; nothing in it may count for another one."""
        return nullcontext()

    def lent(self, pool: Pool, threads: int) -> AbstractContextManager[None]:  # noqa: ARG002 - for who measures
        """Note that for the time of a block a number of threads are there for a pool's stages."""
        return nullcontext()

    def each(self, stage: Stage, items: Iterable[T]) -> Iterator[T]:  # noqa: ARG002 - for who measures
        """Yield items; the time that making each one takes counts for a stage."""
        return iter(items)


#: What measures nothing and takes no time.
NOT_MEASURED: Final = StageTimes()


class MeasuredTimes(StageTimes):
    """The times of stages, measured: four readings of clocks for each stage of a frame."""

    def __init__(self) -> None:
        """Begin with no time spent."""
        self._lock = Lock()
        self._spent: defaultdict[Stage, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        self._lent: defaultdict[Pool, float] = defaultdict(float)

    @property
    def stages(self) -> dict[Stage, Spent]:
        """What each stage took that ran, in the order of `POOLS`."""
        with self._lock:
            spent = dict(self._spent)
        return {stage: Spent(wall=spent[stage][0], cpu=spent[stage][1]) for stage in POOLS if stage in spent}

    @property
    def lent_seconds(self) -> dict[Pool, float]:
        """Seconds that each pool's threads were there, summed over them."""
        with self._lock:
            return dict(self._lent)

    def spent(self, stage: Stage) -> AbstractContextManager[None]:
        """Count the wall and CPU time of a block, in the calling thread, for a stage."""
        return _Block(self, stage)

    def add(self, stage: Stage, *, wall: float, cpu: float) -> None:
        """Count seconds by the clock and of the processor for a stage."""
        with self._lock:
            before = self._spent[stage]
            self._spent[stage] = before[0] + wall, before[1] + cpu

    @contextmanager
    def lent(self, pool: Pool, threads: int) -> Iterator[None]:
        """Count the time of a block once for each of a pool's threads."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = threads * (time.perf_counter() - start)
            with self._lock:
                self._lent[pool] += seconds

    def each(self, stage: Stage, items: Iterable[T]) -> Iterator[T]:
        """Yield items; the time that making each one takes counts for a stage."""
        iterator = iter(items)
        while True:
            with self.spent(stage):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]  # it is not the mark of the end


class _Block:
    """A block whose time counts for a stage; a generator would take three times as long as the clocks."""

    __slots__ = ("_cpu", "_stage", "_times", "_wall")

    def __init__(self, times: MeasuredTimes, stage: Stage) -> None:
        self._times, self._stage = times, stage

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._times.add(self._stage, wall=time.perf_counter() - self._wall, cpu=time.thread_time() - self._cpu)
