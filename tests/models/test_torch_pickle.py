"""The interpreter of pickles: plain values are what Python makes of them, and no more than these is obeyed."""

from __future__ import annotations

import copyreg
import pickle
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import UnsafeCheckpointError
from paragon_core.models.torch_pickle import run_torch_pickle
from tests.models.checkpoint_files import call, mapping, name, numbers, program, text

if TYPE_CHECKING:
    from pathlib import Path


def test_what_follows_the_end_is_not_run() -> None:
    tail = call(name("os", "system"), text("echo")) + b"."
    assert run_torch_pickle(program(mapping({"a": b"N"})) + tail, {}) == {"a": None}


keys = st.text(max_size=5) | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.none()
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**2000), 2**2000) | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=5).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=plain, protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
@settings(deadline=None)
def test_plain_values_are_read_as_python_reads_them(value: object, protocol: int) -> None:
    repeated = {"once": value, "again": [value, value], "key": "key"}
    assert run_torch_pickle(pickle.dumps(repeated, protocol), {}) == repeated


def test_memory_stays_in_proportion_to_the_file() -> None:
    """Python's unpickler makes room for every number below the largest that a value is kept under."""
    kept = b"".join(b"r" + struct.pack("<I", 2**32 - 1 - index) for index in range(100))
    tracemalloc.start()
    try:
        assert run_torch_pickle(program(b"}" + kept), {}) == {}
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_registered_extensions_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's unpickler takes an extension that was used before out of a cache, without asking for the name."""
    monkeypatch.chdir(tmp_path)
    copyreg.add_extension("pathlib", "Path", 0xF1)
    try:
        pickle.loads(b"\x80\x02\x82\xf1.")  # noqa: S301  (fills the cache)
        with pytest.raises(UnsafeCheckpointError, match="EXT1"):
            run_torch_pickle(program(b"\x82\xf1(" + text("trace") + b"tR"), {})
    finally:
        copyreg.remove_extension("pathlib", "Path", 0xF1)


def test_numbers_beyond_memory_are_only_numbers() -> None:
    assert run_torch_pickle(program(mapping({"n": numbers(2**1000, -(2**63))})), {}) == {
        "n": (2**1000, -(2**63)),
    }
