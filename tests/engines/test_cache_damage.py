"""An engine that is damaged, misplaced or refused is built again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import EngineRefusedError
from tests.engines.engine_files import FULL_HD, KEY, Builder, content, files_of, get, refusing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paragon_core.engines import EngineCache


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
def test_a_damaged_engine_is_built_again_with_one_line_in_the_log(
    cache: EngineCache, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    get(cache)
    damage(files_of(cache).engine)
    assert cache.verify(cache.entries()[0])
    assert get(cache) == 1
    assert len(caplog.messages) == 1
    assert "is built again" in caplog.text
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


@pytest.mark.parametrize("extension", ["engine", "manifest"])
def test_a_folder_in_the_place_of_a_file_costs_the_cache_not_the_image(cache: EngineCache, extension: str) -> None:
    get(cache)
    become_a_folder(getattr(files_of(cache), extension))
    assert get(cache) == 1


def test_a_refused_engine_is_built_again_once(cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
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
