from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from paragon_core.errors import CheckpointError, InputError, UnsupportedArchitectureError, UnsupportedSizeError
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS

torch = pytest.importorskip("torch")

from paragon_core.training.munet import SIZES, MUNet, MUNetSize, read_munet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[np.float32]]

TINY = MUNetSize(channels=4, multiples=(1, 2))


@pytest.mark.parametrize("name", ["even", "odd"])
def test_reproduces_upstream(shared: Path, name: str) -> None:
    network = read_munet(shared / "vectors/munet_nf8_m122.safetensors")
    images = load_file(shared / "vectors/munet_nf8_m122_io.safetensors")
    with torch.inference_mode():
        logits = network(torch.from_numpy(images[f"{name}.in"])).numpy()
    assert np.abs(logits - images[f"{name}.out"]).max() <= 1e-5
    assert logits.std() > 0.01  # so that a tolerance of 1e-5 says something


def test_the_vector_keeps_its_own_kernels(shared: Path) -> None:
    path = shared / "vectors/munet_nf8_m122.safetensors"
    key = "up_blocks.0.magic_upsample.sharpen.conv_h.weight"
    stored = load_file(path)[key]
    assert not np.allclose(stored[0].ravel(), SOFTENING_TAPS, atol=0.1)  # upstream's initialisation overwrote them
    assert np.array_equal(read_munet(path).to_arrays()[key], stored)


@pytest.mark.parametrize(
    ("variant", "keys", "parameters", "trained"),
    [("realtime", 51, 368_545, 364_705), ("photo", 64, 10_769_217, 10_746_177)],
)
def test_is_as_large_as_upstreams(variant: str, keys: int, parameters: int, trained: int) -> None:
    network = MUNet(SIZES[variant])  # type: ignore[index]
    assert len(network.state_dict()) == keys
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) == trained


def test_fresh_weights_hold_the_true_kernels() -> None:
    arrays = MUNet(TINY).to_arrays()
    for key, array in arrays.items():
        if "conv_h" in key or "conv_v" in key:
            taps = SOFTENING_TAPS if "sharpen" in key else BINOMIAL_TAPS
            assert np.array_equal(array.reshape(len(array), -1), np.tile(taps, (len(array), 1))), key
    assert sum("magic_upsample" in key for key in arrays) == 8


@settings(max_examples=10)
@given(
    channels=st.integers(1, 4),
    multiples=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    height=st.integers(8, 21),
    width=st.integers(8, 21),
)
def test_a_saved_one_is_recognised_and_judges_alike(
    channels: int, multiples: list[int], height: int, width: int
) -> None:
    network = MUNet(MUNetSize(channels=channels, multiples=tuple(multiples))).eval()
    again = MUNet.from_arrays(network.to_arrays())
    image = torch.rand(2, 3, height, width)
    assert again.size == network.size
    with torch.inference_mode():
        logits = network(image)
        assert torch.equal(again(image), logits)
    assert logits.shape == (2, 1, height, width)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_both_kinds_of_files_are_read(tmp_path: Path, suffix: str) -> None:
    network, path = MUNet(TINY), tmp_path / f"munet{suffix}"
    if suffix == ".pth":
        torch.save({"params": network.state_dict()}, path)
    else:
        save_file(network.to_arrays(), path)
    for key, array in read_munet(path).to_arrays().items():
        assert np.array_equal(array, network.to_arrays()[key]), key


def without(arrays: Arrays, *keys: str) -> Arrays:
    return {key: array for key, array in arrays.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: without(arrays, "out_conv.bias"), "1 tensors missing, 0 unexpected"),
        (lambda arrays: arrays | {"more": np.zeros(1, np.float32)}, "0 tensors missing, 1 unexpected"),
        (lambda arrays: without(arrays, "in_conv.weight"), "not those of a MUNet"),
        (lambda arrays: arrays | {"in_conv.weight": np.zeros((), np.float32)}, "not those of a MUNet"),
        (lambda arrays: arrays | {"in_conv.weight": np.zeros((3, 3, 3, 3), np.float32)}, "not those of a MUNet"),
        (lambda arrays: arrays | {"in_conv.weight": np.zeros((4, 1, 3, 3), np.float32)}, "4x3x3x3"),
        (lambda arrays: arrays | {"out_conv.bias": np.full(1, np.nan, np.float32)}, r"out_conv\.bias"),
        (lambda _: {}, "not those of a MUNet"),
    ],
)
def test_other_weights_are_refused(change: Callable[[Arrays], Arrays], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        MUNet.from_arrays(change(MUNet(TINY).to_arrays()))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UnsupportedArchitectureError) as caught:
        MUNet.from_arrays(without(MUNet(TINY).to_arrays(), "in_conv.bias"))
    assert caught.value.missing == ("in_conv.bias",)
    assert "in_conv.bias" in caught.value.hint


def test_too_small_a_image_is_refused() -> None:
    with pytest.raises(UnsupportedSizeError, match="9x3"):
        MUNet(TINY)(torch.zeros(1, 3, 3, 9))
    assert MUNet(TINY)(torch.zeros(1, 3, 4, 4)).shape == (1, 1, 4, 4)


@pytest.mark.parametrize(("channels", "multiples"), [(0, (1,)), (4, ()), (4, (1, 0))])
def test_impossible_sizes_are_refused(channels: int, multiples: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="impossible"):
        MUNetSize(channels=channels, multiples=multiples)
