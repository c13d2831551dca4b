"""Upscale a clip with vs-mlrt's plugin ncnn and with ONNX Runtime; print the largest differences in levels as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import vapoursynth as vs

from tests.vs_paragon.clips import natural_clip, planes_of

WAYS: dict[str, dict[str, Any]] = {
    "realtime-2x": {},
    "realtime-4x": {"model": "realtime-4x"},
    "stream-2x": {"model": "stream-2x"},
    "grey": {"grey": True},
    "as the author": {"padding": "zero"},
    "smoothed": {"temporal": 0.3},
    "tiles": {"tile": (40, 44)},
    "half": {"precision": "fp16"},
    "half stream-2x": {"precision": "fp16", "model": "stream-2x"},
}

clip = natural_clip(length=2)
results: dict[str, float] = {}
for name, way in WAYS.items():
    arguments = way | {}
    source = clip.resize.Bicubic(format=vs.GRAYS, matrix_s="709") if arguments.pop("grey", False) else clip
    found = vs.core.paragon.Upscale(source, backend="ncnn", **arguments)
    exact = {"precision": "fp32", "tile": None}
    expected = vs.core.paragon.Upscale(source, backend="onnxruntime", **(arguments | exact))
    differences = np.stack(planes_of(found, 1)) - np.stack(planes_of(expected, 1))
    results[name] = float(255 * np.abs(differences).max())
print(json.dumps(results))
