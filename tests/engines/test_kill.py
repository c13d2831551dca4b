"""However a process ends, no other is ever served a wrong or half engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="starts processes by forking, to be quick")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_at_random_moments_of_build_write_and_evict(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    command = [sys.executable, "-m", "tests.engines.killing", str(tmp_path / "cache"), "100", str(seed)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["wrong"] == 0, f"seed {seed}"
    assert found["left"] == found["stray"] == 0, f"seed {seed}"
    assert found["whole"] > 0
