"""Shaders make our pixels, borders included, where a player runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import paragon_core as paragon
from paragon_core.shaders.export import export_shader
from tests.docs.pages import ROOT
from tests.random_models import random_model, spec
from tests.shaders.players import play

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.shaders.passes import Precision
    from tests.shaders.players import Pixels

#: In levels of 255. Features travel as halves, which lavapipe truncates and GPUs round.
MOST, LEAST_PSNR = 0.8, 64.0

X3 = random_model(spec("realtime", scale=3, channels=16, revision="v11", upsampler_alpha=0.0))

pytestmark = pytest.mark.slow


def frames(height: int, width: int, *, luma: bool) -> list[Pixels]:
    """Return part of a photo, white, and black with a white rim: the last two are hard on the border."""
    with Image.open(ROOT / "examples" / "chelsea.png") as photo:
        part = np.asarray(photo.convert("RGB"))[60 : 60 + height, 150 : 150 + width].astype(np.uint16) * 257
    rim = np.full_like(part, 65535)
    rim[1:-1, 1:-1] = 0
    every = [part, np.full_like(part, 65535), rim]
    return [frame[..., 1] for frame in every] if luma else every


@pytest.mark.parametrize(
    ("model", "luma", "precision", "size"),
    [
        ("realtime-2x", False, "fp32", (47, 61)),
        ("realtime-video-2x", False, "fp16", (33, 50)),
        ("realtime-4x", False, "fp16", (21, 35)),
        ("realtime-2x", True, "fp16", (3, 7)),
        ("realtime-4x", True, "fp32", (17, 33)),
        ("x3", False, "fp32", (19, 23)),
    ],
)
def test_a_player_shows_our_pixels(
    tmp_path: Path, *, model: str, luma: bool, precision: Precision, size: tuple[int, int]
) -> None:
    network = X3 if model == "x3" else paragon.load(model)
    shader = export_shader(network, tmp_path / "shader.glsl", luma=luma, precision=precision)
    given = frames(*size, luma=luma)
    shown = play(shader, given, network.spec.scale)
    with paragon.Upscaler(network, backend="onnxruntime", precision="fp32", padding="zero", streams=1) as upscale:
        expected = [upscale((frame / 65535).astype(np.float32)) for frame in given]
    difference = 255 * (shown - np.stack(expected))
    assert np.abs(difference).max() <= MOST
    assert 20 * np.log10(255) - 10 * np.log10((difference**2).mean()) >= LEAST_PSNR
