"""The command measures, prints and writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("openvino")

from benchmarks.peers import resampling
from benchmarks.peers.__main__ import main
from paragon_core.benchmark.images import like_a_photograph

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.openvino


def test_one_table_and_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "peers.json"
    chosen = ["realtime-2x", "ESPCN", "Lanczos"]
    options = [
        "--sizes",
        "16x12",
        "8x6",
        "--rounds",
        "1",
        "--scales",
        "2",
        "--cores",
        "1",
        "2",
        "--output",
        str(output),
    ]
    assert main([*options, "--methods", *chosen, "--backends", "onnxruntime"]) == 0
    report = json.loads(output.read_text(encoding="utf-8"))
    assert report["rounds"] == 1
    assert report["machine"]["cpu"]
    assert [timing["calls"] for timing in report["timings"]] == [1, 2, 1, 2]
    assert [timing["width"] for timing in report["timings"]] == [16, 16, 8, 8]
    for timing in report["timings"]:
        assert {way["method"] for way in timing["ways"]} == set(chosen)
        assert [way["runtime"] for way in timing["ways"] if way["kind"] == "ours"] == ["onnxruntime"]
    printed = capsys.readouterr().out
    assert printed.count("| x2, 16x12 |") == printed.count("| x2, 8x6 |") == 1
    assert all(f"\n| {method} |" in printed for method in chosen)


@pytest.mark.parametrize("library", resampling.LIBRARIES)
def test_interpolation(library: str) -> None:
    image = like_a_photograph(9, 7)
    found = resampling.LIBRARIES[library](3)
    if library == "opencv" and not found:
        pytest.skip(resampling.HINT)
    results = [upscale(image) for upscale in found.values()]
    assert list(found) == ["bicubic", "Lanczos"]
    assert all(result.shape == (21, 27, 3) and result.dtype == np.uint8 for result in results)
    assert np.abs(results[0].mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 3
    assert not np.array_equal(results[0], results[1])


def test_without_opencv_the_pip_line_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resampling, "find_spec", lambda _: None)
    options = ["--sizes", "8x6", "--rounds", "1", "--scales", "2", "--cores", "1", "--methods", "Lanczos"]
    assert main(options) == 0
    captured = capsys.readouterr()
    assert "pip install opencv-python-headless" in captured.err
    assert "Pillow" in captured.out
    assert "OpenCV" not in captured.out
