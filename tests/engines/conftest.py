from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from paragon_core.engines import EngineCache

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")
