"""Sizes, names, quality and place of results on the command line."""

from __future__ import annotations

import os
import stat
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

import paragon_core as paragon
from paragon_core.cli.main import main
from paragon_core.media.images import read_image
from tests.media import samples

pytest.importorskip("av")

from tests.media import stand_in_upscaling
from tests.media.video import videos

FAST = ["--backend", "onnxruntime", "--precision", "fp32"]


def save(path: Path, shape: tuple[int, ...] = (12, 16, 3), dtype: type[np.generic] = np.uint8, **around: Any) -> Path:
    return stand_in_upscaling.save(path, samples.pixels(1, *shape, dtype=dtype), **around)


def turned(path: Path, size: tuple[int, int], orientation: int = 6) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "orange").save(path, exif=exif)
    return path


def viewed(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).size


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("options", "name", "size", "model"),
    [
        (["--scale", "2"], "a_2x.png", (32, 24), "realtime-2x"),
        (["--scale", "3"], "a_3x.png", (48, 36), "realtime-3x"),
        (["--scale", "1.5"], "a_1.5x.png", (24, 18), "realtime-2x"),
        (["--scale", "4"], "a_4x.png", (64, 48), "realtime-4x"),
        (["--scale", "8"], "a_8x.png", (128, 96), "realtime-2x"),
        (["--width", "20"], "a_20w.png", (20, 15), "realtime-2x"),
        (["--height", "48"], "a_48h.png", (64, 48), "realtime-4x"),
        (["--width", "20", "--height", "30"], "a_20x30.png", (20, 30), "realtime-3x"),
        (["--fit", "100x30"], "a_100x30.png", (40, 30), "realtime-3x"),
        (["--megapixels", "0.003"], "a_0.003MP.png", (63, 47), "realtime-4x"),
    ],
)
def test_each_size_with_the_model_that_suits_best(
    here: Path, options: list[str], name: str, size: tuple[int, int], model: str
) -> None:
    save(here / "a.png")
    assert main(["upscale", "a.png", *options, *FAST]) == 0
    made = read_image(here / name).array
    assert (made.shape[1], made.shape[0]) == size
    wish = paragon.OutputSize(width=size[0], height=size[1])
    with paragon.Upscaler(model, backend="onnxruntime", precision="fp32") as upscaler:
        assert np.array_equal(made, upscaler(read_image(here / "a.png").array, size=wish))


def test_a_model_that_is_named_runs_as_often_as_needed(here: Path) -> None:
    save(here / "a.png", (12, 16, 4), np.uint16)
    assert main(["upscale", "a.png", "--scale", "3", "--model", "stream-2x", *FAST]) == 0
    made = read_image(here / "a_3x.png").array
    assert made.dtype == np.uint16
    with paragon.Upscaler("stream-2x", backend="onnxruntime", precision="fp32") as upscaler:
        wanted = upscaler(read_image(here / "a.png").array, size=paragon.OutputSize(factor=3))
    assert np.array_equal(made, wanted)


def test_the_scale_of_the_model_gives_the_plain_file(here: Path) -> None:
    save(here / "a.png", (21, 13, 4))
    assert main(["upscale", "a.png", "-o", "plain.png", *FAST]) == 0
    assert main(["upscale", "a.png", "-o", "sized.png", "--scale", "2", *FAST]) == 0
    assert main(["upscale", "a.png", "-o", "fit.png", "--model", "realtime-2x", "--fit", "26x42", *FAST]) == 0
    plain = (here / "plain.png").read_bytes()
    assert (here / "sized.png").read_bytes() == plain
    assert (here / "fit.png").read_bytes() == plain


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("extension", [".jpg", ".bmp", ".tif"])
def test_a_photo_fits_the_box_as_it_is_viewed(here: Path, orientation: int, extension: str) -> None:
    turned(here / "a.jpg", (30, 20), orientation)
    common = ["upscale", "a.jpg", "-o", f"b{extension}", "--fit", "90x60", *FAST]
    assert main(common) == 0
    assert viewed(here / f"b{extension}") == ((90, 60) if orientation == 3 else (40, 60))
    before = (here / f"b{extension}").stat().st_mtime_ns
    assert main(common) == 0  # it is known as done
    assert (here / f"b{extension}").stat().st_mtime_ns == before


def test_a_strip_that_would_be_huge_on_its_side_is_known_as_done(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(here / "a.png", (1, 160, 3))
    for _ in range(2):
        assert main(["upscale", "a.png", "--width", "3200", *FAST]) == 0
    assert read_image(here / "a_3200w.png").size == (3200, 20)
    assert "is there already" in capsys.readouterr().err


def test_what_becomes_smaller_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "in" / "large.png", (40, 40, 3))
    save(here / "in" / "small.png", (10, 10, 3))
    assert main(["upscale", "in", "--fit", "20x20", *FAST]) == 0
    assert {read_image(path).size for path in (here / "in_20x20").iterdir()} == {(20, 20)}
    errors = capsys.readouterr().err
    assert errors.count("resized without the model") == 1
    assert "large.png: it was resized" in errors


