"""Files that torch itself wrote: what it saves is read exactly, and what is more than weights is refused unexecuted."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from safetensors.torch import save_file

from paragon_core.errors import (
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    UnsupportedArchitectureError,
    WeightError,
)
from paragon_core.models.checkpoint import Checkpoint, read_checkpoint
from paragon_core.models.detect import detect
from paragon_core.models.model import load
from paragon_core.models.spec import ModelSpec
from paragon_core.network import ParagonSR2
from tests.models.checkpoint_files import SMALL, SMALL_PHOTO
from tests.network.random_networks import randomised

PRO = ModelSpec(variant="pro", revision="v11", scale=2, channels=16, groups=1, blocks=1, attention=True)


@pytest.fixture
def network() -> ParagonSR2:
    return randomised(ParagonSR2(SMALL))


def saved(content: object, folder: Path, **options: Any) -> Path:
    path = folder / "net.pth"
    torch.save(content, path, **options)
    return path


def same(checkpoint: Checkpoint, network: torch.nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Compare bit for bit with what torch holds, after rounding to the type it was stored in."""
    state = network.state_dict()
    assert checkpoint.arrays.keys() == state.keys()
    for key, array in checkpoint.arrays.items():
        expected = state[key].to(dtype).float().numpy()
        assert array.dtype == np.float32
        assert array.shape == expected.shape
        assert array.tobytes() == expected.tobytes(), key


@pytest.mark.parametrize("spec", [SMALL, SMALL_PHOTO, PRO], ids=lambda spec: spec.variant)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_state_dicts_are_read_exactly(spec: ModelSpec, protocol: int, tmp_path: Path) -> None:
    network = randomised(ParagonSR2(spec))
    checkpoint = read_checkpoint(saved(network.state_dict(), tmp_path, pickle_protocol=protocol))
    same(checkpoint, network)
    assert detect(checkpoint.arrays)[0].variant == spec.variant


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_floating_type_is_read_exactly(network: ParagonSR2, dtype: torch.dtype, tmp_path: Path) -> None:
    state = {key: tensor.to(dtype) for key, tensor in network.state_dict().items()}
    same(read_checkpoint(saved(state, tmp_path)), network, dtype)
    save_file(state, tmp_path / "net.safetensors")
    same(read_checkpoint(tmp_path / "net.safetensors"), network, dtype)
    assert (
        load(tmp_path / "net.pth", upsampler_alpha=0).spec == load(tmp_path / "net.safetensors", upsampler_alpha=0).spec
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool])
def test_whole_numbers_are_read_and_refused_as_weights(network: ParagonSR2, dtype: torch.dtype, tmp_path: Path) -> None:
    state = dict(network.state_dict())
    state["conv_in.bias"] = torch.tensor([0, 1, 1, 0]).to(dtype)
    path = saved(state, tmp_path)
    assert read_checkpoint(path).arrays["conv_in.bias"].tolist() == [0, 1, 1, 0]
    with pytest.raises(WeightError, match=r"conv_in\.bias holds"):
        load(path, upsampler_alpha=0)


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict"])
def test_wrapped_state_dicts_are_read(network: ParagonSR2, wrapper: str, tmp_path: Path) -> None:
    same(read_checkpoint(saved({wrapper: network.state_dict()}, tmp_path)), network)


def test_averaged_weights_are_preferred_as_upstream_does(network: ParagonSR2, tmp_path: Path) -> None:
    averaged = randomised(ParagonSR2(SMALL), seed=1)
    both = {
        "metadata": {"scale": 2, "notes": ["a", 1.5, None, True]},
        "params": network.state_dict(),
        "params_ema": averaged.state_dict(),
        "iter": 10**12,
    }
    same(read_checkpoint(saved(both, tmp_path)), averaged)


def test_networks_of_a_distributed_or_compiled_training_are_read(network: ParagonSR2, tmp_path: Path) -> None:
    for prefix in ("module.", "_orig_mod.", "module._orig_mod."):
        state = {prefix + key: tensor for key, tensor in network.state_dict().items()}
        same(read_checkpoint(saved({"params": state}, tmp_path)), network)


def test_counters_of_the_averaged_network_are_dropped(network: ParagonSR2, tmp_path: Path) -> None:
    extended = OrderedDict(network.state_dict()) | {"step": torch.tensor(7), "initted": torch.tensor(data=True)}
    same(read_checkpoint(saved(extended, tmp_path)), network)


def test_parameters_are_read(network: ParagonSR2, tmp_path: Path) -> None:
    state = network.state_dict(keep_vars=True)
    assert any(isinstance(value, torch.nn.Parameter) for value in state.values())
    same(read_checkpoint(saved(state, tmp_path)), network)


