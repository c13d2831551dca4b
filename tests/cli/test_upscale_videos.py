"""Videos on the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.cli.main import main
from tests.fresh_python import run

av = pytest.importorskip("av")

from tests.media.video import videos
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FAST = ["--backend", "onnxruntime", "--precision", "fp32"]


def size_of(path: Path) -> tuple[int, int]:
    frame = videos.frames_of(path)[0]
    return frame.width, frame.height


def test_a_video_next_to_an_image_and_what_is_done_is_skipped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "in").mkdir()
    videos.make(here / "in" / "a.mkv", sound=("aac",))
    videos.make(here / "in" / "b.avi", codec="mpeg4")
    Image.new("RGB", (20, 16)).save(here / "in" / "c.png")
    assert main(["upscale", "in", "-o", "out", *FAST]) == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a.mkv", "b.mp4", "c.png"]
    assert size_of(here / "out" / "a.mkv") == size_of(here / "out" / "b.mp4") == (128, 96)
    assert "3 of 3 files upscaled" in capsys.readouterr().err
    written = [path.stat().st_mtime_ns for path in sorted((here / "out").iterdir())]
    assert main(["upscale", "in", "-o", "out", *FAST]) == 0
    assert "3 were there already" in capsys.readouterr().err
    assert [path.stat().st_mtime_ns for path in sorted((here / "out").iterdir())] == written
    (here / "out" / "a.mkv").write_bytes((here / "out" / "a.mkv").read_bytes()[:-100])
    assert main(["upscale", "in", "-o", "out", *FAST]) == 0
    assert "1 of 3 files upscaled" in capsys.readouterr().err
    assert len(videos.frames_of(here / "out" / "a.mkv")) == 8


@pytest.mark.parametrize(
    ("source", "target"), [("a.mkv", "a_2x.mkv"), ("a.mp4", "a_2x.mp4"), ("a.mov", "a_2x.mp4"), ("a.ts", "a_2x.mp4")]
)
def test_a_video_gets_its_name_beside_the_source(
    here: Path, capsys: pytest.CaptureFixture[str], source: str, target: str
) -> None:
    videos.make(here / source, codec="libx264", rate=Fraction(25), time_base=Fraction(1, 25))
    assert main(["upscale", source, *FAST]) == 0
    assert f"{source} -> {target} (128 x 96, " in capsys.readouterr().err
    assert len(videos.frames_of(here / target)) == 8


def test_options_reach_the_encoder_and_the_network(here: Path) -> None:
    videos.make(here / "a.mkv", pixel_format="yuv420p10le", times=range(4))
    assert main(["upscale", "a.mkv", "-o", "b.mkv", "--codec", "ffv1", *FAST]) == 0
    assert main(["upscale", "a.mkv", "-o", "c.mkv", "--codec", "ffv1", "--temporal", "0.5", *FAST]) == 0
    options = ["--codec", "hevc", "--crf", "40", "--preset", "fast"]
    assert main(["upscale", "a.mkv", "-o", "d.mp4", *options, *FAST]) == 0
    plain, smoothed, compressed = (videos.frames_of(here / name) for name in ("b.mkv", "c.mkv", "d.mp4"))
    assert plain[3].format.name == compressed[3].format.name == "yuv420p10le"
    pairs = [
        [(one != other).any() for one, other in zip(videos.samples_of(first), videos.samples_of(second), strict=True)]
        for first, second in zip(plain, smoothed, strict=True)
    ]
    assert not any(pairs[0])  # the first frame has none before it
    assert any(pairs[3])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.mkv", "-o", "b.png"], "cannot write a video into b.png"),
        (["a.mkv", "-o", "b.avi"], "cannot write a video into b.avi"),
        (["a.mkv", "-o", "a.mkv"], "would replace"),
        (["a.mkv", "--crf", "99"], "crf 99"),
        (["a.mkv", "--temporal", "2"], "smoothing of 2"),
        (["a.mkv", "--max-pixels", "1000"], "64 x 48 pixels, more than the limit"),
        (["broken.mp4"], "broken.mp4"),
    ],
)
def test_what_cannot_be_done_is_told_with_a_remedy(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    videos.make(here / "a.mkv")
    (here / "broken.mp4").write_bytes(b"broken" * 100)
    assert main(["upscale", *arguments, *FAST]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "hint: " in told
    assert sorted(path.name for path in here.iterdir()) == ["a.mkv", "broken.mp4"]


def test_a_part_of_a_video_and_then_all_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos.make(here / "a.mkv", size=(32, 16), times=range(150), rate=Fraction(25), time_base=Fraction(1, 25))
    part = ["upscale", "a.mkv", "--start", "0:00:01.2", "--duration", "1", *FAST]
    assert main(part) == 0
    times = videos.times_of(here / "a_2x.mkv")
    assert times == [Fraction(number, 25) for number in range(25)]
    capsys.readouterr()
    assert main(part) == 0
    assert "there already" in capsys.readouterr().err
    assert main(["upscale", "a.mkv", *FAST]) == 0
    assert len(videos.times_of(here / "a_2x.mkv")) == 150


def test_what_is_there_of_a_truncated_video_is_kept_if_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = videos.make(here / "a.mkv", times=range(40)).read_bytes()
    (here / "a.mkv").write_bytes(data[: len(data) // 2])
    assert main(["upscale", "a.mkv", *FAST]) == 2
    assert "--keep-damaged" in capsys.readouterr().err
    assert main(["upscale", "a.mkv", "--keep-damaged", *FAST]) == 0
    assert "paragon: note: a.mkv: it is cut off" in capsys.readouterr().err
    assert 10 < len(videos.frames_of(here / "a_2x.mkv")) < 40


@pytest.mark.parametrize("name", ["a.gif", "a.y4m", "a.ts", "a.nut", "clip"])
def test_any_source_of_a_video_is_one(here: Path, name: str) -> None:
    codec, kind = {"a.gif": ("gif", "rgb8"), "a.y4m": ("wrapped_avframe", "yuv420p")}.get(
        name, ("mpeg2video", "yuv420p")
    )
    made = here / (name if "." in name else "clip.avi")
    videos.make(made, codec=codec, pixel_format=kind, rate=Fraction(25), time_base=Fraction(1, 25))
    made.rename(here / name)
    assert main(["upscale", name, "-o", "b.mp4", *FAST]) == 0
    assert len(videos.frames_of(here / "b.mp4")) == 8


def test_somebody_elses_video_is_not_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos.make(here / "a.mkv")
    videos.make(here / "a_2x.mkv", size=(50, 40))
    before = (here / "a_2x.mkv").read_bytes()
    assert main(["upscale", "a.mkv", *FAST]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (here / "a_2x.mkv").read_bytes() == before
    assert main(["upscale", "a.mkv", "--overwrite", "--quiet", *FAST]) == 0
    assert capsys.readouterr().err == ""
    assert size_of(here / "a_2x.mkv") == (128, 96)


def test_notes_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos.make(here / "a.mkv", sound=("pcm_s16le",))
    assert main(["upscale", "a.mkv", "-o", "b.mp4", *FAST]) == 0
    assert "paragon: note: a.mkv: its sound track in eng" in capsys.readouterr().err


def test_help_loads_neither_pyav_nor_numpy() -> None:
    result = run("""
        import contextlib, io, sys
        from paragon_core.cli.main import main
        with contextlib.redirect_stdout(io.StringIO()) as out:
            main(["upscale", "--help"])
        assert "--temporal" in out.getvalue()
        print([name for name in ("av", "numpy") if name in sys.modules])
    """)
    assert result.stdout == "[]\n"


@contextmanager
def started(source: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Upscale a video in a process of its own, which has begun to write the result; it does not outlive the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "paragon_core.cli.main", "upscale", str(source), *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if any(path.suffix == ".part" for path in source.parent.iterdir()):
            break
        time.sleep(0.1)
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_an_interrupt_leaves_nothing_behind(here: Path) -> None:
    videos.make(here / "a.mkv", size=(320, 240), times=range(1500))
    with started(here / "a.mkv", "--chunk", "off") as process:  # chunks that are complete would stay
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert [path.name for path in here.iterdir()] == ["a.mkv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_an_interrupt_does_not_wait_for_a_slow_network(here: Path) -> None:
    videos.make(here / "a.mkv", size=(960, 720), times=range(3))
    with started(here / "a.mkv", "--model", "photo-2x", *FAST) as process:
        time.sleep(3)  # a frame takes longer by far
        process.send_signal(signal.SIGINT)
        end, ended = time.monotonic() + PATIENCE, 0
        while not ended and time.monotonic() < end:
            time.sleep(0.1)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        assert ended, "it did not end"
        process.returncode = os.waitstatus_to_exitcode(status)
        _, errors = process.communicate()
    # A frame takes 78 s of processor time, all of this 5. By the clock an end took 40 s once, on a busy machine.
    # The time of all children together is also that of earlier ones, for which nobody had waited.
    assert used.ru_utime < 60
    assert process.returncode == 130, errors
    assert [path.name for path in here.iterdir()] == ["a.mkv"]
