"""Upscaling a long video in chunks, so that the same command goes on after whatever ended the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from paragon_core.errors import InputError, JobError
from paragon_core.media.formats import holds_animation
from paragon_core.media.video.chunks import folder
from paragon_core.media.video.chunks.chunk_file import DamagedChunkError
from paragon_core.media.video.chunks.encode import encode_chunks, first_format
from paragon_core.media.video.chunks.job import NetworkIdentity, SourceIdentity, VideoJob, job_folder, versions
from paragon_core.media.video.chunks.join import Joined, join
from paragon_core.media.video.chunks.plan import plan_chunks
from paragon_core.media.video.formats import container_of_name
from paragon_core.media.video.observer import VideoObserver, VideoOutline
from paragon_core.media.video.opening import opened
from paragon_core.upscaling.free_size import check_memory
from paragon_core.upscaling.temporal import check_strength

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.video.chunks.job import VideoSettings
    from paragon_core.media.video.observer import VideoPosition
    from paragon_core.models.spec import ModelSpec
    from paragon_core.upscaling.upscaler import Upscaler

#: Called with the frames that are done, those of earlier runs included, and how many there are in all.
ChunksProgress = Callable[[int, int], None]
#: Called with a sentence for the user.
Announce = Callable[[str], None]

#: Frames of a chunk by default: about ten seconds, and no more key frames than encoders make anyway. Networks that see
#: the whole image take minutes for a frame on a processor.
_LOCAL: Final = 240
_WHOLE_IMAGE: Final = 48

#: Chunks up to which a video counts as short: what an interruption can cost is no more than that.
SHORT: Final = 2

#: Values of a pixel at most: red, green and blue.
_PLANES: Final = 3

#: What the chunks and the file take together, in sizes of the file.
_COPIES: Final = 2


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of several processes that share the work, without knowing of each other."""

    number: int
    """Which, from 1 to ``count``."""
    count: int
    """How many there are."""
    turn: int = 0
    """Place of the video among those that are shared; see `ChunkPlan.share`."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: they are out of range.

        """
        if not 1 <= self.number <= self.count:
            msg = f"there is no shard {self.number} of {self.count}"
            raise InputError(msg, hint="they are numbered from 1 on, such as 1/3, 2/3 and 3/3")

    @property
    def is_own_file(self) -> bool:
        """Whether the video is its own where it is too short to be shared."""
        return self.turn % self.count == self.number - 1

    def __str__(self) -> str:
        """Return it as on the command line."""
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, kw_only=True)
class ChunksResult:
    """What became of a video that is made in chunks."""

    joined: Joined | None
    """The file; None where other shards have to make their chunks first."""
    own: tuple[int, ...]
    """Numbers of the chunks that are this process's share; they are there."""
    total: int
    """Chunks in all."""


def usual_chunk_frames(spec: ModelSpec) -> int:
    """Return the most frames of a chunk with a network, unless others are asked for."""
    return _WHOLE_IMAGE if spec.receptive_radius is None else _LOCAL


def _ignore(_done: int, _total: int) -> None:
    """Show no progress."""


def _say_nothing(_text: str) -> None:
    """Announce nothing."""


def job_for(
    source: Path,
    target: Path,
    network: NetworkIdentity,
    settings: VideoSettings,
    *,
    restart: bool = False,
    most_short: int = SHORT,
) -> VideoJob | None:
    """Return the job that makes a video: the one that was begun, or a new one, whose folder is made.

    Args:
        source: the video.
        target: the file to make.
        network: what upscales it, from `NetworkIdentity.of`.
        settings: what is asked for.
        restart: whether what was begun is thrown away.
        most_short: chunks up to which a new job is not worth it.

    Returns:
        None where the video is too short, becomes an animation, is to have a frame of each field, or is to be encoded
        by hardware, which makes other packets each time.

    Raises:
        InputError: an option is out of range, or the target would replace the source.
        JobError: what was begun had another source, model or setting, or another process is at it.
        MediaError: the source cannot be read, or the folder cannot be written.

    """
    check_strength(settings.temporal)
    if holds_animation(target):
        return None
    settings = replace(settings, encoding=settings.encoding.in_container(container_of_name(target)))
    source, target = source.absolute(), target.absolute()
    if target.exists() and source.exists() and target.samefile(source):
        msg = f"{target} would replace the video itself"
        raise InputError(msg, hint="choose another output; sources are never overwritten")
    if restart:
        discard(target)
    begun = folder.read_job(target)
    if begun is not None:
        begun = replace(begun, source=source)
        if changes := "; ".join(begun.changes(network, settings)):
            msg = f"{target} was begun in another way: {changes}"
            raise JobError(msg, hint="give the command as before, or begin again with --restart")
        return begun
    if settings.deinterlace == "bob" or settings.encoding.encoder != "software":
        return None
    with opened(source, settings.time_range, keep_damaged=settings.keep_damaged) as video:
        expected = video.expected_frames
        if expected is not None and expected <= most_short * settings.chunk_frames:
            return None
        plan = plan_chunks(video, frames=settings.chunk_frames, temporal=settings.temporal)
    if len(plan.chunks) <= most_short:
        return None
    job = VideoJob(
        source=source,
        target=target,
        identity=SourceIdentity.of(source),
        network=network,
        settings=settings,
        versions=versions(),
        plan=plan,
    )
    folder.begin(job)
    return job


