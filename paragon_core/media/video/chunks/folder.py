"""The folder of a job: its description, the chunks that are complete, and a lock for each process that makes some."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import PART, atomic_write, prepare_folder, remove_leftovers, unwritable
from paragon_core.engines.waiting import try_lock
from paragon_core.errors import JobError
from paragon_core.media.sources import unreadable
from paragon_core.media.video.chunks import chunk_file
from paragon_core.media.video.chunks.job import VideoJob, job_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from paragon_core.media.video.chunks.chunk_file import ChunkFacts

MANIFEST: Final = "job.json"
_LOCK: Final = ".lock"


def chunk_path(job: VideoJob, number: int) -> Path:
    """Return where a chunk's file is."""
    return job.folder / f"{number:06}{chunk_file.EXTENSION}"


def facts_of(job: VideoJob, number: int) -> ChunkFacts | None:
    """Return what is known of a chunk; None where it has not been made."""
    facts = chunk_file.read_facts(chunk_path(job, number))
    return facts if facts is not None and facts.number == number else None


def missing(job: VideoJob, numbers: Iterable[int] | None = None) -> tuple[int, ...]:
    """Return which chunks are still to be made, of some or of all."""
    wanted = range(len(job.plan.chunks)) if numbers is None else numbers
    return tuple(number for number in wanted if facts_of(job, number) is None)


def read_job(target: Path) -> VideoJob | None:
    """Return the job that was begun to make a file; None if there is none.

    Raises:
        MediaError: its description cannot be read, or is that of another version of Paragon.

    """
    manifest = job_folder(target) / MANIFEST
    try:
        text = manifest.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(manifest, error) if isinstance(error, OSError) else _no_text(manifest) from error
    return VideoJob.parse(text, target)


def begin(job: VideoJob) -> None:
    """Make a job's folder, and write its description: from now on, it can be continued.

    Raises:
        MediaError: that cannot be written.

    """
    manifest = job.folder / MANIFEST
    prepare_folder(manifest)
    with atomic_write(manifest) as stream:
        stream.write(json.dumps(job.described(), indent=1).encode())


def alone(job: VideoJob, name: str) -> AbstractContextManager[None]:
    """Keep other processes from the same share of a job, until the block ends; as `alone_at`."""
    return alone_at(job.target, name)


@contextmanager
def alone_at(target: Path, name: str) -> Iterator[None]:
    """Keep other processes from a share of the job that makes a file, until the block ends.

    Args:
        target: the file; the job's folder exists.
        name: of the share, as it may stand in a file's name.

    Raises:
        JobError: one is at it.

    """
    folder = job_folder(target)
    lock = try_lock(folder / f"{name}{_LOCK}")
    if lock is None:
        msg = f"another process is making {target}"
        raise JobError(msg, hint="wait until it is done, or split the work with --shard")
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()


def sizes(job: VideoJob) -> dict[int, int]:
    """Return the bytes of the chunks that are there, by their numbers."""
    found = {}
    for chunk in job.plan.chunks:
        with suppress(OSError):
            found[chunk.number] = chunk_path(job, chunk.number).stat().st_size
    return found


def empty(target: Path) -> None:
    """Remove description and chunks of the job that makes a file, whether it is done or not.

    The description goes first: a folder without one is never continued.

    Raises:
        MediaError: something cannot be removed.

    """
    folder = job_folder(target)
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        for path in list(folder.iterdir()):
            if path.suffix in {chunk_file.EXTENSION, PART}:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def drop(target: Path) -> None:
    """Remove the folder of a job that was emptied; one that is in use again, or holds something else, stays."""
    folder = job_folder(target)
    with suppress(OSError):
        if not any(path.suffix != _LOCK for path in folder.iterdir()):
            for path in list(folder.iterdir()):
                path.unlink(missing_ok=True)
            folder.rmdir()


def tidy(target: Path) -> None:
    """Remove a job whose process ended after its file was complete, and before all else was done.

    Raises:
        MediaError: something cannot be removed.

    """
    folder = job_folder(target)
    if not folder.is_dir():
        return
    remove_leftovers(folder)
    if any(folder.glob(f"*{PART}")):  # somebody is about to write
        return
    try:
        job = read_job(target)
    except JobError:  # of another version, which may go on with it
        return
    if job is None or (not missing(job) and target.stat().st_mtime_ns >= _newest(folder)):
        with suppress(JobError):  # another process is at it, and will
            with alone_at(target, "job"):
                empty(target)
            drop(target)


def _newest(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.glob(f"*{chunk_file.EXTENSION}")), default=0)


def _no_text(path: Path) -> JobError:
    return JobError(f"{path} is damaged", hint="begin again with --restart")
