"""The examples about long videos: their commands one after another, and their scripts with stand-ins for a cluster."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from shutil import which
from typing import TYPE_CHECKING

import pytest

from paragon_core.cli.main import main
from tests.docs.pages import ROOT, blocks, commands

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/long-videos.md"

#: Makes chunks of videos that are short enough for a test.
PARAGON = f"""#!{sys.executable}
import sys
from paragon_core.cli.main import main
arguments = sys.argv[1:]
sys.exit(main([*arguments, *(["--chunk", "3"] if arguments[0] == "upscale" else [])]))
"""

#: Runs an array one after another, and commands at once; what they print goes to stderr, and a number to stdout.
SBATCH = """#!/bin/bash
set -e
case "$1" in
  --parsable)
    size=$(sed -n 's/^#SBATCH --array=1-//p' "$2")
    for task in $(seq "$size"); do
      SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$size bash "$2" >&2
    done
    echo 4711 ;;
  --dependency=afterok:4711) bash -c "$3" >&2 ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a video of eight frames."""
    videos.make(tmp_path / "video.mkv", sound=("aac",))
    return tmp_path


@pytest.fixture
def whole(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What one process makes of that video."""
    folder = tmp_path_factory.mktemp("whole")
    videos.make(folder / "video.mkv", sound=("aac",))
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        assert main(["upscale", "video.mkv", "-o", "large.mkv", "--chunk", "3"]) == 0
    return (folder / "large.mkv").read_bytes()


def run(command: list[str], folder: Path, **environment: str) -> None:
    """Run a command that finds stand-ins for the programs that it starts."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, text in (("paragon", PARAGON), ("sbatch", SBATCH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_commands_one_after_another(folder: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for command in commands(PAGE, "paragon"):
        arguments = shlex.split(command)[1:]
        assert main([*arguments, *(["--chunk", "3"] if arguments[0] == "upscale" else [])]) == 0
        if "--restart" in arguments:
            (folder / "large.mkv").unlink()
    assert sorted(path.name for path in folder.iterdir()) == ["large.mkv", "video.mkv"]
    assert (folder / "large.mkv").read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32" or which("bash") is None, reason="needs bash")
def test_the_scripts_for_slurm(folder: Path, whole: bytes) -> None:
    script, submit = blocks(PAGE, "bash")
    (folder / "upscale.sh").write_text(script.replace("--array=1-8", "--array=1-2"))
    run(["bash", "-e", "-c", submit], folder)
    assert (folder / "large.mkv").read_bytes() == whole
    assert not (folder / "large.mkv.paragon-job").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_the_job_for_kubernetes(folder: Path, whole: bytes) -> None:
    (text,) = blocks(PAGE, "yaml")
    (count,) = re.findall(r"completions: (\d+)", text)
    (argument,) = re.findall(r"args:\n +- (.*)\n", text)
    assert f"/{count}" in argument
    for index in range(2):
        run(["sh", "-c", argument.replace(f"/{count}", "/2")], folder, JOB_COMPLETION_INDEX=str(index))
    run(["sh", "-c", "paragon join large.mkv"], folder)
    assert (folder / "large.mkv").read_bytes() == whole
