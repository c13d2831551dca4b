"""The line on a real terminal: its size, a resize, no colours, and a log where there is no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pty = pytest.importorskip("pty", reason="needs a terminal of POSIX")
termios = pytest.importorskip("termios", reason="needs a terminal of POSIX")
pytest.importorskip("av")

from tests.media.video import videos
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "paragon_core.cli.main", "upscale")
QUICK = ("--backend", "onnxruntime", "--precision", "fp32")


def shown_on(
    columns: int, arguments: Sequence[object], *, env: dict[str, str], then: Callable[[int, bytes], None] | None = None
) -> str:
    """Return what the program writes to a terminal with a number of columns; ``then`` sees it as it comes."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments), *QUICK],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # the size is that of the terminal behind stderr
        stderr=theirs,
        env={**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, **env},
    )
    os.close(theirs)
    output = b""
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE:
        try:
            data = os.read(ours, 4096)
        except OSError:  # nobody has it open any more
            break
        if not data:
            break
        output += data
        if then is not None:
            then(ours, output)
    os.close(ours)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(PATIENCE) == 0, output
    return output.decode()


def drawn(output: str) -> list[str]:
    """Return the states of the line, one after another."""
    return [text.rstrip() for line in output.split("\n") for text in line.split("\r") if text.strip()]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return videos.make(tmp_path / "a.mkv", size=(320, 240), times=range(40))


@pytest.mark.skipif(not hasattr(termios, "tcsetwinsize"), reason="this Python cannot set the size of a terminal")
@pytest.mark.parametrize("columns", [30, 100])
def test_lines_fit_and_have_no_colours(video: Path, columns: int) -> None:
    output = shown_on(columns, [video], env={"TERM": "xterm-256color", "COLORTERM": "truecolor"})
    lines = [line for line in drawn(output) if "frame " in line and " -> " not in line]
    assert lines
    assert all(len(line) < columns for line in lines)
    assert any("[" in line for line in lines) == (columns == 100)
    assert "\x1b" not in output
    assert "(640 x 480, 40 frames, " in output.replace("\r\n", "")


@pytest.mark.skipif(not hasattr(termios, "tcsetwinsize"), reason="this Python cannot set the size of a terminal")
def test_a_resize_takes_effect_at_once(tmp_path: Path) -> None:
    video = videos.make(tmp_path / "a.mkv", size=(480, 360), times=range(100))
    resized_at: list[int] = []

    def narrow(terminal: int, output: bytes) -> None:
        if b"frame " in output and not resized_at:
            termios.tcsetwinsize(terminal, (24, 32))
            resized_at.append(len(output))

    output = shown_on(100, [video], env={"TERM": "xterm"}, then=narrow)
    after = [line for line in drawn(output[resized_at[0] :])[2:] if "frame " in line and " -> " not in line]
    assert after
    assert all(len(line) < 32 for line in after)


def test_a_dumb_terminal_gets_lines(video: Path) -> None:
    output = shown_on(100, [video], env={"TERM": "dumb"})
    assert "\r" not in output.replace("\r\n", "")
    assert " -> " in output
