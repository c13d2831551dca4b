"""Long videos on the command line: whatever ends the work, it goes on; several processes share it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.cli.main import main
from tests.faults import disk_faults

av = pytest.importorskip("av")

from tests.media.video import videos
from tests.media.video.chunks import samples
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
FAST = ["--backend", "onnxruntime", "--precision", "fp32", "--codec", "h264", "--preset", "fast"]
CHUNKS = ["--chunk", "6", "--temporal", "0.5"]
JOB = "b.mkv.paragon-job"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def chunks_of(folder: Path) -> list[Path]:
    return sorted((folder / JOB).glob("*.chunk"))


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A video of all kinds of streams, and what an uninterrupted run makes of it in ten chunks."""
    folder = tmp_path_factory.mktemp("rich")
    source = samples.make_rich(folder / "a.mkv", frames=60, options="keyint=7:open-gop=1")
    assert main(["upscale", str(source), "-o", str(folder / "b.mkv"), *FAST, *CHUNKS]) == 0
    assert names(folder) == ["a.mkv", "b.mkv"]
    return source, (folder / "b.mkv").read_bytes()


def started(source: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "paragon_core", "upscale", str(source), "-o", str(out / "b.mkv"), *FAST, *CHUNKS]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=PATIENCE)
    return errors


def test_a_job_that_is_killed_again_and_again_goes_on(tmp_path: Path, rich: tuple[Path, bytes]) -> None:
    """More kills by `python -m tests.faults.chunk_kills`."""
    source, whole = rich
    seed = random.getrandbits(32)
    chance = random.Random(seed)  # noqa: S311 - no secret
    for complete in sorted(chance.sample(range(10), 4)):
        process = started(source, tmp_path)
        while process.poll() is None and len(chunks_of(tmp_path)) <= complete:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        ended(process)
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]) == 0, f"seed {seed}"
    assert names(tmp_path) == ["b.mkv"], f"seed {seed}"
    assert (tmp_path / "b.mkv").read_bytes() == whole, f"seed {seed}"


def test_a_job_that_is_killed_while_it_is_joined_goes_on(
    tmp_path: Path, rich: tuple[Path, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    source, whole = rich
    for delay in (0.0, 0.02):
        process = started(source, tmp_path)
        while process.poll() is None and len(chunks_of(tmp_path)) < 10:
            time.sleep(0.002)
        time.sleep(delay)
        process.kill()
        ended(process)
    capsys.readouterr()
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]) == 0
    assert (tmp_path / "b.mkv").read_bytes() == whole
    assert names(tmp_path) == ["b.mkv"]


