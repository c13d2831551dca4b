"""Pipes and images with numbers on the command line."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from paragon_core.cli import arguments
from paragon_core.cli.main import main
from paragon_core.media.video.y4m import Y4mHeader, Y4mWriter
from tests.patience import PATIENCE

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Piped = Callable[[bytes, Sequence[str]], tuple[int, bytes, str]]

ROOT = Path(__file__).parents[2]
FAST = ["--backend", "onnxruntime", "--precision", "fp32"]
#: What a program says whose reader has gone (READER_GONE).
GONE = 141


def y4m(count: int = 8, size: tuple[int, int] = (64, 48), **changes: Any) -> bytes:
    stream = BytesIO()
    writer = Y4mWriter(stream, Y4mHeader(width=size[0], height=size[1], **changes))
    for number in range(count):
        writer.write(videos.moving_frame(number, size, "yuv420p"))
    return stream.getvalue()


def started(arguments: Sequence[str], folder: Path, **pipes: Any) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "paragon_core.cli.main", "upscale", *arguments, *FAST]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, **pipes)


@pytest.fixture
def piped(here: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Piped]:
    """Return what runs the command with bytes on stdin, and returns exit code, stdout and stderr."""
    kept = [os.dup(number) for number in (0, 1)]

    def run(data: bytes, given: Sequence[str]) -> tuple[int, bytes, str]:
        (here / "stdin").write_bytes(data)
        with (here / "stdin").open("rb") as stdin, (here / "stdout").open("wb") as stdout:
            os.dup2(stdin.fileno(), 0)
            os.dup2(stdout.fileno(), 1)
            try:
                code = main(["upscale", *given, *FAST])
            finally:
                for number, descriptor in enumerate(kept):
                    os.dup2(descriptor, number)
        out = (here / "stdout").read_bytes()
        for name in ("stdin", "stdout"):
            (here / name).unlink()
        return code, out, capsys.readouterr().err

    yield run
    for descriptor in kept:
        os.close(descriptor)


def test_y4m_goes_in_and_out_with_nothing_else_on_stdout(piped: Piped) -> None:
    code, out, err = piped(y4m(rate=Fraction(30000, 1001)), ["-", "-o", "-"])
    assert code == 0, err
    header = Y4mHeader.parse(out.split(b"\n")[0])
    assert (header.width, header.height, header.rate) == (128, 96, Fraction(30000, 1001))
    assert len(out) == len(header.line()) + 8 * (len(b"FRAME\n") + header.frame_bytes)
    assert "stdin -> stdout (8 frames, 128 x 96" in err
    code, again, err = piped(y4m(rate=Fraction(30000, 1001)), ["-", "-o", "-", "--format", "y4m", "-q"])
    assert (code, again, err) == (0, out, "")


def test_pipes_lead_to_files_and_from_them(here: Path, piped: Piped) -> None:
    code, _, err = piped(y4m(), ["-", "-o", "a.mkv", "--fit", "100x100"])
    assert code == 0, err
    frames = videos.frames_of(here / "a.mkv")
    assert (len(frames), frames[0].width, frames[0].height) == (8, 100, 76)
    code, _, err = piped(y4m(), ["-", "-o", "a.mkv"])
    assert code == 2
    assert "what comes from a pipe may be another video" in err
    assert piped(y4m(), ["-", "-o", "a.mkv", "--overwrite"])[0] == 0
    code, _, err = piped(y4m(2), ["-", "-o", "frames/%03d.png"])
    assert code == 0, err
    assert sorted(path.name for path in (here / "frames").iterdir()) == ["001.png", "002.png"]
    code, out, err = piped(b"", ["a.mkv", "-o", "-", "--duration", "0.1"])
    assert code == 0, err
    assert Y4mHeader.parse(out.split(b"\n")[0]).width == 256


@pytest.mark.parametrize(
    ("data", "given", "words"),
    [
        (b"", ["-", "-o", "-"], "stdin is empty"),
        (b"no video", ["-", "-o", "a.mkv"], "stdin is no y4m video"),
        (y4m()[:-100], ["-", "-o", "-"], "100 bytes are missing at its end"),
        (y4m(), ["-"], "no name for what comes from a pipe"),
        (y4m(), ["-", "-o", "a.gif"], "which a pipe does not tell"),
        (y4m(), ["-", "b.mkv", "-o", "out"], "one source at a time"),
        (y4m(), ["-", "-o", "a.mkv", "--name", "{stem}"], "--name is not for"),
        (y4m(), ["-", "-o", "a.mkv", "--quality", "90"], "would have no effect"),
        (y4m(), ["-", "-o", "-", "--max-pixels", "100"], "more than the limit"),
        (y4m(), ["-", "-o", "a.xyz"], "cannot write a video into a.xyz"),
        (y4m(), ["-", "-o", "-", "--shard", "1/2"], "--shard is for files"),
    ],
)
def test_what_cannot_be_done_is_told_without_a_traceback(
    here: Path, piped: Piped, data: bytes, given: list[str], words: str
) -> None:
    code, _, err = piped(data, given)
    assert code == 2
    assert words in err
    assert "hint:" in err
    assert "Traceback" not in err
    assert not (here / "a.mkv").exists()


def test_a_reader_that_has_gone_ends_it_quietly(here: Path) -> None:
    process = started(["-", "-o", "-", "-q"], here, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None
    frames = y4m(20)[len(Y4mHeader(width=64, height=48).line()) :]

    def feed() -> None:
        with suppress(OSError):  # it has ended, as it should
            stdin.write(y4m(2))
            while process.poll() is None:
                stdin.write(frames)

    feeder = threading.Thread(target=feed)
    feeder.start()
    stdout.read(100)
    stdout.close()
    assert process.wait(PATIENCE) == GONE
    feeder.join(PATIENCE)
    with stderr, suppress(OSError):
        assert stderr.read() == b""
        stdin.close()


def test_it_works_between_two_programs(here: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the program ffmpeg is not installed")
    videos.make(here / "a.mkv", times=range(6))
    with subprocess.Popen(
        [program, "-v", "error", "-i", "a.mkv", "-f", "yuv4mpegpipe", "-"], cwd=here, stdout=subprocess.PIPE
    ) as before:
        process = started(["-", "-o", "-", "--temporal", "0.2"], here, stdin=before.stdout, stdout=subprocess.PIPE)
        with process:
            after = [program, "-v", "error", "-i", "-", "-c:v", "ffv1", "-y", "b.mkv"]
            subprocess.run(after, cwd=here, stdin=process.stdout, check=True, timeout=PATIENCE)
            assert process.stderr is not None
            assert "6 frames" in process.stderr.read().decode()
        assert process.returncode == 0
    frames = videos.frames_of(here / "b.mkv")
    assert (len(frames), frames[0].width, frames[0].height) == (6, 128, 96)


@pytest.mark.parametrize("kind", ["YUV420P8", "YUV422P10", "YUV444P16", "GRAY8"])
def test_it_takes_what_vspipe_writes(here: Path, piped: Piped, kind: str) -> None:
    vspipe = pytest.importorskip("tests.vs_paragon.vspipe", reason="VapourSynth is not installed").vspipe
    script = (
        "import vapoursynth as vs\n"
        f"vs.core.std.BlankClip(width=64, height=48, format=vs.{kind}, length=3, fpsnum=24, fpsden=1).set_output()\n"
    )
    done = vspipe(here, script, "-c", "y4m")
    assert done.returncode == 0, done.stderr
    code, out, err = piped(done.stdout, ["-", "-o", "-"])
    assert code == 0, err
    given, made = (Y4mHeader.parse(data.split(b"\n")[0]) for data in (done.stdout, out))
    assert (made.width, made.height, made.rate, made.bits) == (128, 96, Fraction(24), given.bits)
    assert made.chroma[:3] == given.chroma[:3]


def test_images_with_numbers_are_upscaled_each_by_itself_with_what_surrounds_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "in").mkdir()
    for number in (8, 9, 10):
        Image.new("RGBA", (20, 16), (200, 30, number, 90)).save(here / "in" / f"f{number}.png", dpi=(300, 300))
    assert main(["upscale", "in/f%d.png", *FAST]) == 0
    assert sorted(path.name for path in (here / "in_2x").iterdir()) == ["f10.png", "f8.png", "f9.png"]
    with Image.open(here / "in_2x" / "f9.png") as image:
        assert (image.size, image.mode) == ((40, 32), "RGBA")
    assert main(["upscale", "in/f%d.png", "-o", "out/g%03d.webp", *FAST]) == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == ["g008.webp", "g009.webp", "g010.webp"]
    (here / "out" / "g009.webp").unlink()
    capsys.readouterr()
    assert main(["upscale", "in/f%d.png", "-o", "out/g%03d.webp", *FAST]) == 0
    assert "1 of 3 files upscaled" in capsys.readouterr().err
    assert main(["upscale", "in/f%d.png", "-o", "folder", "--format", "jpeg", *FAST]) == 2  # they are transparent
    assert main(["upscale", "in/f%d.png", "-o", "tiffs", "--format", "tiff", *FAST]) == 0
    assert (here / "tiffs" / "f10.tif").exists()


def test_a_video_becomes_images_and_these_a_video_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos.make(here / "a.mkv")
    assert main(["upscale", "a.mkv", "-o", "frames/%06d.png", *FAST]) == 0
    assert len(list((here / "frames").iterdir())) == 8
    (here / "frames" / "000003.png").unlink()
    capsys.readouterr()
    assert main(["upscale", "frames/%06d.png", "-o", "b.mp4", *FAST]) == 2
    assert "(1 to 8): 3" in capsys.readouterr().err
    assert main(["upscale", "a.mkv", "-o", "frames/%06d.png", *FAST]) == 0
    assert "7 of 8 images were there already" in capsys.readouterr().err
    command = ["upscale", "frames/%06d.png", "-o", "b.mp4", "--fps", "30000/1001", "--temporal", "0.3", *FAST]
    assert main(command) == 0
    with av.open(str(here / "b.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
        assert container.streams.video[0].frames == 8
    capsys.readouterr()
    assert main(command) == 0
    assert "b.mp4 is there already" in capsys.readouterr().err
    assert main(["upscale", "frames/%06d.png", "-o", "c.gif", "--fps", "10", *FAST]) == 0
    assert main(["upscale", "frames/%06d.png", "-o", "smooth", "--temporal", "0.3", *FAST]) == 0
    assert len(list((here / "smooth").iterdir())) == 8


@pytest.mark.parametrize("extension", ["gif", "webp", "apng"])
def test_a_video_becomes_an_animation_and_that_a_video(
    here: Path, capsys: pytest.CaptureFixture[str], extension: str
) -> None:
    videos.make(here / "a.mkv", size=(32, 24))
    assert main(["upscale", "a.mkv", "-o", f"b.{extension}", *FAST]) == 0
    capsys.readouterr()
    assert main(["upscale", "a.mkv", "-o", f"b.{extension}", *FAST]) == 0
    assert f"b.{extension} is there already" in capsys.readouterr().err
    assert main(["upscale", f"b.{extension}", "-o", "c.mp4", *FAST]) == 0
    assert len(videos.frames_of(here / "c.mp4")) == 8


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a%d.png"], "there is no image a%d.png"),
        (["a%d_%d.png"], "has 2 numbers"),
        (["a.mkv", "--fps", "25"], "--fps is for images with numbers"),
        (["a.mkv", "--format", "y4m"], "y4m is for pipes"),
        (["b%d.png", "-o", "b%d.png"], "would replace the images themselves"),
        (["b%d.png", "-o", "c%d.png", "--format", "jpeg"], "is a name for png"),
        (["b%d.png", "-o", "c%d.png", "--quality", "9"], "would have no effect"),
        (["b%d.png", "-o", "c%d.xyz"], "cannot write files with the extension .xyz"),
        (["b%d.png", "--replace"], "--replace is not for"),
        (["a.mkv", "-o", "b.png"], "cannot write a video into b.png"),
        (["a.mkv", "-o", "c%d.png", "--devices", "cpu,cpu"], "--devices is for files"),
    ],
)
def test_what_does_not_go_together_is_told(
    here: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: str
) -> None:
    videos.make(here / "a.mkv")
    Image.new("RGB", (20, 16)).save(here / "b1.png")
    before = sorted(path.name for path in here.iterdir())
    assert main(["upscale", *given, *FAST]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "hint:" in error
    assert sorted(path.name for path in here.iterdir()) == before


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(here: Path) -> None:
    Image.new("RGB", (20, 16)).save(here / "%d.png")
    assert main(["upscale", "%d.png", "-o", "out.png", *FAST]) == 0


@pytest.mark.parametrize(
    ("text", "rate"), [("25", Fraction(25)), ("23.976", Fraction(2997, 125)), ("30000/1001", Fraction(30000, 1001))]
)
def test_frame_rates_are_read(text: str, rate: Fraction) -> None:
    assert arguments.frame_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "25/0", "nan", "1e3", "100000", "24fps"])
def test_other_texts_are_no_frame_rates(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="frames a second"):
        arguments.frame_rate(text)
