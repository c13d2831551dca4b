"""Engines come from the cache, else from a build, else in the form that memory suffices for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.engines import IMAGES, EngineCache, EngineRequest, Profile, provide
from paragon_core.errors import OutOfMemoryError
from tests.engines.engine_files import FULL_HD, KEY, content, get, loading, names

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.engines import BuildProgress, Engine, EngineKey

SIZE = (1280, 720)


class Builds(list[str]):
    """Builds engines, and lists for which sizes."""

    def __call__(self, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        self.append(profile.name)
        progress(0.5, "building")
        return content(key, profile)


def request(**changes: Any) -> EngineRequest:
    fields: dict[str, Any] = {"key": KEY, "profile": IMAGES, "size": SIZE, "fallback": Profile.static(SIZE)}
    return EngineRequest(**(fields | changes))


def test_an_engine_is_built_once_and_found_for_every_size_that_it_takes(tmp_path: Path) -> None:
    cache, builds = EngineCache(tmp_path), Builds()
    first = provide(cache, request(), builds, loading)
    assert provide(cache, request(size=(640, 360), profile=FULL_HD), builds, loading) == first
    assert builds == [IMAGES.name]


def test_only_an_engine_of_exactly_one_size_will_do_where_that_is_asked_for(tmp_path: Path) -> None:
    cache, builds = EngineCache(tmp_path), Builds()
    get(cache, profile=IMAGES)
    static = Profile.static(SIZE)
    for _ in range(2):
        assert provide(cache, request(profile=static, only_static=True), builds, loading) == content(KEY, static)
    assert builds == [static.name]


def test_without_a_size_it_is_exactly_the_profile(tmp_path: Path) -> None:
    cache, builds = EngineCache(tmp_path), Builds()
    get(cache, profile=IMAGES)
    provide(cache, request(size=None, profile=FULL_HD), builds, loading)
    assert builds == [FULL_HD.name]


def full(engine: Engine) -> bytes:
    """Load engines of one size only."""
    if not engine.manifest.profile.is_static:
        engine.close()
        raise OutOfMemoryError("the GPU is full")
    return loading(engine)


def test_where_memory_does_not_suffice_the_fallback_takes_its_place(tmp_path: Path) -> None:
    cache, builds = EngineCache(tmp_path), Builds()
    assert provide(cache, request(), builds, full) == content(KEY, Profile.static(SIZE))
    assert builds == [IMAGES.name, Profile.static(SIZE).name]
    assert sorted(names(cache)) == sorted(builds)


def test_without_a_fallback_a_lack_of_memory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError):
        provide(EngineCache(tmp_path), request(fallback=None), Builds(), full)
