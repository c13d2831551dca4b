"""Following a job on a terminal, in a log and as events, with a clock of the test's own."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from paragon_core.cli.console import Console
from paragon_core.cli.events import EventStream
from paragon_core.cli.job_progress import JobProgress
from paragon_core.errors import MediaError
from paragon_core.media.job_plan import Job
from paragon_core.media.jobs import JobResult
from paragon_core.media.video.observer import VideoOutline, VideoPosition
from paragon_core.media.video.stage_times import NOT_MEASURED, MeasuredTimes

if TYPE_CHECKING:
    from pathlib import Path


class Screen(io.StringIO):
    """What people see: a terminal or a log."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr("time.monotonic", lambda: self.now)


class Watched(NamedTuple):
    """A job that is followed, and what came of it."""

    progress: JobProgress
    jobs: list[Job]
    screen: Screen
    clock: Clock
    lines: list[bytes]

    def events(self, kind: str) -> list[dict[str, Any]]:
        self.progress._events.end(0)  # noqa: SLF001 - so that all is written
        return [event for event in map(json.loads, self.lines) if event["event"] == kind]

    def said(self) -> list[str]:
        return self.screen.getvalue().splitlines()


def watched(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *names: str,
    is_terminal: bool = False,
    quiet: bool = False,
    profiles: bool = False,
) -> Watched:
    """Follow files of a thousand bytes each."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in names:
        (folder / name).write_bytes(bytes(1000))
    (folder / "out").mkdir()
    clock, screen, lines = Clock(monkeypatch), Screen(is_terminal=is_terminal), list[bytes]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        console = Console(quiet=quiet, events=EventStream(lines.append))
    jobs = [Job(source=folder / name, target=folder / "out" / name) for name in names]
    return Watched(JobProgress(console, jobs, profiles=profiles), jobs, screen, clock, lines)


def run_video(
    view: Watched, job: Job, *, frames: int = 1000, seconds: float, bytes_a_frame: int = 1000, until: int | None = None
) -> JobResult:
    """Upscale a video of 25 frames a second at an even speed, up to a frame."""
    view.progress.begin(job)
    observer = view.progress.video()
    observer.begin(VideoOutline(frames=frames, seconds=frames / 25, size=(64, 48), result_size=(128, 96)))
    for frame in range(1, (until or frames) + 1):
        view.clock.now += seconds / frames
        observer.advance(VideoPosition(frames=frame, seconds=(frame - 1) / 25, written=frame * bytes_a_frame))
    job.target.write_bytes(bytes(frames * bytes_a_frame if frames * bytes_a_frame < 10**7 else 10))
    return JobResult(job=job, state="written", size=(128, 96), frames=frames, seconds=seconds)


def test_a_log_gets_lines_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv")
    run_video(view, view.jobs[0], frames=1024, seconds=128.0)
    assert view.said() == [
        f"paragon: {view.jobs[0].source}: {how_far}"
        for how_far in (
            "16%, frame 160/1024, 0:06/0:41, 8.00 frames/s, 1:48 left",
            "39%, frame 400/1024, 0:16/0:41, 8.00 frames/s, 1:18 left",
            "62%, frame 640/1024, 0:26/0:41, 8.00 frames/s, 0:48 left",
            "86%, frame 880/1024, 0:35/0:41, 8.00 frames/s, 0:18 left",
        )
    ]


def test_a_day_does_not_fill_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv")
    run_video(view, view.jobs[0], frames=20_000, seconds=86_400.0)
    assert 144 < len(view.said()) < 200


def test_quiet_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv", quiet=True)
    view.progress.finish(run_video(view, view.jobs[0], seconds=1000.0, bytes_a_frame=10**6))
    assert view.screen.getvalue() == ""


def test_the_line_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv", "b.mkv", is_terminal=True)
    view.progress.finish(run_video(view, view.jobs[0], seconds=100.0))
    run_video(view, view.jobs[1], seconds=100.0, until=500)
    shown = view.screen.getvalue().split("\r")
    assert any(line.startswith("[##########----------] 1/2  b.mkv  frame ") and "1:40 left" in line for line in shown)
    assert (
        shown[-1].rstrip() == "[###############-----] 1/2  b.mkv  frame 500/1000  0:20/0:40  10.0 frames/s  0:50 left"
    )
    assert "\x1b" not in view.screen.getvalue()


def test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.png" for number in range(10)]
    view = watched(tmp_path, monkeypatch, *names, is_terminal=True)
    view.progress.finish(JobResult(job=view.jobs[0], state="skipped"))
    for job in view.jobs[1:6]:
        view.progress.begin(job)
        for tile in range(1, 5):
            view.clock.now += 0.5
            view.progress.advance(tile, 4)
        job.target.write_bytes(bytes(4000))
        view.progress.finish(JobResult(job=job, state="written", size=(40, 40), seconds=2.0))
    view.progress.begin(view.jobs[6])
    view.clock.now += 1.0
    view.progress.within(0, 2)
    view.progress.advance(4, 4)
    assert view.screen.getvalue().split("\r")[-1].rstrip() == (
        "[#############-------] 6/10  6.png  image 0/2  0.50 images/s  0:07 left"
    )
    summary = view.progress.summary
    assert (summary["written"], summary["skipped"], summary["bytes"]) == (5, 1, 20_000)
    assert [event["state"] for event in view.events("file_done")] == ["skipped", *["written"] * 5]


def test_a_failed_file_carries_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.png")
    error = MediaError("it is damaged", hint="copy it again")
    view.progress.finish(JobResult(job=view.jobs[0], state="failed", error=error))
    (event,) = view.events("file_done")
    assert event["error"] == {"type": "MediaError", "message": "it is damaged", "hint": "copy it again"}
    assert (event["state"], event["frames"], event["bytes"]) == ("failed", 0, 0)


class Disk(NamedTuple):
    free: int


@pytest.mark.parametrize("free", [10**12, 5 * 10**8])
def test_the_disk_that_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk(free=free))
    view = watched(tmp_path, monkeypatch, "a.mkv")
    run_video(view, view.jobs[0], seconds=10.0, bytes_a_frame=10**6)
    said = [line for line in view.said() if "disk" in line]
    (event,) = view.events("disk")
    assert (event["needed"], event["to_come"], event["free"]) == (10**9, 900_000_000, free)
    if free > 10**9:
        assert event["enough"]
        assert said == ["about 1.00 GB on the disk are needed in all, 1000.0 GB are free now"]
    else:
        assert not event["enough"]
        (line,) = said
        assert line.startswith(f"paragon: note: {tmp_path / 'out'}: the results will take about 900.0 MB more, ")
        assert "and the disk has 500.0 MB left: free some space" in line
        assert [note["source"] for note in view.events("note")] == [str(tmp_path / "out")]


def test_a_disk_that_others_fill_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10**10
    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk(free=free))
    view = watched(tmp_path, monkeypatch, "a.mkv", "b.mkv")
    view.progress.finish(run_video(view, view.jobs[0], seconds=100.0, bytes_a_frame=10**6))
    free = 10**6
    run_video(view, view.jobs[1], seconds=100.0, bytes_a_frame=10**6)
    assert [event["enough"] for event in view.events("disk")] == [True, False]
    assert sum("free some space" in line for line in view.said()) == 1


def test_small_results_are_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv")
    run_video(view, view.jobs[0], seconds=10.0)
    assert view.said() == []
    assert len(view.events("disk")) == 1


def test_frames_of_an_earlier_run_took_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv")
    view.progress.begin(view.jobs[0])
    observer = view.progress.video()
    observer.begin(VideoOutline(frames=1000, seconds=40.0, size=(64, 48), result_size=(128, 96), earlier=900, copies=2))
    for frame in range(901, 951):
        view.clock.now += 0.5
        observer.advance(VideoPosition(frames=frame, seconds=None, written=frame))
    state = view.progress.state
    assert state.rate == pytest.approx(2)
    assert state.seconds_left == pytest.approx(25)
    assert state.share == pytest.approx(0.95)
    assert view.events("video")[0]["earlier_frames"] == 900


def test_a_video_of_unknown_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv", is_terminal=True)
    view.progress.begin(view.jobs[0])
    observer = view.progress.video()
    observer.begin(VideoOutline(frames=None, seconds=None, size=(64, 48), result_size=(128, 96)))
    for frame in range(1, 101):
        view.clock.now += 0.2
        observer.advance(VideoPosition(frames=frame, seconds=frame / 25, written=frame))
    assert view.screen.getvalue().split("\r")[-1].rstrip() == "frame 100  0:04  5.00 frames/s"


def test_profiles_are_for_those_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv", profiles=True)
    view.progress.begin(view.jobs[0])
    assert isinstance(view.progress.video().times, MeasuredTimes)
    (tmp_path / "other").mkdir()
    other = watched(tmp_path / "other", monkeypatch, "a.mkv")
    other.progress.begin(other.jobs[0])
    assert other.progress.video().times is NOT_MEASURED


def test_the_build_of_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.png", is_terminal=True)
    view.clock.now += 1
    view.progress.building(0.5, "tuning")
    assert view.screen.getvalue() == "\r[##########----------] engine: tuning"
    assert [(event["share"], event["doing"]) for event in view.events("build")] == [(0.5, "tuning")]


def test_files_that_several_processes_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, *(f"{number}.mkv" for number in range(4)), is_terminal=True)
    for tenth in range(31):
        view.clock.now += 1.0
        view.progress.begun(tenth / 20)
    assert view.screen.getvalue().split("\r")[-1].rstrip() == "[########------------] 0/4  0:50 left"
    view.progress.finish(JobResult(job=view.jobs[2], state="written", size=(4, 4), frames=10))
    view.clock.now += 1.0
    view.progress.begun(0.55)
    assert view.screen.getvalue().split("\r")[-1].rstrip() == "[########------------] 1/4  0:49 left"


def test_frames_of_which_nothing_else_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = watched(tmp_path, monkeypatch, "a.mkv", is_terminal=True)
    view.progress.begin(view.jobs[0])
    for frame in range(1, 31):
        view.clock.now += 0.5
        view.progress.frames(frame, 40)
    assert (
        view.screen.getvalue().split("\r")[-1].rstrip()
        == "[###############-----] frame 30/40  2.00 frames/s  0:05 left"
    )
    assert len(view.events("video")) == 1
