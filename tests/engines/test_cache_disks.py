"""A disk that takes nothing costs the cache, not the picture."""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from paragon_core.engines import EngineCache
from tests.engines.engine_files import FULL_HD, HD, get
from tests.fresh_python import run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_disk_costs_the_cache_not_the_picture(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk: what is too much is written half, and then fails."""
    pytest.importorskip("resource")
    result = run(f"""
        import logging, resource, signal
        from pathlib import Path
        from tests.engines.engine_files import FULL_HD, HD, Builder, content, key, loading
        from paragon_core.engines import EngineCache
        logging.basicConfig(level="WARNING", format="%(message)s")
        cache = EngineCache(Path({str(tmp_path)!r}))
        cache.get_or_build(key(), HD, Builder(key(), HD), loading)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        for _ in range(2):
            builder = Builder(key(), FULL_HD)
            engine = cache.get_or_build(key(), FULL_HD, builder, lambda engine: engine)
            assert (builder.builds, engine.path, engine.data) == (1, None, content(key(), FULL_HD))
        print(*(entry.files.name for entry in cache.entries()))
    """)
    assert result.stdout.split() == [HD.name]
    assert len(re.findall("cannot be kept", result.stderr)) == 2
    assert not list(tmp_path.rglob("*.part"))


READ_ONLY = """
    import logging, os
    from pathlib import Path
    from tests.engines.engine_files import FULL_HD, HD, Builder, content, key
    from paragon_core.engines import EngineCache
    if os.geteuid() == 0:  # to whom file permissions do not apply
        os.seteuid(65534)
    logging.basicConfig(level="WARNING", format="%(message)s")
    cache = EngineCache(Path({folder!r}))
    for profile, builds in ((FULL_HD, 0), (HD, 1)):
        builder = Builder(key(), profile)
        engine = cache.get_or_build(key(), profile, builder, lambda engine: engine)
        assert (builder.builds, engine.data) == (builds, content(key(), profile))
        assert (engine.path is None) == bool(builds)
    print(cache.find(key(), (1920, 1080))[1].name, len(cache.prune(max_bytes=0)))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
def test_a_read_only_cache_is_used_and_what_it_lacks_is_built(open_folder: Path) -> None:
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    get(EngineCache(open_folder))
    modes = {path: path.stat().st_mode for path in [open_folder, *open_folder.rglob("*")]}
    try:
        for path in modes:
            path.chmod(0o555 if path.is_dir() else 0o444)
        result = run(READ_ONLY.format(folder=str(open_folder)))
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert result.stdout.split() == [FULL_HD.name, "0"]
    assert len(re.findall("cannot be kept", result.stderr)) == 1
    assert get(EngineCache(open_folder)) == 0


def test_no_cache_at_all_costs_the_cache_not_the_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert get(EngineCache(tmp_path / "file" / "cache")) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
