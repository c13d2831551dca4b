"""The driver of a run: units of work go to slots, and results come back, whatever happens to the slots."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import remove_leftovers
from paragon_core.errors import JobError, ParagonError
from paragon_core.media.jobs import JobResult
from paragon_core.slots.schedule import ATTEMPTS, Schedule
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.units import ChunkUnit, FileUnit, Film, JoinUnit, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paragon_core.media.job_plan import Job
    from paragon_core.slots.settings import SlotState
    from paragon_core.slots.slots import Slots
    from paragon_core.slots.worker import Outcome

_LOG: Final = logging.getLogger(__name__)

#: Seconds before an interrupt is noticed: without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
_PATIENCE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Reports:
    """What a run calls, in its own thread; an exception from it ends the run."""

    opened: Callable[[SlotState], None] = lambda _: None
    """Called once, when the first slot is open."""
    finished: Callable[[JobResult], None] = lambda _: None
    """Called with each result, as soon as it is there."""
    begun: Callable[[float], None] = lambda _: None
    """Called with the jobs that long videos in work amount to, such as 0.5 for a half, when that changes."""


def run_on_slots(
    jobs: Sequence[Job],
    slots: Slots,
    *,
    at_once: int,
    reports: Reports = Reports(),
) -> tuple[JobResult, ...]:
    """Upscale images and videos on slots; the results are those of one process.

    Long videos are made in chunks, which are handed out like files. What a lost slot was doing is done by others. A
    file that fails does not stop the others. Every target appears whole or not at all.

    Args:
        jobs: from `plan`; none of them replaces its source.
        slots: what does the work, in its context.
        at_once: units that a slot holds at most.
        reports: told what happens.

    Returns:
        The results in the order of the jobs.

    Raises:
        BackendUnavailableError: no slot can be opened, or none is left.
        RuntimeError: a bug, with the traceback of the slot in it.

    """
    folders = {job.target.parent for job in jobs}
    for folder in folders:
        remove_leftovers(folder)
    with ExitStack() as closing:
        run = _Run(jobs, slots, at_once=at_once, reports=reports, closing=closing)
        try:
            return run.results()
        finally:
            if run.has_lost:
                for folder in folders:
                    remove_leftovers(folder)


@dataclass(kw_only=True)
class _Progress:
    """A long video in work."""

    frames: int
    """Frames of all its chunks."""
    left: dict[int, int]
    """Frames of those that are still to be made, by their numbers."""
    lock: ExitStack
    """Keeps other runs from the same video."""
    since: float = field(default_factory=time.perf_counter)
    """When it was begun."""

    @property
    def share(self) -> float:
        """Share of its frames that are done."""
        return 1 - sum(self.left.values()) / max(self.frames, 1)


class _Run:
    """The state of a run."""

    def __init__(
        self, jobs: Sequence[Job], slots: Slots, *, at_once: int, reports: Reports, closing: ExitStack
    ) -> None:
        self.has_lost = False
        self._slots = slots
        self._reports = reports
        self._closing = closing
        self._numbers = count(len(jobs))
        self._schedule: Schedule[Unit] = Schedule(
            (FileUnit(number=number, index=number, job=job) for number, job in enumerate(jobs)), at_once=at_once
        )
        self._results: dict[int, JobResult] = {}
        self._films: dict[int, _Progress] = {}
        self._unmade: set[int] = set()  # places of jobs whose target did not exist when they were given out
        self._idle: dict[str, None] = {}  # a set that keeps its order
        self._state: SlotState | None = None

    def results(self) -> tuple[JobResult, ...]:
        """Do the work."""
        self._slots.open(None)
        while not self._schedule.is_over:
            for event in self._slots.events(_PATIENCE):
                self._handle(event)
        return tuple(self._results[index] for index in sorted(self._results))

    def _handle(self, event: Event) -> None:
        match event:
            case Opened():
                self._idle[event.slot] = None
                if self._state is None:
                    self._state = event.state
                    self._reports.opened(event.state)
                    self._slots.open(event.state)
            case Finished():
                self._idle[event.slot] = None
                self._finish(event.slot, event.outcome)
            case Closed():
                self._idle.pop(event.slot, None)
                self._close(event)
        for slot in tuple(self._idle):
            if not self._schedule.has_more:
                break
            self._fill(slot)

    def _fill(self, slot: str) -> None:
        """Give a slot all the work that it has room for; one with room left stays idle."""
        while (unit := self._schedule.take(slot)) is not None:
            self._slots.give(slot, self._marked(unit))
        if self._schedule.is_full(slot):
            self._idle.pop(slot, None)

    def _marked(self, unit: Unit) -> Unit:
        """Have a file made again that was given out before, when its target did not exist."""
        if not isinstance(unit, FileUnit):
            return unit
        marked = replace(unit, overwrite=unit.index in self._unmade)
        if not os.path.lexists(unit.job.target):
            self._unmade.add(unit.index)
        return marked

    def _finish(self, slot: str, outcome: Outcome) -> None:
        for level, text in outcome.log:
            _LOG.log(level, "%s: %s", slot, text)
        if outcome.bug and not outcome.is_cancelled:
            msg = f"{slot} failed:\n{outcome.bug}"
            raise RuntimeError(msg)
        unit = self._schedule.finish(slot, outcome.number)
        if unit is None or unit.index in self._results:  # it was lost before, or its job has failed
            return
        if outcome.is_cancelled:
            self._schedule.add(unit)
        elif outcome.result is not None:
            self._settle(unit, outcome.result)
        elif outcome.film is not None:
            self._begin(unit, outcome.film)
        elif isinstance(unit, ChunkUnit):
            self._count(unit)

    def _begin(self, unit: Unit, film: Film) -> None:
        """Hand out the chunks of a long video."""
        from paragon_core.media.video.chunks.folder import alone_at  # noqa: PLC0415 - images do without it

        lock = self._closing.enter_context(ExitStack())
        try:
            lock.enter_context(alone_at(unit.job.target.absolute(), "job"))
        except ParagonError as error:
            self._settle(unit, JobResult(job=unit.job, state="failed", error=error))
            return
        self._films[unit.index] = _Progress(frames=film.frames, left=dict(film.left), lock=lock)
        self._schedule.add(
            *(
                ChunkUnit(number=next(self._numbers), index=unit.index, job=unit.job, chunk=chunk)
                for chunk, _ in film.left
            )
        )
        self._join_if_complete(unit)

    def _count(self, unit: ChunkUnit) -> None:
        self._films[unit.index].left.pop(unit.chunk, None)
        self._join_if_complete(unit)

    def _join_if_complete(self, unit: Unit) -> None:
        """Have a video joined whose chunks are all made."""
        film = self._films[unit.index]
        self._report_begun()
        if not film.left:
            film.lock.close()  # who joins takes it
            self._schedule.add(JoinUnit(number=next(self._numbers), index=unit.index, job=unit.job))

    def _settle(self, unit: Unit, result: JobResult) -> None:
        """Note what came of a job."""
        film = self._films.pop(unit.index, None)
        if film is not None:
            film.lock.close()
            self._schedule.drop(lambda other: other.index != unit.index)
            result = replace(result, seconds=time.perf_counter() - film.since)
            self._report_begun()
        self._results[unit.index] = result = replace(result, job=unit.job)
        self._reports.finished(result)

    def _report_begun(self) -> None:
        self._reports.begun(sum(film.share for film in self._films.values()))

    def _close(self, event: Closed) -> None:
        lost = self._schedule.lose(event.slot)
        if event.error is None:
            self.has_lost = True
            _LOG.warning("%s was lost: %s", event.slot, event.why)
        elif event.is_fatal or not self._slots.expected:
            raise event.error
        else:
            _LOG.warning("%s takes no part: %s", event.slot, event.why)
            if self._state is None:
                self._slots.open(None)
        for unit in lost.given_up:
            if unit.index not in self._results:
                msg = f"{unit.job.source}: {ATTEMPTS} processes ended by themselves while they worked on it"
                error = JobError(msg, hint="it may need more memory than there is: try --jobs 1 and fewer slots")
                self._settle(unit, JobResult(job=unit.job, state="failed", error=error))
