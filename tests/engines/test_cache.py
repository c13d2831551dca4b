from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.engines import PICTURES, EngineCache, EngineKey, Profile, Progress, Target
from paragon_core.engines.files import EngineFiles
from paragon_core.engines.waiting import alone
from paragon_core.errors import EngineBuildError, EngineRefusedError
from tests.engines.engine_files import FULL_HD, HD, Builder, content, key, loading, refusing
from tests.fresh_python import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paragon_core.engines import Engine

KEY = key()


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


def files_of(cache: EngineCache, of: EngineKey = KEY, profile: Profile = FULL_HD) -> EngineFiles:
    return EngineFiles(folder=cache.folder / of.folder, name=profile.name)


def get(cache: EngineCache, of: EngineKey = KEY, profile: Profile = FULL_HD, size: int = 100_000) -> int:
    """Get an engine, see that it is the right one, and return how many builds it took."""
    builder = Builder(of, profile, size)
    assert cache.get_or_build(of, profile, builder, loading) == content(of, profile, size)
    return builder.builds


def names(cache: EngineCache) -> list[str]:
    return [entry.files.name for entry in cache.entries()]


# --- building once -----------------------------------------------------------------------------------------------


def test_built_once_then_loaded(cache: EngineCache) -> None:
    assert [get(cache) for _ in range(3)] == [1, 0, 0]
    folder = cache.folder / f"realtime-2x-{KEY.id[:8]}" / "sm86+sm89_1.7.1.116_fp16"
    assert {path.name for path in folder.iterdir()} >= {"1920x1080.engine", "1920x1080.json"}
    assert not list(folder.glob("*.part"))


def test_the_manifest_says_what_the_engine_is(cache: EngineCache) -> None:
    notes = {"gpu": "none", "driver": None}
    cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), loading, notes=notes)
    manifest = json.loads(files_of(cache).manifest.read_text("ascii"))
    assert manifest["id"] == KEY.id
    assert manifest["size"] == files_of(cache).engine.stat().st_size
    assert manifest["made"].items() >= notes.items()
    assert {"paragon", "at", "seconds", "system"} <= set(manifest["made"])


def test_the_engine_that_is_handed_to_the_runtime(cache: EngineCache) -> None:
    seen: list[Engine] = []

    def load(engine: Engine) -> str:
        seen.append(engine)
        return "loaded"

    for _ in range(2):
        assert cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), load) == "loaded"
    for engine in seen:
        assert engine.path == files_of(cache).engine
        assert engine.data == content(KEY, FULL_HD)
        assert (engine.manifest.key, engine.manifest.profile) == (KEY, FULL_HD)
        engine.close()
        engine.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.7.1.117"},
        {"onnx_sha256": "1" * 64},
        {"target": Target.parse("sm_86")},
        {"platform": "win-amd64"},
        {"precision": "fp32"},
    ],
    ids=str,
)
def test_a_change_of_version_or_network_is_another_engine(cache: EngineCache, changes: dict[str, Any]) -> None:
    other = replace(KEY, **changes)
    assert get(cache) == 1
    assert get(cache, other) == 1
    assert get(cache) == get(cache, other) == 0


# --- what is wrong is built anew ---------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip(position: float) -> Callable[[Path], None]:
    def flip_bit(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(position * (len(data) - 1))] ^= 4
        path.write_bytes(data)

    return flip_bit


