"""What the driver of a run sees of slots, whatever they are: it hands them units, and takes events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from paragon_core.slots.settings import SlotState
    from paragon_core.slots.units import Unit
    from paragon_core.slots.worker import Outcome


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A slot has its model loaded and waits for work."""

    slot: str
    """Its name."""
    state: SlotState
    """What its pixels depend on."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A slot is done with a unit."""

    slot: str
    """Its name."""
    outcome: Outcome
    """What came of the unit."""


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A slot will do no more work."""

    slot: str
    """Its name."""
    why: str
    """The reason, as a half sentence with the slot for its subject."""
    error: Exception | None = None
    """Why it could not be opened; None where it was lost."""
    is_fatal: bool = False
    """Whether the run is to end, because the slot is one that the user asked for by name."""


Event = Opened | Finished | Closed


class Slots(Protocol):
    """Slots of one kind; a context manager, at whose end none is left."""

    @property
    def expected(self) -> int:
        """Number of slots that are open or opening, or could be."""

    def open(self, expected: SlotState | None) -> None:
        """Begin to open slots: one that is asked what it computes with, or all others, which must be like it."""

    def give(self, slot: str, unit: Unit) -> None:
        """Hand a unit to a slot; returns at once, and an event tells what comes of it."""

    def events(self, seconds: float) -> list[Event]:
        """Return what has happened; waits that long at most where nothing has."""
