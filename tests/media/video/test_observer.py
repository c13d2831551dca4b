"""Following a video while it is upscaled, and where its time went."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("av")

from paragon_core import Upscaler
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.stage_times import NOT_MEASURED, POOLS, MeasuredTimes
from paragon_core.media.video.upscale import upscale_video
from tests.media.video import videos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paragon_core.media.video.observer import VideoOutline, VideoPosition


@pytest.fixture(scope="module")
def upscaler() -> Iterator[Upscaler]:
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32") as result:
        yield result


class Notes(VideoObserver):
    """What was reported, in its order, and in which threads."""

    def __init__(self) -> None:
        self.outlines: list[VideoOutline] = []
        self.positions: list[VideoPosition] = []
        self.threads: set[int] = set()

    def begin(self, outline: VideoOutline) -> None:
        assert not self.positions
        self.outlines.append(outline)
        self.threads.add(threading.get_ident())

    def advance(self, position: VideoPosition) -> None:
        self.positions.append(position)
        self.threads.add(threading.get_ident())


def test_an_observer_sees_what_is_to_be_done_and_each_frame(tmp_path: Path, upscaler: Upscaler) -> None:
    times = [0, 40, 120, 160, 300, 340]
    source = videos.make(tmp_path / "a.mkv", times=times, time_base=Fraction(1, 1000), sound=("aac",))
    notes = Notes()
    upscale_video(source, tmp_path / "b.mkv", upscaler, observer=notes)
    (outline,) = notes.outlines
    assert (outline.size, outline.result_size) == ((64, 48), (128, 96))
    assert outline.seconds == pytest.approx(0.38, abs=0.1)
    assert (outline.earlier, outline.copies) == (0, 1)
    assert [position.frames for position in notes.positions] == [1, 2, 3, 4, 5, 6]
    assert [position.seconds for position in notes.positions] == pytest.approx([each / 1000 for each in times])
    written = [position.written for position in notes.positions]
    assert written == sorted(written)
    assert written[-1] <= (tmp_path / "b.mkv").stat().st_size
    assert notes.threads == {threading.get_ident()}


def test_the_times_of_all_stages_are_measured(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv")
    notes = Notes()
    notes.times = times = MeasuredTimes()
    start, cpu = time.perf_counter(), time.process_time()
    upscale_video(source, tmp_path / "b.mkv", upscaler, temporal=0.2, observer=notes)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert list(times.stages) == list(POOLS)
    assert sum(spent.cpu for spent in times.stages.values()) <= cpu
    for pool, lent in times.lent_seconds.items():
        busy = sum(spent.wall for stage, spent in times.stages.items() if POOLS[stage] == pool)
        assert 0 < busy <= lent <= seconds * 8


def test_without_smoothing_there_is_no_such_stage(tmp_path: Path, upscaler: Upscaler) -> None:
    notes = Notes()
    notes.times = times = MeasuredTimes()
    upscale_video(videos.make(tmp_path / "a.mkv"), tmp_path / "b.mkv", upscaler, observer=notes)
    assert list(times.stages) == [stage for stage in POOLS if stage != "smoothing"]


def test_times_add_up_over_threads_and_after_errors() -> None:
    times = MeasuredTimes()

    def work() -> None:
        with times.spent("network"):
            time.sleep(0.02)

    threads = [threading.Thread(target=work) for _ in range(3)]
    with times.lent("workers", 3):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with pytest.raises(ValueError, match="wrong"), times.spent("network"):
        raise ValueError("wrong")
    spent = times.stages["network"]
    assert 0.06 <= spent.wall <= times.lent_seconds["workers"]
    assert spent.cpu < spent.wall


def test_making_items_counts_and_using_them_does_not() -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.01)
            yield number

    times = MeasuredTimes()
    found = []
    for item in times.each("decode", slow()):
        found.append(item)
        time.sleep(0.05)
    assert found == [0, 1, 2]
    assert 0.03 <= times.stages["decode"].wall < 0.12


def test_what_measures_nothing_changes_nothing() -> None:
    with NOT_MEASURED.spent("decode"), NOT_MEASURED.lent("reader", 1):
        assert list(NOT_MEASURED.each("decode", [1, 2])) == [1, 2]
    assert VideoObserver().times is NOT_MEASURED
