"""Whether ONNX Runtime's CUDA provider is believed: only after a session has computed on it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from paragon_core.backends import SessionOptions, choose, cuda_driver, onnxruntime_cuda
from paragon_core.backends.cuda_driver import Driver, Gpu
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.onnxruntime_cuda import PROVIDER, obstacle
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from collections.abc import Callable

CARD = Gpu(index=0, name="NVIDIA Card", capability="sm_86", multiprocessors=28)
HAS_CUDA = PROVIDER in onnxruntime.get_available_providers()


def claiming(**changes: Any) -> Any:
    """Return this ONNX Runtime, which says of itself that it was built with CUDA."""
    return SimpleNamespace(
        **{
            "SessionOptions": onnxruntime.SessionOptions,
            "InferenceSession": onnxruntime.InferenceSession,
            "get_available_providers": lambda: [PROVIDER, "CPUExecutionProvider"],
            "__version__": "1.99",
            **changes,
        }
    )


class OnCuda:
    """A session of the processor that says that it is on CUDA."""

    def __init__(self, model: bytes, _options: Any, *, providers: list[str], enable_fallback: int) -> None:
        assert providers == [PROVIDER]
        assert not enable_fallback
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.factor = 1

    def get_providers(self) -> list[str]:
        return [PROVIDER, "CPUExecutionProvider"]

    def run(self, names: Any, values: dict[str, Any]) -> list[Any]:
        return [self.factor * np.asarray(each) for each in self._session.run(names, values)]


@pytest.fixture
def with_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "find", lambda: Driver(cuda=(13, 0), gpus=(CARD,)))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], OnnxRuntimeBackend]:
    """Return a function that makes a backend on a runtime."""

    def make(runtime: Any) -> OnnxRuntimeBackend:
        monkeypatch.setattr("paragon_core.backends.onnxruntime._import", lambda: runtime)
        monkeypatch.setattr(OnnxRuntimeBackend, "may_accelerate", lambda _: True)
        return OnnxRuntimeBackend()

    return make


@pytest.mark.skipif(HAS_CUDA, reason="needs an ONNX Runtime without CUDA")
def test_a_wheel_without_cuda_says_so() -> None:
    assert "without CUDA" in obstacle(onnxruntime)


def test_without_a_driver_no_session_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> Driver:
        raise BackendUnavailableError("NVIDIA's driver is not installed", hint="install it")

    monkeypatch.setattr(cuda_driver, "find", find)
    assert "driver is not installed" in obstacle(claiming(InferenceSession=None))


@pytest.mark.skipif(HAS_CUDA, reason="needs an ONNX Runtime without CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("with_driver")
def test_a_provider_that_does_not_load_is_found_out_by_a_real_session(capfd: pytest.CaptureFixture[str]) -> None:
    """What happens where the wheel is installed without CUDA's libraries: the nodes would be the processor's."""
    assert "libraries are missing" in obstacle(claiming())
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("with_driver")
def test_a_provider_that_computes_is_believed() -> None:
    assert obstacle(claiming(InferenceSession=OnCuda)) == ""


@pytest.mark.usefixtures("with_driver")
def test_wrong_values_silent_fallbacks_and_errors_are_obstacles() -> None:
    class Wrong(OnCuda):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.factor = 2

    class Fallen(OnCuda):
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    class Raising(OnCuda):
        def run(self, *_: Any) -> list[Any]:
            raise RuntimeError("CUDNN_STATUS_NOT_INITIALIZED\nsomewhere")

    said = [obstacle(claiming(InferenceSession=kind)) for kind in (Wrong, Fallen, Raising)]
    assert "wrong values" in said[0]
    assert "libraries are missing" in said[1]
    assert said[2] == "CUDNN_STATUS_NOT_INITIALIZED somewhere"


@pytest.mark.usefixtures("with_driver")
def test_libraries_are_loaded_first_and_what_is_printed_of_them_goes_to_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def preload() -> None:
        done.append("preload")
        print("Failed to load libcudnn.so.9")  # noqa: T201 - as ONNX Runtime does

    class Noted(OnCuda):
        def __init__(self, *given: Any, **named: Any) -> None:
            done.append("session")
            super().__init__(*given, **named)

    with caplog.at_level(logging.DEBUG):
        assert obstacle(claiming(InferenceSession=Noted, preload_dlls=preload)) == ""
    assert done == ["preload", "session"]
    assert capsys.readouterr().out == ""
    assert "libcudnn.so.9" in caplog.text


def test_a_preloading_that_fails_is_no_obstacle_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    def preload() -> None:
        raise RuntimeError("no such folder")

    with caplog.at_level(logging.DEBUG):
        onnxruntime_cuda.preload(claiming(preload_dlls=preload))
    assert "no such folder" in caplog.text


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("with_driver")
def test_auto_leaves_a_runtime_whose_cuda_does_not_load(
    backend: Callable[[Any], OnnxRuntimeBackend], offer: Callable[..., None]
) -> None:
    class Failing(OnCuda):
        def run(self, *_: Any) -> list[Any]:
            raise RuntimeError("no CUDA")

    runtime = backend(claiming(InferenceSession=Failing))
    info = runtime.probe()
    assert info.available
    assert info.accelerator == ""
    assert "no CUDA" in info.reason
    assert "onnxruntime-gpu" in info.hint
    assert runtime.reduced_precisions("auto") == ()
    assert runtime.free_memory("auto") is None
    offer(runtime)
    assert choose("auto").probe().accelerator == ""
    with pytest.raises(BackendUnavailableError, match=r"no CUDA"):
        runtime.open(random_model(spec("realtime")), GraphSpec(), SessionOptions(device="cuda"))


@pytest.mark.usefixtures("with_driver")
def test_a_runtime_whose_cuda_works_is_asked_once_and_taken(
    backend: Callable[[Any], OnnxRuntimeBackend], offer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Counted(OnCuda):
        def __init__(self, *given: Any, **named: Any) -> None:
            made.append(self)
            super().__init__(*given, **named)

    monkeypatch.setattr(cuda_driver, "free_memory", lambda index: 1000 + index)
    runtime = backend(claiming(InferenceSession=Counted))
    offer(runtime)
    assert choose("auto") is choose("auto", "cuda:1") is runtime
    info = runtime.probe()
    assert info.accelerator == "cuda"
    assert CARD.name in info.reason  # what was measured on one card is not another's
    assert runtime.reduced_precisions("cuda") == ("fp16",)
    assert runtime.free_memory("cuda:1") == 1001
    assert runtime.free_memory("cpu") is None
    assert len(made) == 1
