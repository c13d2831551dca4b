from __future__ import annotations

import os
import stat
import sys
from pathlib import Path, PurePosixPath

import platformdirs
import pytest

from paragon_core.engines import EngineCache, cache_folder
from paragon_core.engines.folder import prepare
from paragon_core.errors import EngineCacheError
from tests.engines.engine_files import FULL_HD, Builder, key, loading

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has access control lists instead")
BELOW = PurePosixPath("engines", "v1")


def test_the_given_folder_then_the_environment_then_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARAGON_CACHE", str(tmp_path / "named"))
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    assert cache_folder() == tmp_path / "named"
    monkeypatch.setenv("PARAGON_CACHE", "~/named")
    assert cache_folder() == Path("~/named").expanduser()
    monkeypatch.setenv("PARAGON_CACHE", " ")
    assert cache_folder() == platformdirs.user_cache_path("paragon", appauthor=False)
    assert EngineCache(tmp_path).folder == tmp_path / "engines" / "v1"


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "cache")
    assert cache.entries() == []
    assert cache.find(key(), (64, 64)) is None
    assert cache.prune() == []
    assert not (tmp_path / "cache").exists()


@posix
def test_everything_is_its_owners_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        EngineCache(tmp_path / "cache").get_or_build(key(), FULL_HD, Builder(key(), FULL_HD), loading)
    finally:
        os.umask(before)
    paths = [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]
    assert len(paths) > 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}


@posix
@pytest.mark.parametrize("below", [".", "engines", "engines/v1"])
def test_folders_that_all_may_write_are_refused(tmp_path: Path, below: str) -> None:
    prepare(tmp_path, BELOW)
    (tmp_path / below).chmod(0o777)
    builder = Builder(key(), FULL_HD)
    with pytest.raises(EngineCacheError, match="written by other users") as caught:
        EngineCache(tmp_path).get_or_build(key(), FULL_HD, builder, loading)
    assert "chmod go-w" in caught.value.hint
    assert builder.builds == 0


@posix
def test_of_the_users_own_folder_a_group_is_no_harm_but_inside_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    prepare(tmp_path, BELOW)
    (tmp_path / "engines").chmod(0o770)
    with pytest.raises(EngineCacheError):
        prepare(tmp_path, BELOW)


@posix
def test_what_belongs_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 65534)
    with pytest.raises(EngineCacheError, match="belongs to another user") as caught:
        prepare(tmp_path, BELOW)
    assert "PARAGON_CACHE" in caught.value.hint


@posix
def test_an_engine_of_another_user_is_not_loaded(tmp_path: Path) -> None:
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    if os.geteuid() != 0:
        pytest.skip("only the administrator can give files away")
    cache, builder = EngineCache(tmp_path), Builder(key(), FULL_HD)
    cache.get_or_build(key(), FULL_HD, builder, loading)
    os.chown(cache.entries()[0].files.engine, 65534, -1)
    cache.get_or_build(key(), FULL_HD, builder, loading)
    assert builder.builds == 2


def test_a_link_may_lead_to_the_cache_but_not_inside_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    cache = EngineCache(tmp_path / "link")
    assert cache.get_or_build(key(), FULL_HD, Builder(key(), FULL_HD), loading)
    assert cache.folder == tmp_path.resolve() / "real" / BELOW
    (tmp_path / "real" / "engines" / "v2").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(EngineCacheError, match="in the place of a folder"):
        prepare(tmp_path / "real", PurePosixPath("engines", "v2"))
