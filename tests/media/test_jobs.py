from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.atomic_files import PART
from paragon_core.errors import InferenceError, InputError, JobError, MediaError, OutOfMemoryError
from paragon_core.media.done import is_done
from paragon_core.media.images import LoadedImage, read_image, write_image
from paragon_core.media.jobs import Job, JobResult, plan, run
from paragon_core.upscaling.output_size import OutputSize
from tests.fresh_python import PROGRAMS, start
from tests.media import samples, stand_in_upscaling
from tests.media.stand_in_upscaling import twice
from tests.patience import PATIENCE
from tests.upscalers import shared_upscaler

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array


def save(path: Path, seed: int = 0, size: tuple[int, int] = (6, 5), channels: int = 3) -> Path:
    return stand_in_upscaling.save(path, samples.pixels(seed, size[1], size[0], channels))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(PART)]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_folder_is_upscaled(tmp_path: Path, at_once: int) -> None:
    names = [f"{folder}{index}.png" for folder in ("", "sub/", "sub/deep/") for index in range(4)]
    for seed, name in enumerate(names):
        save(tmp_path / "in" / name, seed)
    jobs = plan([tmp_path / "in"], tmp_path / "out", suffix="")
    reported: list[JobResult] = []
    results = run(jobs, twice, scale=2, at_once=at_once, report=reported.append)
    assert list(results) == reported
    assert [result.job for result in results] == list(jobs)
    assert {(result.state, result.size) for result in results} == {("written", (12, 10))}
    for name in names:
        expected = twice(read_image(tmp_path / "in" / name).array)
        assert np.array_equal(read_image(tmp_path / "out" / name).array, expected)


def test_an_upscaler_makes_any_size(tmp_path: Path) -> None:
    jobs = plan([save(tmp_path / "a.png"), save(tmp_path / "b.png", size=(8, 20))], suffix="_x")
    results = run(jobs, shared_upscaler(), scale=2, size=OutputSize(fit=(24, 20)))
    assert [result.size for result in results] == [(24, 20), (8, 20)]
    assert [read_image(job.target).size for job in jobs] == [(24, 20), (8, 20)]
    assert [result.notes for result in results] == [(), ("it has that size already",)]
    assert np.array_equal(read_image(jobs[1].target).array, read_image(jobs[1].source).array)
    assert all(is_done(job, scale=2, size=OutputSize(fit=(24, 20))) for job in jobs)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), max_size=12), st.integers(1, 4))
