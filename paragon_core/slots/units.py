"""Units of work: what a slot does in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paragon_core.media.job_plan import Job


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit of work: a file."""

    number: int
    """What tells it from all others."""
    job: Job
    """The file."""

    @property
    def alone(self) -> bool:
        """Whether it keeps a slot busy by itself."""
        return self.job.is_video
