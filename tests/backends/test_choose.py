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
    assert list(BACKENDS) == ["tensorrt", "openvino", "onnxruntime", "torch"]
    assert [backend.name for backend in BACKENDS.values()] == list(BACKENDS)


@pytest.mark.openvino
def test_the_fastest_that_works_is_chosen() -> None:
    assert choose("auto", "cpu").name == "openvino"
    assert choose("onnxruntime").name == "onnxruntime"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'tensorflow'") as caught:
        choose("tensorflow")
    for name in ("auto", *BACKENDS):
        assert name in caught.value.hint


@pytest.mark.openvino
def test_an_accelerator_comes_first_unless_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    info = BackendInfo(name="pretender", available=True, accelerator="npu")
    monkeypatch.setitem(BACKENDS, "pretender", Pretender(info))
    assert choose("auto").name == "pretender"
    assert choose("auto", "npu:1").name == "pretender"
    assert choose("auto", "cpu").name == "openvino"


@pytest.mark.openvino
def test_what_cannot_run_on_the_cpu_is_not_chosen_for_it(offer: Callable[..., None]) -> None:
    card = Pretender(BackendInfo(name="pretender", available=True, accelerator="cuda"))
    card.runs_on_cpu = False
    offer(card, *BACKENDS.values())
    assert choose("auto", "cpu").name == "openvino"
    assert choose("auto").name == "pretender"


@pytest.mark.openvino
def test_what_does_not_work_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    info = BackendInfo(name="pretender", available=False, reason="no driver", hint="install it")
    monkeypatch.setitem(BACKENDS, "pretender", Pretender(info))
    assert choose("auto", "cpu").name == "openvino"
    with pytest.raises(BackendUnavailableError, match="no driver") as caught:
        choose("pretender")
    assert caught.value.hint == "install it"
    with pytest.raises(BackendUnavailableError, match="npu"):
        choose("auto", "npu")


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
    said = found([missing, "torch"])
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
    said = found(["openvino", "onnxruntime", "torch"])
    assert not any(info["available"] for info in said["infos"].values())
    assert "no runtime" in said["error"]
    assert said["hint"].startswith("pip install openvino onnxruntime")
