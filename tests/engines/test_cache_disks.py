"""A disk that takes nothing costs the cache, not the image."""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from paragon_core.engines import EngineCache
from tests.engines.engine_files import FULL_HD, HD, get
from tests.fresh_python import PROGRAMS, run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_disk_costs_the_cache_not_the_image(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk: what is too much is written half, and then fails."""
    pytest.importorskip("resource")
    result = run(PROGRAMS / "engine_cache_on_a_full_disk.py", tmp_path)
    assert result.stdout.split() == [HD.name]
    assert len(re.findall("cannot be kept", result.stderr)) == 2
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
def test_a_read_only_cache_is_used_and_what_it_lacks_is_built(open_folder: Path) -> None:
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    get(EngineCache(open_folder))
    modes = {path: path.stat().st_mode for path in [open_folder, *open_folder.rglob("*")]}
    try:
        for path in modes:
            path.chmod(0o555 if path.is_dir() else 0o444)
        result = run(PROGRAMS / "engine_cache_read_only.py", open_folder)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert result.stdout.split() == [FULL_HD.name, "0"]
    assert len(re.findall("cannot be kept", result.stderr)) == 1
    assert get(EngineCache(open_folder)) == 0


def test_no_cache_at_all_costs_the_cache_not_the_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert get(EngineCache(tmp_path / "file" / "cache")) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
