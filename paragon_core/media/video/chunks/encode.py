"""Making chunks: decode what they need, upscale, encode each by itself, and write its file when it is complete."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self, cast

from paragon_core.cores import usable_cores
from paragon_core.errors import JobError, MediaError
from paragon_core.media.prefetch import completed, in_order, prefetch, threads
from paragon_core.media.pyav import pyav
from paragon_core.media.video.chunks.chunk_file import ChunkWriter
from paragon_core.media.video.chunks.cutting import ChunkEnd, Cutter
from paragon_core.media.video.chunks.folder import chunk_path, facts_of
from paragon_core.media.video.chunks.job import NetworkIdentity
from paragon_core.media.video.decoding import DecodingFacts
from paragon_core.media.video.frame_upscaler import FrameUpscaler
from paragon_core.media.video.observer import VideoPosition
from paragon_core.media.video.opening import opened
from paragon_core.media.video.output import OutputFormat, add_encoder, encoder_errors
from paragon_core.media.video.scheduling import own_priority
from paragon_core.media.video.source import Step
from paragon_core.media.video.stage_times import NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from types import TracebackType

    from av import VideoFrame, VideoStream
    from av.container import OutputContainer

    from paragon_core.media.video.chunks.job import VideoJob
    from paragon_core.media.video.chunks.plan import Chunk
    from paragon_core.media.video.source import VideoReader
    from paragon_core.media.video.stage_times import StageTimes
    from paragon_core.upscaling.upscaler import Upscaler

    #: Called in the calling thread after each frame, with the number of frames that this call has finished.
    ChunkProgress = Callable[[int], None]
    #: The same, with more: frames and bytes of this call.
    ChunkPositions = Callable[[VideoPosition], None]

#: Frames in work at once, and those that wait before and behind the network; as for a video in one go.
_IN_WORK: Final = 4
_WAITING: Final = 2


@dataclass(frozen=True, kw_only=True)
class _Begin:
    """A chunk's first frame follows."""

    chunk: Chunk


_Item = Step | _Begin | ChunkEnd


class _EntryError(Exception):
    """The place that a chunk was entered at gives other frames than the video's beginning does."""


def _now(item: _Item) -> Future[_Item]:
    return completed(item)


def _ignore(_frames: int) -> None:
    """Show no progress."""


def _ignore_position(_position: VideoPosition) -> None:
    """Show nothing."""


def opened_for(job: VideoJob) -> AbstractContextManager[VideoReader]:
    """Open a job's source as its settings say; raises what `opened` does."""
    asked = job.settings
    return opened(job.source, asked.time_range, keep_damaged=asked.keep_damaged, deinterlace=asked.deinterlace)


def first_format(job: VideoJob) -> tuple[OutputFormat, tuple[int, int]]:
    """Return what a video becomes, and the width and height of its first frame, which is decoded for that.

    Raises:
        MediaError: the source cannot be read, or none of its frames can be decoded.

    """
    settings = job.settings
    with opened_for(job) as video:
        for step in video.steps():
            if (first := step.frame) is not None:
                made = OutputFormat.of(first, video, settings.encoding, scale=job.network.scale, wanted=settings.size)
                return made, (first.width, first.height)
        msg = f"no frame of {video.name} can be decoded{video.no_frames}"
        raise MediaError(msg, hint="see whether a player shows it; if so, convert it to another format first")


def encode_chunk(job: VideoJob, number: int, upscaler: Upscaler, *, progress: ChunkProgress = _ignore) -> None:
    """Make one chunk; arguments and errors as of `encode_chunks`."""
    encode_chunks(job, (number,), upscaler, progress=progress)