def test_what_a_process_left_that_died_at_the_very_end_is_removed(
    tmp_path: Path, rich: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, whole = rich
    command = ["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]
    with monkeypatch.context() as patch:
        patch.setattr("paragon_core.media.video.chunks.folder.empty", lambda _: None)
        assert main(command) == 0
    assert len(chunks_of(tmp_path)) == 10
    assert main(command) == 0
    assert names(tmp_path) == ["b.mkv"]
    assert (tmp_path / "b.mkv").read_bytes() == whole


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux" or not disk_faults.compiler():
        pytest.skip("preloads a library that a C compiler makes")
    return disk_faults.library(tmp_path_factory.mktemp("library"))


@pytest.mark.parametrize(
    "fault", [("write", 8, "paragon-job"), ("write", 3, "/.paragon-"), ("fsync", 4, "paragon-job")]
)
def test_a_full_disk_costs_the_chunk_only(
    tmp_path: Path, rich: tuple[Path, bytes], library: Path, fault: tuple[str, int, str]
) -> None:
    source, whole = rich
    call, first, path = fault
    settings: Mapping[str, str] = {
        "LD_PRELOAD": str(library),
        "FAULT_PATH": path,
        "FAULT_CALL": call,
        "FAULT_ERRNO": "28",
        "FAULT_FROM": str(first),
    }
    process = started(source, tmp_path, **settings)
    errors = ended(process)
    assert process.returncode == 2, errors
    assert "free some space" in errors
    assert "b.mkv" not in names(tmp_path)
    assert not [name for name in names(tmp_path) if name.endswith(".part")]
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]) == 0
    assert (tmp_path / "b.mkv").read_bytes() == whole
    assert names(tmp_path) == ["b.mkv"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--crf", "30"], "crf was none and is now 30"),
        (["--model", "realtime-video-2x"], "model was realtime-2x and is now realtime-video-2x"),
        (["--temporal", "0.2"], "temporal was 0.5 and is now 0.2"),
        (["--padding", "zero"], "padding was auto and is now zero"),
        (["--chunk", "7"], "chunk frames was 6 and is now 7"),
    ],
)
def test_another_setting_or_model_is_refused(
    tmp_path: Path, rich: tuple[Path, bytes], capsys: pytest.CaptureFixture[str], changes: list[str], words: str
) -> None:
    source, _ = rich
    command = ["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]
    assert main([*command, "--shard", "1/10"]) == 0
    before = {path.name: path.read_bytes() for path in chunks_of(tmp_path)}
    assert main([*command, *changes]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "--restart" in errors
    assert {path.name: path.read_bytes() for path in chunks_of(tmp_path)} == before


def test_another_source_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(30))
    command = ["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, "--chunk", "10"]
    assert main([*command, "--shard", "1/2"]) == 0
    content = source.read_bytes()
    source.write_bytes(content)  # at another time, which alone is no reason
    assert main([*command, "--shard", "1/2"]) == 0
    source.write_bytes(content[:-1] + b"x")
    assert main(command) == 2
    assert "a.mkv has other content" in capsys.readouterr().err
    assert main([*command, "--restart"]) == 0


def test_shards_and_what_is_joined_of_them_are_the_single_run(
    tmp_path: Path, rich: tuple[Path, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    source, whole = rich
    command = ["upscale", str(source), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS]
    for shard in ("3/3", "1/3"):
        assert main([*command, "--shard", shard]) == 0
    assert "chunks, the share of shard 1/3, are done" in capsys.readouterr().err
    assert main(["join", str(tmp_path / "b.mkv")]) == 2
    assert "3 of 10 chunks" in (errors := capsys.readouterr().err)
    assert "are missing: 4-6" in errors
    assert main([*command, "--shard", "2/3"]) == 0
    assert main(["join", str(tmp_path)]) == 0
    assert "b.mkv (128 x 128, 60 frames)" in capsys.readouterr().err
    assert names(tmp_path) == ["b.mkv"]
    assert (tmp_path / "b.mkv").read_bytes() == whole
    assert main(["join", str(tmp_path / "b.mkv")]) == 0
    assert "is complete already" in capsys.readouterr().err


def test_shards_at_the_same_time(tmp_path: Path, rich: tuple[Path, bytes]) -> None:
    source, whole = rich
    command = [sys.executable, "-m", "paragon_core", "upscale", str(source), "-o", str(tmp_path / "b.mkv")]
    processes = [
        subprocess.Popen(
            [*command, *FAST, *CHUNKS, "--shard", f"{number}/2"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for number in (1, 2)
    ]
    errors = [ended(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert main(["join", str(tmp_path / JOB)]) == 0
    assert (tmp_path / "b.mkv").read_bytes() == whole


def test_shards_of_a_folder_are_its_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "in").mkdir()
    for name in "abcde":
        Image.new("RGB", (20, 16)).save(here / "in" / f"{name}.png")
    videos.make(here / "in" / "f.mkv")
    videos.make(here / "in" / "g.mkv")
    made = []
    for number in (1, 2, 3):
        before = names(here / "out") if (here / "out").exists() else []
        assert main(["upscale", "in", "-o", "out", *FAST, "--shard", f"{number}/3"]) == 0
        made.append(sorted(set(names(here / "out")) - set(before)))
    assert made == [["a.png", "d.png", "f.mkv"], ["b.png", "e.png", "g.mkv"], ["c.png"]]
    assert "another shard makes it" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--shard", "1/2", "--replace"], ["--shard", "1/2", "--restart"]])
def test_shards_leave_alone_what_others_need(here: Path, options: list[str]) -> None:
    videos.make(here / "a.mkv")
    assert main(["upscale", "a.mkv", *FAST, *options]) == 2
    assert names(here) == ["a.mkv"]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b"])
def test_what_is_no_shard_is_refused(here: Path, capsys: pytest.CaptureFixture[str], shard: str) -> None:
    videos.make(here / "a.mkv")
    assert main(["upscale", "a.mkv", "--shard", shard]) == 2
    assert "2/3" in capsys.readouterr().err
    assert names(here) == ["a.mkv"]


def test_nothing_to_join(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join", "b.mkv"]) == 2
    assert main(["join", "."]) == 2
    assert names(here) == []
    assert capsys.readouterr().err.count("hint:") == 2


def test_a_source_that_was_moved_is_named(tmp_path: Path, rich: tuple[Path, bytes]) -> None:
    source, whole = rich
    here = tmp_path / "a.mkv"
    here.write_bytes(source.read_bytes())
    assert main(["upscale", str(here), "-o", str(tmp_path / "b.mkv"), *FAST, *CHUNKS, "--shard", "1/1"]) == 0
    here.rename(tmp_path / "moved.mkv")
    assert main(["join", str(tmp_path / "b.mkv")]) == 2
    assert main(["join", str(tmp_path / "b.mkv"), "--source", str(tmp_path / "moved.mkv")]) == 0
    assert (tmp_path / "b.mkv").read_bytes() == whole


def test_short_videos_are_made_in_one_go(here: Path) -> None:
    videos.make(here / "a.mkv", times=range(12))
    assert main(["upscale", "a.mkv", *FAST, "--shard", "1/1"]) == 0
    assert names(here) == ["a.mkv", "a_2x.mkv"]