def upscale_in_chunks(
    job: VideoJob,
    upscaler: Upscaler,
    *,
    shard: Shard | None = None,
    progress: ChunksProgress = _ignore,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
    announce: Announce = _say_nothing,
) -> ChunksResult:
    """Make the chunks of a job that are missing, then its file; the folder goes once the file is there.

    A shard makes its share of the chunks only: `finish` makes the file once all of them are there.

    Args:
        job: from `job_for`.
        upscaler: of the kind that the job names.
        shard: make only its share, and no file.
        progress: called in the calling thread after each frame; an exception that it raises ends the work, and what is
            complete stays.
        observer: told in more detail what happens; its ``times`` measure the stages.
        announce: called with what the user should know.

    Raises:
        JobError: another process is at it, or the upscaler is of another kind.
        MediaError: the source cannot be read, or a file cannot be written.
        OutOfMemoryError: a frame does not fit, even in small tiles.
        InferenceError: the runtime failed.

    """
    plan = job.plan
    own = range(len(plan.chunks)) if shard is None else plan.share(shard.number, shard.count, turn=shard.turn)
    name = "job" if shard is None else f"shard-{shard.number}-of-{shard.count}"
    with folder.alone(job, name):
        gaps = folder.missing(job, own)
        total = sum(plan.chunks[number].frames for number in own)
        done = total - sum(plan.chunks[number].frames for number in gaps)
        if done:
            announce(f"{job.target.name}: {done} of {total} frames are done already")
        if gaps:
            reporter = _Reporter(job, done=done, total=total, progress=progress, observer=observer, announce=announce)
            reporter.begin(upscaler)
            encode_chunks(job, gaps, upscaler, advance=reporter.advance, times=observer.times)
    joined = finish(job, upscaler) if shard is None else None
    return ChunksResult(joined=joined, own=tuple(own), total=len(plan.chunks))


def finish(job: VideoJob, upscaler: Upscaler | None = None) -> Joined:
    """Make a job's file from its chunks, and remove its folder.

    Args:
        job: the job, all of whose chunks are made.
        upscaler: makes those again that turn out to be damaged; without it, they are an error.

    Raises:
        JobError: another process is at it, or chunks are missing.
        DamagedChunkError: one is not what was written.
        MediaError: the source cannot be read, or a file cannot be written.

    """
    with folder.alone(job, "job"):
        try:
            joined = join(job)
        except DamagedChunkError as error:
            if upscaler is None:
                raise
            error.path.unlink(missing_ok=True)
            encode_chunks(job, folder.missing(job), upscaler)
            joined = join(job)
        folder.empty(job.target)
    folder.drop(job.target)
    return joined


def discard(target: Path) -> None:
    """Throw away what was begun of a file.

    Raises:
        JobError: another process is at it.
        MediaError: something cannot be removed.

    """
    if job_folder(target).is_dir():
        with folder.alone_at(target, "job"):
            folder.empty(target)
        folder.drop(target)


class _Reporter:
    """Counts frames, and says once how much of the disk the work will take."""

    def __init__(
        self,
        job: VideoJob,
        *,
        done: int,
        total: int,
        progress: ChunksProgress,
        observer: VideoObserver,
        announce: Announce,
    ) -> None:
        self._job = job
        self._done = done
        self._total = total
        self._progress = progress
        self._observer = observer
        self._announce = announce
        self._is_told = False
        self._written = sum(folder.sizes(job).values())

    def begin(self, upscaler: Upscaler) -> None:
        """Tell the observer what is to be done, after a look at whether a frame fits in memory."""
        made, size = first_format(self._job)
        check_memory(size, made.pixels, ratio=upscaler.scale**made.runs, values=_PLANES)
        self._observer.begin(
            VideoOutline(
                frames=self._total,
                seconds=None,
                size=size,
                result_size=made.size,
                earlier=self._done,
                copies=_COPIES,
            )
        )

    def advance(self, position: VideoPosition) -> None:
        """Note what this call has finished."""
        if not self._is_told and position.frames >= max(chunk.frames for chunk in self._job.plan.chunks):
            self._tell_size()
        frames = self._done + position.frames
        self._progress(frames, self._total)
        self._observer.advance(replace(position, frames=frames, written=self._written + position.written))

    def _tell_size(self) -> None:
        sizes = folder.sizes(self._job)
        frames = sum(self._job.plan.chunks[number].frames for number in sizes)
        if frames:
            self._is_told = True
            chunks = sum(sizes.values()) / frames * self._job.plan.frames
            size = chunks + self._job.plan.other_bytes
            name = self._job.target.name
            self._announce(f"{name}: about {_amount(chunks + size)} of the disk until it is done, then {_amount(size)}")


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"  # noqa: PLR2004 - units
