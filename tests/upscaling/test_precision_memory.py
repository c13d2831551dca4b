"""What was measured is remembered for this machine, runtime and model, and for no other."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.backends import SessionOptions
from paragon_core.errors import OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.precision import choose_precision
from paragon_core.upscaling.precision_memory import Trial, TrialKey, recall, remember
from tests.quality.odd_backends import Odd, right
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paragon_core.models.model import Model

MODEL = random_model(spec("realtime"))
SPEC = GraphSpec(io="uint8")


class Counting(Odd):
    """Counts the sessions that are opened."""

    name = "counting"

    def __init__(self) -> None:
        super().__init__(fast="fp16", fp32=right, fp16=right)
        self.opened = 0

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
        self.opened += 1
        return super().open(model, spec, options)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def only_file(cache: Path) -> Path:
    (path,) = (path for path in cache.rglob("*") if path.is_file())
    return path


def test_a_machine_is_measured_once(cache: Path) -> None:
    backend, options = Counting(), SessionOptions(cache=cache)
    first = choose_precision(backend, MODEL, SPEC, options)
    assert first.precision(8) == "fp16"
    assert backend.opened == 2
    assert choose_precision(backend, MODEL, SPEC, options) == first
    assert backend.opened == 2
    choose_precision(backend, MODEL, SPEC, options, again=True)
    assert backend.opened == 4
    if sys.platform != "win32":
        assert not only_file(cache).stat().st_mode & 0o022


def test_what_did_not_work_is_tried_again(cache: Path) -> None:
    class Failing(Counting):
        """Cannot open half precision."""

        def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
            if options.precision == "fp16":
                msg = "no memory just now"
                raise OutOfMemoryError(msg)
            return super().open(model, spec, options)

    assert choose_precision(Failing(), MODEL, SPEC, SessionOptions(cache=cache)).precision(8) == "fp32"
    assert choose_precision(Counting(), MODEL, SPEC, SessionOptions(cache=cache)).precision(8) == "fp16"


def other_form(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Model, GraphSpec, str]:
    del monkeypatch
    return Counting(), MODEL, GraphSpec(io="float32"), "cpu"


def other_model(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Model, GraphSpec, str]:
    del monkeypatch
    return Counting(), random_model(spec("realtime", upsampler_alpha=0.0)), GraphSpec(io="uint8"), "cpu"


def other_device(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Model, GraphSpec, str]:
    del monkeypatch
    return Counting(), MODEL, SPEC, "cuda:1"


def other_instructions(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Model, GraphSpec, str]:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")  # which no run of all tests is forced to
    return Counting(), MODEL, SPEC, "cpu"


def other_processor(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Model, GraphSpec, str]:
    monkeypatch.setattr("platform.processor", lambda: "another")
    return Counting(), MODEL, SPEC, "cpu"


@pytest.mark.parametrize("other", [other_form, other_model, other_device, other_instructions, other_processor])
def test_what_could_change_the_answer_is_measured_again(
    other: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(TrialKey.of(Counting(), MODEL, SPEC, "cpu"), (Trial(precision="fp16"),), cache)
    assert recall(TrialKey.of(Counting(), MODEL, SPEC, "cpu"), cache) is not None
    assert recall(TrialKey.of(*other(monkeypatch)), cache) is None


finite = st.floats(allow_nan=False)


@given(max_error=finite, psnr=finite, speedup=finite, image=st.text(), failure=st.text())
def test_trials_come_back_as_they_were(**fields: Any) -> None:
    trial = Trial(precision="bf16", **fields)
    assert Trial.from_json(json.loads(json.dumps(trial.as_json()))) == trial
    overflowed = Trial.from_json(Trial(precision="fp16").as_json())
    assert math.isnan(overflowed.max_error)
    assert math.isnan(overflowed.speedup)


def damages(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield b""
    yield data[: len(data) // 2]
    yield b"[" * 100_000
    yield b"\xff\xfe"
    yield b"{}"
    yield b"null"
    yield b" " * 2**20 + data
    value = json.loads(data)
    changes: tuple[dict[str, Any], ...] = (
        {"schema": 0},
        {"schema": None},
        {"key": None},
        {"trials": None},
        {"trials": 7},
        {"trials": [7]},
        {"trials": [{}]},
        {"trials": [value["trials"][0] | {"precision": "fp64"}]},
        {"trials": [value["trials"][0] | {"precision": ["fp16"]}]},
        {"trials": [value["trials"][0] | {"speedup": None}]},
        {"trials": [value["trials"][0] | {"speedup": 1e400}]},
        {"trials": [value["trials"][0] | {"speedup": "fast"}]},
        {"trials": [value["trials"][0] | {"image": 7}]},
    )
    for change in changes:
        yield json.dumps(value | change).encode()


def test_a_damaged_file_is_measured_again(cache: Path) -> None:
    key, trials = TrialKey.of(Counting(), MODEL, SPEC, "cpu"), (Trial(precision="fp16", max_error=0.5),)
    remember(key, trials, cache)
    path = only_file(cache)
    for damage in list(damages(path)):
        path.write_bytes(damage)
        assert recall(key, cache) is None, damage[:80]
    remember(key, trials, cache)
    found = recall(key, cache)
    assert found is not None
    assert found[0].max_error == 0.5


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    choice = choose_precision(Counting(), MODEL, SPEC, SessionOptions(cache=blocked / "cache"))
    assert choice.precision(8) == "fp16"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_in_the_place_of_the_file_blocks_nobody(cache: Path) -> None:
    key = TrialKey.of(Counting(), MODEL, SPEC, "cpu")
    remember(key, (Trial(precision="fp16"),), cache)
    path = only_file(cache)
    path.unlink()
    os.mkfifo(path)
    assert recall(key, cache) is None
