"""The table of all bundled models is made of one report after the other."""

from __future__ import annotations

from typing import Any

from benchmarks.models import merged, tables
from paragon_core.quality.table import FACTS

SOURCES = ("bicubic", "box")


def report(scale: int, **models: float) -> dict[str, Any]:
    """Return a report of models with these PSNRs, which keep to one of two kinds of hard images."""
    rows: list[dict[str, Any]] = []
    for name, psnr in {"bicubic": 20.0, "Lanczos": 21.0, **models}.items():
        score = {"psnr_y": psnr, "ssim": 0.5}
        row: dict[str, Any] = {"model": name, "scale": scale, "scores": {"Set5": dict.fromkeys(SOURCES, score)}}
        if name in models:
            hard = {
                "lines": {"excess": 30.2, "shift": -1.5, "allowed": False},
                "noise": {"excess": 3.0, "shift": 0.2, "allowed": True},
            }
            row |= {"sha256": name, "parameters": 16_732, "ms": 42.4, "fp16": None, "hard": hard}
        rows.append(row)
    return {"sources": list(SOURCES), "models": rows}


def names(table: dict[str, Any]) -> list[tuple[int, str]]:
    return [(row["scale"], row["model"]) for row in table["models"]]


def test_baselines_come_first_and_once_for_each_scale() -> None:
    order = ["default", "large", "other"]
    old = merged({"models": []}, report(4, large=25), order)
    both = merged(merged(old, report(2, other=32), order), report(2, default=31), order)
    assert names(both) == [
        *[(2, "bicubic"), (2, "Lanczos"), (2, "default"), (2, "other")],
        *[(4, "bicubic"), (4, "Lanczos"), (4, "large")],
    ]


def test_new_figures_count_and_models_that_are_gone_leave() -> None:
    old = merged({"models": []}, report(3, gone=20), ["gone"])
    first = merged(old, report(2, kept=30), ["kept"])
    assert names(first) == [(2, "bicubic"), (2, "Lanczos"), (2, "kept")]
    second = merged(first, report(2, kept=31), ["kept"])
    assert second["models"][-1]["scores"]["Set5"]["box"]["psnr_y"] == 31


def test_the_tables_have_all_figures() -> None:
    table = tables(report(2, model=30.456))
    assert "| Set5 | bicubic | box |" in table
    assert "| Lanczos, x2 | 21.00 | 21.00 |" in table
    assert "| `model` | 30.46 | 30.46 |" in table
    assert f"| model | {' | '.join(FACTS)} |" in table
    assert "| `model` | 16,732 | 42.4 | - | 30.2 | -1.50 | 1 of 2 |" in table
