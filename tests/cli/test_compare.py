from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.quality.comparison import compare
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 250, (20, 30, 3)).astype(np.uint8)
OTHER = IMAGE + RANDOM.integers(0, 6, IMAGE.shape).astype(np.uint8)


def save(path: Path, pixels: np.ndarray = IMAGE) -> str:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return str(path)


def answered(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["compare", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_two_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = save(here / "a.png"), save(here / "b.png", OTHER)
    expected = compare(IMAGE, OTHER)
    facts = answered(capsys, first, second)
    assert facts == {
        "kind": "images",
        "a": first,
        "b": second,
        "border": 0,
        "psnr_y": expected.psnr_y,
        "ssim": expected.ssim,
        "psnr_rgb": expected.psnr_rgb,
        "max_difference": 5.0,
        "place": {"column": expected.place[0], "row": expected.place[1]},
    }
    assert main(["compare", first, second]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"PSNR-Y              {expected.psnr_y:.3f} dB"
    assert lines[3].startswith("largest difference  5 of 255 at column ")


def test_a_border(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = save(here / "a.png"), save(here / "b.png", OTHER)
    assert answered(capsys, first, second, "--border", "4")["psnr_y"] == compare(IMAGE, OTHER, border=4).psnr_y


def test_equal_images_have_no_finite_ratio(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(here / "a.png")
    facts = answered(capsys, path, path)
    assert (facts["psnr_y"], facts["psnr_rgb"], facts["ssim"], facts["max_difference"]) == (None, None, 1.0, 0.0)
    assert main(["compare", path, path]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "PSNR-Y              inf",
        "SSIM                1.00000",
        "PSNR of RGB         inf",
        "largest difference  0 of 255",
    ]


def test_two_folders(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, pixels in (("a", IMAGE), ("b", OTHER)):
        save(here / folder / "one.png", pixels)
        save(here / folder / "two.png", pixels[:12])
    save(here / "a" / "lone.png")
    facts = answered(capsys, "a", "b")
    assert [each["name"] for each in facts["pairs"]] == ["one.png", "two.png"]
    assert facts["mean"]["psnr_y"] == pytest.approx(sum(each["psnr_y"] for each in facts["pairs"]) / 2)
    assert (facts["failed"], facts["only_in_a"], facts["only_in_b"]) == ([], ["lone.png"], [])
    assert main(["compare", "a", "b"]) == 0
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()] == ["file", "one.png", "two.png", "mean"]
    assert output.err == "paragon: note: lone.png is in a only\n"


def test_a_pair_that_cannot_be_compared_does_not_stop_the_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, rows in (("a", 20), ("b", 12)):
        save(here / folder / "one.png", IMAGE[:rows])
        save(here / folder / "two.png")
    assert main(["compare", "a", "b"]) == 2
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()] == ["file", "two.png", "mean"]
    assert "one image has 30x20 pixels and the other 30x12" in output.err
    facts = answered(capsys, "a", "b", code=2)
    assert facts["failed"] == ["one.png"]


def test_two_videos(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = str(videos.make(here / "a.mkv"))
    second = str(videos.make(here / "b.mkv", darker_from=6))
    facts = answered(capsys, first, second)
    assert [each["frame"] for each in facts["frames"]] == list(range(8))
    assert facts["lowest"] == min(facts["frames"], key=lambda each: each["psnr_y"] or 999)
    assert facts["lowest"]["frame"] >= 6
    assert main(["compare", first, second, "--duration", "0.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["frame", *"01234", "mean", "lowest"]
    assert lines[-1].startswith("lowest PSNR-Y: frame ")


def test_what_cannot_be_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, video = save(here / "a.png"), str(videos.make(here / "a.mkv", times=range(1)))
    smaller = save(here / "b.png", IMAGE[:12])
    for arguments, words in (
        ([image, smaller], "cannot be compared: one image has 30x20 pixels and the other 30x12"),
        ([image, video], "is a video and"),
        ([image, str(here)], "is a folder and"),
        ([image, "missing.png"], "missing.png does not exist"),
    ):
        assert main(["compare", *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert "\n  hint: " in error


def test_control_characters_in_names_are_not_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b"):
        save(here / folder / "one\x1b[31m.png")
    assert main(["compare", "a", "b"]) == 0
    assert "\x1b" not in capsys.readouterr().out
