"""The inside of a slot: a session that is loaded once, and units of work that run through it."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from paragon_core import __version__
from paragon_core.backends import BACKENDS
from paragon_core.cores import CORES
from paragon_core.errors import BackendUnavailableError, JobError, ParagonError
from paragon_core.media import jobs
from paragon_core.media.upscalers import Upscalers
from paragon_core.slots.settings import VIDEOS, SlotState
from paragon_core.slots.units import ChunkUnit, FileUnit, Film, JoinUnit

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult
    from paragon_core.media.video.chunks.job import VideoJob
    from paragon_core.media.video.pipeline import FrameOptions
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.slots.settings import SlotSettings
    from paragon_core.slots.units import Unit
    from paragon_core.upscaling.output_size import OutputSize
    from paragon_core.upscaling.upscaler import Upscaler

_LOG: Final = logging.getLogger("paragon_core")

#: What encodes images and videos.
_ENCODERS: Final = ("av", "imagecodecs", "openexr", "pillow", "pillow-jxl-plugin", "tifffile")


class Cancelled(BaseException):
    """The work is to end now; no Exception, because nobody on its way may take it for a failure of a file."""


class _Begun(BaseException):
    """A long video was begun, and its chunks are for anyone; no Exception for the same reason."""

    def __init__(self, film: Film) -> None:
        super().__init__()
        self.film = film


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a unit of work."""

    number: int
    """The unit's."""
    result: JobResult | None = None
    """The result of the job; None where there is more to do, or where it failed in a way that is a bug."""
    film: Film | None = None
    """What there is to do, where the unit was the beginning of a long video."""
    is_cancelled: bool = False
    """Whether it was cancelled."""
    bug: str = ""
    """The traceback of an error that nobody expected."""
    log: tuple[tuple[int, str], ...] = ()
    """Records of the log since the outcome before: level and text."""


