from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

from paragon_core import __version__
from paragon_core.cli.main import main
from paragon_core.errors import AssumptionWarning, BackendUnavailableError, InferenceError, OutOfMemoryError
from tests.imports import imported_by
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def python(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


RUN = "import sys; from paragon_core.cli.main import main; sys.exit(main(sys.argv[1:]))"

#: What people type wrongly. "IMAGE" stands for a small image, "FOLDER" for an empty folder, "TEXT" for a text file.
MISTAKES: dict[str, list[str]] = {
    "no command": [],
    "an unknown command": ["sharpen", "IMAGE"],
    "an unknown option": ["upscale", "IMAGE", "--sharpen"],
    "a shortened option of the program": ["--vers"],
    "no input": ["upscale"],
    "a missing file": ["upscale", "missing.png"],
    "an empty folder": ["upscale", "FOLDER", "-o", "out"],
    "a pattern without a match": ["upscale", "*.webp", "-o", "out"],
    "a folder as its own output": ["upscale", ".", "-o", "."],
    "a file as its own output": ["upscale", "IMAGE", "-o", "IMAGE"],
    "a text file": ["upscale", "TEXT", "-o", "out.png"],
    "an output that cannot be written": ["upscale", "IMAGE", "-o", "out.psd"],
    "an output below a file": ["upscale", "IMAGE", "-o", "TEXT/out.png"],
    "an output that contradicts the format": ["upscale", "IMAGE", "-o", "out.png", "--format", "jpeg"],
    "one output for several": ["upscale", "IMAGE", "other.png", "-o", "out.png"],
    "a format that does not exist": ["upscale", "IMAGE", "--format", "psd"],
    "a model that does not exist": ["upscale", "IMAGE", "-o", "out.png", "--model", "nonsense"],
    "a checkpoint that does not exist": ["upscale", "IMAGE", "-o", "out.png", "--model", "missing.safetensors"],
    "an image as checkpoint": ["upscale", "IMAGE", "-o", "out.png", "--model", "IMAGE"],
    "a text as checkpoint": ["upscale", "IMAGE", "-o", "out.png", "--model", "TEXT"],
    "a folder as checkpoint": ["upscale", "IMAGE", "-o", "out.png", "--model", "FOLDER"],
    "a scale that is none": ["upscale", "IMAGE", "-o", "out.png", "--scale", "0"],
    "two sizes": ["upscale", "IMAGE", "-o", "out.png", "--scale", "2", "--fit", "100x100"],
    "a scale of nothing": ["upscale", "IMAGE", "-o", "out.png", "--scale", "0"],
    "a scale in words": ["upscale", "IMAGE", "-o", "out.png", "--scale", "two"],
    "a negative scale": ["upscale", "IMAGE", "-o", "out.png", "--scale", "-2"],
    "an alpha in words": ["upscale", "IMAGE", "-o", "out.png", "--alpha", "soft"],
    "an alpha that is no number": ["upscale", "IMAGE", "-o", "out.png", "--alpha", "nan"],
    "an infinite alpha": ["upscale", "IMAGE", "-o", "out.png", "--alpha", "inf"],
    "a window of nothing": ["upscale", "IMAGE", "-o", "out.png", "--window-size", "0"],
    "a backend that does not exist": ["upscale", "IMAGE", "-o", "out.png", "--backend", "abacus"],
    "a precision that does not exist": ["upscale", "IMAGE", "-o", "out.png", "--precision", "fp8"],
    "a tile of nothing": ["upscale", "IMAGE", "-o", "out.png", "--tile", "0"],
    "a tile in words": ["upscale", "IMAGE", "-o", "out.png", "--tile", "small"],
    "a tile of no width": ["upscale", "IMAGE", "-o", "out.png", "--tile", "0x64"],
    "no jobs": ["upscale", "IMAGE", "-o", "out.png", "--jobs", "0"],
    "jobs in words": ["upscale", "IMAGE", "-o", "out.png", "--jobs", "many"],
    "no memory": ["upscale", "IMAGE", "-o", "out.png", "--max-memory", "0"],
    "memory in an unknown unit": ["upscale", "IMAGE", "-o", "out.png", "--max-memory", "2 pounds"],
    "too many pixels": ["upscale", "IMAGE", "-o", "out.png", "--max-pixels", "10"],
    "info about nothing": ["info"],
    "info about a missing file": ["info", "missing.safetensors"],
    "info about an image": ["info", "IMAGE"],
    "info about a folder": ["info", "FOLDER"],
    "export without an output": ["export", "realtime-2x"],
    "export to another extension": ["export", "realtime-2x", "-o", "out.png"],
    "export into a missing folder": ["export", "realtime-2x", "-o", "missing/out.onnx"],
    "export onto a folder": ["export", "realtime-2x", "-o", "FOLDER.onnx"],
    "export of a text": ["export", "TEXT", "-o", "out.onnx"],
    "export of an empty size": ["export", "realtime-2x", "-o", "out.onnx", "--size", "0x0"],
    "export of half a size": ["export", "realtime-2x", "-o", "out.onnx", "--size", "640"],
    "export in an unknown precision": ["export", "realtime-2x", "-o", "out.onnx", "--precision", "bf16"],
    "export with an unknown io": ["export", "realtime-2x", "-o", "out.onnx", "--io", "jpeg"],
    "models of something": ["models", "realtime-2x"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an image, another one, a text file and two empty folders."""
    monkeypatch.chdir(tmp_path)
    for name in ("image.png", "other.png"):
        Image.new("RGB", (8, 6), "red").save(tmp_path / name)
    (tmp_path / "text.txt").write_text("Not an image.\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.onnx").mkdir()
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_with_code_2_a_reason_and_no_file(
    folder: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins = {"IMAGE": "image.png", "FOLDER": "empty", "TEXT": "text.txt"}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    words = MISTAKES[mistake]
    for stand_in, name in stand_ins.items():
        words = [word.replace(stand_in, name) for word in words]
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "error: " in output.err
    assert "hint: " in output.err or "usage: " in output.err
    assert "Traceback" not in output.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"paragon {__version__}\n"
    for command in ("upscale", "info", "export", "models", "doctor", "verify", "bench"):
        assert main([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.isascii()  # any console can show it
        assert f"paragon {command}" in text
    assert main(["upscale", "--help"]) == 0
    text = capsys.readouterr().out
    assert "softens" in text
    assert "sharpen" not in text


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    imported = imported_by("from paragon_core.cli.main import main; main(['--help'])")
    assert imported.packages == {"paragon_core"}
    assert "logging" not in imported.modules
    assert len(imported.modules) < 160  # 95
    assert imported.cpu_seconds < 0.5  # 0.07


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BackendUnavailableError("not installed", hint="pip install it"), 3),
        (InferenceError("it broke", hint="try another backend"), 3),
        (OutOfMemoryError("too large", hint="smaller tiles"), 2),
        (MemoryError(), 2),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a bug\nover two lines"), 70),
        (BrokenPipeError(), 70),
    ],
)
def test_errors_become_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr("paragon_core.cli.models.run", fail)
    assert main(["models"]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    assert ("report it" in output.err) == (code == 70)
    assert main(["models", "--debug"]) == code
    assert ("Traceback" in capsys.readouterr().err) == (code in {2, 3, 70})


def test_missing_runtimes_end_with_code_3_and_the_pip_line(folder: Path) -> None:
    code = (
        "import os, sys; os.environ['PARAGON_NATIVE_LIBRARY'] = 'absent'\n"
        "sys.modules.update(openvino=None, onnxruntime=None, torch=None)\n" + RUN
    )
    result = python(code, "upscale", folder / "image.png")
    assert result.returncode == 3, result.stderr
    assert result.stdout == b""
    assert b"pip install" in result.stderr
    assert b"Traceback" not in result.stderr
    assert not (folder / "image_2x.png").exists()


def test_warnings_and_logs_become_single_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chat(*_: object) -> int:
        warnings.warn("assumed something", AssumptionWarning, stacklevel=1)
        warnings.warn("not for users", UserWarning, stacklevel=1)
        logging.getLogger("paragon_core.anything").warning("less %s", "memory")
        logging.getLogger("paragon_core.anything").debug("details")
        logging.getLogger("another.package").error("not for users")
        return 0

    monkeypatch.setattr("paragon_core.cli.models.run", chat)
    handlers = list(logging.getLogger("paragon_core").handlers)
    assert main(["models"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("paragon: note: assumed something")
    assert lines[1] == "paragon: warning: less memory"
    assert main(["models", "--debug"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert logging.getLogger("paragon_core").handlers == handlers


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "models"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        errors = process.stderr.read()
    assert process.wait(PATIENCE) == 0
    assert errors == b""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_in_any_script_on_any_console(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "Grüße 日本語 🦊.png"
    Image.new("RGB", (6, 5)).save(path)
    environment = os.environ | {
        "PYTHONIOENCODING": f"{encoding}:strict",
        "PYTHONUTF8": "0",
        "PYTHONLEGACYWINDOWSSTDIO": "1",
    }
    arguments = (path, tmp_path / "nicht da ñ.png") if encoding == "ascii" else (path,)
    result = python(RUN, "upscale", *arguments, env=environment)
    assert result.returncode == (2 if len(arguments) == 2 else 0), result.stderr
    assert b"Traceback" not in result.stderr
    result = python(RUN, "upscale", path, env=environment)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "Grüße 日本語 🦊_2x.png").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not Unicode exist on Linux only")
def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    Image.new("RGB", (6, 5)).save(tmp_path / "a.png")
    Path(path).write_bytes((tmp_path / "a.png").read_bytes())
    result = python(RUN, "upscale", path)
    assert result.returncode == 0, result.stderr


def test_the_module_can_be_run() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "paragon_core.cli.main", "--version"], cwd=ROOT, capture_output=True, check=False
    )
    assert result.stdout.decode().strip() == f"paragon {__version__}"
