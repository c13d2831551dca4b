"""Precisions and devices find the backend that can do them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from paragon_core.backends import BACKENDS, BackendInfo
from paragon_core.errors import BackendUnavailableError
from tests.vs_paragon.clips import natural_yuv, planes_of
from tests.vs_paragon.filter_settings import settings
from tests.vs_paragon.vspipe import vspipe
from vs_paragon.mlrt import OV, base
from vs_paragon.runtime_choice import plugin_for, suited

SIZE = (64, 48)


def chosen(**changes: Any) -> tuple[str, str]:
    result = suited(settings(**changes), SIZE)
    return result.backend, result.device


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give ONNX Runtime a graphics card, which computes in fp16 besides fp32."""
    backend = type(BACKENDS["onnxruntime"])
    info = BackendInfo(name="onnxruntime", available=True, accelerator="cuda")
    monkeypatch.setattr(backend, "may_accelerate", lambda _self: True)
    monkeypatch.setattr(backend, "probe", lambda _self: info)
    monkeypatch.setattr(backend, "reduced_precisions", lambda _self, device: () if device == "cpu" else ("fp16",))


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "vs", type("Empty", (), {"core": object()}))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_reduced_precisions_are_the_plugins(precision: str, device: str) -> None:
    wanted = settings(precision=precision, device=device)
    assert plugin_for(suited(wanted, SIZE), SIZE) is OV


def test_the_card_comes_first_where_it_can(card: None) -> None:  # noqa: ARG001
    assert chosen(precision="fp16") == ("auto", "auto")
    assert chosen(precision="bf16") == ("ov", "auto")
    assert chosen(precision="fp16", device="cpu") == ("ov", "cpu")
    assert chosen(device="gpu") == ("auto", "cuda")
    assert chosen(device="gpu:1", precision="fp16") == ("auto", "cuda:1")
    assert chosen(device="gpu:1", backend="onnxruntime") == ("onnxruntime", "cuda:1")


def test_without_a_card_gpu_is_an_error() -> None:
    with pytest.raises(BackendUnavailableError, match="no runtime here can use a graphics card") as caught:
        chosen(device="gpu")
    assert "paragon doctor" in caught.value.hint


@pytest.mark.usefixtures("without_plugins")
def test_without_a_card_of_nvidia_gpu_is_the_one_of_intel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(BACKENDS["openvino"]), "reduced_precisions", lambda _self, _device: ("fp16",))
    assert chosen(device="gpu") == ("openvino", "gpu")
    assert chosen(device="gpu:1", precision="fp16") == ("openvino", "gpu:1")


def test_webgpu_goes_through_python_although_plugins_are_there() -> None:
    assert chosen(device="webgpu") == ("auto", "webgpu")
    for backend in ("auto", "onnxruntime"):
        assert plugin_for(suited(settings(device="webgpu", backend=backend), SIZE), SIZE) is None


def test_the_plugins_own_devices_are_the_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = type("Plugin", (), {"AvailableDevices": staticmethod(lambda: ["CPU", b"GPU.0", "GPU.1", "NPU"])})
    monkeypatch.setattr(base, "vs", type("Vs", (), {"core": type("Core", (), {"ov": plugin})}))
    for device in ("gpu", "gpu:1", "gpu.1", "npu", "auto:gpu,cpu"):
        assert chosen(device=device) == ("ov", device)
    assert chosen(device="cuda") == ("auto", "cuda")
    arguments = OV.arguments(settings(device="gpu:1"))
    assert arguments["device"] == "GPU.1"


@pytest.mark.usefixtures("without_plugins")
def test_without_plugins_the_others_are_asked() -> None:
    offered = {name: BACKENDS[name].reduced_precisions("auto") for name in ("openvino", "onnxruntime")}
    if "bf16" in offered["openvino"]:
        assert chosen(precision="bf16")[0] in {"auto", "openvino"}
    else:
        with pytest.raises(BackendUnavailableError, match="no runtime here computes in bf16"):
            chosen(precision="bf16")


@pytest.mark.native
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_what_the_native_kernel_runs_comes_before_the_plugins(device: str) -> None:
    assert plugin_for(suited(settings(device=device), SIZE), SIZE) is None
    assert plugin_for(suited(settings(device=device, precision="fp32"), SIZE), SIZE) is None
    assert plugin_for(suited(settings(device=device, backend="ov"), SIZE), SIZE) is OV
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PARAGON_NATIVE_LIBRARY", "absent")
        assert plugin_for(suited(settings(device=device), SIZE), SIZE) is OV


def test_transparency_is_upscaled_whatever_the_plugin_computes_in() -> None:
    clip = natural_yuv(length=1)
    alpha = vs.core.std.BlankClip(format=vs.GRAY8, width=60, height=44, length=1, color=[255])
    result = vs.core.paragon.Upscale(clip.std.ClipToProp(alpha), precision="bf16")
    assert (planes_of(result.std.PropToClip("_Alpha"))[0] == 255).all()


def test_vspipe_finds_the_backend(tmp_path: Any) -> None:
    """There, vs-mlrt's plugin is loaded first, and Python's OpenVINO does not load."""
    script = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=1, color=[99])
ways = [dict(precision="bf16"), dict(precision="FP16", device="CPU"), dict(backend="OV", device="Cpu")]
vs.core.std.Splice([vs.core.paragon.Upscale(clip, **way) for way in ways]).set_output()
"""
    done = vspipe(tmp_path, script)
    assert done.returncode == 0, done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(3, 96, 128)[:, 30:-30, 30:-30].astype(int)
    assert (abs(frames - 99) <= 1).all()
