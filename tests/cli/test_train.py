from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.models.model import load

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
[network]
variant = "realtime"
revision = "v9"
scale = 2

[data]
folders = ["images"]
low_size = 16
batch_size = 2

[training]
steps = 4
validate_every = 2
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "images").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "images/noise.png")
    recipe, output = str(tmp_path / "recipe.toml"), str(tmp_path / "run")
    return ["train", recipe, "--data", str(tmp_path), "-o", output, "--validation", str(tmp_path / "images")]


def test_it_trains_and_tells(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    told = capsys.readouterr().err
    assert "step 2  loss" in told
    assert "step 4  loss" in told
    assert "images" in told
    assert load(tmp_path / "run/best.safetensors").spec.variant == "realtime"


def test_it_goes_on_from_a_checkpoint(arguments: list[str], tmp_path: Path) -> None:
    assert main(arguments) == 0
    again = [*arguments, "-o", str(tmp_path / "again"), "--start-from", str(tmp_path / "run/last.safetensors")]
    assert main(again) == 0
    assert load(tmp_path / "again/last.safetensors").metadata["steps"] == "4"


def test_a_missing_recipe_is_bad_input(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([arguments[0], "none.toml", *arguments[2:]]) == 2
    assert "realtime-2x" in capsys.readouterr().err


def test_a_log_is_written_when_asked(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--log", "--device", "cpu"]) == 0
    assert list((tmp_path / "run/log").glob("events.out.tfevents.*"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_here_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--device", "cuda"]) != 0
    told = capsys.readouterr().err
    assert "no cuda here" in told
    assert "use cpu" in told
