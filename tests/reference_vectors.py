"""Upstream's own inputs and outputs: which there are, and the model that each case is about."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from paragon_core.models.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.models.model import Model
    from paragon_core.models.spec import Variant

#: Largest error of any pixel in float32.
TOLERANCE: dict[Variant, float] = {"realtime": 1e-5, "stream": 1e-5, "photo": 1e-4, "pro": 1e-4}

#: Names of the vectors with images. head_photo_x2 has the same files as v9_photo_x2.
NAMES = (
    "v9_realtime_x2",
    "v9_realtime_x3",
    "v9_realtime_x4",
    "v9_stream_x2",
    "v9_stream_x4",
    "head_realtime_x2",
    "head_realtime_x4",
    "head_stream_x2",
    "head_stream_x3",
    "v9_photo_x2",
    "head_photo_x2",
    "head_pro_x2",
)


@functools.cache
def vectors(folder: Path) -> dict[str, Any]:
    """Return the entries of a folder's manifest by name."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {vector["name"]: vector for vector in manifest["vectors"]}


def model_of_case(folder: Path, vector: dict[str, Any], case: dict[str, Any]) -> Model:
    """Load the weights of a vector with the settings of one of its cases."""
    kwargs = case["kwargs"]
    assert kwargs.keys() <= {"upsampler_alpha", "window_size", "export_safe"}
    model = load(
        folder / vector["weights"],
        upsampler_alpha=case["upsampler_alpha"],
        window_size=kwargs.get("window_size", 16),
    )
    return model.without_attention() if kwargs.get("export_safe") else model
