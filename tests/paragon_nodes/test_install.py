"""What install.py advises."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes.comfy_server import ROOT

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paragon_install", ROOT / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def advised(install: ModuleType, **facts: Any) -> tuple[list[str], str]:
    machine = install.Machine("Linux", "x86_64", (3, 12), "2.13.0", has_gpu_onnxruntime=False)
    found = install.advice(replace(machine, **facts))
    return [package for each in found for package in each.packages], " ".join(each.reason for each in found)


CARD = {"card": "RTX 4090", "driver": 581, "capability": 8.9}


def test_a_new_nvidia_card_gets_tensorrt(install: ModuleType) -> None:
    packages, _ = advised(install, **CARD)
    assert any(package.startswith("tensorrt-rtx-cu13==") for package in packages)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"driver": 570}, "driver 580"),
        ({"capability": 6.1}, "does not support cards as old as"),
        ({"processor": "arm64"}, "x86-64 only"),
    ],
)
def test_what_tensorrt_cannot_use_is_told_why(install: ModuleType, facts: dict[str, Any], reason: str) -> None:
    packages, reasons = advised(install, **(CARD | facts))
    assert not [package for package in packages if "tensorrt" in package]
    assert reason in reasons


def test_onnxruntime_for_a_card_is_left_alone(install: ModuleType) -> None:
    packages, _ = advised(install, has_gpu_onnxruntime=True)
    assert packages == ["openvino>=2025.0"]


def test_each_processor_gets_what_it_has_wheels_for(install: ModuleType) -> None:
    assert advised(install)[0] == ["onnxruntime>=1.20", "openvino>=2025.0"]
    assert advised(install, system="Windows", processor="arm64")[0] == ["onnxruntime>=1.20"]
    assert advised(install, python=(3, 10)) == ([], "Paragon needs Python 3.11 or newer")


def test_it_installs_nothing_unless_asked() -> None:
    command = [sys.executable, str(ROOT / "install.py")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Nothing was installed" in printed


def test_requirements_are_light_and_no_stricter_than_the_project() -> None:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert wanted <= set(project["dependencies"])
    assert not [line for line in wanted if line.startswith(("torch", "onnxruntime", "tensorrt"))]
