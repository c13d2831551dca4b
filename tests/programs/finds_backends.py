"""Print as JSON which backends are found, what "auto" upscales with, and what is said about those that are missing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

import paragon_core as paragon
from paragon_core.errors import BackendUnavailableError

said: dict[str, Any] = {"infos": {info.name: dataclasses.asdict(info) for info in paragon.available_backends()}}
try:
    with paragon.Upscaler("realtime-2x", device="cpu", streams=1) as upscaler:
        said["backend"] = upscaler.backend
        said["shape"] = upscaler(np.zeros((4, 5, 3), np.uint8)).shape
except BackendUnavailableError as error:
    said["error"], said["hint"] = str(error), error.hint
for name in ("openvino", "onnxruntime"):
    try:
        paragon.Upscaler("realtime-2x", backend=name).close()
    except BackendUnavailableError as error:
        said[name] = error.hint
print(json.dumps(said))
