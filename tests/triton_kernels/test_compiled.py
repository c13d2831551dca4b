"""The kernels become machine code for every card that they are for, without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("triton", reason="needs Triton")

import torch

from paragon_core.graph.fuse import fuse
from tests.random_models import random_model, spec
from tests.triton_kernels.compiled import Launch, compile_for, launches_of, registers

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.models.spec import ModelSpec

#: Ampere, Ada, Hopper, Blackwell: cards with the tensor cores that Triton uses.
CAPABILITIES = (80, 86, 89, 90, 120)

#: Bytes of a thread's values that may be in memory instead of registers.
SPILLED = 256

REALTIME = spec("realtime", revision="v9", channels=16, blocks=1, upsampler_alpha=0.0)
HARDSWISH = spec("realtime", revision="v6", channels=16, blocks=1, scale=4)
STREAM = spec("stream", channels=32, blocks=1, scale=3)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def launches(of: ModelSpec, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype = torch.uint8) -> dict[str, Launch]:
    found = launches_of(fuse(random_model(of)), torch.zeros((1, 3, 5, 7), dtype=dtype), monkeypatch)
    return {launch.name: launch for launch in found}


def test_realtime_is_six_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    of = spec("realtime", channels=16, blocks=3, upsampler_alpha=0.0)
    found = launches_of(fuse(random_model(of)), torch.zeros((1, 3, 5, 7)), monkeypatch)
    assert [launch.name for launch in found] == ["head", "nano", "nano", "nano", "convolution", "tail"]


def test_a_block_of_stream_is_two_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(launches(STREAM, monkeypatch)) == ["head", "stream_mix", "stream_gate", "convolution", "soften", "tail"]


@pytest.mark.parametrize("name", ["head", "nano", "convolution", "tail"])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_realtime(capability: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile_for(launches(REALTIME, monkeypatch)[name], capability)
    assert made.uses_tensor_cores
    assert made.shared <= 48 * 1024
    assert registers(made)[1] <= SPILLED


@pytest.mark.parametrize("name", ["stream_mix", "stream_gate"])
@pytest.mark.parametrize("capability", [80, 90, 120])
def test_stream(capability: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile_for(launches(STREAM, monkeypatch)[name], capability)
    assert made.uses_tensor_cores
    assert made.shared <= 48 * 1024
    assert registers(made)[1] <= SPILLED


@pytest.mark.parametrize("name", ["head", "nano_hardswish", "soften", "tail"])
def test_floats_hardswish_and_the_filter_of_the_base(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile_for(launches(HARDSWISH, monkeypatch, torch.float32)[name], 86)
    assert made.uses_tensor_cores is (name != "soften")
    assert registers(made)[1] <= SPILLED


def test_older_cards_would_not_get_their_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """So they are left to torch's layers. If this fails, Triton has learned it: `torch_triton` may take them too."""
    made = compile_for(launches(REALTIME, monkeypatch)["convolution"], 75)
    assert made.cubin
    assert not made.uses_tensor_cores
