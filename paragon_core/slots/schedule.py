"""Which slot does which unit of work: a few at once each, and again elsewhere when a slot is lost."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Slots that a unit may take down with it before it counts as the cause.
ATTEMPTS: Final = 3


class Weighed(Protocol):
    """What a schedule wants to know of a unit."""

    @property
    def number(self) -> int:
        """What tells it from all others."""

    @property
    def alone(self) -> bool:
        """Whether it keeps a slot busy by itself: none waits behind it that an idle slot could do."""


U = TypeVar("U", bound=Weighed)


@dataclass(frozen=True, kw_only=True)
class Lost(Generic[U]):
    """What a lost slot had been given."""

    again: tuple[U, ...]
    """Units that other slots do next."""
    given_up: tuple[U, ...]
    """Units that have been lost with `ATTEMPTS` slots."""


class Schedule(Generic[U]):
    """Hands out units in their order; a pure state machine, which knows neither clocks nor processes.

    Units are taken from their source when a slot has room for one, so that memory does not depend on their number.
    A unit that was lost with a slot is then given to one that has nothing else, so that it takes no others with it.
    """

    def __init__(self, units: Iterable[U], *, at_once: int, attempts: int = ATTEMPTS) -> None:
        """Begin with nothing handed out.

        Args:
            units: the work, in the order in which it is begun.
            at_once: units that a slot holds at most: one in its network, others being read or written.
            attempts: slots that may be lost over a unit.

        """
        self._coming: Iterator[U] = iter(units)
        self._waiting: deque[U] = deque()
        self._at_once = at_once
        self._attempts = attempts
        self._held: defaultdict[str, dict[int, U]] = defaultdict(dict)
        self._losses: dict[int, int] = {}
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Number of units that slots hold."""
        return self._in_flight

    @property
    def has_more(self) -> bool:
        """Whether there is something to hand out."""
        return self._next() is not None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to hand out or to wait for."""
        return not self._in_flight and not self.has_more

    def is_full(self, slot: str) -> bool:
        """Return whether a slot has no room for another unit."""
        held = self._held[slot]
        return len(held) >= self._at_once or any(map(self._is_alone, held.values()))

    def take(self, slot: str) -> U | None:
        """Return the next unit for a slot, if there is one and the slot has room."""
        if self.is_full(slot):
            return None
        held, unit = self._held[slot], self._next()
        if unit is None or (held and self._is_alone(unit)):
            return None
        self._waiting.popleft()
        held[unit.number] = unit
        self._in_flight += 1
        return unit

    def finish(self, slot: str, number: int) -> U | None:
        """Note that a slot is done with a unit, and return the unit; None where the slot does not hold it."""
        unit = self._held[slot].pop(number, None)
        self._in_flight -= unit is not None
        return unit

    def add(self, *units: U) -> None:
        """Hand out units that have come up, or are to be done again, before all others."""
        self._waiting.extendleft(reversed(units))

    def drop(self, is_wanted: Callable[[U], bool]) -> None:
        """Forget units that came up, were not handed out yet, and are not wanted any more."""
        self._waiting = deque(filter(is_wanted, self._waiting))

    def lose(self, slot: str) -> Lost[U]:
        """Take back what a slot holds, because it will not do it any more."""
        held = tuple(self._held.pop(slot, {}).values())
        self._in_flight -= len(held)
        for unit in held:
            self._losses[unit.number] = self._losses.get(unit.number, 0) + 1
        again = tuple(unit for unit in held if self._losses[unit.number] < self._attempts)
        self.add(*again)
        return Lost(again=again, given_up=tuple(unit for unit in held if unit not in again))

    def _next(self) -> U | None:
        if not self._waiting:
            self._waiting.extend(unit for unit in (next(self._coming, None),) if unit is not None)
        return self._waiting[0] if self._waiting else None

    def _is_alone(self, unit: U) -> bool:
        return unit.alone or unit.number in self._losses
