"""A short run of the fuzzer; `tests.media.fuzz_media` tells how to make longer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.media import seeds
from tests.media.fuzz_media import fuzz

if TYPE_CHECKING:
    from pathlib import Path


def test_damaged_images(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    found = fuzz(seeds.images(tmp_path / "seeds"), 100, seed=11, folder=tmp_path)
    assert found.failures == []
    assert found.files == 100
    assert 10 <= found.upscaled <= 90


def test_damaged_videos(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "seeds").mkdir()
    found = fuzz(seeds.videos(tmp_path / "seeds"), 20, seed=11, folder=tmp_path)
    assert found.failures == []
    assert 2 <= found.upscaled <= 18
