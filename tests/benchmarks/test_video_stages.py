"""The benchmark of a video's stages, in small."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("av")

from benchmarks import video_stages

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ["decode", "colour in", "network", "colour out", "encode"]


def test_every_stage_is_measured_alone_and_in_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stages.json"
    small = ["--size", "64x48", "--frames", "4", "--rounds", "1", "--backend", "onnxruntime", "--output", str(path)]
    assert video_stages.main(small) == 0
    output = capsys.readouterr().out
    for stage in [*STAGES, "film", "film, measured"]:
        assert f"| {stage} | " in output
    assert "\nbottleneck: " in output
    report = json.loads(path.read_text(encoding="utf-8"))
    assert list(report["profile"]["stages"]) == STAGES
    assert report["profile"]["frames"] == 4
    assert all(min(timing["wall"]) > 0 for timing in report["stages"].values())
