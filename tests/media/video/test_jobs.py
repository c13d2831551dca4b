"""Videos among the files of a job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paragon_core.errors import JobError, MediaError, UnsupportedFormatError
from paragon_core.media.done import is_done
from paragon_core.media.job_plan import Job
from paragon_core.media.jobs import run
from paragon_core.media.video.time_range import TimeRange

pytest.importorskip("av")

from tests.media.video import videos


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(source=videos.make(tmp_path / "a.mkv", size=(31, 24)), target=tmp_path / "b.mp4")


@pytest.mark.parametrize("size", [(62, 48), (48, 62)])
def test_a_whole_video_of_the_right_size_is_done(job: Job, size: tuple[int, int]) -> None:
    assert not is_done(job, scale=2)
    videos.make(job.target, codec="libx264", size=size)
    assert is_done(job, scale=2)
    os.utime(job.source, ns=(0, job.target.stat().st_mtime_ns + 1))
    assert not is_done(job, scale=2)


def test_an_odd_size_may_have_become_even(job: Job) -> None:
    videos.make(job.target, codec="libx264", size=(94, 72))  # 93 x 72
    assert is_done(job, scale=3)


def test_a_video_that_broke_off_is_made_again_and_another_is_not_touched(job: Job) -> None:
    videos.make(job.target, codec="libx264", size=(62, 48))
    whole = job.target.read_bytes()
    job.target.write_bytes(whole[:-20])
    assert not is_done(job, scale=2)
    job.target.write_bytes(whole)
    with pytest.raises(JobError) as caught:
        is_done(job, scale=4)
    assert "--overwrite" in caught.value.hint
    job.source.unlink()
    with pytest.raises(MediaError):
        is_done(job, scale=2)


def test_a_result_of_another_time_range_is_made_again(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(200), size=(32, 16))
    job = Job(source=source, target=tmp_path / "b.mp4")
    videos.make(job.target, codec="libx264", size=(64, 32), times=range(48))
    assert not is_done(job, scale=2)
    assert is_done(job, scale=2, time_range=TimeRange(start=1, duration=2))
    assert not is_done(job, scale=2, time_range=TimeRange(duration=6))


@pytest.mark.parametrize("name", ["a.gif", "a.unknown", "a.png"])
def test_whatever_is_to_become_a_video_is_one(name: str) -> None:
    assert Job(source=Path(name), target=Path("b.mp4")).is_video
    assert not Job(source=Path(name), target=Path("b.png")).is_video


def test_videos_fail_where_only_images_are_asked_for(job: Job) -> None:
    (result,) = run([job], lambda array: array, scale=1)
    assert result.state == "failed"
    assert isinstance(result.error, UnsupportedFormatError)
    assert result.error.hint
    assert not job.target.exists()
