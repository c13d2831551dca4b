"""Scores follow the protocol of `paragon_core.quality.evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("openvino")

from benchmarks.peers.networks import NETWORKS
from benchmarks.peers.quality import MEASURED, measure, published
from benchmarks.peers.ways import methods
from paragon_core.benchmark.images import like_a_photograph
from paragon_core.quality.evaluate import evaluate
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.openvino


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Set1").mkdir()
    Image.fromarray(like_a_photograph(60, 48)).save(tmp_path / "Set1" / "image.png")
    return tmp_path


def test_scores_are_those_of_the_evaluation(folder: Path) -> None:
    found = measure(folder, 2, ["realtime-2x", "bicubic", "Lanczos"])
    with Upscaler("realtime-2x", precision="fp32", padding="zero") as upscaler:
        expected = evaluate(folder, upscaler, 2)["Set1"]["image.png"]
    assert found["realtime-2x"].psnr["Set1"] == pytest.approx(expected["model"].psnr_y)
    # Pillow's kernels are those of the evaluation, but for rounding after each axis.
    assert found["bicubic, pillow"].psnr["Set1"] == pytest.approx(expected["bicubic"].psnr_y, abs=0.1)
    assert found["Lanczos, pillow"].psnr["Set1"] == pytest.approx(expected["lanczos"].psnr_y, abs=0.1)
    assert {each.source for each in found.values()} == {MEASURED}


def test_other_methods_are_not_scored(folder: Path) -> None:
    assert set(measure(folder, 2, ["Lanczos"])) >= {"Lanczos, pillow"}
    assert measure(folder, 2, ["SPAN"]) == {}


def test_published_quality_names_its_source() -> None:
    found = published(2, methods(2))
    assert set(found) < {make(2).name for make in NETWORKS}
    assert all(each.source not in {"", MEASURED} and set(each.psnr) == {"Set5", "Set14"} for each in found.values())
    assert published(2, ["Lanczos"]) == {}


def test_infinite_scores_do_not_occur_in_reports(folder: Path) -> None:
    assert all(np.isfinite(each.psnr["Set1"]) for each in measure(folder, 2, methods(2)).values())
