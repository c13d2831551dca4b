"""Samples become floats and results samples as numpy would do it, and what is not a number is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.backends.torch_network import TorchNetwork, from_samples, to_samples
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import batch, random_model, spec

CPU = torch.device("cpu")
PEAKS = {"uint8": 255, "uint16": 65535}


def samples(dtype: str, *, interleaved: bool) -> npt.NDArray[Any]:
    generator = np.random.default_rng(0)
    values = generator.random((3, 5, 7)) if dtype == "float32" else generator.integers(0, PEAKS[dtype] + 1, (3, 5, 7))
    planes = values.astype(dtype)
    planes.flat[:2] = (0, 1 if dtype == "float32" else PEAKS[dtype])
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2)) if interleaved else planes


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_samples_become_a_batch_of_floats(dtype: str, *, levels: bool, interleaved: bool) -> None:
    given_samples = samples(dtype, interleaved=interleaved)
    planes = np.moveaxis(given_samples, 2, 0) if interleaved else given_samples
    image = from_samples(torch.from_numpy(planes), levels=levels)
    peak = 1 if levels or dtype == "float32" else PEAKS[dtype]
    assert image.dtype == torch.float32
    assert np.array_equal(image.numpy(), planes.astype(np.float32) / np.float32(peak))


def written(
    output: npt.NDArray[Any], dtype: str, *, interleaved: bool, **options: bool
) -> tuple[npt.NDArray[Any], bool]:
    shape = output.shape if not interleaved else (*output.shape[1:], output.shape[0])
    result = np.empty(shape, dtype)
    planes = np.moveaxis(result, 2, 0) if interleaved else result
    finite = torch.full((1,), 7, dtype=torch.uint8)
    to_samples(torch.from_numpy(output.copy()), torch.from_numpy(planes), finite, **options)
    assert int(finite) in {0, 1}
    return planes, bool(finite)


@given(
    values=st.lists(st.floats(-3, 3, width=32) | st.integers(-4, 70000).map(lambda each: (each + 0.5) / 65535)),
    dtype=st.sampled_from(["uint8", "uint16", "float16", "float32"]),
    interleaved=st.booleans(),
    levels=st.booleans(),
    clip=st.booleans(),
)
def test_results_become_samples_as_numpy_would_have_it(
    *, values: list[float], dtype: str, interleaved: bool, levels: bool, clip: bool
) -> None:
    output = np.resize(np.array([0.25, *values], np.float32), (3, 4, 5))
    peak = PEAKS.get(dtype)
    levels = levels and peak is not None
    if levels:
        output *= np.float32(peak or 1)
    result, finite = written(output, dtype, interleaved=interleaved, levels=levels, clip=clip)
    if peak is not None:
        scaled = output if levels else output * np.float32(peak)
        expected = np.rint(scaled).clip(0, peak).astype(dtype)
    else:
        expected = (output.clip(0, 1) if clip else output).astype(dtype)
    assert finite
    assert np.array_equal(result, expected)


def test_half_precision_is_clipped_to_what_it_can_hold() -> None:
    output = np.array([[[1e6, -1e6, 2.0]]], np.float32)
    result, finite = written(output, "float16", interleaved=False, levels=False, clip=False)
    assert finite
    assert result.tolist() == [[[65504.0, -65504.0, 2.0]]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 29, 59])
def test_a_single_value_that_is_not_a_number_is_noticed(dtype: str, bad: float, place: int) -> None:
    output = np.full((3, 4, 5), 0.5, np.float32)
    output.flat[place] = bad
    assert not written(output, dtype, interleaved=True, levels=False, clip=True)[1]


def test_huge_values_are_numbers() -> None:
    output = np.array([[[3e38, -3e38, 0.5]]], np.float32)
    result, finite = written(output, "uint8", interleaved=False, levels=False, clip=True)
    assert finite
    assert result.tolist() == [[[255, 0, 128]]]


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_a_network_of_levels_is_the_network_of_values_times_255(variant: str, *, grey: bool) -> None:
    model = random_model(spec(variant))
    values = torch.from_numpy(batch(1, 9, 8, channels=1 if grey else 3))
    of_values, of_levels = (
        TorchNetwork(model, GraphSpec(grey=grey), precision="fp32", device=CPU, levels=levels)
        for levels in (False, True)
    )
    with torch.inference_mode():
        expected, result = of_values(values) * 255, of_levels(values * 255)
    assert (result - expected).abs().max() <= 1e-4 * max(1, float(expected.abs().max()) / 255)
