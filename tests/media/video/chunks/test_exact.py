"""Chunks that are made in any order, each by itself, are those of an uninterrupted run; so is what is joined."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

av = pytest.importorskip("av")

from paragon_core.media.video.chunks.encode import encode_chunk, encode_chunks
from paragon_core.media.video.chunks.folder import chunk_path, missing
from paragon_core.media.video.chunks.job import NetworkIdentity, VideoJob, VideoSettings
from paragon_core.media.video.chunks.upscale import finish, job_for, upscale_in_chunks
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.upscale import upscale_video
from tests.media.video import videos
from tests.media.video.chunks import samples
from tests.upscalers import shared_upscaler

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.upscaling.upscaler import Upscaler

LOSSLESS = VideoEncoding(codec="ffv1")


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return shared_upscaler(clip=False)


def begun(source: Path, target: Path, upscaler: Upscaler, **settings: Any) -> VideoJob:
    asked = VideoSettings(**{"chunk_frames": 9, "encoding": LOSSLESS, **settings})
    job = job_for(source, target, NetworkIdentity.of(upscaler), asked, most_short=1)
    assert job is not None
    return job


def in_one_run(source: Path, target: Path, upscaler: Upscaler, **settings: Any) -> bytes:
    upscale_in_chunks(begun(source, target, upscaler, **settings), upscaler)
    assert [path.name for path in target.parent.iterdir() if "paragon" in path.name] == []
    return target.read_bytes()


def one_by_one(source: Path, target: Path, upscaler: Upscaler, **settings: Any) -> tuple[bytes, VideoJob]:
    job = begun(source, target, upscaler, **settings)
    for number in reversed(missing(job)):
        encode_chunk(job, number, upscaler)
    finish(job)
    return target.read_bytes(), job


def pixels_of(path: Path) -> list[tuple[Fraction, list[bytes]]]:
    return [
        (frame.pts * Fraction(frame.time_base), [samples.tobytes() for samples in videos.samples_of(frame)])
        for frame in videos.frames_of(path)
    ]


CONTAINERS: list[tuple[str, dict[str, Any], bool]] = [
    ("a.mkv", {"codec": "libx264", "options": {"x264-params": "keyint=5:open-gop=1:bframes=3"}}, True),
    ("a.mp4", {"codec": "libx264", "options": {"x264-params": "keyint=5:bframes=3:b-pyramid=normal"}}, True),
    ("a.mkv", {"codec": "libx265", "options": {"x265-params": "keyint=6:log-level=none"}, "size": (64, 64)}, True),
    ("a.mov", {"codec": "libx264", "options": {"x264-params": "keyint=1000:intra-refresh=1"}}, True),
    ("a.ts", {"codec": "mpeg2video", "options": {"g": "6", "bf": "2"}}, True),
    ("a.mpg", {"codec": "mpeg2video", "options": {"g": "6", "bf": "2"}}, True),
    ("a.webm", {"codec": "libvpx-vp9", "options": {"g": "6", "lag-in-frames": "10", "deadline": "realtime"}}, True),
    ("a.avi", {"codec": "mpeg4", "options": {"g": "6", "bf": "2"}}, False),
    ("a.h264", {"codec": "libx264", "options": {"x264-params": "keyint=6:bframes=2"}}, False),
]


@pytest.mark.parametrize(("name", "recipe", "by_time"), CONTAINERS, ids=lambda value: value if value is str else None)
def test_any_chunk_can_be_entered_in_any_container(
    tmp_path: Path, upscaler: Upscaler, name: str, recipe: dict[str, Any], by_time: bool
) -> None:
    if recipe["codec"] not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for it")
    rate = {"rate": Fraction(25), "time_base": Fraction(1, 25)} if "mpeg" in recipe["codec"] else {}
    source = videos.make(tmp_path / name, times=range(40), **rate, **recipe)
    whole = in_one_run(source, tmp_path / "whole.mkv", upscaler)
    parts, job = one_by_one(source, tmp_path / "parts.mkv", upscaler)
    assert job.plan.by_time == by_time
    assert parts == whole
    upscale_video(source, tmp_path / "plain.mkv", upscaler, encoding=LOSSLESS)
    assert pixels_of(tmp_path / "parts.mkv") == pixels_of(tmp_path / "plain.mkv")


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "ffv1"])
def test_what_is_encoded_does_not_depend_on_who_made_the_chunk_before(
    tmp_path: Path, upscaler: Upscaler, codec: Any
) -> None:
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for it")
    source = samples.make_rich(tmp_path / "a.mkv", frames=40)
    settings = {"encoding": VideoEncoding(codec=codec, preset="fast"), "temporal": 0.5}
    whole = in_one_run(source, tmp_path / "whole.mkv", upscaler, **settings)
    parts, _ = one_by_one(source, tmp_path / "parts.mkv", upscaler, **settings)
    assert parts == whole
    times = [time for time, _ in videos.packets_of(tmp_path / "parts.mkv", "video")]
    assert sorted(times) == [Fraction(time, 1000) for time in samples.uneven_times(40)]
    with av.open(str(tmp_path / "parts.mkv")) as container:
        decoded = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
    assert all(before < after for before, after in pairwise(decoded))


@pytest.mark.parametrize("temporal", [0.0, 0.2, 0.5, 0.9])
def test_smoothing_goes_on_from_chunk_to_chunk(tmp_path: Path, upscaler: Upscaler, temporal: float) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(50), options={"g": "4"}, darker_from=31)
    upscale_video(source, tmp_path / "plain.mkv", upscaler, encoding=LOSSLESS, temporal=temporal)
    one_by_one(source, tmp_path / "parts.mkv", upscaler, temporal=temporal)
    assert pixels_of(tmp_path / "parts.mkv") == pixels_of(tmp_path / "plain.mkv")


@pytest.mark.parametrize(
    "time_range", [TimeRange(start=0.5), TimeRange(duration=0.7), TimeRange(start=0.3, duration=1)]
)
def test_a_part_of_a_video_is_the_same_part_as_in_one_go(
    tmp_path: Path, upscaler: Upscaler, time_range: TimeRange
) -> None:
    source = samples.make_rich(tmp_path / "a.mkv", frames=50)
    upscale_video(
        source,
        tmp_path / "plain.mkv",
        upscaler,
        encoding=LOSSLESS,
        temporal=0.2,
        start=time_range.start,
        duration=time_range.duration,
    )
    one_by_one(source, tmp_path / "parts.mkv", upscaler, time_range=time_range, temporal=0.2, chunk_frames=6)
    assert pixels_of(tmp_path / "parts.mkv") == pixels_of(tmp_path / "plain.mkv")
    for kind, number in (("audio", 0), ("audio", 1), ("subtitle", 0)):
        made, plain = (videos.packets_of(tmp_path / name, kind, number) for name in ("parts.mkv", "plain.mkv"))
        assert made == plain


def test_all_other_streams_come_along(tmp_path: Path, upscaler: Upscaler) -> None:
    source = samples.make_rich(tmp_path / "a.mkv", frames=40)
    one_by_one(source, tmp_path / "parts.mkv", upscaler)
    with av.open(str(tmp_path / "parts.mkv")) as container, av.open(str(source)) as before:
        assert [stream.type for stream in container.streams] == [stream.type for stream in before.streams]
        assert [stream.metadata.get("language") for stream in container.streams.audio] == ["eng", "jpn"]
        assert [stream.data for stream in container.streams if stream.type == "attachment"] == [samples.FONT]
        assert container.chapters() == before.chapters()
    for kind, number in (("audio", 0), ("audio", 1), ("subtitle", 0)):
        assert videos.packets_of(tmp_path / "parts.mkv", kind, number) == videos.packets_of(source, kind, number)


def test_the_last_frame_is_shown_as_long_as_in_one_go(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(30), sound=("aac",), codec="libx264")
    upscale_video(source, tmp_path / "plain.mp4", upscaler)
    one_by_one(source, tmp_path / "parts.mp4", upscaler, encoding=VideoEncoding(codec="h264"))
    with av.open(str(tmp_path / "plain.mp4")) as plain, av.open(str(tmp_path / "parts.mp4")) as parts:
        assert parts.duration == plain.duration
        assert parts.streams.video[0].duration == plain.streams.video[0].duration


def test_a_video_that_is_cut_off_is_made_as_far_as_it_goes(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(40), codec="libx264", options={"g": "5"})
    source.write_bytes(source.read_bytes()[:-3000])
    upscale_video(source, tmp_path / "plain.mkv", upscaler, encoding=LOSSLESS, keep_damaged=True)
    whole = in_one_run(source, tmp_path / "whole.mkv", upscaler, keep_damaged=True)
    parts, job = one_by_one(source, tmp_path / "parts.mkv", upscaler, keep_damaged=True)
    assert not job.plan.by_time
    assert parts == whole
    assert pixels_of(tmp_path / "parts.mkv") == pixels_of(tmp_path / "plain.mkv")


def test_a_chunk_gets_the_same_bytes_each_time(tmp_path: Path, upscaler: Upscaler) -> None:
    source = samples.make_rich(tmp_path / "a.mkv", frames=30)
    job = begun(source, tmp_path / "b.mkv", upscaler, temporal=0.5)
    encode_chunks(job, range(len(job.plan.chunks)), upscaler)
    before = [chunk_path(job, chunk.number).read_bytes() for chunk in job.plan.chunks]
    for number in (2, 0, 1):
        encode_chunk(job, number, upscaler)
    assert [chunk_path(job, chunk.number).read_bytes() for chunk in job.plan.chunks] == before
