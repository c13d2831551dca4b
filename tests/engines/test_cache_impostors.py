"""What is in the place of the cache's files and is none: it neither blocks nor leads elsewhere, and it is replaced."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from paragon_core.engines import EngineCache
from paragon_core.errors import EngineCacheError
from tests.engines.engine_files import FULL_HD, HD, KEY, Builder, content, files_of, get, names
from tests.models.impostors import IMPOSTORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXTENSIONS = [".engine", ".json", ".used", ".lock", ".part", ".lease0"]


@pytest.mark.parametrize("put", IMPOSTORS.values(), ids=IMPOSTORS)
@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("built", [False, True])
def test_an_impostor_is_replaced(
    cache: EngineCache, put: Callable[[Path], object], extension: str, built: bool, caplog: pytest.LogCaptureFixture
) -> None:
    get(cache, profile=HD)
    if built:
        get(cache)
    files = files_of(cache)
    path, elsewhere = files.folder / f"{files.name}{extension}", files.folder / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path.unlink(missing_ok=True)
    put(path)
    assert set(names(cache)) >= {HD.name}
    assert [cache.verify(entry) for entry in cache.entries() if entry.files.name == HD.name] == [""]
    assert get(cache) == (not built or extension in {".engine", ".json"})
    cache.prune(max_bytes=10**9)
    assert get(cache) == 0
    if not (built and extension == ".lock"):  # which nobody needs then
        assert path.is_file() == (extension != ".part")
        assert not path.is_symlink()
        assert any(str(path) in message for message in caplog.messages)
    assert elsewhere.read_bytes() == b"precious"


@pytest.mark.parametrize("put", IMPOSTORS.values(), ids=IMPOSTORS)
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_engine_with_an_impostor_can_be_removed(
    cache: EngineCache, put: Callable[[Path], object], extension: str
) -> None:
    get(cache)
    files = files_of(cache)
    path = files.folder / f"{files.name}{extension}"
    path.unlink(missing_ok=True)
    put(path)
    assert all(cache.remove(entry) for entry in cache.entries())
    assert cache.entries() == []


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_folder_with_something_in_it_costs_the_cache_not_the_image(cache: EngineCache, extension: str) -> None:
    get(cache)
    files = files_of(cache)
    path = files.folder / f"{files.name}{extension}"
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "mine").write_bytes(b"precious")
    for _ in range(2):
        get(cache)
        cache.prune(max_bytes=0)
    assert (path / "mine").read_bytes() == b"precious"


def test_a_link_inside_the_cache_is_not_followed(cache: EngineCache, tmp_path: Path) -> None:
    outside = tmp_path / "project" / "node"
    outside.mkdir(parents=True)
    for name in ("package.json", "data.part", "motor.engine"):
        (outside / name).write_bytes(b"precious")
    get(cache)
    try:
        (cache.folder / "project").symlink_to(outside.parent, target_is_directory=True)
        (files_of(cache).folder.parent / "node").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    assert names(cache) == [FULL_HD.name]
    assert [entry.files.name for entry in cache.prune(max_bytes=0)] == [FULL_HD.name]
    assert len(list(outside.iterdir())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="needs permissions of POSIX")
def test_folders_that_others_may_write_are_not_listed(cache: EngineCache) -> None:
    get(cache)
    files_of(cache).folder.chmod(0o777)
    assert cache.entries() == []
    cache.folder.chmod(0o777)
    with pytest.raises(EngineCacheError, match="written by other users"):
        cache.entries()


def test_a_cache_folder_that_is_a_circle_of_links(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    try:
        (tmp_path / "circle").symlink_to(tmp_path / "circle", target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    cache = EngineCache(tmp_path / "circle")
    with pytest.raises(EngineCacheError, match="in the place of a folder"):
        cache.entries()
    assert get(cache) == 1
    assert "cannot be kept" in caplog.text


def test_an_engine_larger_than_memory_is_damaged(cache: EngineCache) -> None:
    get(cache)
    files = files_of(cache)
    try:
        os.truncate(files.engine, 2**41)
    except OSError:
        pytest.skip("no such large files here")
    text = files.manifest.read_text("ascii")
    files.manifest.write_text(text.replace('"size": 100000', f'"size": {2**41}'), "ascii")
    assert "too long" in cache.verify(cache.entries()[0])
    assert [get(cache), get(cache)] == [1, 0]


def test_a_manifest_of_100_megabytes_is_damaged(cache: EngineCache) -> None:
    get(cache)
    os.truncate(files_of(cache).manifest, 100 * 10**6)
    assert cache.entries()[0].manifest is None
    assert [get(cache), get(cache)] == [1, 0]


def test_a_disk_without_locks(cache: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr("paragon_core.engines.waiting.FileLock.acquire", none)
    assert [get(cache), get(cache)] == [1, 0]
    engine = cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), lambda engine: engine)
    assert engine.data == content(KEY, FULL_HD)
    engine.close()
