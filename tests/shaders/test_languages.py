"""Every pass compiles for Vulkan, Direct3D 11 and Metal, within the shared memory of Direct3D."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest

import paragon_core as paragon
from paragon_core.shaders.export import shader_text
from tests.random_models import random_model, spec
from tests.shaders.glsl_compilers import passes_of, spirv, translated

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.shaders.passes import Precision

#: What a group may share in Direct3D 11.
SHARED_BYTES = 32 * 1024

THREE = random_model(spec("realtime", scale=3, channels=16, revision="v9", upsampler_alpha=0.0))


@pytest.mark.parametrize(
    ("model", "luma", "precision"),
    [
        ("realtime-2x", False, "fp32"),
        ("realtime-2x", False, "fp16"),
        ("realtime-2x", True, "fp32"),
        ("realtime-4x", False, "fp16"),
        ("realtime-4x", True, "fp16"),
        ("x3", False, "fp32"),
        ("x3", True, "fp16"),
    ],
)
def test_every_pass_compiles(tmp_path: Path, *, model: str, luma: bool, precision: Precision) -> None:
    network = THREE if model == "x3" else paragon.load(model)
    for number, each in enumerate(passes_of(shader_text(network, luma=luma, precision=precision))):
        file = spirv(each, tmp_path / f"{number}.spv")
        direct3d = translated(file, "--hlsl", "--shader-model", "50")
        shared = [
            4 * int(components or 1) * math.prod(map(int, re.findall(r"\d+", sides)))  # halves count as floats
            for components, sides in re.findall(r"^groupshared \w*?(\d)? \w+((?:\[\d+\])+);", direct3d, re.MULTILINE)
        ]
        assert len(shared) == direct3d.count("groupshared")
        assert 0 < sum(shared) <= SHARED_BYTES
        assert "kernel void" in translated(file, "--msl")
        assert ("min16float" in direct3d) == (precision == "fp16")
