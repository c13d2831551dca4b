"""Every bundled model has a card, describes itself, and scores what its card says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from paragon_core.models import DEFAULT_MODEL
from paragon_core.models.model import WEIGHTS, bundled, load
from paragon_core.quality.evaluate import means, read_pairs, score_set
from paragon_core.quality.table import SOURCES, score_sources
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from pathlib import Path


def scores_on_card(name: str) -> tuple[float, float]:
    """Return the PSNR on Set5 and Set14 in the card's line "this file"."""
    card = (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    cell = r"\*\*([\d.]+) / [\d.]+\*\*"
    line = re.search(rf"^\| \*\*this file\*\* \| {cell} \| {cell} \|$", card, re.MULTILINE)
    assert line, f"{name}.md has no scores"
    return float(line[1]), float(line[2])


@pytest.mark.parametrize("name", bundled())
def test_nothing_has_to_be_assumed_of_a_bundled_model(name: str) -> None:
    model = load(name)  # a warning would be an error here
    assert model.settings_from.startswith("upsampler_alpha: file metadata")
    assert f"-{model.spec.scale}x" in name


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_model_scores_what_its_card_says(shared: Path, name: str) -> None:
    with Upscaler(name, precision="fp32", padding="zero") as upscaler:
        for folder, psnr_y in zip(("Set5", "Set14"), scores_on_card(name), strict=True):
            found = means(score_set(read_pairs(shared / "eval" / folder, upscaler.scale), {"model": upscaler}))
            assert found["model"].psnr_y == pytest.approx(psnr_y, abs=0.005), folder


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("realtime-box-2x", "box"),
        ("realtime-lanczos-2x", "Lanczos"),
        ("realtime-web-2x", "JPEG q75"),
        ("stream-web-2x", "JPEG q75"),
        ("realtime-video-2x", "H.264 CRF 23"),
    ],
)
def test_a_model_for_one_kind_of_source_is_better_there_than_the_default(shared: Path, name: str, source: str) -> None:
    if SOURCES[source].crf is not None:
        pytest.importorskip("av")
    originals = {"Set14": list(read_pairs(shared / "eval" / "Set14", 2))}
    scores = {}
    for model in (name, DEFAULT_MODEL):
        with Upscaler(model, precision="fp32", padding="zero") as upscaler:
            scores[model] = score_sources(originals, upscaler, {source: SOURCES[source]})["Set14"][source].psnr_y
    assert scores[name] > scores[DEFAULT_MODEL]
