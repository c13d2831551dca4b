"""vs-mlrt's TensorRT plugins get engines from Paragon's cache, and are used only where they can run them.

The plugin itself is a stand-in here, unless it is installed; frames are for machines with a GPU.
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import vapoursynth as vs

from paragon_core.backends import cuda_driver
from paragon_core.backends.cuda_driver import Driver, Gpu
from paragon_core.backends.tensorrt_build import installed_version
from paragon_core.engines import EngineCache
from paragon_core.errors import BackendUnavailableError, EngineCacheError, EngineError, InputError
from tests.backends.drivers import has_driver
from tests.vs_paragon import filter_settings
from tests.vs_paragon.clips import natural_clip
from vs_paragon import frames, mlrt
from vs_paragon.mlrt import PLUGINS, base
from vs_paragon.mlrt.trt import plugin_number
from vs_paragon.runtime_choice import plugin_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from vs_paragon.frames import Settings

pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")

SIZE = (60, 44)


def settings(**changes: Any) -> Settings:
    return filter_settings.settings(**({"backend": "trt_rtx", "precision": "fp16", "padding": "zero"} | changes))


class Plugin:
    """Writes down what its filter is given."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.calls: list[dict[str, Any]] = []

    def Version(self) -> dict[str, str]:  # noqa: N802
        return {"tensorrt_version": self.version}

    def Model(self, clips: list[vs.VideoNode], **options: Any) -> vs.VideoNode:  # noqa: N802
        self.calls.append({"clips": clips, "engine": Path(options["engine_path"]).read_bytes()} | options)
        return clips[0]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Plugin]:
    """Return a function that makes a machine with a card and a plugin."""

    def make(version: str = "10701", namespace: str = "trt_rtx") -> Plugin:
        made = Plugin(version)
        core = SimpleNamespace(**{namespace: made})
        monkeypatch.setattr(base, "vs", SimpleNamespace(core=core))
        card = Gpu(index=0, name="NVIDIA GeForce RTX 3060", capability="sm_86", multiprocessors=28)
        monkeypatch.setattr(cuda_driver, "find", lambda: Driver(cuda=(13, 1), gpus=(card,)))
        monkeypatch.setenv("PARAGON_CACHE", str(tmp_path / "cache"))
        return made

    return make


def test_versions_are_compared_as_the_headers_number_them() -> None:
    assert plugin_number("1.7.1.116") == plugin_number("10701") == 10701
    assert plugin_number("11.4.0.106") == plugin_number("110400")
    assert plugin_number("1.7.2.5") != plugin_number("10701")
    assert plugin_number(installed_version()) == 10701


@pytest.mark.parametrize("backend", ["trt_rtx", "tensorrt", "auto"])
def test_the_plugin_gets_an_engine_of_the_frames_size(
    plugin: Callable[..., Plugin], tmp_path: Path, backend: str
) -> None:
    made = plugin()
    chosen = settings(backend=backend)
    assert plugin_for(chosen, SIZE) is PLUGINS["trt_rtx"]
    clip = natural_clip(length=1)
    for _ in range(2):
        mlrt.upscaled([clip], chosen, PLUGINS["trt_rtx"])
    (entry,) = EngineCache(tmp_path / "cache").entries()
    assert entry.files.name == "60x44"
    assert entry.manifest is not None
    assert entry.manifest.key.precision == "fp16"
    assert [call["engine"] for call in made.calls] == [entry.files.engine.read_bytes()] * 2
    last = made.calls[-1]
    assert (last["num_streams"], last["use_cuda_graph"], last["device_id"]) == (2, True, 0)
    assert EngineCache(tmp_path / "cache").remove(entry), "nothing holds it any more"


def test_smoothed_clips_go_in_beside_the_clip(plugin: Callable[..., Plugin]) -> None:
    made = plugin()
    clip = natural_clip(length=1)
    mlrt.upscaled([clip, clip], settings(streams=3), PLUGINS["trt_rtx"])
    assert len(made.calls[0]["clips"]) == 2
    assert made.calls[0]["num_streams"] == 3


