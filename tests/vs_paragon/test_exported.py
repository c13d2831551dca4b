"""Exported graphs in vs-mlrt, which runs them without Paragon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import vapoursynth as vs

import paragon_core as paragon
from tests.upscalers import ROUNDING
from tests.vs_paragon.clips import natural_clip, planes_of
from tests.vs_paragon.vspipe import vspipe

if TYPE_CHECKING:
    from pathlib import Path

#: float16 has 11 bits, and errors of several layers add up.
HALF = 0.01

needs_ort = pytest.mark.skipif(not hasattr(vs.core, "ort"), reason="needs vapoursynth-mlrt-ort")


def upscaled(clip: vs.VideoNode, model: str) -> list[Any]:
    planes = planes_of(clip)
    result = [np.empty((2 * clip.height, 2 * clip.width), np.float32) for _ in planes]
    with paragon.Upscaler(model, precision="fp32", padding="zero", clip=False, backend="onnxruntime") as upscaler:
        upscaler.upscale_planes(planes, result)
    return result


@needs_ort
@pytest.mark.parametrize("fp16", [False, True])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("model", ["realtime-2x", "stream-2x"])
def test_onnx_runtime_runs_them_in_single_and_half_precision(
    tmp_path: Path, model: str, grey: bool, fp16: bool
) -> None:
    path = paragon.export_onnx(paragon.load(model), tmp_path / "m.onnx", grey=grey)
    clip = natural_clip(length=1)
    clip = clip.resize.Bicubic(format=vs.GRAYS, matrix_s="709") if grey else clip
    native: Any = vs.core.ort
    found = planes_of(native.Model([clip], network_path=str(path), fp16=fp16))
    expected = upscaled(clip, model)
    assert len(found) == (1 if grey else 3)
    assert np.abs(np.stack(found) - np.stack(expected)).max() <= (HALF if fp16 else ROUNDING)


@needs_ort
def test_vspipe_runs_the_grey_graph_in_half_precision(tmp_path: Path) -> None:
    paragon.export_onnx(paragon.load("realtime-2x"), tmp_path / "grey.onnx", grey=True)
    script = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.GRAYS, width=48, height=32, length=2, color=0.5)
vs.core.ort.Model([clip], network_path="grey.onnx", fp16=True).resize.Point(format=vs.GRAY8).set_output()
"""
    done = vspipe(tmp_path, script)
    assert done.returncode == 0, done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(2, 64, 96)
    assert 120 <= frames[:, 16:-16, 16:-16].min() <= frames[:, 16:-16, 16:-16].max() <= 135
