"""ONNX Runtime on WebGPU: its pixels on a Vulkan that computes on the processor, and errors where it is missing."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from paragon_core.backends import BACKENDS, SessionOptions, choose, is_on_cpu, onnxruntime_webgpu
from paragon_core.errors import BackendUnavailableError, InferenceError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.session_pool import session_options
from tests import software_vulkan
from tests.fresh_python import PROGRAMS, run
from tests.random_models import batch, random_model, spec

if TYPE_CHECKING:
    from collections.abc import Callable

BACKEND = BACKENDS["onnxruntime"]
MODEL = random_model(spec("realtime"))
WEBGPU = SessionOptions(device="webgpu")


@pytest.mark.slow
def test_pixels_are_those_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime_ep_webgpu", reason="pip install 'paragon-sr[webgpu]'")
    software_vulkan.use(monkeypatch, *software_vulkan.SWIFTSHADER)  # the plugin refuses lavapipe
    results: dict[str, float] = json.loads(run(PROGRAMS / "webgpu_pixels.py").stdout)
    bounds = {name: 0 if "uint8" in name else 1e-3 for name in results} | {"upscaler": 1}
    assert len(results) == 18
    assert {name: value for name, value in results.items() if not value <= bounds[name]} == {}


class Runtime:
    """A stand-in for ONNX Runtime with the plugin: it has a card or none, and writes down what it is told."""

    __version__ = "1.32.0"

    def __init__(self, *, cards: int = 1, error: str = "") -> None:
        self.cards = cards
        self.error = error
        self.registered: list[str] = []
        self.settings: dict[str, str] = {}
        self.entries: dict[str, str] = {}
        self.graph = onnx.ModelProto()

    def register_execution_provider_library(self, name: str, path: str) -> None:
        assert path == "plugin.so"
        self.registered.append(name)

    def get_ep_devices(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(ep_name="Card")] * (self.cards if self.registered else 0)

    def SessionOptions(self) -> Any:  # noqa: N802 - the runtime's name
        return SimpleNamespace(
            add_session_config_entry=self.entries.__setitem__,
            add_provider_for_devices=lambda devices, settings: self.settings.update(settings, card=devices[0].ep_name),
        )

    def InferenceSession(self, graph: bytes, options: object, **_others: object) -> Any:  # noqa: N802 - as above
        assert options
        self.graph.ParseFromString(graph)
        if self.error:
            raise RuntimeError(self.error)
        return SimpleNamespace(run=self.run)

    def run(self, _names: None, given: dict[str, Any], _options: object) -> list[Any]:
        return [given["input"]]

    def get_available_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def RunOptions(self) -> SimpleNamespace:  # noqa: N802 - as above
        return SimpleNamespace()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runtime]:
    """Return a function that has Paragon find a stand-in."""

    def make(**settings: Any) -> Runtime:
        made = Runtime(**settings)
        plugin = SimpleNamespace(get_ep_name=lambda: "Card", get_library_path=lambda: "plugin.so")
        monkeypatch.setitem(sys.modules, "onnxruntime_ep_webgpu", plugin)
        monkeypatch.setattr(sys.modules[type(BACKEND).__module__], "_import", lambda: made)
        return made

    return make


def test_without_the_plugin_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_webgpu", None)
    with pytest.raises(BackendUnavailableError, match="plugin for WebGPU is not installed") as caught:
        BACKEND.open(MODEL, GraphSpec(), WEBGPU)
    assert caught.value.hint == "pip install 'paragon-sr[webgpu]'"
    with pytest.raises(BackendUnavailableError, match="not installed"):
        BACKEND.reduced_precisions("webgpu")


def test_without_a_card_it_says_so(runtime: Callable[..., Runtime]) -> None:
    runtime(cards=0)
    with pytest.raises(BackendUnavailableError, match="finds no graphics card") as caught:
        BACKEND.reduced_precisions("webgpu")
    assert "driver" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        ("WebGpuContext::Initialize Failed to get a WebGPU adapter: None", BackendUnavailableError, "drivers"),
        ("Program Transpose requires f16 but the device does not", BackendUnavailableError, "not compute in fp16"),
        ("Device lost", InferenceError, "onnxruntime failed: Device lost"),
    ],
)
def test_what_the_plugin_refuses_has_a_remedy(
    runtime: Callable[..., Runtime], said: str, error: type[Exception], match: str
) -> None:
    runtime(error=said)
    with pytest.raises(error, match=match):
        BACKEND.open(MODEL, GraphSpec(), WEBGPU)


def test_only_one_device_and_no_bfloat16(runtime: Callable[..., Runtime]) -> None:
    runtime()
    assert BACKEND.reduced_precisions("webgpu") == ("fp16",)
    for options in (SessionOptions(device="webgpu:1"), SessionOptions(device="webgpu", precision="bf16")):
        with pytest.raises(BackendUnavailableError, match=r"webgpu:1|bf16"):
            BACKEND.open(MODEL, GraphSpec(), options)


@pytest.mark.parametrize("cards", [0, 1])
def test_the_plugin_is_registered_once(runtime: Callable[..., Runtime], cards: int) -> None:
    """A second time under the same name ends the process; under another, there are two of it."""
    made = runtime(cards=cards)
    for _ in range(3):
        with nullcontext() if cards else pytest.raises(BackendUnavailableError):
            BACKEND.open(MODEL, GraphSpec(), WEBGPU)
    assert len(made.registered) == 1
    assert made.registered != ["webgpu"], "the name in the plugin's documentation is for the program around us"


@pytest.mark.parametrize(("variant", "anywhere"), [("realtime", False), ("stream", False), ("photo", True)])
def test_no_layer_is_left_to_the_processor(runtime: Callable[..., Runtime], variant: str, anywhere: bool) -> None:
    made = runtime()
    session = BACKEND.open(random_model(spec(variant)), GraphSpec(io="uint8"), WEBGPU)
    assert ("session.disable_cpu_ep_fallback" in made.entries) is not anywhere
    assert made.settings == {"preferredLayout": "NCHW", "enableGraphCapture": "0", "card": "Card"}
    assert "Round" not in {node.op_type for node in made.graph.graph.node}
    session.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        session.run(np.zeros((1, 8, 8, 3), np.uint8))


def test_runs_wait_for_each_other(runtime: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> None:
    made = runtime()
    busy = threading.Lock()

    def alone(_names: None, given: dict[str, Any], _options: object) -> list[Any]:
        assert busy.acquire(blocking=False), "two runs at once end the process"
        threading.Event().wait(0.01)
        busy.release()
        return [given["input"]]

    monkeypatch.setattr(made, "run", alone)
    sessions = [BACKEND.open(MODEL, GraphSpec(), WEBGPU) for _ in range(2)]
    value, results = batch(1, 4, 4), []
    work = [lambda session=session: results.append(session.run(value)) for session in sessions]
    threads = [threading.Thread(target=each) for each in work * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6


def test_it_is_taken_by_name_only(runtime: Callable[..., Runtime]) -> None:
    assert choose("auto", "webgpu").name == "onnxruntime"
    assert BACKEND.probe().accelerator != "webgpu"
    runtime()
    streams = session_options(MODEL, UpscaleOptions(device="webgpu"), choose("auto", "webgpu")).streams
    assert streams == 1, "a card computes one thing at a time"
    assert not is_on_cpu(BACKEND.probe(), onnxruntime_webgpu.DEVICE)
