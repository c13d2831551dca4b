"""What ComfyUI's registry and manager read of the project."""

from __future__ import annotations

import re
import tomllib

from paragon_core import __version__
from tests.paragon_nodes.comfy_server import ROOT

FILE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: The accelerators that the registry knows; it drops all of them when it meets another "Environment".
ACCELERATORS = ("NVIDIA CUDA", "AMD ROCm", "Intel Arc", "Apple Metal")


def test_the_version_is_the_same_in_both_places_and_of_three_numbers() -> None:
    assert FILE["project"]["version"] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_what_the_registry_asks_for_is_there() -> None:
    comfy = FILE["tool"]["comfy"]
    assert set(comfy) == {"PublisherId", "DisplayName", "Icon", "requires-comfyui"}
    assert comfy["DisplayName"]
    assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])
    assert "comfyui" not in FILE["project"]["name"].lower()


def test_classifiers_are_those_that_the_registry_understands() -> None:
    classifiers = FILE["project"]["classifiers"]
    environments = [each.removeprefix("Environment :: ") for each in classifiers if each.startswith("Environment")]
    assert all(each.removeprefix("GPU :: ") in ACCELERATORS for each in environments)
    assert "Operating System :: OS Independent" in classifiers


def test_nothing_that_comfyui_loads_is_left_out_of_the_pack() -> None:
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    left_out = {line.removesuffix("/") for line in lines if not line.startswith("#")}
    assert all((ROOT / name).exists() for name in left_out)
    assert not left_out & {"paragon_core", "paragon_nodes", "locales", "example_workflows", "docs"}
