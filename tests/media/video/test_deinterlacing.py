"""Interlaced videos, as FFmpeg's encoders write them, and progressive ones, which stay what they are."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import InputError
from paragon_core.media.video.time_range import TimeRange
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.deinterlacing import Deinterlacer
from paragon_core.media.video.opening import opened
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (64, 48)
BOTTOM_FIRST = {"x264-params": "bff=1:crf=1"}
VFR = (0, 40, 80, 200, 240, 400, 440, 480)
MILLISECOND = Fraction(1, 1000)


def interlaced(path: Path, *, pixel_format: str = "yuv420p", **changes: Any) -> Path:
    """Write a video whose encoder is told that the bottom field comes first."""
    settings: dict[str, Any] = {"codec": "libx264", "options": BOTTOM_FIRST, "pixel_format": pixel_format, "size": SIZE}
    return videos.make(path, **(settings | changes))


def read(path: Path, mode: Any, **time_range: Any) -> tuple[list[tuple[Fraction, list[Any]]], tuple[str, ...], Any]:
    """Return time and samples of each frame, the notes, and the duration of the last in seconds."""
    with opened(path, TimeRange(**time_range), deinterlace=mode) as video:
        frames = [
            ((step.frame.pts or 0) * video.time_base, [plane.copy() for plane in videos.samples_of(step.frame)])
            for step in video.steps()
            if step.frame is not None
        ]
        return frames, video.notes, video.last_duration * video.time_base


def same(first: list[Any], second: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p", "gray", "nv12"])
@pytest.mark.parametrize("mode", ["auto", "off"])
def test_progressive_frames_stay_what_they_are(tmp_path: Path, pixel_format: str, mode: str) -> None:
    codec = {"codec": "rawvideo" if pixel_format == "nv12" else "ffv1"}
    source = videos.make(tmp_path / "a.nut", pixel_format=pixel_format, **codec)
    frames, notes, _ = read(source, mode)
    decoded = videos.frames_of(source)
    assert len(frames) == len(decoded) == 8
    for (time, samples), frame in zip(frames, decoded, strict=True):
        assert time == frame.pts * Fraction(frame.time_base)
        assert same(samples, videos.samples_of(frame))
    assert not notes


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv420p10le", "yuv444p10le", "gray"])
def test_interlaced_frames_become_whole_at_their_times(tmp_path: Path, pixel_format: str) -> None:
    source = interlaced(
        tmp_path / "a.mkv", pixel_format=pixel_format, times=VFR, time_base=MILLISECOND, rate=Fraction(25)
    )
    left, notes, _ = read(source, "off")
    assert any("8 interlaced frames were upscaled as they are" in note for note in notes)
    frames, notes, _ = read(source, "auto")
    assert [time for time, _ in frames] == [time for time, _ in left] == [time * MILLISECOND for time in VFR]
    assert any("8 interlaced frames were deinterlaced (bwdif)" in note for note in notes)
    for (_, before), (_, after) in zip(left, frames, strict=True):
        assert np.array_equal(before[0][1::2], after[0][1::2])  # the field that comes first is kept
        assert not same(before, after)


def test_bob_makes_a_frame_of_each_field_halfway_between_the_times(tmp_path: Path) -> None:
    source = interlaced(tmp_path / "a.mkv", times=VFR, time_base=MILLISECOND, rate=Fraction(25))
    left, _, duration = read(source, "off")
    frames, notes, half = read(source, "bob")
    assert any("8 frames were deinterlaced, one from each field: 16" in note for note in notes)
    times = [time for time, _ in frames]
    assert times[::2] == [time for time, _ in left]
    ends = [*times[2::2], times[-2] + duration]
    assert times[1:-1:2] == [(begin + end) / 2 for begin, end in zip(times[:-2:2], ends[:-1], strict=True)]
    assert half == duration / 2
    for index, (_, before) in enumerate(left):
        assert np.array_equal(before[0][1::2], frames[2 * index][1][0][1::2])
        assert np.array_equal(before[0][::2], frames[2 * index + 1][1][0][::2])


@pytest.mark.parametrize(("order", "kept"), [("tff", 0), ("bff", 1)])
def test_the_field_that_is_shown_first_is_kept(order: str, kept: int) -> None:
    """What says so is the frame itself, as decoders hand it over."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=64, height=48, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", f"mode={order}"), graph.add("buffersink")).configure()
    with av.open(BytesIO(), "w", format="nut") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.codec_context.time_base = Fraction(1, 25)
        stream.time_base = Fraction(1, 25)
        deinterlacer = Deinterlacer(stream, "auto")
    given: list[Any] = []
    made: list[Any] = []
    for number in range(4):
        frame = videos.moving_frame(number, SIZE, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        graph.vpush(frame)
        given.append(graph.vpull())
        made += deinterlacer.frames(given[-1])
    made += deinterlacer.flush()
    assert [frame.pts for frame in made] == list(range(4))
    for before, after in zip(given, made, strict=True):
        first, second = videos.samples_of(before)[0], videos.samples_of(after)[0]
        assert np.array_equal(first[kept::2], second[kept::2])
        assert not np.array_equal(first[1 - kept :: 2], second[1 - kept :: 2])


def test_only_frames_that_say_so_are_changed(tmp_path: Path) -> None:
    """The first half is progressive, the second interlaced, as broadcasts switch between programmes."""
    parts = [
        videos.make(tmp_path / "a.ts", codec="mpeg2video", time_base=Fraction(1, 25), rate=Fraction(25)),
        videos.make(
            tmp_path / "b.ts",
            codec="mpeg2video",
            time_base=Fraction(1, 25),
            rate=Fraction(25),
            options={"flags": "+ildct+ilme", "field_order": "tt"},
        ),
    ]
    (tmp_path / "c.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    flags = [frame.interlaced_frame for frame in videos.frames_of(tmp_path / "c.ts")]
    if not any(flags) or all(flags):
        pytest.skip("this FFmpeg's MPEG-2 encoder writes no interlaced frames")
    left, _, _ = read(tmp_path / "c.ts", "off")
    frames, notes, _ = read(tmp_path / "c.ts", "auto")
    assert [time for time, _ in frames] == [time for time, _ in left]
    assert [same(a[1], b[1]) for a, b in zip(left, frames, strict=True)] == [not flag for flag in flags]
    assert any(f"{sum(flags)} interlaced frames" in note for note in notes)


@pytest.mark.parametrize("mode", ["auto", "bob"])
def test_a_part_has_the_frames_of_the_whole(tmp_path: Path, mode: str) -> None:
    source = interlaced(tmp_path / "a.mkv", times=range(24), time_base=Fraction(1, 25), rate=Fraction(25))
    whole, _, _ = read(source, mode)
    part, _, duration = read(source, mode, start=0.2, duration=0.4)
    wanted = [(time - Fraction(1, 5), samples) for time, samples in whole if 1 <= time * 5 < 3]
    assert [time for time, _ in part] == [time for time, _ in wanted]
    assert all(same(a[1], b[1]) for a, b in zip(part, wanted, strict=True))
    assert part[-1][0] + duration == Fraction(2, 5)


def test_what_the_container_says_counts_where_frames_say_nothing(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="ffv1", options={"field_order": "bb"}, pixel_format="yuv422p")
    with av.open(str(source)) as container:
        if getattr(container.streams.video[0].codec_context, "field_order", 0) not in {3, 5}:
            pytest.skip("this PyAV does not tell the field order")
    left, _, _ = read(source, "off")
    frames, _, _ = read(source, "auto")
    assert all(np.array_equal(a[1][0][1::2], b[1][0][1::2]) for a, b in zip(left, frames, strict=True))
    assert not any(same(a[1], b[1]) for a, b in zip(left, frames, strict=True))


def test_the_result_is_upscaled_with_smoothing_and_says_what_was_done(tmp_path: Path) -> None:
    source = interlaced(tmp_path / "a.mkv", sound=("aac",))
    upscaler, lossless = shared_upscaler(clip=False), VideoEncoding(codec="ffv1")
    result = upscale_video(source, tmp_path / "b.mkv", upscaler, encoding=lossless, temporal=0.2)
    assert result.frames == 8
    assert any("8 interlaced frames were deinterlaced" in note for note in result.notes)
    doubled = upscale_video(source, tmp_path / "c.mkv", upscaler, encoding=lossless, deinterlace="bob")
    assert doubled.frames == 16
    times = videos.times_of(tmp_path / "c.mkv")
    assert len(times) == 16
    assert times == sorted(set(times))
    assert not any(frame.interlaced_frame for frame in videos.frames_of(tmp_path / "b.mkv"))


def test_what_is_there_of_a_damaged_video_is_deinterlaced(tmp_path: Path) -> None:
    source = interlaced(tmp_path / "a.mkv", times=range(40), size=(128, 96))
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    options: dict[str, Any] = {"keep_damaged": True, "encoding": VideoEncoding(codec="ffv1")}
    result = upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), **options)
    assert 0 < result.frames < 40
    assert any(f"{result.frames} interlaced frames were deinterlaced" in note for note in result.notes)


def test_frames_that_no_filter_takes_stay_with_a_note(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="ffv1", pixel_format="gray10le")
    frames, notes, _ = read(source, "bob")
    assert len(frames) == 8
    assert any("no filter takes gray10" in note for note in notes)


def test_other_ways_are_refused(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv")
    with pytest.raises(InputError, match="'always' is no way") as caught:
        upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), deinterlace="always")  # type: ignore[arg-type]
    assert "bob" in caught.value.hint
