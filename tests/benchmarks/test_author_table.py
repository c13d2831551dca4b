"""The author's table on a processor: every way that runs there has a row, and what does not says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="the table is of torch", exc_type=ImportError)

from benchmarks.author_table import Row, generated, main, markdown

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch


def test_generated_images_vary_and_are_always_the_same() -> None:
    sizes = [image.shape[:2] for image in generated(20)]
    assert len(set(sizes)) > 10
    assert {max(size) for size in sizes} == {512}
    assert sizes == [image.shape[:2] for image in generated(20)]


def test_it_measures_the_images_of_a_folder_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for name, size in (("a", (20, 31)), ("b", (16, 16))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    target = tmp_path / "table.json"
    main(["--models", "realtime-2x", "--input", str(tmp_path), "--device", "cpu", "--output", str(target)])
    record = json.loads(target.read_text("utf-8"))
    ways = {row["way"]: row for row in record["rows"]}
    assert {"PyTorch fp32", "fused, PyTorch fp32", "Paragon, torch fp32"} <= set(ways)
    assert all(row["milliseconds"] > 0 for row in ways.values())
    assert record["images"] == 2
    printed = capsys.readouterr().out
    assert all(way in printed for way in ways)


def test_what_does_not_run_says_why() -> None:
    rows = [Row(model="m", way="w", span="network", reason="no compiler")]
    assert "| m | w | network | no compiler | | |" in markdown(rows)
