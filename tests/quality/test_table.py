"""One table with every bundled model, every source and everything that needs no data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.quality import table
from paragon_core.quality.evaluate import make_pair, means, read_pairs, score_set, upscale_classically
from paragon_core.quality.hard_images import hard_images
from paragon_core.quality.metrics import luma, psnr
from paragon_core.quality.table import SOURCES, Source, as_text, main, make_report, score_sources
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def waves(height: int = 84, width: int = 96) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    levels = [np.sin(rows / 5) * np.cos(columns / 4), np.cos((rows + columns) / 6), np.sin(columns / 3)]
    return (127.5 + 110 * np.stack(levels, axis=2)).round().astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index, name in enumerate(("a", "b")):
        (tmp_path / "sets" / name).mkdir(parents=True)
        Image.fromarray(waves()[:, 8 * index :]).save(tmp_path / "sets" / name / "waves.png")
    return tmp_path / "sets"


def test_sources_are_what_their_names_say() -> None:
    original = make_pair("waves", waves(), 2)
    clean = {name: list(source.pairs([original])) for name, source in SOURCES.items() if source.crf is None}
    assert all(len(pairs) == 1 for pairs in clean.values())
    assert np.array_equal(clean["bicubic"][0].low, original.low)
    for name in ("box", "Lanczos", "JPEG q75"):
        (pair,) = clean[name]
        assert np.array_equal(pair.high, original.high)
        assert 25 < psnr(luma(pair.low), luma(original.low)) < 70, name
    videos = {name: list(source.pairs([original])) for name, source in SOURCES.items() if source.crf is not None}
    for pairs in videos.values():
        assert len(pairs) == 3
        assert all(pair.scale == 2 and pair.low.shape[:2] < original.low.shape[:2] for pair in pairs)


def test_harder_compression_scores_less() -> None:
    originals = {"a": [make_pair("waves", waves(), 2)]}
    sources = {str(quality): Source(jpeg=quality) for quality in (20, 50, 95)}
    scores = score_sources(originals, lambda low: upscale_classically(low, scale=2, kernel="cubic"), sources)["a"]
    assert scores["20"].psnr_y < scores["50"].psnr_y < scores["95"].psnr_y


def test_the_report_has_every_figure_of_every_model(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "TIMED_SIZE", (36, 64))
    kinds = {kind: dict(list(images.items())[:1]) for kind, images in hard_images().items()}
    monkeypatch.setattr(table, "hard_images", lambda: kinds)
    sources = {name: SOURCES[name] for name in ("bicubic", "box")}
    report = make_report(data, ["realtime-2x", "realtime-4x"], sources=sources)
    assert [(row["scale"], row["model"]) for row in report["models"]] == [
        *[(2, name) for name in ("bicubic", "Lanczos", "realtime-2x")],
        *[(4, name) for name in ("bicubic", "Lanczos", "realtime-4x")],
    ]
    for row in report["models"]:
        assert set(row["scores"]) == {"a", "b"}
        assert all(set(each) == {"bicubic", "box"} for each in row["scores"].values())
    facts = report["models"][2]
    assert facts["parameters"] == 16_732
    assert facts["ms"] > 0
    assert set(facts["hard"]) == set(hard_images())
    assert facts["fp16"] is None or 0 <= facts["fp16"] < 3
    text = as_text(report)
    with Upscaler("realtime-2x", precision="fp32", padding="zero") as upscaler:
        score = means(score_set(read_pairs(data / "a", 2, "box"), {"model": upscaler}))["model"]
    assert facts["scores"]["a"]["box"]["psnr_y"] == score.psnr_y
    assert f"{score.psnr_y:.3f} / {score.ssim:.4f}" in text
    assert "16,732" in text


def test_json_goes_to_a_file_too(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report: dict[str, list[str]] = {"sources": [], "models": []}
    monkeypatch.setattr(table, "make_report", lambda *_, **__: report)
    assert main(["--data", str(data), "--json", "--output", str(tmp_path / "table.json")]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "table.json").read_text()) == report


def test_errors_end_with_their_code(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "nowhere")]) == 2
    assert main(["--data", str(data), "--model", "realtime-2x", "--backend", "no-such-backend"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
