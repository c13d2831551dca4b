"""Float32 on NVIDIA cards is float32, whatever other threads and the program around us do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.interop import network as interop
from paragon_core.network import ParagonSR2
from paragon_core.network.float32 import WholeFloat32, whole_float32
from tests.network.random_networks import random_image
from tests.patience import PATIENCE
from tests.random_models import random_model, spec

CUDA = torch.device("cuda")


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Writes down the operators that this thread calls, with their arguments."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.calls.append((func.overloadpacket.__name__, args))
        return func(*args, **(kwargs or {}))

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.calls}

    @property
    def allow_tf32(self) -> list[bool]:
        return [args[12] for name, args in self.calls if name == "_convolution"]


@given(
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    options=st.fixed_dictionaries(
        {
            "groups": st.integers(1, 3),
            "kernel_size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
            "stride": st.integers(1, 2),
            "padding": st.integers(0, 2) | st.tuples(st.integers(0, 2), st.integers(0, 2)),
            "dilation": st.integers(1, 2),
            "bias": st.booleans(),
        }
    ),
)
def test_convolutions_are_the_same_but_for_the_argument(channels: tuple[int, int], options: dict[str, Any]) -> None:
    groups = options["groups"]
    layer = torch.nn.Conv2d(channels[0] * groups, channels[1] * groups, **options)
    x = torch.rand(2, channels[0] * groups, 6, 7)
    with torch.no_grad():
        expected = layer(x)
        with WholeFloat32(), Seen() as seen:
            result = layer(x)
    assert torch.equal(result, expected)
    assert seen.allow_tf32 == [False]


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), outputs=st.integers(1, 5), bias=st.booleans())
def test_linear_layers_are_the_same_without_a_product_of_matrices(shape: list[int], outputs: int, bias: bool) -> None:
    layer, x = torch.nn.Linear(shape[-1], outputs, bias=bias), torch.rand(shape)
    with torch.no_grad():
        expected = layer(x)
        with WholeFloat32(), Seen() as seen:
            result = layer(x)
    assert result.shape == expected.shape
    assert (result - expected).abs().max() <= 1e-6
    assert seen.allow_tf32 == [False]
    assert not seen.names & {"mm", "addmm", "linear"}


def test_half_precision_keeps_its_products_of_matrices() -> None:
    layer, x = torch.nn.Linear(4, 3, dtype=torch.bfloat16), torch.rand(5, 4, dtype=torch.bfloat16)
    with torch.no_grad(), WholeFloat32(), Seen() as seen:
        layer(x)
    assert seen.allow_tf32 == []


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
@pytest.mark.parametrize("fused", [True, False])
def test_no_layer_of_a_network_is_left_out(variant: str, *, fused: bool) -> None:
    model = random_model(spec(variant))
    network: Any = FusedParagonSR2.from_model(model, GraphSpec()) if fused else ParagonSR2.from_model(model)
    x = random_image(9, 8)
    with torch.inference_mode():
        expected = network(x)
        with whole_float32(CUDA), Seen() as seen:
            result = network(x)
    assert (result - expected).abs().max() <= 1e-5
    assert set(seen.allow_tf32) == {False}
    assert "convolution" not in seen.names
    if fused:
        assert not seen.names & {"mm", "addmm"}


def test_the_network_for_other_programs_keeps_float32_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network = interop.AutoFusedParagonSR2.from_model(random_model(spec("realtime")))
    monkeypatch.setattr(interop, "whole_float32", lambda _: whole_float32(CUDA))
    with torch.inference_mode(), Seen() as seen:
        network(random_image(9, 8))
    assert set(seen.allow_tf32) == {False}


def test_other_devices_are_left_alone() -> None:
    x, weight = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 3, 3)
    with whole_float32(torch.device("cpu")), torch.no_grad(), Seen() as seen:
        functional.conv2d(x, weight)
    assert seen.names == {"convolution"}


def test_threads_come_and_go_without_a_trace_in_each_other_or_in_the_process() -> None:
    """The switches of the process stay where the program around us put them, at every moment."""
    entered, left = threading.Barrier(2), threading.Barrier(2)
    x, weight = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 3, 3)
    switches = torch.backends.cudnn

    def convolved() -> list[bool]:
        with torch.no_grad(), Seen() as seen:
            functional.conv2d(x, weight)
        return list(seen.allow_tf32)

    def first() -> list[list[bool]]:
        with whole_float32(CUDA):
            entered.wait(timeout=PATIENCE)
            inside = convolved()
        left.wait(timeout=PATIENCE)
        return [inside, convolved()]

    def second() -> list[list[bool]]:
        before = convolved()
        with whole_float32(CUDA):
            entered.wait(timeout=PATIENCE)
            left.wait(timeout=PATIENCE)  # the other thread has left its block
            return [before, convolved()]

    for allowed in (True, False):
        kept = switches.allow_tf32
        switches.allow_tf32 = allowed
        try:
            with ThreadPoolExecutor(2) as pool:
                results = pool.submit(first), pool.submit(second)
                outside = convolved()
                assert results[0].result() == [[False], []]
                assert results[1].result() == [[], [False]]
            assert outside == []
            assert switches.allow_tf32 is allowed
        finally:
            switches.allow_tf32 = kept