def test_any_mix_of_good_and_bad_keeps_its_order(
    tmp_path_factory: pytest.TempPathFactory, good: list[bool], at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    for index, fine in enumerate(good):
        path = save(folder / "in" / f"{index:02}.bmp", index)
        if not fine:
            path.write_bytes(path.read_bytes()[:40])
    jobs = [Job(source=folder / "in" / f"{i:02}.bmp", target=folder / "out" / f"{i:02}.bmp") for i in range(len(good))]
    results = run(jobs, twice, scale=2, at_once=at_once)
    assert [result.state == "written" for result in results] == good
    assert [job.target.exists() for job in jobs] == good
    assert not leftovers(folder)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the network is, no more than ``at_once`` images are between being read and being written."""
    jobs = plan([save(tmp_path / f"{index}.bmp") for index in range(12)], tmp_path / "out", suffix="")
    alive, most, lock = 0, 0, threading.Lock()
    several = threading.Event()

    def reading(path: Path, *, max_pixels: int) -> LoadedImage:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        if most > 1:
            several.set()
        return read_image(path, max_pixels=max_pixels)

    def writing(path: Path, loaded: LoadedImage, **options: Any) -> tuple[str, ...]:
        nonlocal alive
        assert several.wait(PATIENCE)
        time.sleep(0.01)  # so that more would come if they could
        notes = write_image(path, loaded, **options)
        with lock:
            alive -= 1
        return notes

    monkeypatch.setattr("paragon_core.media.jobs.read_image", reading)
    monkeypatch.setattr("paragon_core.media.jobs.write_image", writing)
    run(jobs, twice, scale=2, at_once=3)
    assert alive == 0
    assert 2 <= most <= 3


def test_files_are_read_and_written_while_the_network_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = plan([save(tmp_path / f"{index}.bmp") for index in range(2)], tmp_path / "out", suffix="")
    second_is_read, second_is_upscaled = threading.Event(), threading.Event()

    def reading(path: Path, *, max_pixels: int) -> LoadedImage:
        if path == jobs[1].source:
            second_is_read.set()
        return read_image(path, max_pixels=max_pixels)

    def upscale(array: Array) -> Array:
        assert second_is_read.wait(PATIENCE)  # while the first is in the network
        if upscaled:
            second_is_upscaled.set()
        upscaled.append(array)
        return twice(array)

    def writing(path: Path, loaded: LoadedImage, **options: Any) -> tuple[str, ...]:
        assert second_is_upscaled.wait(PATIENCE)  # while the first is being written
        return write_image(path, loaded, **options)

    upscaled: list[Array] = []
    monkeypatch.setattr("paragon_core.media.jobs.read_image", reading)
    monkeypatch.setattr("paragon_core.media.jobs.write_image", writing)
    assert [result.state for result in run(jobs, upscale, scale=2, at_once=3)] == ["written", "written"]


def test_what_is_done_is_skipped(tmp_path: Path) -> None:
    jobs = plan([save(tmp_path / f"{index}.png", index) for index in range(3)], tmp_path / "out", suffix="")
    run(jobs[:2], twice, scale=2)
    before = jobs[0].target.stat().st_mtime_ns
    assert [result.state for result in run(jobs, twice, scale=2)] == ["skipped", "skipped", "written"]
    assert jobs[0].target.stat().st_mtime_ns == before
    assert [result.state for result in run(jobs, twice, scale=2, overwrite=True)] == ["written"] * 3


def test_what_is_older_or_broken_is_made_again(tmp_path: Path) -> None:
    job = Job(source=save(tmp_path / "a.png"), target=tmp_path / "b.png")
    run([job], twice, scale=2)
    assert is_done(job, scale=2)
    os.utime(job.target, (1, 1))
    assert not is_done(job, scale=2)
    run([job], twice, scale=2)
    assert is_done(job, scale=2)
    whole = job.target.read_bytes()
    for broken in (whole[:-5], whole[:30], b""):
        job.target.write_bytes(broken)
        assert not is_done(job, scale=2)


def test_an_image_of_another_size_is_not_replaced(tmp_path: Path) -> None:
    job = Job(source=save(tmp_path / "a.png"), target=save(tmp_path / "b.png", 1, (50, 50)))
    before = job.target.read_bytes()
    (result,) = run([job], twice, scale=2)
    assert isinstance(result.error, JobError)
    assert "--overwrite" in result.error.hint
    assert job.target.read_bytes() == before
    assert run([job], twice, scale=2, overwrite=True)[0].state == "written"


def test_what_is_no_image_is_not_replaced(tmp_path: Path) -> None:
    job = Job(source=save(tmp_path / "a.png"), target=tmp_path / "b.png")
    job.target.write_text("my only copy")
    (result,) = run([job], twice, scale=2)
    assert isinstance(result.error, JobError)
    assert job.target.read_text() == "my only copy"
    assert run([job], twice, scale=2, overwrite=True)[0].state == "written"


def test_a_turned_photo_stored_without_metadata_counts_as_done(tmp_path: Path) -> None:
    block = Image.Exif()
    block[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=block)
    job = Job(source=tmp_path / "a.jpg", target=tmp_path / "a.bmp")
    assert run([job], twice, scale=2)[0].state == "written"
    assert read_image(job.target).size == (8, 16)
    assert run([job], twice, scale=2)[0].state == "skipped"


@pytest.mark.parametrize(
    "error", [InferenceError("no", hint="yes"), OutOfMemoryError("no", hint="yes"), MemoryError(), InputError("no")]
)
def test_errors_of_the_network_concern_one_image(tmp_path: Path, error: Exception) -> None:
    jobs = plan([save(tmp_path / f"{index}.png", size=(6 + index, 5)) for index in range(3)], suffix="_2x")

    def upscale(array: Array) -> Array:
        if array.shape[1] == 7:
            raise error
        return twice(array)

    assert [result.state for result in run(jobs, upscale, scale=2)] == ["written", "failed", "written"]
    assert not jobs[1].target.exists()


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
@pytest.mark.parametrize("at_once", [1, 4])
def test_bugs_and_interrupts_leave_whole_files_only(tmp_path: Path, error: BaseException, at_once: int) -> None:
    jobs = plan([save(tmp_path / f"{index}.png", size=(40, 40)) for index in range(6)], tmp_path / "out", suffix="")
    calls = 0

    def upscale(array: Array) -> Array:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise error
        return twice(array)

    with pytest.raises(type(error)):
        run(jobs, upscale, scale=2, at_once=at_once)
    assert not leftovers(tmp_path)
    for job in jobs:
        assert not job.target.exists() or read_image(job.target).size == (80, 80)


def test_transparency_for_jpeg_is_refused_before_the_work(tmp_path: Path) -> None:
    calls = 0

    def upscale(array: Array) -> Array:
        nonlocal calls
        calls += 1
        assert array.ndim == 3
        assert array.shape[2] == 3
        return twice(array)

    clear, opaque = save(tmp_path / "clear.png", channels=4), tmp_path / "opaque.png"
    array: Any = samples.pixels(0, 5, 6, 4)
    array[..., 3] = 255
    write_image(opaque, LoadedImage(array=array, format="png", lossless=True))
    first, second = run(plan([clear, opaque], tmp_path / "out", suffix="", target_format="jpeg"), upscale, scale=2)
    assert isinstance(first.error, InputError)
    assert "clear.png" in str(first.error)
    assert second.state == "written"
    assert calls == 1


def test_grey_with_alpha_comes_back_as_such(tmp_path: Path) -> None:
    Image.fromarray(samples.pixels(0, 5, 6, 2)).save(tmp_path / "a.png")
    run([Job(source=tmp_path / "a.png", target=tmp_path / "b.png")], twice, scale=2)
    with Image.open(tmp_path / "b.png") as result:
        assert result.mode == "LA"


def test_at_least_one_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        run([], twice, scale=2, at_once=0)
    assert run([], twice, scale=2) == ()
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "out").write_text("in the way")
    called = False

    def upscale(array: Array) -> Array:
        nonlocal called
        called = True
        return twice(array)

    (result,) = run([Job(source=tmp_path / "a.png", target=tmp_path / "out" / "a.png")], upscale, scale=2)
    assert isinstance(result.error, MediaError)
    assert not called
    (result,) = run([Job(source=tmp_path / "a.png", target=tmp_path)], upscale, scale=2)
    assert isinstance(result.error, InputError)  # no extension
    (tmp_path / "b.png").mkdir()
    (result,) = run([Job(source=tmp_path / "a.png", target=tmp_path / "b.png")], upscale, scale=2)
    assert isinstance(result.error, MediaError)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk(tmp_path: Path) -> None:
    """The limit on the size of files stands in for a full disk: the operating system refuses to write on."""
    source, target = save(tmp_path / "a.png"), tmp_path / "b.png"
    broken = source.read_bytes()[:40]
    target.write_bytes(broken)
    process = start(PROGRAMS / "job_on_a_full_disk.py", source, target)
    output, errors = process.communicate(timeout=PATIENCE)
    assert output.startswith("MediaError|cannot write"), errors
    assert output.rstrip().split("|")[2]
    assert target.read_bytes() == broken
    assert not leftovers(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be made read-only for their owner on Windows")
def test_a_read_only_folder(open_folder: Path) -> None:
    source = save(open_folder / "a.png")
    source.chmod(0o644)
    (open_folder / "out").mkdir(mode=0o555)
    output, errors = start(
        PROGRAMS / "job_in_a_read_only_folder.py", source, open_folder / "out" / "a.png"
    ).communicate(timeout=PATIENCE)
    assert output.startswith("MediaError|cannot write"), errors
    assert "may write to" in output
    assert not list((open_folder / "out").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_a_real_interrupt_leaves_whole_files_only(tmp_path: Path) -> None:
    for index in range(40):
        save(tmp_path / "in" / f"{index:02}.png", index, (60, 60))
    process = start(PROGRAMS / "slow_job.py", tmp_path / "in", tmp_path / "out")
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    made = list((tmp_path / "out").iterdir())
    assert 5 <= len(made) < 40
    assert not leftovers(tmp_path)
    assert {read_image(path).size for path in made} == {(480, 480)}
