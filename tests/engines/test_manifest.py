"""A manifest is what was written, or damaged: whatever JSON, or bytes, its file holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.engines.files import Manifest, UnusableError
from tests.engines.engine_files import FULL_HD, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = Manifest(
    key=KEY, profile=FULL_HD, size=100, sha256="0" * 64, made={"gpu": "none", "seconds": 1.5, "driver": None}
)
VALUE: dict[str, Any] = json.loads(MANIFEST.as_bytes())

#: Everything that JSON can hold, and what Python's reader takes beyond it.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "sm_86", "fp16", "1", "tensorrt", "\x1b[31m", "../../.."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the ways to all values in a value from JSON."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from paths(inner, (*path, name))


def with_change(path: tuple[str | int, ...], change: object) -> object:
    """Return the manifest with another value in one place."""
    if not path:
        return change
    changed = json.loads(json.dumps(VALUE))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change
    return changed


def check(data: bytes) -> bool:
    """Read a manifest; if it is taken, everything that is done with one must work. Return whether it is."""
    try:
        manifest = Manifest.from_bytes(data)
    except UnusableError:
        return False
    assert Manifest.from_bytes(manifest.as_bytes()) == manifest
    assert not manifest.key.folder.is_absolute()
    assert ".." not in manifest.key.folder.parts
    assert manifest.size >= 0
    assert manifest.profile.name
    facts = [manifest.key.as_json(), manifest.profile.as_json(), manifest.made, manifest.sha256]
    json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()
    return True


def test_what_was_written_is_read() -> None:
    assert Manifest.from_bytes(MANIFEST.as_bytes()) == MANIFEST


@settings(max_examples=500)
@given(path=st.sampled_from(list(paths(VALUE))), change=ANYTHING)
def test_any_value_in_any_place(path: tuple[str | int, ...], change: object) -> None:
    check(json.dumps(with_change(path, change)).encode())


@settings(max_examples=300)
@given(place=st.integers(0, len(MANIFEST.as_bytes())), cut=st.integers(0, 40), put=st.binary(max_size=10))
def test_any_bytes_in_any_place(place: int, cut: int, put: bytes) -> None:
    whole = MANIFEST.as_bytes()
    check(whole[:place] + put + whole[place + cut :])


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("size",), "100"),
        (("size",), 100.0),
        (("size",), True),
        (("sha256",), 0),
        (("key", "model"), 7),
        (("key", "cuda_major"), "13"),
        (("key", "cuda_major"), True),
        (("key", "options", "tf32"), 0),
        (("key", "options", "workspace_bytes"), "1"),
        (("key", "target", "capabilities"), "sm_86"),
        (("profile", "minimum", 0), "1920"),
        (("profile", "batch"), 1.0),
        (("made",), []),
        (("made", "gpu"), {"nested": 1}),
        (("made", "seconds"), float("nan")),
        (("made", "gpu"), "\ud800"),
    ],
)
def test_wrong_types_are_damage(path: tuple[str | int, ...], change: object) -> None:
    assert not check(json.dumps(with_change(path, change)).encode())


@pytest.mark.parametrize(
    "text", [b"[" * 60_000, b'{"a":' * 12_000, b"9" * 60_000, b"\xff\xfe", b"\xef\xbb\xbf{}", b"\0" * 60_000, b"nan"]
)
def test_what_is_no_manifest_at_all(text: bytes) -> None:
    assert not check(text)
