"""Start vspipe as people do, with its settings in a folder of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.patience import PATIENCE

PROGRAM = Path(vs.__file__).with_name("vspipe.exe" if os.name == "nt" else "vspipe")


def settings(folder: Path) -> dict[str, str]:
    """Return the variables of a process that keeps its settings and temporary files in this folder.

    Skips the test where vspipe cannot work: it loads Python as a shared library, which some builds do not have.
    """
    here = {"XDG_CONFIG_HOME": "settings", "APPDATA": "settings", "TMPDIR": "temporary", "TEMP": "temporary"}
    for name in set(here.values()):
        (folder / name).mkdir(exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    variables = os.environ | {name: str(folder / value) for name, value in here.items()} | {"PATH": path}
    command = [sys.executable, "-m", "vapoursynth", "config"]
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    if "Failed to determine" in done.stdout:
        pytest.skip("vspipe needs a Python with a shared library")
    return variables


def vspipe(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script, given as text, and return what vspipe wrote to its outputs."""
    (folder / "script.vpy").write_text(script, encoding="utf-8")
    command = [str(PROGRAM), *arguments, "script.vpy", "-"]
    return subprocess.run(command, cwd=folder, env=settings(folder), check=False, capture_output=True, timeout=PATIENCE)
