"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# A busy machine is no failure: what is slow is told by pytest's --durations, not by a deadline for each example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference vectors, official checkpoints and evaluation images, which are not in the repository."""
    folder = Path(os.environ.get("PARAGON_SHARED", ROOT.parent / "shared"))
    if not (folder / "vectors" / "manifest.json").exists():
        pytest.skip("needs the shared reference files")
    return folder
