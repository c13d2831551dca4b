"""However a command ends: complete files only, the right exit code, and the next run finishes the work."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no signal that reaches one process only", allow_module_level=True)

from tests.faults import kills

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("kind", kills.kinds())
def test_ended_at_random_moments(tmp_path: Path, kind: kills.Kind) -> None:
    """`tests.faults.kills` tells how to end hundreds of them."""
    seed = random.getrandbits(32)
    wrong, _ = kills.harass(kills.prepare(kind, tmp_path), tmp_path, 4, random.Random(seed))  # noqa: S311 - no secret
    assert not wrong, f"seed {seed}"
