"""What is asked for is built once, and found again."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.engines import IMAGES, BuildProgress, EngineCache, Target
from paragon_core.engines.waiting import alone
from paragon_core.errors import EngineBuildError
from tests.engines.engine_files import FULL_HD, HD, KEY, Builder, content, files_of, get, loading, names
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.engines import Engine


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


def test_a_build_that_fails_leaves_nothing_and_the_next_one_is_free(cache: EngineCache) -> None:
    def fail(_: BuildProgress) -> bytes:
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


# --- many at once ----------------------------------------------------------------------------------------------------


def test_of_eight_threads_one_builds(cache: EngineCache) -> None:
    builder = Builder(KEY, FULL_HD)
    results: list[bytes] = []
    told: set[str] = set()
    somebody_waits = threading.Event()

    def slowly(progress: BuildProgress) -> bytes:
        assert somebody_waits.wait(PATIENCE)
        return builder(progress)

    def note(_: float, doing: str) -> None:
        told.add(doing)
        if doing != "building":
            somebody_waits.set()

    def work() -> None:
        results.append(cache.get_or_build(KEY, FULL_HD, slowly, loading, progress=note))

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


# --- finding ---------------------------------------------------------------------------------------------------------


def test_exact_before_covering_before_none(cache: EngineCache) -> None:
    assert cache.find(KEY, (1920, 1080)) is None
    get(cache, profile=IMAGES)
    assert cache.find(KEY, (1920, 1080)) == (KEY, IMAGES)
    get(cache)
    assert cache.find(KEY, (1920, 1080)) == (KEY, FULL_HD)
    assert cache.find(KEY, (1280, 720)) == (KEY, IMAGES)
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
