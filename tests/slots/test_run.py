"""The driver of a run, with slots that do what a test says."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import BackendUnavailableError
from paragon_core.media.jobs import Job, JobResult
from paragon_core.slots.run import Reports, run_on_slots
from paragon_core.slots.settings import SlotState
from paragon_core.slots.slots import Closed, Event, Finished, Opened
from paragon_core.slots.units import FileUnit
from paragon_core.slots.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paragon_core.slots.units import Unit

STATE = SlotState(backend="native", precisions=("fp32",), versions=())


class Pretended:
    """Slots that open at once, and do a unit as soon as they are asked what has happened."""

    def __init__(self, *names: str, do: Callable[[str, Unit], Event]) -> None:
        self.waiting = deque(names)
        self.open_ones: list[str] = []
        self.given: list[tuple[str, int]] = []
        self._do = do
        self._events: deque[Event | tuple[str, Unit]] = deque()

    @property
    def expected(self) -> int:
        return len(self.waiting) + len(self.open_ones)

    def open(self, expected: SlotState | None) -> None:
        for _ in range(1 if expected is None else len(self.waiting)):
            name = self.waiting.popleft()
            self.open_ones.append(name)
            self._events.append(Opened(slot=name, state=STATE))

    def give(self, slot: str, unit: Unit) -> None:
        self.given.append((slot, unit.number))
        self._events.append((slot, unit))

    def events(self, _seconds: float) -> list[Event]:
        assert self._events, "it would wait for ever"
        event = self._events.popleft()
        if isinstance(event, tuple):
            if event[0] not in self.open_ones:
                return []
            event = self._do(*event)
        if isinstance(event, Closed) and event.slot in self.open_ones:
            self.open_ones.remove(event.slot)
        return [event]


def written(slot: str, unit: Unit) -> Event:
    result = JobResult(job=unit.job, state="written", size=(2, 2))
    return Finished(slot=slot, outcome=Outcome(number=unit.number, result=result))


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(source=folder / f"{number}.png", target=folder / "out" / f"{number}.png") for number in range(count)]


def test_results_are_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    reported: list[JobResult] = []
    slots = Pretended("a", "b", do=written)
    results = run_on_slots(jobs(tmp_path, 9), slots, at_once=3, reports=Reports(finished=reported.append))
    assert [result.job for result in results] == jobs(tmp_path, 9)
    assert sorted(map(id, results)) == sorted(map(id, reported))
    assert {slot for slot, _ in slots.given} == {"a", "b"}


def test_no_jobs_are_no_work(tmp_path: Path) -> None:
    assert run_on_slots(jobs(tmp_path, 0), Pretended("a", do=written), at_once=1) == ()


def test_others_do_what_a_lost_slot_had(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def do(slot: str, unit: Unit) -> Event:
        return Closed(slot=slot, why="it burnt") if slot == "a" else written(slot, unit)

    results = run_on_slots(jobs(tmp_path, 6), Pretended("a", "b", do=do), at_once=3)
    assert [result.state for result in results] == ["written"] * 6
    assert "a was lost: it burnt" in caplog.text


def test_a_slot_that_is_lost_after_it_wrote_a_file_does_not_keep_it_from_being_made(tmp_path: Path) -> None:
    given: dict[str, list[tuple[int, bool]]] = {"a": [], "b": []}

    def do(slot: str, unit: Unit) -> Event:
        assert isinstance(unit, FileUnit)
        given[slot].append((unit.number, unit.overwrite))
        unit.job.target.touch()
        return Closed(slot=slot, why="it burnt") if slot == "a" else written(slot, unit)

    work = jobs(tmp_path, 3)
    work[0].target.parent.mkdir()
    work[1].target.touch()  # somebody else's
    run_on_slots(work, Pretended("a", "b", do=do), at_once=2)
    assert given == {"a": [(0, False)], "b": [(2, False), (0, True), (1, False)]}


def test_a_file_that_ends_slots_fails_alone(tmp_path: Path) -> None:
    def do(slot: str, unit: Unit) -> Event:
        return Closed(slot=slot, why="it burnt") if unit.number == 2 else written(slot, unit)

    results = run_on_slots(jobs(tmp_path, 6), Pretended(*"abcdef", do=do), at_once=3)
    assert [result.state for result in results] == ["written"] * 2 + ["failed"] + ["written"] * 3
    assert "2.png: 3 processes ended" in str(results[2].error)


def test_an_error_that_nobody_expected_ends_the_run_and_tells_where(tmp_path: Path) -> None:
    def do(slot: str, unit: Unit) -> Event:
        return Finished(slot=slot, outcome=Outcome(number=unit.number, bug="Traceback: in line 7"))

    with pytest.raises(RuntimeError, match="a failed:\nTraceback: in line 7"):
        run_on_slots(jobs(tmp_path, 2), Pretended("a", do=do), at_once=1)


@pytest.mark.parametrize("first", [True, False])
def test_slots_that_cannot_be_opened_take_no_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, first: bool
) -> None:
    class Refusing(Pretended):
        def events(self, seconds: float) -> list[Event]:
            (event,) = super().events(seconds) or (None,)
            if isinstance(event, Opened) and (event.slot == "a") is first and self.expected > 1:
                self.open_ones.remove(event.slot)
                event = Closed(slot=event.slot, why="no card", error=BackendUnavailableError("no card"))
            return [] if event is None else [event]

    results = run_on_slots(jobs(tmp_path, 4), Refusing("a", "b", do=written), at_once=1)
    assert [result.state for result in results] == ["written"] * 4
    assert "takes no part: no card" in caplog.text


@pytest.mark.parametrize("fatal", [True, False])
def test_without_a_slot_there_is_an_error(tmp_path: Path, *, fatal: bool) -> None:
    class Refusing(Pretended):
        def events(self, seconds: float) -> list[Event]:
            (event,) = super().events(seconds)
            self.open_ones.clear()
            return [Closed(slot=event.slot, why="", error=BackendUnavailableError("no card"), is_fatal=fatal)]

    with pytest.raises(BackendUnavailableError, match="no card"):
        run_on_slots(jobs(tmp_path, 4), Refusing(*("a", "b")[: 1 + fatal], do=written), at_once=1)


def test_what_slots_log_is_logged_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def do(slot: str, unit: Unit) -> Event:
        event = written(slot, unit)
        assert isinstance(event, Finished)
        outcome = Outcome(number=unit.number, result=event.outcome.result, log=((30, "it is slow"),))
        return Finished(slot=slot, outcome=outcome)

    run_on_slots(jobs(tmp_path, 1), Pretended("a", do=do), at_once=1)
    assert "a: it is slow" in caplog.text
