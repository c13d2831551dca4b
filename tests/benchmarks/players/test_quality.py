"""The benchmark plays images as they are, makes each kind of source, and tells what stops it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import paragon_core as paragon
from benchmarks.players.__main__ import box_reduced, main, sources, table
from benchmarks.players.playing import play
from paragon_core.quality.evaluate import make_pair
from tests.docs.pages import PAGES, ROOT
from tests.random_models import random_image
from tests.shaders.players import lavapipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def on_lavapipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, lavapipe()[name])


@given(height=st.integers(1, 5), width=st.integers(1, 5), scale=st.integers(2, 4), seed=st.integers(0, 99))
def test_a_box_is_the_mean_of_its_pixels(height: int, width: int, scale: int, seed: int) -> None:
    small = random_image(height, width, 3, seed=seed)
    large = small.repeat(scale, axis=0).repeat(scale, axis=1)
    assert np.array_equal(box_reduced(large, scale), small)


def test_every_kind_of_source_has_the_size_of_its_scale() -> None:
    pairs = [make_pair(str(seed), random_image(96, 120, 3, seed=seed), 2) for seed in range(2)]
    kinds = {kind: list(images) for kind, images in sources(pairs, 26.0)}
    assert list(kinds) == ["clean", "box", "H.264 at CRF 26", "soft H.264 at CRF 26"]
    assert [len(images) for images in kinds.values()] == [2, 2, 6, 6]
    assert all(pair.scale == 2 for images in kinds.values() for pair in images)


def test_the_page_shows_the_results() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "players.json").read_text(encoding="utf-8"))
    assert "\n".join(table(results)) in PAGES["docs/players.md"]


@pytest.mark.slow
@pytest.mark.usefixtures("on_lavapipe")
def test_an_image_is_played_in_its_colours(tmp_path: Path) -> None:
    with Image.open(ROOT / "examples" / "chelsea.png") as photo:
        image = np.asarray(photo.convert("RGB"))[100:132, 150:190]
    assert np.abs(play(image, 1).astype(int) - image).max() <= 1
    shader = paragon.export_shader(paragon.load("realtime-2x"), tmp_path / "shader.glsl")
    with paragon.Upscaler("realtime-2x", precision="fp32", padding="zero") as upscale:
        assert np.abs(play(image, 2, shader).astype(int) - upscale(image)).max() <= 1


@pytest.mark.slow
@pytest.mark.usefixtures("on_lavapipe")
def test_the_table_without_a_shader_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(random_image(96, 96, 3)).save(tmp_path / "noise.png")
    shader = tmp_path / "nothing.glsl"
    shader.write_text("//!HOOK MAIN\n//!BIND HOOKED\nvec4 hook() { return HOOKED_texOff(0); }\n", encoding="utf-8")
    run = partial(main, ["--data", str(tmp_path), "--shader", str(shader), "--output", str(tmp_path / "x.json")])
    assert run() == 0
    scores = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))[tmp_path.name]["clean"]
    assert scores["nothing"]["psnr_y"] == pytest.approx(scores["lanczos"]["psnr_y"], abs=0.1)
    assert "soft H.264 at CRF 26" in capsys.readouterr().out
    shader.write_text("//!HOOK MAIN\n//!BIND HOOKED\nno GLSL\n", encoding="utf-8")
    assert run() == 2
    assert "ffmpeg cannot play nothing.glsl" in capsys.readouterr().err
