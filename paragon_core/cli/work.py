"""How much of the work on many files is done, in the only unit that is known of all of them before: their bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paragon_core.cli.rate import RateMeter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from paragon_core.cli.job_state import Kind
    from paragon_core.media.job_plan import Job


@dataclass(kw_only=True)
class _Tally:
    """What is known of the files of one kind, whose bytes take the same time more or less."""

    left: float = 0
    """Bytes of sources that nobody has begun with."""
    done: float = 0
    """Bytes of sources that went through the network."""
    finished: int = 0
    """Bytes of sources whose results are complete."""
    written: int = 0
    """Bytes of these results."""
    seconds: float = 0
    """Time that went into this kind."""
    speed: RateMeter = field(default_factory=RateMeter)
    """Bytes a second."""


class Work:
    """The work on all files.

    Images and videos are counted apart: a byte of a video takes much longer.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Look how large the sources are."""
        self._sizes = {job.source: size_of(job.source) for job in jobs}
        self._kinds: Mapping[Path, Kind] = {job.source: kind_of(job) for job in jobs}
        self._tallies: dict[Kind, _Tally] = {"image": _Tally(), "video": _Tally()}
        for source, size in self._sizes.items():
            self._tallies[self._kinds[source]].left += self._weight(size)
        self._begun: dict[Path, float] = {}
        self._updated: float | None = None
        self._passed = 0
        """Bytes of sources that were skipped, or failed before they were begun."""
        self._files_done = 0

    @staticmethod
    def _weight(size: int | None) -> int:
        return max(size or 0, 1)

    @property
    def bytes(self) -> int:
        """Bytes of all sources."""
        return sum(size or 0 for size in self._sizes.values())

    def size_of(self, source: Path) -> int | None:
        """Return the bytes of a source; None where there are none to count."""
        return self._sizes[source]

    def begin(self, source: Path) -> None:
        """Note that a file is in work; those before it are done but for writing."""
        for before, share in list(self._begun.items()):
            self._move(before, 1 - share)
            self._begun[before] = 1.0
        self._tallies[self._kinds[source]].left -= self._weight(self._sizes[source])
        self._begun[source] = 0.0

    def advance(self, source: Path, share: float, moment: float) -> None:
        """Note which share of a file in work is done, 0 to 1, at a moment in seconds."""
        tally = self._tallies[self._kinds[source]]
        tally.seconds += 0.0 if self._updated is None else max(moment - self._updated, 0.0)
        self._updated = moment
        before = self._begun.get(source, 1.0)
        if share > before:
            self._move(source, share - before)
            self._begun[source] = share
        tally.speed.add(tally.seconds, tally.done)

    def finish(self, source: Path, *, written: int, moment: float) -> None:
        """Note that a file is finished; ``written`` are the bytes of its result, 0 if there is none."""
        tally = self._tallies[self._kinds[source]]
        if source in self._begun:
            self.advance(source, 1.0, moment)
            del self._begun[source]
        else:
            tally.left -= self._weight(self._sizes[source])
            self._passed += self._weight(self._sizes[source])
        self._files_done += 1
        if written:
            tally.finished += self._weight(self._sizes[source])
            tally.written += written

    def _move(self, source: Path, share: float) -> None:
        """Count a share of a file as done."""
        self._tallies[self._kinds[source]].done += share * self._weight(self._sizes[source])

    def _in_work(self, kind: Kind) -> float:
        """Return the bytes of files in work that are not done."""
        return sum(
            (1 - share) * self._weight(self._sizes[source])
            for source, share in self._begun.items()
            if self._kinds[source] == kind
        )

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1: of the bytes of one kind, of the files where there are both."""
        total = sum(map(self._weight, self._sizes.values()))
        if len(set(self._kinds.values())) == 1:
            return (sum(tally.done for tally in self._tallies.values()) + self._passed) / total
        return (self._files_done + sum(self._begun.values())) / len(self._sizes)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest will take; None where nothing is known of one kind of it."""
        seconds = 0.0
        for kind, tally in self._tallies.items():
            left = tally.left + self._in_work(kind)
            if left > 0:
                rate = tally.speed.rate
                if rate is None:
                    return None
                seconds += left / rate
        return seconds

    def bytes_to_come(self, written: int) -> int | None:
        """Return the bytes of results that are still to be written; None where nothing is known of one kind of them.

        Args:
            written: bytes of the video in work so far.

        """
        result = 0.0
        for kind, tally in self._tallies.items():
            known, made, left = float(tally.finished), tally.written, tally.left
            for source, share in self._begun.items():
                if self._kinds[source] == kind:
                    part = share if kind == "video" else 0.0
                    known += part * self._weight(self._sizes[source])
                    left += (1 - part) * self._weight(self._sizes[source])
            made += written if kind == "video" else 0
            if left > 0:
                if not (known and made):
                    return None
                result += left * made / known
        return round(result)


def kind_of(job: Job) -> Kind:
    """Return what a job is about."""
    return "video" if job.is_video else "image"


def size_of(path: Path) -> int | None:
    """Return the bytes of a file; None where there is none to count."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