@pytest.mark.parametrize(
    ("changes", "version", "size", "reason"),
    [
        ({}, "10702", SIZE, "has TensorRT-RTX 10702, Paragon has 1.7.1.116"),
        ({"reuse": True}, "10701", SIZE, "cannot reuse"),
        ({"tile": 128}, "10701", SIZE, "whole frames only"),
        ({}, "10701", (7680, 4320), "whole frames only"),
        ({"backend": "trt"}, "10701", SIZE, "trt of vs-mlrt is not installed"),
    ],
    ids=["another version", "reuse", "tiles", "8K", "no plugin"],
)
def test_what_it_cannot_do_goes_through_paragons_executor_with_one_line(
    plugin: Callable[..., Plugin],
    caplog: pytest.LogCaptureFixture,
    *,
    changes: dict[str, Any],
    version: str,
    size: tuple[int, int],
    reason: str,
) -> None:
    plugin(version)
    with caplog.at_level(logging.INFO, logger="vs_paragon"):
        assert plugin_for(settings(**changes), size) is None
    (record,) = caplog.records
    assert reason in record.message
    assert record.message.startswith("frames pass through Python: ")
    assert record.levelno == logging.WARNING


def test_without_an_engine_auto_goes_on_and_a_name_does_not(
    plugin: Callable[..., Plugin], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin()

    def refuse(*_all: object, **_named: object) -> None:
        raise EngineCacheError("the folder is not safe", hint="choose another")

    monkeypatch.setattr(EngineCache, "get_or_build", refuse)
    monkeypatch.setattr(frames, "upscaler", lambda _settings: None)
    monkeypatch.setattr(frames, "upscaled", lambda clips, _upscaler, *, bits: clips[0] if bits else None)
    clip = natural_clip(length=1)
    with pytest.raises(EngineError, match="not safe"):
        mlrt.upscaled([clip], settings(), PLUGINS["trt_rtx"])
    with caplog.at_level(logging.WARNING, logger="vs_paragon"):
        assert mlrt.upscaled([clip], settings(backend="auto"), PLUGINS["trt_rtx"]) is clip
    assert "frames pass through Python, because the plugin trt_rtx has no engine: the folder is not" in caplog.text


def test_what_makes_no_sense_is_refused(plugin: Callable[..., Plugin]) -> None:
    plugin()
    clip = natural_clip(length=1)
    with pytest.raises(InputError, match="bf16"):
        mlrt.upscaled([clip], settings(precision="bf16"), PLUGINS["trt_rtx"])
    with pytest.raises(BackendUnavailableError, match="does not suit this GPU"):
        mlrt.upscaled([clip], settings(), PLUGINS["trt"])


def test_without_a_gpu_a_name_says_why_not() -> None:
    if hasattr(vs.core, "trt_rtx") and has_driver():
        pytest.skip("here is a GPU")
    with pytest.raises(vs.Error, match="NVIDIA's driver"):
        vs.core.paragon.Upscale(natural_clip(length=1), backend="trt_rtx")


@pytest.mark.skipif(not hasattr(vs.core, "trt_rtx"), reason="pip install 'paragon-sr[vapoursynth-tensorrt-rtx]'")
def test_the_real_plugin_has_the_tensorrt_that_paragon_builds_for() -> None:
    assert PLUGINS["trt_rtx"].obstacle(settings(), SIZE) == ""
    parameters = {part.split(":")[0] for part in vs.core.trt_rtx.Model.signature.rstrip(";").split(";")}
    assert {"clips", "engine_path", "device_id", "num_streams", "use_cuda_graph"} <= parameters


@pytest.mark.skipif(not hasattr(vs.core, "trt_rtx"), reason="pip install 'paragon-sr[vapoursynth-tensorrt-rtx]'")
def test_the_real_plugin_takes_our_arguments_and_only_lacks_a_gpu(
    plugin: Callable[..., Plugin], monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_driver():
        pytest.skip("here is a GPU")
    plugin()
    monkeypatch.setattr(base, "vs", vs)
    with pytest.raises(vs.Error, match="CUDA driver"):
        mlrt.upscaled([natural_clip(length=1)], settings(), PLUGINS["trt_rtx"])
