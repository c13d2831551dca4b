"""Inputs that are no files, cannot be reached, or vanish: an error for each, and the others go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.media import jobs
from paragon_core.media.images import read_image

ROOT = Path(__file__).parents[2]
QUICK = ("--backend", "onnxruntime", "--precision", "fp32")
RUN = "import sys; from paragon_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
#: Other users, such as this one, may not enter folders of mode 0; everything that is needed is loaded before.
RUN_AS_NOBODY = (
    "import encodings.idna, onnxruntime, PIL.PngImagePlugin, sys, os; "
    "import paragon_core.media.jobs, paragon_core.upscaling.upscaler; "
    "from paragon_core.cli.main import main; main(['upscale', '/nowhere/x.png']); os.umask(0); "
    "os.geteuid() or os.seteuid(65534); sys.exit(main(sys.argv[1:]))"
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(path, "PNG")
    return path


def assert_made(*paths: Path) -> None:
    for path in paths:
        assert read_image(path).size == (16, 12)


def test_inputs_that_do_not_exist_do_not_stop_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(here / "a.png")
    image(here / "b.png")
    (here / "empty").mkdir()
    bad = ["missing.png", "x" * 300 + ".png", str(here / "a.png" / "below.png"), "*.webp", "empty"]
    assert main(["upscale", bad[0], "a.png", *bad[1:], "b.png", "-o", "out", *QUICK]) == 2
    assert_made(here / "out" / "a.png", here / "out" / "b.png")
    errors = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("paragon: error: ") for line in errors) == len(bad)
    assert sum(line.startswith("  hint: ") for line in errors) == len(bad)
    assert errors[-7].startswith("2 of 7 files upscaled")
    assert "5 failed" in errors[-7]
    assert errors[-1].startswith("2 images in ")


@posix
def test_what_is_no_file_does_not_stop_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "in"
    image(folder / "a.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "round").symlink_to(folder)
    for name in ("pipe.png", "pipe.mp4"):
        os.mkfifo(folder / name)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # the names of sockets are short
        server.bind("socket.png")
        os.chdir(here)
        assert main(["upscale", "in", "/dev/zero", "in/loop.png", "-o", "out", *QUICK]) == 2
    assert [path.name for path in (here / "out").iterdir()] == ["a.png"]
    errors = capsys.readouterr().err
    assert "1 of 7 files upscaled" in errors
    assert "leads back to itself" in errors
    assert errors.count("is not a regular file") == 4


@posix
def test_a_folder_that_may_not_be_entered(here: Path) -> None:
    for name in ("a.png", "locked/b.png", "open/c.png"):
        image(here / "in" / name)
    here.chmod(0o777)
    for parent in here.parents:
        if parent.stat().st_uid == os.geteuid() and parent.is_relative_to(Path(os.environ.get("TMPDIR", "/tmp"))):  # noqa: S108 - pytest's own folders in it
            parent.chmod(parent.stat().st_mode | 0o055)
    (here / "in" / "locked").chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", RUN_AS_NOBODY, "upscale", "in", "in/locked/b.png", "-o", "out", *QUICK],
            cwd=here,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (here / "in" / "locked").chmod(0o700)
    assert done.returncode == 2, done.stderr
    assert "you may not read in/locked" in done.stderr
    assert "2 of 4 files upscaled" in done.stderr
    assert_made(here / "out" / "a.png", here / "out" / "open" / "c.png")


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not Unicode exist on Linux only")
def test_names_that_are_not_unicode_in_a_folder(here: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(here) + b"/in\xff"))
    image(folder / os.fsdecode(b"\xe9.png"))
    assert main(["upscale", str(folder), *QUICK]) == 0
    assert_made(Path(os.fsdecode(os.fsencode(here) + b"/in\xff_2x/\xe9.png")))


@posix
def test_a_name_that_becomes_too_long_for_its_target(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(here / ("n" * 251 + ".png"))
    image(here / "a.png")
    assert main(["upscale", "*.png", *QUICK]) == 2
    assert_made(here / "a_2x.png")
    assert "shorter name" in capsys.readouterr().err


@posix
@pytest.mark.skipif(sys.platform == "sunos5", reason="the current folder cannot be removed there")
def test_a_current_folder_that_was_deleted(tmp_path: Path) -> None:
    source = image(tmp_path / "in" / "a.png")
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        gone.mkdir(exist_ok=True)
        command = ["sh", "-c", script, "sh", gone, sys.executable, "-P", "-c", RUN, "upscale", *arguments, *QUICK]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    done = run(source, "-o", f"{tmp_path / 'out'}/")
    assert done.returncode == 0, done.stderr
    assert_made(tmp_path / "out" / "a.png")
    for arguments in ((source, "-o", "x.png"), (source, "a.png", ".", "*.png", "-o", "x")):
        done = run(*arguments)
        assert done.returncode == 2, done.stderr
        assert "paragon: error: " in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["b.png", "b.mp4"])
def test_a_file_that_vanishes_after_the_folder_was_read(here: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    image(here / "in" / "a.png")
    image(here / "in" / name)
    plan = jobs.plan

    def plan_and_remove(*arguments: Any, **options: Any) -> tuple[jobs.Job, ...]:
        jobs = plan(*arguments, **options)
        (here / "in" / name).unlink()
        return jobs

    monkeypatch.setattr(jobs, "plan", plan_and_remove)
    assert main(["upscale", "in", "-o", "out", *QUICK]) == 2
    assert_made(here / "out" / "a.png")


def test_files_that_are_not_read_are_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(here / "in" / "a.png")
    for name in ("x.psd", "y.PSD", "sub/z.heic", "note.txt", ".hidden.jxl"):
        path = here / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert main(["upscale", "in", "-o", "out", *QUICK]) == 0
    assert "3 files were not read: 2 .psd, 1 .heic\n" in capsys.readouterr().err
    assert main(["upscale", "in/*", "-o", "out", *QUICK]) == 0
    assert "2 files were not read: 2 .psd\n" in capsys.readouterr().err
    assert main(["upscale", "in/*.png", "-o", "out", *QUICK]) == 0
    assert "not read" not in capsys.readouterr().err
    assert main(["upscale", "in/sub", "-o", "out", *QUICK]) == 2
    errors = capsys.readouterr().err
    assert "(1 in other formats)" in errors
    assert "1 file was not read: 1 .heic\n" in errors


def test_two_sources_with_one_target_do_not_stop_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(here / "in" / "a.png")
    Image.open(here / "in" / "a.png").save(here / "in" / "a.jpg")
    image(here / "in" / "b.png")
    assert main(["upscale", "in", "-o", "out", "--format", "png", *QUICK]) == 2
    assert [path.name for path in (here / "out").iterdir()] == ["b.png"]
    errors = capsys.readouterr().err
    assert errors.count("would both become") == 2
    assert "1 of 3 files upscaled" in errors