def test_views_are_read_as_what_they_show(network: ParagonSR2, tmp_path: Path) -> None:
    """All tensors lie in one storage, each at an odd place, one of them in channels-last and one transposed."""
    state = network.state_dict()
    flat = torch.cat([torch.zeros(1), *(tensor.reshape(-1) for tensor in state.values())])
    views, start = {}, 1
    for key, tensor in state.items():
        views[key] = flat[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()
    views["conv_mid.weight"] = state["conv_mid.weight"].contiguous(memory_format=torch.channels_last)
    views["up.0.weight"] = state["up.0.weight"].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert not views["up.0.weight"].is_contiguous()
    path = saved(views, tmp_path)
    same(read_checkpoint(path), network)
    assert path.stat().st_size < 100_000


def test_tied_and_repeated_tensors_are_read(network: ParagonSR2, tmp_path: Path) -> None:
    state = dict(network.state_dict())
    state["base.blur.v.weight"] = state["base.blur.h.weight"].reshape(3, 1, 5, 1)
    same(read_checkpoint(saved({"params": state, "params_ema": state}, tmp_path)), network)


def test_a_slice_brings_its_whole_storage_and_is_still_right(network: ParagonSR2, tmp_path: Path) -> None:
    state = dict(network.state_dict())
    large = torch.zeros(1000, 4)
    large[500] = state["conv_in.bias"]
    state["conv_in.bias"] = large[500]
    same(read_checkpoint(saved(state, tmp_path)), network)


def test_files_of_torch_before_1_6_are_refused_with_advice(network: ParagonSR2, tmp_path: Path) -> None:
    path = saved(network.state_dict(), tmp_path, _use_new_zipfile_serialization=False)
    with pytest.raises(UnreadableCheckpointError, match=r"torch before 1\.6") as caught:
        read_checkpoint(path)
    assert "save it again" in caught.value.hint


class Trap(torch.nn.Module):
    """A network that leaves a trace when it is unpickled."""

    trace: Path

    def __init__(self, trace: Path) -> None:
        super().__init__()
        self.conv_in = torch.nn.Conv2d(3, 4, 3)
        self.trace = trace

    def __setstate__(self, state: dict[str, Any]) -> None:
        state["trace"].touch()
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # missing from torch's annotations


def test_whole_modules_are_refused_unexecuted(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = saved({"params": Trap(trace)}, tmp_path)
    with pytest.raises(UnsafeCheckpointError, match=r"asks for .*Trap.*nothing was executed") as caught:
        read_checkpoint(path)
    assert ".safetensors" in caught.value.hint
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the trap is real
    assert trace.exists()


class Command:
    """Runs code when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("place", ["value", "key", "metadata", "outside"])
def test_code_next_to_weights_is_refused_unexecuted(network: ParagonSR2, place: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    state: dict[Any, Any] = {"params": dict(network.state_dict())}
    if place == "value":
        state["params"]["conv_in.bias"] = Command(trace)
    elif place == "key":
        state["params"][Command(trace)] = state["params"]["conv_in.bias"]
    else:
        state[place] = [Command(trace)]
    path = saved(state, tmp_path)
    with pytest.raises(UnsafeCheckpointError, match="nothing was executed"):
        load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        torch.optim.Adam([torch.zeros(3, requires_grad=True)]),
        torch.device("cpu"),
        torch.float32,
        {"w": torch.zeros(2, 2).to_sparse()},
        {"w": torch.zeros(2, dtype=torch.complex64)},
        {"w": torch.zeros(2).to(torch.float8_e4m3fn)},
        {"w": torch.zeros(2, dtype=torch.uint16)},
        {"w": np.zeros(2)},
        {"w": b"bytes"},
    ],
    ids=["optimizer", "device", "dtype", "sparse", "complex", "float8", "uint16", "numpy", "bytes"],
)
def test_what_is_more_than_weights_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(UnsafeCheckpointError, match="which weights do not need"):
        read_checkpoint(saved(content, tmp_path))


@pytest.mark.parametrize("content", [[], [torch.zeros(2)], torch.zeros(2), {}, {"iter": 5}, "text", None, 1.5])
def test_what_holds_no_named_weights_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(UnreadableCheckpointError, match=r"no dictionary of tensors|holds no tensors"):
        read_checkpoint(saved(content, tmp_path))


def test_training_states_of_optimisers_are_no_networks(tmp_path: Path) -> None:
    parameter = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(3)
    optimiser.step()
    with pytest.raises((UnreadableCheckpointError, UnsupportedArchitectureError)):
        load(saved(optimiser.state_dict(), tmp_path))


def test_what_torch_cut_off_is_refused(network: ParagonSR2, tmp_path: Path) -> None:
    content = saved(network.state_dict(), tmp_path).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(0, len(content), len(content) // 50):
        cut.write_bytes(content[:length])
        with pytest.raises(UnreadableCheckpointError):
            read_checkpoint(cut)
