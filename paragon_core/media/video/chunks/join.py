"""Joining the chunks of a job: their packets and the source's other streams become the file, nothing is encoded."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from paragon_core.errors import JobError, MediaError
from paragon_core.media.video.chunks import chunk_file
from paragon_core.media.video.chunks.chunk_file import DamagedChunkError
from paragon_core.media.video.chunks.encode import first_format, opened_for
from paragon_core.media.video.chunks.folder import chunk_path, facts_of, missing
from paragon_core.media.video.decoding import DecodingFacts
from paragon_core.media.video.output import VideoWriter, writing
from paragon_core.media.video.remux import names_of

if TYPE_CHECKING:
    from av import Packet

    from paragon_core.media.video.chunks.chunk_file import ChunkFacts
    from paragon_core.media.video.chunks.job import VideoJob
    from paragon_core.upscaling.output_size import Size


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A file that was made from chunks."""

    frames: int
    """Its frames."""
    size: Size
    """Their width and height in pixels."""
    notes: tuple[str, ...]
    """Notes on what was not kept, for the user."""


def join(job: VideoJob) -> Joined:
    """Make a job's file from its chunks, which stay.

    Raises:
        JobError: chunks are missing, or do not follow one another.
        DamagedChunkError: one is not what was written.
        MediaError: the source is another file than before or cannot be read, or the file cannot be written.

    """
    if not job.identity.is_of(job.source):
        msg = f"{job.source} has other content than when the job was begun"
        raise MediaError(msg, hint="bring the file back, or begin again with --restart")
    facts = checked(job)
    paths = [chunk_path(job, each.number) for each in facts]
    _check_space(job)
    decoding = DecodingFacts()
    for each in facts:
        decoding = decoding.then(each.decoding)
    made, _ = first_format(job)
    with (
        opened_for(job) as video,
        writing(job.target, names_of(video)) as container,
    ):
        output = VideoWriter(container, video, made)
        output.begin()
        frames = chunk_file.packets_of(paths)
        waiting = next(frames, None)
        for packet in video.other_packets():
            time = _seconds(packet)
            while waiting is not None and _seconds(waiting) <= time:
                output.copy((waiting,))
                waiting = next(frames, None)
            output.copy_other(packet)
        while waiting is not None:
            output.copy((waiting,))
            waiting = next(frames, None)
        video.recall(decoding)
        output.finish_copy()
        notes = (*output.notes, *video.notes)
    return Joined(frames=sum(each.frames for each in facts), size=made.size, notes=notes)


def checked(job: VideoJob) -> list[ChunkFacts]:
    """Read a job's chunks whole and return what is known of them, in their order.

    Raises:
        JobError: some are missing, or two do not follow one another: the source was decoded in another way.
        DamagedChunkError: one is not what was written.

    """
    if gaps := missing(job):
        total = len(job.plan.chunks)
        msg = f"{len(gaps)} of {total} chunks of {job.target} are missing: {_ranges(gaps)}"
        raise JobError(msg, hint="have them made first: give the command again, or that of the shard that failed")
    facts: list[ChunkFacts] = []
    for chunk in job.plan.chunks:
        chunk_file.check(chunk_path(job, chunk.number))
        each = facts_of(job, chunk.number)
        if each is None:
            raise DamagedChunkError(chunk_path(job, chunk.number))
        if facts and facts[-1].last != each.before:
            msg = f"chunks {chunk.number - 1} and {chunk.number} of {job.target} do not follow one another"
            raise JobError(msg, hint="begin again with --restart, on one computer, and please report this")
        facts.append(each)
    return facts


def _check_space(job: VideoJob) -> None:
    """Refuse to begin a file that does not fit on its disk next to the chunks."""
    needed = sum(chunk_path(job, chunk.number).stat().st_size for chunk in job.plan.chunks)
    free = shutil.disk_usage(job.target.parent).free
    if free < needed:
        msg = f"{job.target} takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on its disk"
        raise MediaError(msg, hint="free some space and give the same command again: its frames are done")


def _ranges(numbers: tuple[int, ...]) -> str:
    """Return ascending numbers as text, neighbours together: ``0, 4-7``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)


def _seconds(packet: Packet[Any]) -> Fraction:
    time = packet.pts if packet.dts is None else packet.dts
    return (time or 0) * Fraction(packet.time_base or 1)
