"""Times of frames and packets, where the source has them in disorder."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.times import DisplayOrder, Monotonic
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

MILLISECOND = Fraction(1, 1000)


def packet(pts: int | None, dts: int | None) -> Any:
    result: Any = av.Packet(b"data")
    result.pts, result.dts, result.time_base = pts, dts, MILLISECOND
    return result


@given(st.lists(st.tuples(st.none() | st.integers(-50, 999), st.none() | st.integers(-50, 999)), max_size=30))
def test_copied_packets_have_growing_times(stamps: list[tuple[int | None, int | None]]) -> None:
    times, last = Monotonic(), None
    for pts, dts in stamps:
        one = packet(pts, dts)
        times.repair(one)
        if pts is None and dts is None:
            continue
        assert one.pts == one.dts
        assert last is None or one.dts > last
        stamp = dts if pts is None else pts
        if last is None or stamp > last:
            assert one.dts == stamp
        last = one.dts


@given(st.permutations(range(12)))
def test_frames_of_packets_without_display_times_come_in_order(order: list[int]) -> None:
    display = DisplayOrder(12)
    for number in order:
        display.add(packet(None, number))
    assert [display.next(own) for own in (*order, None)] == [*range(12), None]


@given(st.sets(st.integers(0, 30)), st.integers(0, 2))
def test_packets_without_a_frame_delay_no_others(lost: set[int], depth: int) -> None:
    display = DisplayOrder(depth)
    for number in range(32):
        display.add(packet(number, number))
        if number not in lost:
            time = display.next(number)
            assert time is not None
            assert number - depth <= time <= number


@pytest.mark.parametrize(("begins", "sound"), [((0, 0, 0), ("mp2",)), ((0, 4000, 50), ())])
def test_recordings_that_were_joined_go_on_without_a_jump(
    tmp_path: Path, begins: tuple[int, ...], sound: tuple[str, ...]
) -> None:
    parts = [
        videos.make(
            tmp_path / f"{number}.ts",
            codec="libx264",
            rate=Fraction(25),
            time_base=Fraction(1, 25),
            times=range(begin, begin + 25),
            sound=sound,
        )
        for number, begin in enumerate(begins)
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    result = upscale_video(tmp_path / "a.ts", tmp_path / "b.mkv", shared_upscaler(clip=False))
    assert result.frames == 75
    assert any("jump" in note for note in result.notes)
    times = videos.times_of(tmp_path / "b.mkv")
    assert all(0 < after - before < Fraction(1, 10) for before, after in pairwise(times))
    assert abs(times[-1] - times[0] - Fraction(74, 25)) < Fraction(1, 10)
    if sound:
        heard = [time for time, _ in videos.packets_of(tmp_path / "b.mkv", "audio")]
        assert all(before < after for before, after in pairwise(heard))
        assert abs(heard[-1] - times[-1]) < Fraction(1, 10)


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_b_frames_in_avi_are_shown_when_they_were(tmp_path: Path, extension: str) -> None:
    times = range(5, 30)
    source = videos.make(
        tmp_path / "a.avi",
        codec="mpeg4",
        options={"bf": "2"},
        rate=Fraction(25),
        time_base=Fraction(1, 25),
        times=times,
        sound=("mp3",),
    )
    upscale_video(source, tmp_path / f"b{extension}", shared_upscaler(clip=False))
    found = videos.times_of(tmp_path / f"b{extension}")
    assert [round(time * 25) for time in found] == list(range(round(found[0] * 25), round(found[0] * 25) + 25))
    assert abs(found[0] - Fraction(5, 25)) <= Fraction(1, 25)


@pytest.mark.parametrize("source", ["a.gif", "a.mkv"])
@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_the_last_frame_is_shown_as_long_as_it_was(tmp_path: Path, source: str, extension: str) -> None:
    with av.open(str(tmp_path / source), "w", options={"final_delay": "300"} if source == "a.gif" else {}) as container:
        gif = source == "a.gif"
        stream = container.add_stream("gif" if gif else "ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8" if gif else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number, time in enumerate((0, 3, 9)):
            frame = videos.moving_frame(number, (64, 48), "rgb8" if gif else "yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            for each in stream.encode(frame):
                each.duration = 75 if time == 9 else 1
                container.mux(each)
        container.mux(stream.encode(None))
    result = upscale_video(tmp_path / source, tmp_path / f"b{extension}", shared_upscaler(clip=False))
    assert not any("before the time" in note for note in result.notes)
    assert videos.times_of(tmp_path / f"b{extension}") == [0, Fraction(3, 25), Fraction(9, 25)]
    with av.open(str(tmp_path / f"b{extension}")) as container:
        assert container.duration / 1e6 == pytest.approx(0.36 + 3, abs=0.005)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_a_start_counts_from_that_of_the_video(tmp_path: Path, name: str) -> None:
    source = videos.make(
        tmp_path / name,
        codec="libx264",
        rate=Fraction(25),
        time_base=Fraction(1, 25),
        times=range(250, 290),
    )
    result = upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), start=0.4, duration=0.8)
    times = videos.times_of(tmp_path / "b.mkv")
    assert result.frames == 20
    assert times[0] < 0.05
    assert abs(times[-1] - times[0] - Fraction(19, 25)) <= MILLISECOND
