"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference vectors, official checkpoints and evaluation images, which are not in the repository."""
    folder = Path(os.environ.get("PARAGON_SHARED", ROOT.parent / "shared"))
    if not (folder / "vectors" / "manifest.json").exists():
        pytest.skip("needs the shared reference files")
    return folder
