"""Following a job over many files: on the line of a terminal, in a log, and as events for programs."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from paragon_core.cli.events import described
from paragon_core.cli.job_state import JobState, size_text
from paragon_core.cli.progress import ProgressState
from paragon_core.cli.rate import RateMeter
from paragon_core.cli.work import Work, kind_of, size_of
from paragon_core.media.video.observer import VideoObserver, VideoOutline, VideoPosition
from paragon_core.media.video.stage_times import MeasuredTimes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paragon_core.cli.console import Console
    from paragon_core.errors import ParagonError
    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult

_REDRAW_SECONDS: Final = 0.1
#: Seconds before the first line in a log, between two at least, and at most; in between it is a tenth of the time so
#: far, so that a day does not fill pages.
_FIRST_LINE: Final = 20.0
_LINES_APART: Final = (30.0, 600.0)
_SHARE_APART: Final = 0.1
#: Seconds between two looks at the free space of a disk.
_LOOKS_APART: Final = 10.0
#: What has to be done before the size of the results can be estimated: frames (encoders hold some back), their share,
#: images.
_ENOUGH_FRAMES: Final = 250
_FEWEST_FRAMES: Final = 100
_ENOUGH_SHARE: Final = 0.02
_ENOUGH_IMAGES: Final = 5
#: Bytes of results from which on it is worth a line.
_WORTH_A_LINE: Final = 10**8


class JobProgress:
    """The progress of many images and videos; all is called in one thread."""

    def __init__(self, console: Console, jobs: Sequence[Job], *, profiles: bool = False) -> None:
        """Begin before the first file.

        Args:
            console: where it is shown.
            jobs: the files.
            profiles: whether to show where the time of each video went.

        """
        self._console = console
        self._events = console.events
        self._jobs = {job.source: number for number, job in enumerate(jobs, 1)}
        self._work = Work(jobs)
        self._profiles = profiles
        self._start = self._drawn = time.monotonic()
        self._next_line = self._start + _FIRST_LINE
        self._next_look = self._start
        self._results: list[JobResult] = []
        self._written = 0
        self._current: Job | None = None
        self._within = (0, 1)
        self._images = RateMeter()
        self._images_done = 0
        self._video: _VideoProgress | None = None
        self._elsewhere: float | None = None
        self._files = RateMeter()
        self._size_was_said = self._warned = False
        videos = sum(job.is_video for job in jobs)
        self._events.emit(
            "plan", files=len(jobs), images=len(jobs) - videos, videos=videos, source_bytes=self._work.bytes
        )
        self._events.sum_up(lambda: self.summary)

    @property
    def results(self) -> tuple[JobResult, ...]:
        """The results so far."""
        return tuple(self._results)

    @property
    def files(self) -> int:
        """Number of files."""
        return len(self._jobs)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    @property
    def written(self) -> int:
        """Bytes of the results that are complete."""
        return self._written

    @property
    def summary(self) -> dict[str, Any]:
        """What was done so far, as a program reads it."""
        states = [result.state for result in self._results]
        return {
            "files": len(self._jobs),
            "written": states.count("written"),
            "skipped": states.count("skipped"),
            "failed": states.count("failed"),
            "frames": sum(result.frames for result in self._results if result.state == "written"),
            "bytes": self._written,
            "seconds": round(self.seconds, 3),
        }

    def begin(self, job: Job) -> None:
        """Note that the network begins with a file."""
        self._current, self._within, self._video = job, (0, 1), None
        self._work.begin(job.source)
        size = self._work.size_of(job.source)
        self._events.emit("file", **self._about(job), kind=kind_of(job), source_bytes=size)
        self._show()

    def advance(self, done: int, total: int) -> None:
        """Note how much of the image in the network is done."""
        before, count = self._within
        if self._current is not None:
            self._work.advance(self._current.source, min((before + done / total) / count, 1.0), time.monotonic())
        self._show()

    def within(self, done: int, total: int) -> None:
        """Note how many of an animation's frames, or of a file's pages, are done."""
        self._within = (done, total)

    def video(self) -> VideoObserver:
        """Return what follows the video that was begun."""
        self._video = _VideoProgress(self, measures=self._profiles)
        return self._video

    def frames(self, done: int, total: int | None) -> None:
        """Note how many frames of the video that was begun are done, where nothing else is known of it."""
        if self._video is None:
            self.video().begin(VideoOutline(frames=total, seconds=None, size=(0, 0), result_size=(0, 0)))
        if self._video is not None:
            self._video.advance(VideoPosition(frames=done, seconds=None, written=0))

    def begun(self, jobs: float) -> None:
        """Note how many jobs the work on unfinished ones amounts to, where several processes share them."""
        self._elsewhere = jobs
        self._files.add(time.monotonic(), len(self._results) + jobs)
        self._show()

    def building(self, share: float, doing: str) -> None:
        """Note how far the build of an engine is."""
        self._events.emit_some("build", lambda: {"share": round(share, 5), "doing": doing})
        self._draw(ProgressState(share=share, text=f"engine: {doing}").line(0.0))

    def finish(self, result: JobResult) -> None:
        """Note the result of a file."""
        job = result.job
        size = _result_size(result)
        self._results.append(result)
        self._written += size
        if result.state == "written" and not job.is_video:
            self._images_done += 1
            self._images.add(time.monotonic(), self._images_done)
        self._work.finish(job.source, written=size, moment=time.monotonic())
        video = self._video
        if job is self._current:
            self._current, self._video = None, None
        self._events.emit(
            "file_done",
            **self._about(job),
            state=result.state,
            size=result.size,
            frames=result.frames if result.state == "written" else 0,
            bytes=size,
            seconds=round(result.seconds, 3),
            notes=result.notes,
            error=None if result.error is None else described(result.error),
        )
        if video is not None and result.state == "written":
            self._show_profile(job, video, result)
        self._show()

    def refuse(self, source: Path, error: ParagonError) -> None:
        """Note a source that cannot be used, which was found out before the work began."""
        self._events.emit(
            "file_done",
            index=None,
            source=str(source),
            target=None,
            state="failed",
            size=None,
            frames=0,
            bytes=0,
            seconds=0.0,
            notes=(),
            error=described(error),
        )

    @property
    def state(self) -> JobState:
        """How far the files are."""
        job, video, work = self._current, self._video, self._work
        at, count = self._within
        shown = JobState(
            files=len(self._jobs),
            done=len(self._results),
            source=None if job is None else job.source,
            kind="image" if job is None else kind_of(job),
            share=work.share,
            frame=at if count > 1 else None,
            frames=count if count > 1 else None,
            rate=self._images.rate,
            seconds_left=work.seconds_left,
            written=self._written,
        )
        if self._elsewhere is not None:
            return self._shared(shown)
        return shown if video is None else video.state(shown)

    def _shared(self, shown: JobState) -> JobState:
        """Return how far the files are that several processes share: by their number."""
        done = min(len(self._results) + (self._elsewhere or 0.0), len(self._jobs))
        rate = self._files.rate
        return replace(
            shown,
            share=done / len(self._jobs),
            rate=None,
            seconds_left=(len(self._jobs) - done) / rate if rate else None,
        )

    def outlined(self, video: _VideoProgress, outline: VideoOutline) -> None:
        """Note what is known of the video in work."""
        if self._current is None:
            return
        self._events.emit(
            "video",
            **self._about(self._current),
            frames=outline.frames,
            video_length=outline.seconds,
            size=outline.size,
            result_size=outline.result_size,
            earlier_frames=outline.earlier,
        )
        self._video = video
        self._show()

    def moved(self, video: _VideoProgress) -> None:
        """Note that the video in work is further."""
        if self._current is not None and video.share is not None:
            self._work.advance(self._current.source, video.share, time.monotonic())
        self._look_at_disk()
        self._show()

    def _fields(self) -> dict[str, Any]:
        return self.state.fields()

    def _about(self, job: Job) -> dict[str, Any]:
        return {"index": self._jobs[job.source], "source": str(job.source), "target": str(job.target)}

    def _show(self) -> None:
        """Show how far all is, wherever that is due."""
        now = time.monotonic()
        self._events.emit_some("progress", self._fields)
        if self._console.shows_progress:
            if now - self._drawn >= _REDRAW_SECONDS:
                self._drawn = now
                self._console.draw(self.state.line(self._console.columns))
        elif self._console.logs_progress and now >= self._next_line:
            shortest, longest = _LINES_APART
            self._next_line = now + min(max((now - self._start) * _SHARE_APART, shortest), longest)
            self._console.say(self.state.log_line())

    def _draw(self, text: str) -> None:
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            self._console.draw(text)

    def _look_at_disk(self) -> None:
        """Say how large the results will be as soon as that is known, and warn when the disk is too small for them."""
        now, job, video = time.monotonic(), self._current, self._video
        if now < self._next_look or job is None or not self._can_estimate():
            return
        self._next_look = now + _LOOKS_APART
        written = 0 if video is None else video.written
        to_come = self._work.bytes_to_come(written)
        free = _free_space(job.target)
        if to_come is None or free is None:
            return
        if video is not None and video.copies > 1:
            to_come += (video.copies - 1) * round(written / max(video.share or 1.0, _ENOUGH_SHARE))
        needed, enough = self._written + written + to_come, to_come <= free
        if not self._size_was_said or (not enough and not self._warned):
            fields = {"needed": needed, "to_come": to_come, "free": free, "enough": enough}
            self._events.emit("disk", **fields, folder=str(job.target.parent))
        if not enough and not self._warned:
            self._warned = True
            self._console.note(
                f"the results will take about {size_text(to_come)} more, and the disk has {size_text(free)} left: "
                "free some space, or stop and choose another output folder",
                about=str(job.target.parent),
            )
        elif not self._size_was_said and needed >= _WORTH_A_LINE:
            self._console.say(
                f"about {size_text(needed)} on the disk are needed in all, {size_text(free)} are free now"
            )
        self._size_was_said = True

    def _can_estimate(self) -> bool:
        """Return whether enough is done to guess the size of the rest."""
        video = self._video
        if video is None:
            return self._images_done >= _ENOUGH_IMAGES
        return video.frames >= _ENOUGH_FRAMES or (
            video.frames >= _FEWEST_FRAMES and (video.share or 0.0) >= _ENOUGH_SHARE
        )

    def _show_profile(self, job: Job, video: _VideoProgress, result: JobResult) -> None:
        if not isinstance(video.times, MeasuredTimes):
            return
        from paragon_core.cli.stage_profile import StageProfile, network_cpu

        profile = StageProfile.of(
            video.times,
            frames=result.frames,
            seconds=video.seconds,
            cpu=video.cpu_seconds,
            network_cpu=network_cpu() - video.network_cpu,
        )
        self._events.emit("profile", **self._about(job), **profile.fields())
        self._console.say(f"{job.source}: where the time went")
        for line in profile.lines():
            self._console.say(f"  {line}")


class _VideoProgress(VideoObserver):
    """The progress of one video."""

    def __init__(self, progress: JobProgress, *, measures: bool) -> None:
        self._progress = progress
        self._outline: VideoOutline | None = None
        self._position: VideoPosition | None = None
        self._speed = RateMeter()
        self._start, self._cpu_start = time.monotonic(), time.process_time()
        self.network_cpu = 0.0
        """Seconds of the processor that the network's threads had taken before."""
        if measures:
            from paragon_core.cli.stage_profile import network_cpu

            self.times = MeasuredTimes()
            self.network_cpu = network_cpu()

    @property
    def seconds(self) -> float:
        """Seconds since its beginning."""
        return time.monotonic() - self._start

    @property
    def cpu_seconds(self) -> float:
        """Seconds of the processor since then, of all threads of this process."""
        return time.process_time() - self._cpu_start

    @property
    def frames(self) -> int:
        """Frames that are written."""
        return 0 if self._position is None else self._position.frames

    @property
    def written(self) -> int:
        """Bytes of the result so far."""
        return 0 if self._position is None else self._position.written

    @property
    def copies(self) -> int:
        """How many times the disk has to hold it."""
        return 1 if self._outline is None else self._outline.copies

    @property
    def share(self) -> float | None:
        """Share of its frames that are written, 0 to 1; None where their number is not known."""
        if self._outline is None or not self._outline.frames:
            return None
        return min(self.frames / self._outline.frames, 1.0)

    def begin(self, outline: VideoOutline) -> None:
        """Note what is to be done."""
        self._outline = outline
        self._progress.outlined(self, outline)

    def advance(self, position: VideoPosition) -> None:
        """Note how far it is."""
        self._position = position
        self._speed.add(time.monotonic(), position.frames)
        self._progress.moved(self)

    def state(self, shown: JobState) -> JobState:
        """Return how far all is, with what is known of this video."""
        outline, position, rate = self._outline, self._position, self._speed.rate
        total = None if outline is None else outline.frames
        left = None
        if total and rate and position is not None:
            left = max(total - position.frames, 0) / rate
        is_alone = shown.files == 1
        return replace(
            shown,
            share=self.share if is_alone else shown.share,
            frame=self.frames,
            frames=total,
            video_seconds=None if position is None else position.seconds,
            video_length=None if outline is None else outline.seconds,
            rate=rate,
            seconds_left=left if is_alone else shown.seconds_left,
            file_seconds_left=left,
            written=shown.written + self.written,
        )


def _result_size(result: JobResult) -> int:
    """Return the bytes of a result; 0 where there is none."""
    if result.state != "written":
        return 0
    places = (result.job.target, result.job.source) if result.job.replaces else (result.job.target,)
    return next((size for size in map(size_of, places) if size is not None), 0)


def _free_space(target: Path) -> int | None:
    """Return the free bytes of the disk that a file is written to."""
    with suppress(OSError):
        return shutil.disk_usage(target.parent).free
    return None
