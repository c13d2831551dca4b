"""Mutated checkpoints load or are refused; `fuzz_checkpoints` shows how to load more of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.models import fuzz_checkpoints
from tests.models.fuzz_checkpoints import Findings, fuzz, mutated

if TYPE_CHECKING:
    from pathlib import Path


def test_mutated_checkpoints_load_or_are_refused() -> None:
    findings = fuzz(seed=0, files=2000)
    assert findings.defects == []
    assert findings.outcomes.total() == 2000
    # Mutations that hit too hard would test nothing but the first check.
    assert findings.outcomes["loaded"] > 100
    assert len(findings.outcomes) == 5


def test_files_are_known_by_seed_and_index(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.models.fuzz_checkpoints", "--seed", "3", "--first", "7", "--files", "1"]
    subprocess.run([*command, "--keep", str(tmp_path)], cwd=fuzz_checkpoints.ROOT, check=True, capture_output=True)
    assert (tmp_path / "net.pth").read_bytes() == mutated(3, 7)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os.abort()", "ended the process"),
        ("time.sleep(1000)", "stopped the process"),
        ("raise RecursionError", "RecursionError"),
        ("open('stray', 'w').close()", "left ['stray'] behind"),
        ("end = time.process_time() + 3\n    while time.process_time() < end: pass", "took"),
        ("bytearray(400 * 2**20)", "took"),
    ],
)
def test_defects_are_noticed(does: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader with a defect replaces ours, in the process that loads."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, time, paragon_core.models.model\ndef load(path):\n    {does}\n    return loads(path)\n"
        "loads, paragon_core.models.model.load = paragon_core.models.model.load, load\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if "sleep" in does:
        monkeypatch.setattr(fuzz_checkpoints, "_MOST_WAITING", 5)
    findings: Findings = fuzz(seed=0, files=1)
    assert len(findings.defects) == 1
    assert "0/0: " in findings.defects[0]
    assert said in findings.defects[0]
