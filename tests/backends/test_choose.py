"""Which runtime runs: by name, by what works, by device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import paragon_core
from paragon_core import backends as package
from paragon_core.backends import BACKENDS, BackendInfo, backends, choose
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.models.spec import preset
from tests.fresh_python import PROGRAMS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Pretender(OnnxRuntimeBackend):
    """A backend that says of itself what it is told to."""

    name = "pretender"

    def __init__(self, info: BackendInfo) -> None:
        self.info = info

    def may_accelerate(self) -> bool:
        return bool(self.info.accelerator)

    def probe(self) -> BackendInfo:
        return self.info


def test_there_is_an_order_of_speed() -> None:
    assert list(BACKENDS) == ["tensorrt", "native", "openvino", "onnxruntime", "torch"]
    assert [backend.name for backend in BACKENDS.values()] == list(BACKENDS)


def fastest() -> str:
    """Return the name of the first backend that works on the CPU."""
    return next(each.name for each in BACKENDS.values() if each.runs_on_cpu and each.probe().available)


def test_the_fastest_that_works_is_chosen() -> None:
    assert choose("auto", "cpu").name == fastest()
    assert choose("onnxruntime").name == "onnxruntime"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'tensorflow'") as caught:
        choose("tensorflow")
    for name in ("auto", *BACKENDS):
        assert name in caught.value.hint


def test_an_accelerator_comes_first_unless_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    info = BackendInfo(name="pretender", available=True, accelerator="npu")
    monkeypatch.setitem(BACKENDS, "pretender", Pretender(info))
    assert choose("auto").name == "pretender"
    assert choose("auto", "npu:1").name == "pretender"
    assert choose("auto", "cpu").name == fastest()


def test_what_was_not_measured_is_taken_by_name_only(offer: Callable[..., None]) -> None:
    others = list(BACKENDS.values())
    pretender = Pretender(BackendInfo(name="pretender", available=True))
    pretender.named_devices = ("npu",)
    pretender.runs_on_cpu = False
    offer(pretender, *others)
    assert choose("auto", "npu").name == choose("auto", "npu:1").name == "pretender"
    assert choose("auto").name != "pretender"
    broken = Pretender(BackendInfo(name="pretender", available=False))
    broken.named_devices = ("npu",)
    offer(broken, *others)
    with pytest.raises(BackendUnavailableError, match="npu"):
        choose("auto", "npu")


def test_what_cannot_run_on_the_cpu_is_not_chosen_for_it(offer: Callable[..., None]) -> None:
    card = Pretender(BackendInfo(name="pretender", available=True, accelerator="cuda"))
    card.runs_on_cpu = False
    offer(card, *BACKENDS.values())
    assert choose("auto", "cpu").name == fastest()
    assert choose("auto").name == "pretender"


def test_what_does_not_work_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    info = BackendInfo(name="pretender", available=False, reason="no driver", hint="install it")
    monkeypatch.setitem(BACKENDS, "pretender", Pretender(info))
    assert choose("auto", "cpu").name == fastest()
    with pytest.raises(BackendUnavailableError, match="no driver") as caught:
        choose("pretender")
    assert caught.value.hint == "install it"
    with pytest.raises(BackendUnavailableError, match="npu"):
        choose("auto", "npu")


@pytest.mark.native
def test_what_a_backend_does_not_run_is_the_next_ones() -> None:
    others = {"openvino", "onnxruntime", "torch"}
    assert choose("auto", "cpu", spec=preset("stream", 2)).name == "native"
    assert choose("auto", "cpu", spec=preset("photo", 2)).name in others
    assert choose("auto", "cpu", spec=preset("pro", 2)).name in others
    assert choose("auto", "cpu", spec=preset("realtime", 2), fused=False).name in others
    assert choose("auto", "cpu", spec=preset("realtime", 2), precision="bf16").name in others
    assert choose("auto", "cpu", spec=preset("realtime", 2), precision="fp32").name == "native"


@pytest.mark.native
def test_by_name_it_says_what_it_does_not_run() -> None:
    with pytest.raises(BackendUnavailableError, match="not photo") as caught:
        choose("native", spec=preset("photo", 2))
    assert "auto" in caught.value.hint
    with pytest.raises(BackendUnavailableError, match="layer by layer"):
        choose("native", spec=preset("stream", 2), fused=False)
    with pytest.raises(BackendUnavailableError, match="fp16") as caught:
        choose("native", spec=preset("stream", 2), precision="fp16")
    assert "precision fp32" in caught.value.hint


def test_backends_are_listed_and_by_their_old_name_with_a_warning() -> None:
    listed = paragon_core.available_backends()
    assert [info.name for info in listed] == list(BACKENDS)
    for old in (paragon_core.backends, backends, package):
        with pytest.warns(DeprecationWarning, match="available_backends") as told:
            assert old() == listed
        assert told[0].filename == __file__


# --- with packages really missing --------------------------------------------------------------------------------


def found(without: Iterable[str]) -> dict[str, Any]:
    """Return what a Python without these packages finds, and what it upscales with."""
    result = run(PROGRAMS / "finds_backends.py", without=without)
    said: dict[str, Any] = json.loads(result.stdout)
    return said


@pytest.mark.parametrize(("missing", "other"), [("openvino", "onnxruntime"), ("onnxruntime", "openvino")])
def test_without_one_runtime_the_other_does_the_work(missing: str, other: str) -> None:
    said = found([missing, "native", "torch"])
    info = said["infos"][missing]
    assert not info["available"]
    assert "not installed" in info["reason"]
    assert info["hint"] == f"pip install {missing}"
    assert info["version"] == ""
    assert said["infos"][other]["available"]
    assert said["backend"] == other
    assert said["shape"] == [8, 10, 3]
    assert said[missing] == f"pip install {missing}"
    assert other not in said


def test_without_any_runtime_the_pip_line_is_the_answer() -> None:
    said = found(["native", "openvino", "onnxruntime", "torch"])
    assert not any(info["available"] for info in said["infos"].values())
    assert "no runtime" in said["error"]
    assert said["hint"].startswith("pip install openvino onnxruntime")