class Worker:
    """Does units of work, several at once where the caller has threads for them; the network takes one at a time."""

    def __init__(self, settings: SlotSettings) -> None:
        """Open nothing yet."""
        os.environ[CORES] = str(settings.cores)
        self._settings = settings
        self._closing = ExitStack()
        self._over = threading.Event()
        self._network = _Turns(threading.Lock())
        self._log = _Collector()
        self._film: VideoJob | None = None
        self._upscalers = Upscalers(
            settings.models, settings.size, replace(settings.options, interrupt=self.end_if_cancelled)
        )

    def open(self, expected: SlotState | None) -> SlotState:
        """Load the model into the runtime, so that units find it there.

        Args:
            expected: what other slots are; None for the first one.

        Raises:
            BackendUnavailableError: the runtime or device does not work here, or results would differ from those of
                other slots.

        """
        self._closing.enter_context(self._upscalers)
        self._closing.callback(_LOG.removeHandler, self._log)
        _LOG.addHandler(self._log)
        _LOG.propagate = False
        scale = next(iter(self._settings.models))
        upscaler = self._upscalers.of(scale, for_frames=self._settings.kinds == VIDEOS)
        state = SlotState(
            backend=upscaler.backend,
            precisions=tuple(upscaler.precision_of(kind, bits=bits) for kind, bits in self._settings.kinds),
            versions=tuple(_versions(upscaler.backend).items()),
        )
        if expected is not None and (differences := expected.differences(state)):
            msg = f"its results would differ from those of others: it has {differences}"
            raise BackendUnavailableError(
                msg, hint="install the same versions everywhere, and give --backend and --precision"
            )
        return state

    def do(self, unit: Unit) -> Outcome:
        """Do a unit of work; called from any thread."""
        outcome = Outcome(number=unit.number)
        try:
            self.end_if_cancelled()
            outcome = replace(outcome, result=self._done(unit))
        except Cancelled:
            outcome = replace(outcome, is_cancelled=True)
        except _Begun as begun:
            outcome = replace(outcome, film=begun.film)
        except Exception as error:  # noqa: BLE001 - the driver raises it
            bug = "".join(traceback.format_exception(error))
            outcome = replace(outcome, is_cancelled=self._over.is_set(), bug=bug)
        return replace(outcome, log=self._log.drained())

    def cancel(self) -> None:
        """End what is under way as soon as possible; files that are half written disappear."""
        self._over.set()

    def close(self) -> None:
        """Release the runtime."""
        self._closing.close()

    def end_if_cancelled(self) -> None:
        """Raise `Cancelled` after `cancel`."""
        if self._over.is_set():
            raise Cancelled

    def _done(self, unit: Unit) -> JobResult | None:
        if isinstance(unit, FileUnit):
            return self._file(unit)
        try:
            with self._network:
                if isinstance(unit, JoinUnit):
                    return self._join(unit.job)
                self._chunk(unit)
                return None
        except (ParagonError, MemoryError, OSError) as error:
            return jobs.failure(unit.job, error)

    def _file(self, unit: FileUnit) -> JobResult:
        settings = self._settings
        self._network.waited = 0.0
        (result,) = jobs.run(
            [unit.job],
            self._upscale,
            scale=next(iter(settings.models)),
            size=settings.size,
            compression=settings.compression,
            video=partial(self._video, whole=unit.whole),
            progress=lambda _done, _total: self.end_if_cancelled(),
            at_once=1,
            overwrite=settings.overwrite or unit.overwrite,
            max_pixels=settings.max_pixels,
            time_range=settings.time_range,
            keep_damaged=settings.keep_damaged,
            tidy=False,
        )
        return replace(result, seconds=result.seconds - self._network.waited)

    def _upscale(self, array: npt.NDArray[np.generic], size: OutputSize | None = None) -> npt.NDArray[np.generic]:
        with self._network:
            return self._upscalers.for_image((array.shape[1], array.shape[0]), size)(array, size=size)

    def _video(self, source: Path, target: Path, *, whole: bool) -> VideoResult:
        from paragon_core.media.video.chunks.folder import missing  # noqa: PLC0415 - images do without it
        from paragon_core.media.video.chunks.upscale import upscale_in_chunks  # noqa: PLC0415
        from paragon_core.media.video.pipeline import FrameOptions  # noqa: PLC0415
        from paragon_core.media.video.targets import upscale_to_file  # noqa: PLC0415
        from paragon_core.media.video.upscale import VideoResult  # noqa: PLC0415

        settings = self._settings
        frames = FrameOptions(
            size=settings.size,
            temporal=settings.temporal,
            time_range=settings.time_range,
            keep_damaged=settings.keep_damaged,
            deinterlace=settings.deinterlace,
        )
        with self._network:
            upscaler = self._upscalers.for_video(source, settings.encoding, keep_damaged=settings.keep_damaged)
            job = self._video_job_of(source, target, upscaler, frames)
            if job is None:
                return upscale_to_file(
                    source,
                    target,
                    upscaler,
                    frames,
                    encoding=settings.encoding,
                    compression=settings.compression,
                    progress=lambda _done, _total: self.end_if_cancelled(),
                )
            if whole:
                joined = upscale_in_chunks(job, upscaler, progress=lambda _done, _total: self.end_if_cancelled()).joined
                assert joined is not None  # noqa: S101 - there are no shards
                return VideoResult(frames=joined.frames, size=joined.size, notes=joined.notes)
            left = tuple((number, job.plan.chunks[number].frames) for number in missing(job))
            raise _Begun(Film(frames=job.plan.frames, left=left))

    def _video_job_of(self, source: Path, target: Path, upscaler: Upscaler, frames: FrameOptions) -> VideoJob | None:
        """Begin a long video, or go on with it; None where it is short."""
        from paragon_core.media.video.chunks.job import NetworkIdentity, VideoSettings  # noqa: PLC0415 - as above
        from paragon_core.media.video.chunks.upscale import SHORT, job_for, usual_chunk_frames  # noqa: PLC0415

        settings = self._settings
        if settings.chunk == "off":
            return None
        chunk_frames = usual_chunk_frames(upscaler.model.spec) if settings.chunk == "auto" else settings.chunk
        wanted = VideoSettings.of(frames, settings.encoding, chunk_frames=chunk_frames)
        network, most_short = NetworkIdentity.of(upscaler), SHORT if settings.chunk == "auto" else 1
        return job_for(source, target, network, wanted, restart=settings.restart, most_short=most_short)

    def _chunk(self, unit: Unit) -> None:
        """Make a chunk of a video."""
        from paragon_core.media.video.chunks.encode import encode_chunk  # noqa: PLC0415 - images do without it

        assert isinstance(unit, ChunkUnit)  # noqa: S101 - there are no others
        job = self._video_job(unit.job)
        upscaler = self._upscalers.of(job.network.scale, for_frames=True)
        encode_chunk(job, unit.chunk, upscaler, progress=lambda _: self.end_if_cancelled())

    def _join(self, job: Job) -> JobResult:
        """Make a video from its chunks."""
        from paragon_core.media.video.chunks.job import job_folder  # noqa: PLC0415 - images do without it
        from paragon_core.media.video.chunks.upscale import finish  # noqa: PLC0415
        from paragon_core.media.video.jobs import video_size  # noqa: PLC0415

        if not job_folder(job.target).is_dir() and job.target.exists():  # a slot was lost before it could say so
            return jobs.JobResult(job=job, state="written", size=video_size(job.target))
        video = self._video_job(job)
        joined = finish(video, self._upscalers.of(video.network.scale, for_frames=True))
        return jobs.JobResult(job=job, state="written", size=joined.size, frames=joined.frames, notes=joined.notes)

    def _video_job(self, job: Job) -> VideoJob:
        """Return the description of a video that was begun; from its folder, so that units stay small."""
        from paragon_core.media.video.chunks.folder import read_job  # noqa: PLC0415 - images do without it

        target = job.target.absolute()
        if self._film is None or self._film.target != target:
            found = read_job(target)
            if found is None:
                msg = f"the job folder of {job.target} has vanished"
                raise JobError(msg, hint="leave it alone while the work goes on, and start again")
            self._film = replace(found, source=job.source.absolute())
        return self._film


class _Turns(threading.local):
    """A lock that counts the seconds for which each thread has waited for it."""

    waited = 0.0

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        start = time.perf_counter()
        self._lock.acquire()
        self.waited += time.perf_counter() - start

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class _Collector(logging.Handler):
    """Keeps what is logged for the driver, which alone speaks to the user."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._records.put((record.levelno, record.getMessage()))

    def drained(self) -> tuple[tuple[int, str], ...]:
        """Return what came since the last call."""
        found = []
        with suppress(Empty):
            while True:
                found.append(self._records.get_nowait())
        return tuple(found)


def _versions(backend: str) -> dict[str, str]:
    """Return the versions that results depend on; empty ones are not installed."""
    found = {"paragon": __version__, backend: BACKENDS[backend].probe().version if backend in BACKENDS else ""}
    for name in _ENCODERS:
        found[name] = ""
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
