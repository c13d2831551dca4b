from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.cli.work import Work
from paragon_core.media.job_plan import Job


def jobs_of(folder: Path, sizes: dict[str, int]) -> list[Job]:
    for name, size in sizes.items():
        (folder / name).write_bytes(bytes(size))
    return [Job(source=folder / name, target=folder / "out" / name) for name in sizes]


def test_images_that_take_a_second_for_each_kilobyte(tmp_path: Path) -> None:
    first, second, third = jobs_of(tmp_path, {"a.png": 2000, "b.png": 6000, "c.png": 2000})
    work = Work([first, second, third])
    assert (work.bytes, work.share, work.seconds_left) == (10_000, 0.0, None)
    work.begin(first.source)
    for tenth in range(11):
        work.advance(first.source, tenth / 10, 0.2 * tenth)
    assert work.share == pytest.approx(0.2)
    assert work.seconds_left == pytest.approx(8.0)
    work.begin(second.source)  # the first is still being written
    assert work.seconds_left == pytest.approx(8.0)
    work.finish(first.source, written=8000, moment=2.0)
    work.advance(second.source, 0.5, 5.0)
    assert work.share == pytest.approx(0.5)
    assert work.seconds_left == pytest.approx(5.0)
    assert work.bytes_to_come(0) == 32_000
    work.finish(second.source, written=24_000, moment=8.0)
    work.begin(third.source)
    work.finish(third.source, written=8000, moment=10.0)
    assert (work.share, work.seconds_left, work.bytes_to_come(0)) == (1.0, 0.0, 0)


def test_files_that_are_skipped_take_no_time(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, {f"{number}.png": 1000 for number in range(4)})
    work = Work(jobs)
    for job in jobs[:2]:
        work.finish(job.source, written=0, moment=0.0)
    assert (work.share, work.seconds_left, work.bytes_to_come(0)) == (0.5, None, None)
    work.begin(jobs[2].source)
    work.advance(jobs[2].source, 0.1, 1.0)
    work.advance(jobs[2].source, 1.0, 10.0)
    assert work.seconds_left == pytest.approx(10.0)


def test_images_say_nothing_of_videos(tmp_path: Path) -> None:
    image, video = jobs_of(tmp_path, {"a.png": 1000, "b.mkv": 1000})
    work = Work([image, video])
    work.begin(image.source)
    for tenth in range(1, 11):
        work.advance(image.source, tenth / 10, float(tenth))
    work.finish(image.source, written=4000, moment=10.0)
    assert (work.share, work.seconds_left, work.bytes_to_come(0)) == (0.5, None, None)
    work.begin(video.source)
    work.advance(video.source, 0.01, 20.0)
    work.advance(video.source, 0.03, 24.0)
    assert work.seconds_left == pytest.approx(194.0)
    assert work.bytes_to_come(300) == 9700


@given(st.lists(st.tuples(st.integers(1, 10**9), st.booleans(), st.booleans()), min_size=1, max_size=6), st.data())
def test_shares_only_grow_and_end_at_one(files: list[tuple[int, bool, bool]], data: st.DataObject) -> None:
    names = [Path(f"{number}.mkv" if is_video else f"{number}.png") for number, (_, is_video, _) in enumerate(files)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paragon_core.cli.work.size_of", lambda path: files[int(path.stem)][0])
        work = Work([Job(source=name, target=name) for name in names])
        shares, moment = [work.share], 0.0
        for name, (_, _, skipped) in zip(names, files, strict=True):
            if not skipped:
                work.begin(name)
                for part in sorted(data.draw(st.lists(st.floats(0, 1), max_size=4))):
                    moment += 1.0
                    work.advance(name, part, moment)
                    shares.append(work.share)
            work.finish(name, written=0 if skipped else 10, moment=moment)
            shares.append(work.share)
        assert all(after >= before - 1e-9 for before, after in pairwise(shares))
        assert shares[-1] == pytest.approx(1.0)
        assert work.seconds_left == 0.0


def test_what_is_no_file_counts_for_little(tmp_path: Path) -> None:
    missing = Job(source=tmp_path / "missing.png", target=tmp_path / "out.png")
    work = Work([missing])
    assert (work.bytes, work.size_of(missing.source)) == (0, None)
    work.finish(missing.source, written=0, moment=1.0)
    assert work.share == 1.0
