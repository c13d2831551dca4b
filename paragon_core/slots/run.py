"""The driver of a run: units of work go to slots, and results come back, whatever happens to the slots."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import remove_leftovers
from paragon_core.errors import JobError
from paragon_core.media.jobs import JobResult
from paragon_core.slots.schedule import ATTEMPTS, Schedule
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.units import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paragon_core.media.job_plan import Job
    from paragon_core.slots.settings import SlotState
    from paragon_core.slots.slots import Slots
    from paragon_core.slots.worker import Outcome

_LOG: Final = logging.getLogger(__name__)

#: Seconds before an interrupt is noticed: without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
_PATIENCE: Final = 0.2


def run_on_slots(
    jobs: Sequence[Job],
    slots: Slots,
    *,
    at_once: int,
    report: Callable[[JobResult], None] = lambda _: None,
    opened: Callable[[SlotState], None] = lambda _: None,
) -> tuple[JobResult, ...]:
    """Upscale images and videos on slots; the results are those of `media.jobs.run`.

    What a lost slot was doing is done by others. A file that fails does not stop the others. Every target appears whole
    or not at all.

    Args:
        jobs: from `plan`; none of them replaces its source.
        slots: what does the work, in its context.
        at_once: units that a slot holds at most.
        report: called with each result, as soon as it is there.
        opened: called once, when the first slot is open.

    Returns:
        The results in the order of the jobs.

    Raises:
        BackendUnavailableError: no slot can be opened, or none is left.
        RuntimeError: a bug, with the traceback of the slot in it.

    """
    folders = {job.target.parent for job in jobs}
    for folder in folders:
        remove_leftovers(folder)
    run = _Run(jobs, slots, at_once=at_once, report=report, opened=opened)
    try:
        return run.results()
    finally:
        if run.has_lost:
            for folder in folders:
                remove_leftovers(folder)


class _Run:
    """The state of a run."""

    def __init__(
        self,
        jobs: Sequence[Job],
        slots: Slots,
        *,
        at_once: int,
        report: Callable[[JobResult], None],
        opened: Callable[[SlotState], None],
    ) -> None:
        self.has_lost = False
        self._slots = slots
        self._report = report
        self._opened = opened
        self._schedule = Schedule((Unit(number=number, job=job) for number, job in enumerate(jobs)), at_once=at_once)
        self._results: dict[int, JobResult] = {}
        self._idle: set[str] = set()
        self._state: SlotState | None = None

    def results(self) -> tuple[JobResult, ...]:
        """Do the work."""
        self._slots.open(None)
        while not self._schedule.is_over:
            for event in self._slots.events(_PATIENCE):
                self._handle(event)
        return tuple(self._results[number] for number in sorted(self._results))

    def _handle(self, event: Event) -> None:
        match event:
            case Opened():
                if self._state is None:
                    self._state = event.state
                    self._opened(event.state)
                    self._slots.open(event.state)
                self._fill(event.slot)
            case Finished():
                self._finish(event.slot, event.outcome)
                self._fill(event.slot)
            case Closed():
                self._close(event)
                for slot in tuple(self._idle):
                    self._fill(slot)

    def _fill(self, slot: str) -> None:
        """Give a slot all the work that it has room for."""
        self._idle.discard(slot)
        while (unit := self._schedule.take(slot)) is not None:
            self._slots.give(slot, unit)
        self._idle.add(slot)

    def _finish(self, slot: str, outcome: Outcome) -> None:
        for level, text in outcome.log:
            _LOG.log(level, "%s: %s", slot, text)
        if outcome.bug:
            msg = f"{slot} failed:\n{outcome.bug}"
            raise RuntimeError(msg)
        unit = self._schedule.finish(slot, outcome.number)
        if unit is None:
            return
        if outcome.result is None:
            self._schedule.add(unit)
        else:
            self._settle(unit, replace(outcome.result, job=unit.job))

    def _settle(self, unit: Unit, result: JobResult) -> None:
        self._results[unit.number] = result
        self._report(result)

    def _close(self, event: Closed) -> None:
        self._idle.discard(event.slot)
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
            msg = f"{unit.job.source}: {ATTEMPTS} processes ended by themselves while they worked on it"
            error = JobError(msg, hint="it may need more memory than there is: try --jobs 1 and fewer slots")
            self._settle(unit, JobResult(job=unit.job, state="failed", error=error))
