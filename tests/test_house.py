"""The house itself: scripts, packaging, and the promises about importing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.imports import imported_by
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_importing_is_quick_and_loads_no_runtime() -> None:
    imported = imported_by("import paragon_core")
    assert imported.packages == {"paragon_core"}
    assert len(imported.modules) < 60  # 32
    assert imported.cpu_seconds < 0.2  # 0.02


@pytest.mark.skipif(os.name == "nt", reason="Windows does not hand ignored signals on")
def test_the_tests_can_interrupt_children_from_a_background_job() -> None:
    """There SIGINT is ignored, and SIGHUP under nohup."""
    test = "tests/media/test_jobs.py::test_a_real_interrupt_leaves_whole_files_only"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    deaf = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *command]
    result = subprocess.run(deaf, cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_portable_and_short(name: str) -> None:
    script = (ROOT / name).read_bytes()
    assert script.startswith(b"#!/bin/sh\n")
    assert b"\r" not in script
    assert len(script.splitlines()) <= 18


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
@pytest.mark.parametrize("name", [*SCRIPTS, ".ci/run"])
def test_a_script_is_executable(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_actions_by_commit_and_version(path: Path) -> None:
    uses = re.findall(r"uses:(.*)", path.read_text(encoding="utf-8"))
    assert uses
    assert [use for use in uses if not re.fullmatch(r" [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_the_lock_leaves_torch_to_the_machine() -> None:
    packages = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}
    assert "torchmetrics" in packages
    assert not packages & {"torch", "torchvision"}


def test_an_unknown_environment_is_refused() -> None:
    command = ["sh", "scripts/env", "elsewhere"]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (2, "usage: scripts/env run|torch [COMMAND...]\n")


def test_the_wheel_holds_both_packages_whole(tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-Cwheel.cmake=false", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, stdin=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    compiled = {ROOT / "paragon_core" / "native" / "source", ROOT / "vs_paragon" / "plugin"}
    present = {
        path.relative_to(ROOT).as_posix()
        for package in ("paragon_core", "vs_paragon")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and compiled.isdisjoint(path.parents)
    }
    assert packed == present
    assert "paragon_core/py.typed" in packed
    assert any(name.startswith("paragon_core/weights/") and name.endswith(".safetensors") for name in packed)
