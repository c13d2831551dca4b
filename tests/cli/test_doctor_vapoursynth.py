"""The VapourSynth section of `paragon doctor`: installed, not installed, broken, and installed apart."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paragon_core.cli import doctor_vapoursynth

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.find_spec("vapoursynth")
PACKAGE = Path(SPEC.origin).parent if SPEC is not None and SPEC.origin is not None else None

needs_vapoursynth = pytest.mark.skipif(PACKAGE is None, reason="needs VapourSynth")


def examined(*first: Path) -> dict[str, Any]:
    """Return what a process finds out that imports from these folders before all others."""
    code = "import json; from paragon_core.cli import doctor_vapoursynth as it; print(json.dumps(it.examine()))"
    path = os.pathsep.join(map(str, [*first, ROOT]))
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def printed(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    doctor_vapoursynth.report(found)
    return capsys.readouterr().out


@needs_vapoursynth
def test_here_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    found = doctor_vapoursynth.examine()
    assert found["problems"] == []
    assert Path(found["paragon"]).parent == Path(found["folder"], "paragon")
    assert set(found["vs-mlrt"]) >= {"ov", "ort"}
    text = printed(found, capsys)
    assert f"VapourSynth {found['release']}: works" in text
    assert "hint" not in text


def test_without_it_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    text = printed(doctor_vapoursynth.examine(), capsys)
    assert (
        text == "\nVapourSynth: not installed (hint: on Python 3.12 or newer, pip install 'paragon-sr[vapoursynth]')\n"
    )


@needs_vapoursynth
def test_a_plugin_in_another_place_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As pip leaves it that installs VapourSynth for all users, and Paragon for one."""
    assert PACKAGE is not None
    shutil.copytree(PACKAGE, tmp_path / "vapoursynth", ignore=shutil.ignore_patterns("plugins", "include"))
    (tmp_path / "vapoursynth" / "plugins").mkdir()
    found = examined(tmp_path)
    assert found["paragon"] == ""
    assert found["folder"] == str(tmp_path / "vapoursynth" / "plugins")
    ((problem, hint),) = found["problems"]
    assert str(PACKAGE / "plugins" / "paragon") in problem
    assert "VAPOURSYNTH_EXTRA_PLUGIN_PATH=" in hint
    assert "core.paragon: not loaded" in printed(found, capsys)


def test_a_broken_one_is_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vapoursynth").mkdir()
    (tmp_path / "vapoursynth" / "__init__.py").write_text("raise ImportError('libvapoursynth is missing')")
    found = examined(tmp_path)
    assert found["problems"][0][0] == "no core: ImportError: libvapoursynth is missing"
    text = printed(found, capsys)
    assert text.startswith("\nVapourSynth: does not work\n")
    assert "pip install" in text


def test_releases_that_are_too_old_are_named() -> None:
    found = {"core": 73, "release": "R73", "paragon": "", "folder": "plugins"}
    problem, hint = doctor_vapoursynth._problems(found)[0]  # noqa: SLF001 - such a release needs an older Python
    assert "R73 loads no plugins" in problem
    assert "'vapoursynth>=74'" in hint
