"""What ``benchmarks/results`` holds about image quality."""

from __future__ import annotations

import json
from typing import Any

from tests.docs.pages import ROOT


def report(model: str) -> dict[str, Any]:
    """Return what `paragon_core.quality.evaluate` printed about a model."""
    found: dict[str, Any] = json.loads((ROOT / f"benchmarks/results/quality-{model}.json").read_text(encoding="utf-8"))
    return found


def means(model: str) -> dict[str, dict[str, float]]:
    """Return mean PSNR of luma by set and method: "model", "lanczos" or "bicubic"."""
    return {
        name: {method: scores["psnr_y"] for method, scores in each["mean"].items()}
        for name, each in report(model)["sets"].items()
    }
