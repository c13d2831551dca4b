"""Real processes whose standard streams are full, closed, absent or not read, and texts that could fool a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from paragon_core.media.images import read_image

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "paragon_core.cli.main")
#: The quickest start of a network.
QUICK = ("--backend", "onnxruntime", "--precision", "fp32")
#: An escape sequence, a mark that reverses the direction of writing, a line of its own, and a bell.
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m\nparagon: all is well\r\x7f"

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def shell(script: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run a script of the shell in which ``paragon`` is the command line."""
    quoted = "'" + "' '".join(PROGRAM) + "'"
    command = ["sh", "-c", f'paragon() {{ {quoted} "$@"; }}; {script}', "sh", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=300)


def images(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for index in range(count):
        Image.fromarray(np.full((8, 10, 3), 60 * index, np.uint8)).save(folder / f"{index}.png")
    return folder


def assert_complete(folder: Path, count: int = 3) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [f"{index}.png" for index in range(count)]
    for index in range(count):
        array = read_image(folder / f"{index}.png").array
        assert array.shape == (16, 20, 3)
        assert abs(float(array.mean()) - 60 * index) < 30


@needs_shell
@pytest.mark.parametrize(
    "streams",
    [
        pytest.param("2>/dev/full", marks=needs_full_device),
        pytest.param(">/dev/full 2>&1", marks=needs_full_device),
        ">&- 2>&-",
        "<&- >&- 2>&-",
        "2>&1 | :",
    ],
)
def test_no_image_is_lost_with_its_messages(tmp_path: Path, streams: str) -> None:
    source = images(tmp_path / "in")
    words = " ".join(("upscale", '"$1"', "-o", '"$2"', *QUICK))
    status = '{ paragon ARGUMENTS; echo $? >"$3"; } STREAMS'.replace("ARGUMENTS", words).replace("STREAMS", streams)
    shell(status, source, tmp_path / "out", tmp_path / "code")
    assert_complete(tmp_path / "out")
    assert (tmp_path / "code").read_text() == "0\n"


@needs_shell
@needs_full_device
@pytest.mark.parametrize("command", ["models", "info realtime-2x --json", "--help", "--version"])
def test_an_answer_that_cannot_be_written_is_an_error(command: str) -> None:
    done = shell(f"paragon {command} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"paragon: error: the output cannot be written to stdout")
    assert b"hint: " in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert shell(f"paragon {command} >/dev/full 2>&1").returncode == 2


@needs_shell
@needs_full_device
def test_a_mistake_keeps_its_code_where_it_cannot_be_told() -> None:
    assert shell("paragon upscale missing.png 2>/dev/full").returncode == 2
    assert shell("paragon upscale --nonsense 2>/dev/full").returncode == 2


@needs_shell
@pytest.mark.parametrize("command", ["models", "info realtime-2x", "--help"])
def test_a_reader_that_has_read_enough(command: str) -> None:
    done = shell(f"{{ paragon {command}; echo $? >&2; }} | :")
    assert done.stderr == b"0\n"


@needs_shell
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    assert shell(f"paragon models {closed}").returncode == 0
    assert shell(f"paragon --help {closed}").returncode == 0
    assert shell(f"paragon info missing.pth {closed}").returncode == 2


def test_pythonw_has_no_streams(tmp_path: Path) -> None:
    source = images(tmp_path / "in", 1)
    code = "import sys; sys.stdin = sys.stdout = sys.stderr = None; from paragon_core.cli.main import main; "
    code += "sys.exit(main(sys.argv[1:]))"

    def run(*arguments: object) -> int:
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, check=False).returncode

    assert run("upscale", source, "-o", tmp_path / "out", *QUICK) == 0
    assert_complete(tmp_path / "out", 1)
    assert run("models") == 0
    assert run("--help") == 0
    assert run("nonsense") == 2


def lines_are_printable(output: bytes, encoding: str = "utf-8") -> Sequence[str]:
    lines = output.decode(encoding).replace("\r\n", "\n").split("\n")
    assert all(line.isprintable() for line in lines), lines
    return lines


@needs_shell
def test_hostile_names_of_files_are_printable(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / f"a{HOSTILE.replace('/', '')}.png").write_bytes(b"no image")
    (folder / os.fsdecode(b"b\xff\xfe.png")).write_bytes(b"no image")
    Image.new("RGB", (6, 5)).save(folder / f"c{HOSTILE}.png", "PNG")
    for encoding in ("utf-8", "ascii", "cp1252"):
        done = subprocess.run(
            [*PROGRAM, "upscale", str(folder), "-o", str(tmp_path / encoding), *QUICK],
            cwd=ROOT,
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )
        assert done.returncode == 2
        lines = lines_are_printable(done.stderr, encoding)
        assert sum(line.startswith("paragon: error: ") for line in lines) == 2
        assert not any(line.startswith("paragon: all is well") for line in lines)


@needs_shell
@pytest.mark.parametrize("arguments", [("upscale", HOSTILE), ("info", HOSTILE), (HOSTILE,), ("models", HOSTILE)])
def test_hostile_arguments_are_printable(arguments: Sequence[str]) -> None:
    done = subprocess.run([*PROGRAM, *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2
    assert not any(line.startswith("paragon: all is well") for line in lines_are_printable(done.stderr))


def test_hostile_notes_in_a_checkpoint_are_printable(tmp_path: Path) -> None:
    path = next((ROOT / "paragon_core").rglob("*.safetensors"))
    save_file(load_file(path), tmp_path / "a.safetensors", {"note": HOSTILE, HOSTILE: "x" * 100_000})
    command = [*PROGRAM, "info", str(tmp_path / "a.safetensors")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    lines = lines_are_printable(done.stdout)
    assert max(map(len, lines)) < 30_000
    assert not any(line.startswith("paragon: all is well") for line in lines)
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, check=True)
    lines_are_printable(done.stdout)
    assert json.loads(done.stdout)["metadata"]["note"] == HOSTILE
