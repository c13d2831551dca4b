"""A part of a video, by its times."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from paragon_core.errors import InputError

_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """The part of a video that is wanted, in seconds from its own start."""

    start: float = 0.0
    """Frames from this time on."""
    duration: float | None = None
    """Frames before the start plus this; None for all."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.start >= 0 or (self.duration is not None and not self.duration > 0):  # NaN compares false
            msg = f"there are no frames from {self.start} seconds on for {self.duration} seconds"
            raise InputError(msg, hint="start counts from 0 on, duration is positive")

    def ticks(self, time_base: Fraction, begin: Fraction) -> tuple[int | None, int | None]:
        """Return the first time stamp that is wanted and the first that is not any more; None: all.

        Args:
            time_base: unit of the time stamps in seconds.
            begin: where the video begins, in seconds.

        """
        start, duration = (
            None if seconds is None else Fraction(seconds).limit_denominator(_MICROSECONDS)
            for seconds in (self.start, self.duration)
        )
        first = int((begin + start) / time_base) if start else None
        return first, None if duration is None else int((begin + (start or 0) + duration) / time_base)
