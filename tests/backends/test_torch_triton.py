"""When torch's backend takes the Triton kernels; what they compute is in tests/triton_kernels."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch")

import torch

from paragon_core.backends import torch_triton
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import random_model, spec

MODEL = random_model(spec("realtime"))
CARD = torch.device("cuda", 0)


class FakeProgram:
    """Takes the place of the kernels."""

    calls: list[tuple[Any, ...]]
    fails: Exception | None = None

    def __init__(self, weights: Any, device: torch.device) -> None:
        self.planes = weights.image_channels
        self.device = device
        self.calls = []

    def upscale(self, image: Any, out: Any, finite: torch.Tensor) -> None:
        if self.fails:
            raise self.fails
        self.calls.append((image.dtype, tuple(image.shape), out.dtype, tuple(out.shape)))
        finite.fill_(1)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> type[FakeProgram]:
    """Pretend that there is an NVIDIA card with Triton; tensors stay on the CPU."""

    class Program(FakeProgram):
        pass

    def on_cpu(make: Any) -> Any:
        def made(shape: tuple[int, ...], *, device: torch.device, **options: Any) -> torch.Tensor:
            assert device == CARD
            return torch.as_tensor(make(shape, **options))

        return made

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    monkeypatch.setattr(torch_triton, "_import", lambda: Program)
    monkeypatch.setattr(torch, "zeros", on_cpu(torch.zeros))
    monkeypatch.setattr(torch, "empty", on_cpu(torch.empty))
    return Program


def found(model: Any = MODEL, precision: Any = "fp16", device: torch.device = CARD, **form: Any) -> Any:
    return torch_triton.find_program(model, GraphSpec(**form), precision, device)


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("variant", ["realtime", "stream"])
@pytest.mark.parametrize("io", ["uint8", "float32"])
@pytest.mark.parametrize(("grey", "separate"), [(False, False), (True, False), (False, True)])
def test_fp16_on_a_card_is_theirs_and_tried_first(variant: Any, io: Any, *, grey: bool, separate: bool) -> None:
    program = found(random_model(spec(variant, scale=4)), io=io, grey=grey, separate_detail=separate)
    planes = 1 if grey else 3
    dtype = getattr(torch, io)
    assert program.planes == planes
    assert program.device == CARD
    assert program.calls == [(dtype, (1, planes * (2 if separate else 1), 8, 8), dtype, (1, planes, 32, 32))]


@pytest.mark.usefixtures("card")
def test_other_precisions_forms_and_devices_are_not() -> None:
    assert found() is not None
    assert found(precision="fp32") is None
    assert found(precision="bf16") is None
    assert found(fused=False) is None
    assert found(device=torch.device("cpu")) is None
    assert found(device=torch.device("mps")) is None


@pytest.mark.usefixtures("card")
def test_cards_of_amd_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert found() is None


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    "model", [random_model(spec("photo")), random_model(spec("realtime", channels=48))], ids=["photo", "wide"]
)
def test_networks_without_kernels_are_left_to_torch(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert found(model) is None
    assert "no Triton kernels" in caplog.text


@pytest.mark.usefixtures("card")
def test_cards_whose_tensor_cores_triton_does_not_use_are_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    with caplog.at_level(logging.INFO):
        assert found() is None
    assert "compute capability 8.0, not 7.5" in caplog.text


def test_without_triton_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    monkeypatch.setitem(sys.modules, "triton", None)
    with caplog.at_level(logging.INFO):
        assert found() is None
    assert "pip install triton" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_kernels_that_fail_leave_torch_a_warning(card: type[FakeProgram], caplog: pytest.LogCaptureFixture) -> None:
    card.fails = RuntimeError("ptxas was\n not found")
    assert found() is None
    assert "ptxas was not found" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_the_version_is_that_of_whatever_brought_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"triton-windows": "3.6.0.post25"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr("importlib.metadata.version", version)
    assert torch_triton.version() == "3.6.0.post25"
    installed.clear()
    assert torch_triton.version() == ""
