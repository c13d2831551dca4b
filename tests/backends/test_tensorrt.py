"""Whether TensorRT works here is found out without touching it where it could crash."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.backends import cuda_driver, tensorrt, tensorrt_build
from paragon_core.backends.cuda_driver import Driver, Gpu
from paragon_core.backends.tensorrt import TensorRtRuntime
from paragon_core.backends.tensorrt_build import graph_to_build
from paragon_core.engines import Profile, Target
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from tests.fresh_python import PROGRAMS, run
from tests.random_models import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")


def gpu(index: int = 0, **changes: Any) -> Gpu:
    fields: dict[str, Any] = {"name": "NVIDIA GeForce RTX 3060", "capability": "sm_86", "multiprocessors": 28}
    return Gpu(index=index, **(fields | changes))


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TensorRtRuntime]:
    """Return a function that makes a machine with a driver and cards."""

    def make(*cards: Gpu, cuda: tuple[int, int] = (13, 1)) -> TensorRtRuntime:
        driver = Driver(cuda=cuda, gpus=cards or (gpu(), gpu(1, capability="sm_89")))
        monkeypatch.setattr(cuda_driver, "find", lambda: driver)
        return TensorRtRuntime()

    return make


def test_a_card_that_works(driven: Callable[..., TensorRtRuntime]) -> None:
    info = driven().probe()
    assert (info.name, info.available, info.accelerator, info.streams) == ("tensorrt", True, "cuda", 2)
    assert info.version == tensorrt_build.installed_version()
    assert info.reason == "NVIDIA GeForce RTX 3060 (sm_86), TensorRT-RTX"


def test_devices_and_their_keys(driven: Callable[..., TensorRtRuntime]) -> None:
    runtime = driven()
    assert runtime.device("auto") == runtime.device("cuda") == runtime.device("cuda:0")
    second = runtime.device("cuda:1")
    assert (second.index, second.capability, second.target) == (1, "sm_89", Target.parse("sm_89"))
    for name in ("cpu", "cuda:2", "cuda:x", "mps"):
        with pytest.raises(BackendUnavailableError):
            runtime.device(name)
    graph = graph_to_build(MODEL, GraphSpec(io="uint8"), "fp16")
    key = runtime.key("mine", graph, "fp16", second)
    assert (key.flavour, key.target, key.cuda_major) == ("tensorrt_rtx", Target.parse("sm_89"), 13)
    engine = runtime.build(graph, Profile.static((96, 64)), key, lambda _share, _doing: None)
    assert len(engine) > 50_000


def test_full_tensorrt_takes_over_on_cards_that_rtx_does_not_know(
    driven: Callable[..., TensorRtRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = ModuleType("tensorrt")
    full.__dict__["__version__"] = "11.4.0.106"
    monkeypatch.setitem(sys.modules, "tensorrt", full)
    monkeypatch.setattr(tensorrt, "find_spec", lambda _name: True)
    hopper = gpu(name="NVIDIA H100", capability="sm_90", multiprocessors=132)
    device = driven(hopper).device("auto")
    assert device.flavour == "tensorrt"
    assert device.target == Target(capabilities=("sm_90",), device="NVIDIA H100, 132 SM")
    assert driven(gpu()).device("auto").flavour == "tensorrt_rtx"


@pytest.mark.parametrize(
    ("cards", "cuda", "reason", "hint"),
    [
        ((gpu(capability="sm_90"),), (13, 1), "does not know sm_90", "it knows"),
        ((gpu(),), (12, 8), r"knows CUDA 12\.8, .* needs 13", "580 on, or: pip install tensorrt-rtx-cu12"),
        ((gpu(),), (11, 8), r"knows CUDA 11\.8", "580"),
    ],
    ids=["an unknown card", "an old driver", "a very old driver"],
)
def test_why_not_is_told(
    driven: Callable[..., TensorRtRuntime], cards: tuple[Gpu, ...], cuda: tuple[int, int], reason: str, hint: str
) -> None:
    info = driven(*cards, cuda=cuda).probe()
    assert not info.available
    assert hint in info.hint
    with pytest.raises(BackendUnavailableError, match=reason):
        driven(*cards, cuda=cuda).device("auto")


def test_without_a_driver_tensorrt_is_not_even_loaded() -> None:
    result = run(PROGRAMS / "tensorrt_without_driver.py")
    assert result.stdout == "False True True\n[]\n"


def test_where_it_is_not_installed_the_pip_line_is_told() -> None:
    result = run(
        """
        from paragon_core.backends import BACKENDS
        info = BACKENDS["tensorrt"].probe()
        print(BACKENDS["tensorrt"].may_accelerate(), info.available, info.reason, info.hint)
        """,
        without=["tensorrt_rtx", "tensorrt"],
    )
    assert result.stdout.startswith("False False neither TensorRT-RTX nor TensorRT is installed for NVIDIA cards: pip ")
