"""Units of work: what a slot does in one go.

An image, and a video too short for chunks, is one unit. A long video is begun as one, which finds that out and makes
its job folder (`media.video.chunks`); then each chunk is a unit, and at last the joining of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paragon_core.media.job_plan import Job


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit of work."""

    number: int
    """What tells it from all others."""
    index: int
    """The place of its job among all jobs."""
    job: Job
    """The job that it belongs to."""

    @property
    def alone(self) -> bool:
        """Whether it keeps a slot busy by itself."""
        return self.job.is_video


@dataclass(frozen=True, kw_only=True)
class FileUnit(Unit):
    """A file, or the beginning of a long video."""

    whole: bool = False
    """Whether a long video is made by one slot from beginning to end: for machines that share no disk with others."""
    overwrite: bool = False
    """Whether it is made even where its target exists: a slot was lost over it, perhaps after writing the target and
    before reporting it."""


@dataclass(frozen=True, kw_only=True)
class ChunkUnit(Unit):
    """A chunk of a video."""

    chunk: int
    """Its number."""


@dataclass(frozen=True, kw_only=True)
class JoinUnit(Unit):
    """The joining of a video whose chunks are all made."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """A long video that was begun: what is left to do."""

    frames: int
    """Frames of all chunks."""
    left: tuple[tuple[int, int], ...]
    """Number and frames of each chunk that is still to be made."""