@pytest.mark.parametrize(
    "options",
    [
        ["--scale", "2", "--fit", "30x30"],
        ["--width", "20", "--megapixels", "1"],
        ["--fit", "30x30", "--height", "20"],
        ["--scale", "100000"],
        ["--width", "999999999"],
        ["--quality", "101", "--format", "jpeg"],
        ["--quality", "80"],
        ["--subsampling", "4:2:0"],
        ["--subsampling", "4:4:4", "--format", "webp"],
        ["--name", "{stem}/b"],
        ["--name", "..\\b"],
        ["--name", "{nothing}"],
        ["--name", "{stem!r}"],
        ["--name", "{stem:>9999999999}"],
        ["--name", "{stem"],
        ["--name", "{stem}.png"],
        ["--name", ".."],
        ["--name", ""],
        ["--name", "{stem}", "-o", "b.png"],
        ["--name", "{stem}"],
        ["--name", "{stem}_{model}", "--fit", "90x90"],
        ["--replace", "-o", "b.png"],
        ["--replace", "--name", "b"],
        ["--replace", "--format", "jpeg"],
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    before = save(here / "a.png").read_bytes()
    assert main(["upscale", "a.png", *options, *FAST]) == 2
    errors = capsys.readouterr().err
    assert "paragon: error: " in errors
    assert "hint: " in errors
    assert "Traceback" not in errors
    assert names(here) == {"a.png"}
    assert (here / "a.png").read_bytes() == before


def test_no_such_number_is_a_matter_of_usage(here: Path) -> None:
    save(here / "a.png")
    for options in (["--scale", "0"], ["--scale", "-2"], ["--scale", "nan"], ["--fit", "30"], ["--megapixels", "inf"]):
        assert main(["upscale", "a.png", *options]) == 2
    assert names(here) == {"a.png"}


@pytest.mark.parametrize(
    ("extension", "subsampling"),
    [(".jpg", "4:4:4"), (".jpg", "4:2:2"), (".jpg", "4:2:0"), (".avif", "4:2:0"), (".webp", "4:2:0")],
)
def test_quality_and_subsampling(here: Path, extension: str, subsampling: str) -> None:
    save(here / "a.png", (40, 40, 3))
    sizes = []
    for quality in (20, 95):
        options = ["--quality", str(quality), "--subsampling", subsampling, "--overwrite"]
        assert main(["upscale", "a.png", "-o", f"b{extension}", *options, *FAST]) == 0
        sizes.append((here / f"b{extension}").stat().st_size)
    assert sizes[0] < sizes[1] * 0.7
    if extension == ".jpg":
        with Image.open(here / "b.jpg") as image:
            assert image.layer[0][1:3] == {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}[subsampling]  # type: ignore[attr-defined]  # of JPEG alone


def test_quality_leaves_lossless_formats_alone_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.jpg", "c.png"):
        save(here / "in" / name)
    assert main(["upscale", "in", "--quality", "50", "--quiet", *FAST]) == 0
    assert capsys.readouterr().err == "paragon: note: --quality: no effect on 2 PNG\n"
    assert main(["upscale", "in", "-o", "plain", "--quiet", *FAST]) == 0
    assert (here / "in_2x" / "a.png").read_bytes() == (here / "plain" / "a.png").read_bytes()
    assert (here / "in_2x" / "b.jpg").stat().st_size < (here / "plain" / "b.jpg").stat().st_size


def test_names_by_a_pattern(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "in" / "a.png")
    save(here / "in" / "sub" / "b.c.png", (9, 9, 3))
    turned(here / "in" / "phone.jpg", (30, 20))
    options = ["--name", "{stem}-{width}x{height}-{size}-{model}", "--model", "realtime-2x"]
    assert main(["upscale", "in", "-o", "out", *options, *FAST]) == 0
    made = {path.relative_to(here / "out").as_posix() for path in (here / "out").rglob("*.*")}
    assert made == {
        "a-32x24-2x-realtime-2x.png",
        "phone-40x60-2x-realtime-2x.jpg",
        "sub/b.c-18x18-2x-realtime-2x.png",
    }
    capsys.readouterr()
    assert main(["upscale", "in", "-o", "out", *options, *FAST]) == 0
    assert "3 were there already" in capsys.readouterr().err


def test_sources_with_one_name_are_not_written_over_each_other(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        save(here / name)
    save(here / "c.png", (9, 9, 3))
    assert main(["upscale", "a.png", "b.png", "c.png", "-o", "out", "--name", "{width}", *FAST]) == 2
    assert names(here / "out") == {"18.png"}
    assert capsys.readouterr().err.count("would both become") == 2


class TestReplace:
    def test_an_image_is_replaced_and_nothing_else(self, here: Path) -> None:
        save(here / "a.jpg")
        save(here / "b.png", (9, 9, 2), np.uint16)
        (here / "b.png").chmod(0o640)
        assert main(["upscale", "a.jpg", "b.png", "--replace", *FAST]) == 0
        assert names(here) == {"a.jpg", "b.png"}
        assert read_image(here / "a.jpg").size == (32, 24)
        assert read_image(here / "b.png").array.shape == (18, 18, 2)
        assert read_image(here / "b.png").array.dtype == np.uint16
        if sys.platform != "win32":
            assert stat.S_IMODE((here / "b.png").stat().st_mode) == 0o640

    def test_a_folder_twice_to_a_size(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("a.png", "sub/b.jpg", "a_2x.png"):
            save(here / "in" / name)
        save(here / "in" / "large.png", (200, 300, 3))
        assert main(["upscale", "in", "--replace", "--fit", "40x40", *FAST]) == 0
        errors = capsys.readouterr().err
        assert "3 of 4 files upscaled" in errors
        assert "1 were left as they are" in errors
        assert read_image(here / "in" / "large.png").size == (300, 200)
        assert read_image(here / "in" / "sub" / "b.jpg").size == (40, 30)
        before = {path: path.read_bytes() for path in (here / "in").rglob("*.*")}
        assert main(["upscale", "in", "--replace", "--fit", "40x40", *FAST]) == 0
        assert {path: path.read_bytes() for path in (here / "in").rglob("*.*")} == before

    def test_what_would_lose_something_stays(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        tifffile.imwrite(here / "extra.tif", np.zeros((8, 8, 5), np.uint8), photometric="rgb", extrasamples=(2, 0))
        save(here / "really.png").rename(here / "a.jpg")
        (here / "broken.png").write_bytes(save(here / "whole.png").read_bytes()[:-40])
        (here / "whole.png").unlink()
        before = {path.name: path.read_bytes() for path in here.iterdir()}
        for name in before:
            assert main(["upscale", name, "--replace", *FAST]) == 2
        assert {path.name: path.read_bytes() for path in here.iterdir()} == before
        errors = capsys.readouterr().err
        assert "something would be lost" in errors
        assert "PNG by another name" in errors

    def test_an_error_on_the_way_leaves_the_source(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = save(here / "a.png").read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert main(["upscale", "a.png", "--replace", *FAST]) == 2
        assert names(here) == {"a.png"}
        assert (here / "a.png").read_bytes() == before

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
    def test_a_link_stays_a_link(self, here: Path) -> None:
        save(here / "real" / "a.png")
        (here / "link.png").symlink_to(Path("real", "a.png"))
        assert main(["upscale", "link.png", "real/a.png", "--replace", *FAST]) == 0
        assert (here / "link.png").is_symlink()
        assert read_image(here / "real" / "a.png").size == (32, 24)

    @pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="whoever may do all is not refused")
    def test_what_is_write_protected_stays(self, here: Path) -> None:
        save(here / "a.png").chmod(0o444)
        assert main(["upscale", "a.png", "--replace", *FAST]) == 2
        assert read_image(here / "a.png").size == (16, 12)


class TestVideos:
    @pytest.mark.parametrize(
        ("options", "name", "size"),
        [
            (["--fit", "100x90"], "a_100x90.mkv", (100, 76)),
            (["--scale", "1.5"], "a_1.5x.mkv", (96, 72)),
            (["--scale", "3", "--name", "{stem}_{width}x{height}"], "a_192x144.mkv", (192, 144)),
        ],
    )
    def test_sizes(self, here: Path, options: list[str], name: str, size: tuple[int, int]) -> None:
        videos.make(here / "a.mkv", times=range(2))
        for _ in range(2):
            assert main(["upscale", "a.mkv", *options, *FAST]) == 0
            assert names(here) == {"a.mkv", name}
            frame = videos.frames_of(here / name)[0]
            assert (frame.width, frame.height) == size

    def test_a_quality_is_no_crf(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        videos.make(here / "a.mkv", times=range(2))
        assert main(["upscale", "a.mkv", "--quality", "80", *FAST]) == 2
        assert "--crf" in capsys.readouterr().err

    def test_replacing(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        plain = {"codec": "libx264", "times": range(2), "rate": Fraction(25), "time_base": Fraction(1, 25)}
        videos.make(here / "a.mp4", **plain)
        videos.make(here / "b.mp4", rotation=0, **(plain | {"pixel_format": "yuv420p10le"}))  # 2 bits are lost
        videos.make(here / "c.avi", codec="mpeg4", times=range(2))
        sources = {path.name: path.read_bytes() for path in here.iterdir()}
        assert main(["upscale", "a.mp4", "b.mp4", "c.avi", "--replace", "--codec", "h264", *FAST]) == 2
        assert videos.frames_of(here / "a.mp4")[0].width == 128
        assert names(here) == {"a.mp4", "b.mp4", "b_2x.mp4", "c.avi"}
        assert videos.frames_of(here / "b_2x.mp4")[0].width == 128
        for name in ("b.mp4", "c.avi"):
            assert (here / name).read_bytes() == sources[name]
        assert "b.mp4: it was not replaced" in capsys.readouterr().err
        assert main(["upscale", "a.mp4", "--replace", "--width", "128", *FAST]) == 0
        assert "that large already" in capsys.readouterr().err
        assert videos.frames_of(here / "a.mp4")[0].width == 128
