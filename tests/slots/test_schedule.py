"""Every unit is done once, or given up, whatever slots come, finish and vanish."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from paragon_core.slots.schedule import ATTEMPTS, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Part:
    number: int
    alone: bool = False


def parts(*alone: bool) -> list[Part]:
    return [Part(number=number, alone=each) for number, each in enumerate(alone)]


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 3), st.data())
def test_every_unit_is_done_once_or_given_up(alone: list[bool], at_once: int, data: st.DataObject) -> None:
    schedule = Schedule(parts(*alone), at_once=at_once)
    slots = {"a": list[Part](), "b": list[Part]()}
    done: Counter[int] = Counter()
    given_up: Counter[int] = Counter()
    losses: Counter[int] = Counter()
    names = count()
    while not schedule.is_over:
        slot: str = data.draw(st.sampled_from(sorted(slots)))
        held = slots[slot]
        if (unit := schedule.take(slot)) is not None:
            held.append(unit)
            assert len(held) <= at_once
            assert len(held) == 1 or not any(each.alone or losses[each.number] for each in held)
        elif held and data.draw(st.sampled_from((True, False))):
            unit = held.pop(data.draw(st.integers(0, len(held) - 1)))
            assert schedule.finish(slot, unit.number) is unit
            assert schedule.finish(slot, unit.number) is None
            done[unit.number] += 1
        elif held:
            lost = schedule.lose(slot)
            assert sorted(unit.number for unit in lost.again + lost.given_up) == sorted(unit.number for unit in held)
            losses.update(unit.number for unit in held)
            given_up.update(unit.number for unit in lost.given_up)
            del slots[slot]
            slots[f"new {next(names)}"] = []
        assert schedule.in_flight == sum(map(len, slots.values()))
    assert done + given_up == Counter(range(len(alone)))
    assert all(losses[number] == ATTEMPTS for number in given_up)
    assert all(losses[number] < ATTEMPTS for number in done)


def test_units_are_taken_from_their_source_as_slots_have_room() -> None:
    taken = []

    def units() -> Iterator[Part]:
        for part in parts(*[False] * 1000):
            taken.append(part.number)
            yield part

    schedule = Schedule(units(), at_once=2)
    for slot in ("a", "b"):
        while schedule.take(slot):
            pass
    assert len(taken) == 4


def test_what_was_lost_is_next_and_has_a_slot_for_itself() -> None:
    schedule = Schedule(parts(*[False] * 5), at_once=2)
    assert [schedule.take("a"), schedule.take("a"), schedule.take("b")] == parts(*[False] * 3)
    schedule.lose("a")
    assert schedule.take("b") is None  # it has another one
    schedule.finish("b", 2)
    assert schedule.take("b") == Part(number=0)
    assert schedule.take("b") is None
    assert schedule.take("c") == Part(number=1)
    assert schedule.take("d") == Part(number=3)


def test_units_that_come_up_later_are_next() -> None:
    schedule = Schedule([Part(number=0), Part(number=1)], at_once=1)
    assert schedule.take("a") == Part(number=0)
    schedule.add(Part(number=7), Part(number=8))
    assert schedule.finish("a", 0)
    assert [schedule.take(slot) for slot in "abc"] == [Part(number=7), Part(number=8), Part(number=1)]
    assert schedule.take("d") is None
    assert not schedule.is_over