DAMAGE = {
    "cut": cut,
    "lengthened": lengthen,
    "emptied": empty,
    "removed": remove,
    "first bit": flip(0),
    "middle bit": flip(0.5),
    "last bit": flip(1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_engine_is_built_anew_with_one_line_in_the_log(
    cache: EngineCache, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    get(cache)
    damage(files_of(cache).engine)
    assert cache.verify(cache.entries()[0])
    assert get(cache) == 1
    assert len(caplog.messages) == 1
    assert "is built anew" in caplog.text
    assert get(cache) == 0
    assert cache.verify(cache.entries()[0]) == ""


@pytest.mark.parametrize("start", range(3))
def test_no_bit_of_a_manifest_makes_a_wrong_engine(cache: EngineCache, start: int) -> None:
    get(cache)
    path = files_of(cache).manifest
    whole = path.read_bytes()
    places = range(start, len(whole), 23)
    built = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        built += get(cache)
        path.write_bytes(whole)
    assert len(places) // 2 < built < len(places)  # all but what is for people


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"schema": 2}', '{"schema": 1}', "[" * 10_000, "\xff", "9" * 70_000]
)
def test_manifests_that_are_none(cache: EngineCache, text: str) -> None:
    get(cache)
    files_of(cache).manifest.write_text(text, "latin-1")
    assert [get(cache), get(cache)] == [1, 0]


@pytest.mark.parametrize("size", ["-1", "1e999", "1000000000000000000", "99999", "null"])
def test_manifests_that_lie_about_the_size(cache: EngineCache, size: str) -> None:
    get(cache)
    path = files_of(cache).manifest
    path.write_text(path.read_text("ascii").replace('"size": 100000', f'"size": {size}'), "ascii")
    assert [get(cache), get(cache)] == [1, 0]


def test_an_engine_in_the_place_of_another_is_not_taken_for_it(cache: EngineCache) -> None:
    get(cache)
    get(cache, replace(KEY, version="1.8.0.1"))
    old, new = files_of(cache), files_of(cache, replace(KEY, version="1.8.0.1"))
    new.engine.write_bytes(old.engine.read_bytes())
    new.manifest.write_bytes(old.manifest.read_bytes())
    assert "it is not where it belongs" in {cache.verify(entry) for entry in cache.entries()}
    assert get(cache, replace(KEY, version="1.8.0.1")) == 1


@pytest.mark.parametrize("ending", ["engine", "manifest"])
def test_a_folder_in_the_place_of_a_file_costs_the_cache_not_the_picture(cache: EngineCache, ending: str) -> None:
    get(cache)
    become_a_folder(getattr(files_of(cache), ending))
    assert get(cache) == 1


def test_a_refused_engine_is_built_anew_once(cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
    get(cache)
    again = Builder(replace(KEY, version="9.9.9.9"), FULL_HD)  # another content: a build need not repeat itself
    loaded = cache.get_or_build(KEY, FULL_HD, again, refusing(1, EngineRefusedError))
    assert (again.builds, loaded) == (1, content(replace(KEY, version="9.9.9.9"), FULL_HD))
    assert len(caplog.messages) == 1
    assert "the runtime refuses it" in caplog.text


def test_what_is_refused_again_is_removed_and_the_error_reaches_the_caller(cache: EngineCache) -> None:
    get(cache)
    builder = Builder(KEY, FULL_HD)
    with pytest.raises(EngineRefusedError, match="not for this GPU"):
        cache.get_or_build(KEY, FULL_HD, builder, refusing(9, EngineRefusedError))
    assert builder.builds == 1
    assert cache.entries() == []


@pytest.mark.parametrize("there", [False, True])
def test_other_errors_of_the_runtime_cost_no_engine(cache: EngineCache, there: bool) -> None:
    if there:
        get(cache)
    with pytest.raises(MemoryError):
        cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), refusing(1, MemoryError))
    assert get(cache) == 0


def test_a_build_that_fails_leaves_nothing_and_the_next_one_is_free(cache: EngineCache) -> None:
    def fail(_: Progress) -> bytes:
        raise EngineBuildError("refused", hint="no")

    with pytest.raises(EngineBuildError):
        cache.get_or_build(KEY, FULL_HD, fail, loading)
    assert cache.entries() == []
    assert get(cache) == 1


def test_progress_passes_through_and_can_stop_the_build(cache: EngineCache) -> None:
    told: list[tuple[float, str]] = []
    cache.get_or_build(KEY, HD, Builder(KEY, HD), loading, progress=lambda *all_of_it: told.append(all_of_it))
    assert told == [(0.5, "building")]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), loading, progress=stop)
    assert names(cache) == [HD.name]


# --- many at once ------------------------------------------------------------------------------------------------


