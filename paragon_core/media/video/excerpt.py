"""A part of a film, by its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The part of a film that is wanted, in seconds."""

    start: float = 0.0
    """Frames from this time on."""
    duration: float | None = None
    """Frames before the start and so much; None for all."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.start >= 0 or (self.duration is not None and not self.duration > 0):  # NaN compares false
            msg = f"there are no frames from {self.start} seconds on for {self.duration} seconds"
            raise InputError(msg, hint="start counts from 0 on, duration is positive")

    def ticks(self, time_base: Fraction) -> tuple[int, int | None]:
        """Return the first time stamp that is wanted, and the first that is not any more."""
        end = None if self.duration is None else int((self.start + self.duration) / time_base)
        return int(self.start / time_base), end