def encode_chunks(
    job: VideoJob,
    numbers: Sequence[int],
    upscaler: Upscaler,
    *,
    progress: ChunkProgress = _ignore,
    advance: ChunkPositions = _ignore_position,
    times: StageTimes = NOT_MEASURED,
) -> None:
    """Make chunks, whether they are there or not; each gets its file as soon as it is complete.

    Neighbours are decoded and upscaled without a pause between them, so give them in one call.

    Args:
        job: the job; its folder exists.
        numbers: which chunks, ascending.
        upscaler: of the kind that the job names.
        progress: called after each frame; an exception that it raises ends the work.
        advance: likewise, with more.
        times: where the time of each stage is added up.

    Raises:
        JobError: the upscaler is of another kind.
        MediaError: the source cannot be read, or a file cannot be written.
        OutOfMemoryError: a frame does not fit, even in small tiles.
        InferenceError: the runtime failed.

    """
    if NetworkIdentity.of(upscaler) != job.network:
        msg = "this process upscales in another way than the job asks for"
        raise JobError(msg, hint="use the same model, backend, precision and options everywhere")
    if not numbers:
        return
    made, size = first_format(job)
    frames = written = 0
    for run in _runs(numbers):
        chunks = [job.plan.chunks[number] for number in run]
        worker = _Run(job=job, chunks=chunks, upscaler=upscaler, made=made, size=size, times=times)

        def tell(position: VideoPosition, before: tuple[int, int] = (frames, written)) -> None:
            progress(before[0] + position.frames)
            advance(replace(position, frames=before[0] + position.frames, written=before[1] + position.written))

        try:
            done = worker.make(tell, enter=True)
        except _EntryError:
            done = worker.make(tell, enter=False)
        frames, written = frames + done.frames, written + done.written


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield runs of neighbours."""
    run = [numbers[0]]
    for before, number in pairwise(numbers):
        if number != before + 1:
            yield run
            run = []
        run.append(number)
    yield run


class _Run:
    """Neighbouring chunks that are made together."""

    def __init__(
        self,
        *,
        job: VideoJob,
        chunks: Sequence[Chunk],
        upscaler: Upscaler,
        made: OutputFormat,
        size: tuple[int, int],
        times: StageTimes,
    ) -> None:
        self._job = job
        self._chunks = chunks
        self._upscaler = upscaler
        self._made = made
        self._size = size
        self._times = times

    def make(self, tell: Callable[[VideoPosition], None], *, enter: bool) -> VideoPosition:
        """Make them, and return how many frames and bytes that were.

        With ``enter``, begin at the place that the first one names. ``tell`` is called after each frame.

        Raises:
            _EntryError: that gives other frames.

        """
        position = VideoPosition(frames=0, seconds=None, written=0)
        settings, made, times = self._job.settings, self._made, self._times
        entry = self._chunks[0].entry if enter else None
        at_once = max(self._upscaler.options.concurrency + 1, min(usable_cores(), _IN_WORK))
        with ExitStack() as stack:
            video = stack.enter_context(opened_for(self._job))
            output = stack.enter_context(_Encoders(self._job, video, made, times))
            reader, workers, writer = (stack.enter_context(threads(number)) for number in (1, at_once, 1))
            for lent in (times.lent("reader", 1), times.lent("workers", at_once), times.lent("writer", 1)):
                stack.enter_context(lent)
            video.recall(DecodingFacts(size=self._size))
            if entry is not None:
                video.enter(entry)
            frame_upscaler = stack.enter_context(
                FrameUpscaler(
                    self._upscaler,
                    workers,
                    temporal=settings.temporal,
                    rotation=made.rotation,
                    runs=made.runs,
                    size=made.pixels,
                    blank=made.blank,
                    colour=made.frame_format.colour,
                    times=times,
                )
            )
            # The facts of the moment, because the reader is ahead of those who look at its frames.
            decoded = ((step, video.facts) for step in times.each("decode", video.steps()))
            steps = prefetch(decoded, reader, at_once=_WAITING)
            upscaled = in_order(self._begun(steps, frame_upscaler, entered=entry is not None), at_once=at_once)
            for seconds in in_order((writer.submit(output.take, item) for item in upscaled), at_once=_WAITING):
                if seconds is not None:
                    position = VideoPosition(frames=position.frames + 1, seconds=seconds, written=output.written)
                    tell(position)
            return replace(position, written=output.written)

    def _begun(
        self, steps: Iterator[tuple[Step, DecodingFacts]], frame_upscaler: FrameUpscaler, *, entered: bool
    ) -> Iterator[Future[_Item]]:
        """Yield frames as they are upscaled, and where chunks begin and end."""
        cutter = Cutter(self._chunks, by_time=self._job.plan.by_time)
        facts = DecodingFacts()
        for step, facts in steps:
            if (frame := step.frame) is None:
                continue
            if cutter.is_early(frame):
                (frame_upscaler.prime if cutter.is_warm else frame_upscaler.skip)(frame)
                continue
            if cutter.begin(facts) and entered:
                self._check_entry(cutter)
            while cutter.is_complete:
                yield _now(self._end(cutter, facts, entered=entered))
                if not cutter.go_on():
                    return
            if not cutter.frames:
                yield _now(_Begin(chunk=cutter.chunk))
            cutter.add(frame)
            yield cast("Future[_Item]", frame_upscaler.begin(replace(step, packets=())))
        yield _now(self._end(cutter, facts, entered=entered))
        while cutter.go_on():  # packets promised more frames than there are
            yield _now(cutter.end(facts))

    def _check_entry(self, cutter: Cutter) -> None:
        """Raise an `_EntryError` unless the frame before the first chunk is the right one."""
        first = self._chunks[0]
        neighbour = facts_of(self._job, first.number - 1)
        if cutter.newest_time != first.before or (neighbour is not None and neighbour.last != cutter.before):
            raise _EntryError

    def _end(self, cutter: Cutter, facts: DecodingFacts, *, entered: bool) -> ChunkEnd:
        if entered and cutter.chunk is self._chunks[0] and cutter.frames != cutter.chunk.frames:
            raise _EntryError
        return cutter.end(facts)


class _Encoders:
    """Encodes frames, each chunk with a new encoder, into its file."""

    def __init__(self, job: VideoJob, video: VideoReader, made: OutputFormat, times: StageTimes) -> None:
        self.written = 0
        self._job = job
        self._video = video
        self._made = made
        self._times = times
        self._file: ChunkWriter | None = None
        self._encoder: tuple[OutputContainer, VideoStream] | None = None
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.discard()
        self._close()

    def take(self, item: _Item) -> float | None:
        """Begin a chunk, encode a frame, or complete the chunk; return the seconds at which a frame is shown."""
        with self._times.spent("encode"):
            if isinstance(item, Step):
                self._encode(item.frame)
                return None if item.frame is None else item.frame.time or 0.0
            self._begin_or_end(item)
        return None

    def _begin_or_end(self, item: _Begin | ChunkEnd) -> None:
        if isinstance(item, _Begin):
            # Nothing is written into the container: it is there for its encoder.
            container = pyav().open(BytesIO(), "w", format="matroska")
            self._encoder = container, add_encoder(container, self._video, self._made)
            self._is_open = False
        if self._file is None:
            self._file = ChunkWriter(chunk_path(self._job, item.chunk.number))
        if isinstance(item, ChunkEnd):
            if self._encoder is not None:
                self._encode(None)
            self._file.finish(number=item.chunk.number, before=item.before, last=item.last, decoding=item.decoding)
            self._file = None
            self._close()

    def _encode(self, frame: VideoFrame | None) -> None:
        if self._encoder is None or self._file is None:
            raise MediaError("the video was given up after an error", hint="see the error before this one")
        _, stream = self._encoder
        with encoder_errors(), nullcontext() if self._is_open else own_priority():
            packets = stream.encode(frame)
        self._is_open = True
        self.written += sum(packet.size for packet in packets)
        self._file.write(packets)

    def _close(self) -> None:
        if self._encoder is not None:
            container, _ = self._encoder
            self._encoder = None
            container.close()