def test_of_eight_threads_one_builds(cache: EngineCache) -> None:
    builder = Builder(KEY, FULL_HD)
    results: list[bytes] = []
    told: set[str] = set()

    def slowly(progress: Progress) -> bytes:
        time.sleep(0.5)
        return builder(progress)

    def work() -> None:
        results.append(cache.get_or_build(KEY, FULL_HD, slowly, loading, progress=lambda _, doing: told.add(doing)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.builds == 1
    assert results == [content(KEY, FULL_HD)] * 8
    assert told == {"building", "another process is building this engine"}


def test_waiting_can_be_stopped(cache: EngineCache) -> None:
    def stop(_: float, doing: str) -> None:
        raise TimeoutError(doing)

    get(cache)
    files_of(cache).manifest.unlink()
    with alone(files_of(cache).lock, stop), pytest.raises(TimeoutError, match="another process"):
        work_in_a_thread(lambda: cache.get_or_build(KEY, FULL_HD, Builder(KEY, FULL_HD), loading, progress=stop))


def work_in_a_thread(work: Callable[[], object]) -> None:
    errors: list[BaseException] = []

    def catching() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            errors.append(error)

    thread = threading.Thread(target=catching)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


# --- the size of all ---------------------------------------------------------------------------------------------

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


def test_leftovers_of_a_killed_build_count_and_go(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, max_bytes=250_000)
    get(cache)
    left = files_of(cache, profile=HD)
    left.part.write_bytes(bytes(200_000))
    left.engine.write_bytes(bytes(50_000))
    get(cache, profile=SIZES[0])
    assert not left.part.exists()
    assert not left.engine.exists()
    assert set(names(cache)) == {FULL_HD.name, SIZES[0].name}


# --- finding -----------------------------------------------------------------------------------------------------


def test_exact_before_covering_before_none(cache: EngineCache) -> None:
    assert cache.find(KEY, (1920, 1080)) is None
    get(cache, profile=PICTURES)
    assert cache.find(KEY, (1920, 1080)) == (KEY, PICTURES)
    get(cache)
    assert cache.find(KEY, (1920, 1080)) == (KEY, FULL_HD)
    assert cache.find(KEY, (1280, 720)) == (KEY, PICTURES)
    assert cache.find(KEY, (3840, 2160)) is None
    assert cache.find(KEY, (1280, 720), batch=2) is None
    assert cache.find(replace(KEY, onnx_sha256="1" * 64), (1280, 720)) is None


def test_engines_from_other_machines_that_run_here(cache: EngineCache) -> None:
    elsewhere = replace(KEY, target=Target.parse("sm_86,sm_89"), platform="win-amd64")
    mine = replace(KEY, target=Target.parse("sm_86"))
    get(cache, elsewhere)
    assert cache.find(mine, (1920, 1080)) is None
    assert cache.find(mine, (1920, 1080), capability="sm_86") == (elsewhere, FULL_HD)
    assert cache.find(mine, (1920, 1080), capability="sm_120") is None
    assert cache.find(replace(mine, version="1.8.0.1"), (1920, 1080), capability="sm_86") is None
    get(cache, mine)
    assert cache.find(mine, (1920, 1080), capability="sm_86") == (mine, FULL_HD)


def test_engines_of_full_tensorrt_stay_where_they_were_built(cache: EngineCache) -> None:
    elsewhere = replace(KEY, flavour="tensorrt", target=Target(capabilities=("sm_86",), device="another"))
    get(cache, elsewhere)
    mine = replace(elsewhere, target=Target(capabilities=("sm_86",), device="this one"))
    assert cache.find(mine, (1920, 1080), capability="sm_86") is None


# --- disks that do not take anything -----------------------------------------------------------------------------


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
def test_a_read_only_cache_is_used_and_what_it_lacks_is_built(tmp_path: Path) -> None:
    if sys.platform == "win32":  # the type checker does not know the marker
        return
    get(EngineCache(tmp_path))
    paths = [tmp_path, *tmp_path.rglob("*")]
    above = [folder for folder in tmp_path.parents if folder.stat().st_uid == os.geteuid()]
    modes = {folder: folder.stat().st_mode for folder in [*paths, *above]}
    try:
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        for folder in above:
            folder.chmod(modes[folder] | 0o011)
        result = run(READ_ONLY.format(folder=str(tmp_path)))
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert result.stdout.split() == [FULL_HD.name, "0"]
    assert len(re.findall("cannot be kept", result.stderr)) == 1
    assert get(EngineCache(tmp_path)) == 0


def test_no_cache_at_all_costs_the_cache_not_the_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert get(EngineCache(tmp_path / "file" / "cache")) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
