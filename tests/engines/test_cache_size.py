"""All engines together stay below a size; the least recently used go first, those in use stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from paragon_core.engines import EngineCache, Profile, ignore_progress
from paragon_core.engines.waiting import alone
from tests.engines.engine_files import FULL_HD, HD, KEY, Builder, files_of, get, names
from tests.fresh_python import run

if TYPE_CHECKING:
    from pathlib import Path

SIZES = [Profile.static((64 * number, 64)) for number in range(1, 7)]


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, max_bytes=350_000)
    for profile in SIZES[:3]:
        get(cache, profile=profile)
    assert get(cache, profile=SIZES[0]) == 0  # now the second is the oldest
    get(cache, profile=SIZES[3])
    assert names(cache) == [SIZES[3].name, SIZES[0].name, SIZES[2].name]


@pytest.mark.parametrize("clock", [0, 1, 2**62, -1, 2**70], ids=["1970", "later", "2116", "before 1970", "far off"])
def test_a_wrong_clock_does_not_change_who_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    cache = EngineCache(tmp_path, max_bytes=350_000)
    get(cache, profile=SIZES[0])
    get(cache, profile=SIZES[1])
    monkeypatch.setattr("time.time_ns", lambda: clock)
    get(cache, profile=SIZES[2])
    for files in tmp_path.rglob("*.*"):
        os.utime(files, (0, 0))
    monkeypatch.undo()
    assert get(cache, profile=SIZES[0]) == 0
    get(cache, profile=SIZES[3])
    assert set(names(cache)) == {SIZES[0].name, SIZES[2].name, SIZES[3].name}
    assert all(get(cache, profile=profile) == 0 for profile in (SIZES[0], SIZES[2], SIZES[3]))


def test_the_engine_just_built_stays_even_if_it_is_too_large(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, max_bytes=10)
    for profile in SIZES[:3]:
        assert get(cache, profile=profile) == 1
        assert names(cache) == [profile.name]


def test_the_engine_just_built_stays_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("this user may make no links")
    cache = EngineCache(tmp_path / "link", max_bytes=10)
    assert [get(cache), get(cache)] == [1, 0]
    assert cache.verify(cache.entries()[0]) == ""


def test_an_engine_in_use_stays_in_this_process_and_from_others(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, max_bytes=10)
    engine = cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), lambda engine: engine)
    get(cache, profile=HD)
    assert set(names(cache)) == {FULL_HD.name, HD.name}
    removed = run(f"""
        from pathlib import Path
        from paragon_core.engines import EngineCache
        print(*(entry.files.name for entry in EngineCache(Path({str(tmp_path)!r}), max_bytes=0).prune()))
    """)
    assert removed.stdout.split() == [HD.name]
    engine.close()
    assert [entry.files.name for entry in cache.prune()] == [FULL_HD.name]


def test_many_can_use_an_engine_at_once(cache: EngineCache) -> None:
    engines = [cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), lambda engine: engine) for _ in range(13)]
    for engine in engines[:10]:
        assert not cache.remove(cache.entries()[0])
        engine.close()
    assert cache.remove(cache.entries()[0])


def test_an_engine_that_is_forgotten_is_not_in_use(cache: EngineCache) -> None:
    engine = cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), lambda engine: engine)
    assert not cache.remove(cache.entries()[0])
    del engine
    assert cache.remove(cache.entries()[0])


@pytest.mark.parametrize("stamp", [b"", b"nonsense", b"9" * 20, b"-5", b"9" * 9000])
def test_a_damaged_note_of_use_is_the_oldest(tmp_path: Path, stamp: bytes) -> None:
    cache = EngineCache(tmp_path, max_bytes=250_000)
    get(cache, profile=SIZES[0])
    get(cache, profile=SIZES[1])
    files_of(cache, profile=SIZES[1]).used.write_bytes(stamp)
    get(cache, profile=SIZES[2])
    assert names(cache) == [SIZES[2].name, SIZES[0].name]


def test_leftovers_of_killed_builds_go_with_the_next_build(cache: EngineCache) -> None:
    get(cache)
    files_of(cache).part.write_bytes(bytes(200_000))
    left = files_of(cache, profile=HD)
    left.part.write_bytes(bytes(200_000))
    left.engine.write_bytes(bytes(50_000))
    building = files_of(cache, profile=SIZES[1])
    building.part.write_bytes(b"x")
    with alone(building.lock, ignore_progress):
        get(cache, profile=SIZES[0])
        assert sorted(path.name for path in left.folder.glob("*.part")) == [building.part.name]
        assert not left.engine.exists()
        assert set(names(cache)) == {FULL_HD.name, SIZES[0].name, building.name}
    get(cache, profile=SIZES[2])
    assert not list(left.folder.glob("*.part"))
    assert get(cache) == 0
