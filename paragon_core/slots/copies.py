"""Files for slots on machines that do not see those of the driver: whether they do, and copies where they do not."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from paragon_core.atomic_files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult

#: Bytes of a piece: a machine holds a few of them at once, however large the file is.
PIECE: Final = 32 * 2**20


@dataclass(frozen=True, kw_only=True)
class Place:
    """How a slot finds out whether it sees the files that the driver means."""

    source: tuple[int, int] | None
    """Size in bytes and time of the source; None where the driver cannot read it either: the slot then tells why."""
    marker: Path | None
    """A file on the target's disk, as long as the run lasts; None where none can be made there."""

    @classmethod
    def of(cls, source: Path, marker: Path | None) -> Self:
        """Look at a source, on the driver's machine."""
        return cls(source=_stamp(source), marker=marker)

    def is_shared(self, source: Path) -> bool:
        """Return whether a slot on this machine reads the same source, and writes to the same disk."""
        if self.source is None:
            return True
        return _stamp(source) == self.source and self.marker is not None and self.marker.exists()


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all; raises what `atomic_write` does."""
    with atomic_write(path) as stream:
        for piece in pieces:
            stream.write(piece)


@contextmanager
def local_copy(job: Job, pieces: Iterable[bytes]) -> Iterator[Job]:
    """Yield a job with a copy of the source, and room for the target, in a folder that disappears afterwards.

    Raises:
        OSError: there is no room for it.

    """
    with TemporaryDirectory(prefix="paragon-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        source = folder / "source" / job.source.name
        source.parent.mkdir()
        with source.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
        yield replace(job, source=source, target=folder / "target" / job.target.name)


def named_as_before(result: JobResult, copy: Job, job: Job) -> JobResult:
    """Return a result as if it were about the files themselves and not about the copies."""
    error = result.error
    if error is not None:
        text = str(error).replace(str(copy.source), str(job.source)).replace(str(copy.target), str(job.target))
        error = type(error)(text, hint=error.hint)
    return replace(result, job=job, error=error)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path's method is the same
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
