from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import paragon_core as paragon
from paragon_core.cli.main import main
from paragon_core.media.images import read_image
from tests.media import samples
from tests.media.stand_in_upscaling import SRGB, save
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def smooth(*shape: int, dtype: type[np.generic] = np.uint8) -> Any:
    """An image without detail, so that upscaled images can be told from nonsense."""
    y, x, *_ = np.indices(shape)
    top = 255 if dtype is np.uint8 else 65535
    return ((0.2 + 0.6 * (x / shape[1] + y / shape[0]) / 2) * top).astype(dtype)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".avif", ".bmp"])
def test_every_format(here: Path, capsys: pytest.CaptureFixture[str], extension: str) -> None:
    source = save(here / f"a{extension}", smooth(40, 56, 3))
    assert main(["upscale", source.name]) == 0
    result = read_image(here / f"a_2x{extension}")
    assert result.size == (112, 80)
    upscaled = np.asarray(Image.fromarray(smooth(40, 56, 3)).resize((112, 80), Image.Resampling.BICUBIC), int)
    assert np.abs(result.array[8:-8, 8:-8].astype(int) - upscaled[8:-8, 8:-8]).max() <= 12
    output = capsys.readouterr()
    assert output.out == ""
    assert f"a{extension} -> a_2x{extension} (112 x 80" in output.err


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 2), (20, 24, 3), (20, 24, 4)])
def test_files_hold_what_the_upscaler_makes(here: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    array = samples.pixels(1, *shape, dtype=dtype)
    save(here / "a.png", array)
    assert main(["upscale", "a.png", "-o", "b.png", "--backend", "onnxruntime"]) == 0
    with paragon.Upscaler(paragon.load("realtime-2x"), backend="onnxruntime") as upscaler:
        assert np.array_equal(read_image(here / "b.png").array, upscaler(array))


@pytest.mark.parametrize(
    ("options", "padding"),
    [(["--padding", "zero"], "zero"), (["--padding", "edge"], "edge"), (["--seamless"], "wrap")],
)
def test_the_border_is_as_told(here: Path, options: list[str], padding: Any) -> None:
    array = samples.pixels(1, 20, 24, 3)
    save(here / "a.png", array)
    assert main(["upscale", "a.png", "-o", "b.png", "--backend", "onnxruntime", *options]) == 0
    with paragon.Upscaler("realtime-2x", backend="onnxruntime", padding=padding) as upscaler:
        assert np.array_equal(read_image(here / "b.png").array, upscaler(array))


def test_what_surrounds_the_pixels_is_kept(here: Path) -> None:
    block = Image.Exif()
    block[0x0112] = 6
    block[0x010F] = "Maker"
    block.get_ifd(0x8769).update({0xA002: 24, 0xA003: 20})
    exif = block.tobytes().removeprefix(b"Exif\0\0")
    save(here / "a.tif", smooth(20, 24, 3, dtype=np.uint16), icc=SRGB, exif=exif, dpi=(300, 300))
    assert main(["upscale", "a.tif", "-o", "b.png"]) == 0
    result = read_image(here / "b.png")
    assert result.array.dtype == np.uint16
    assert (result.icc, result.orientation, result.size) == (SRGB, 1, (40, 48))
    block = Image.Exif()
    block.load(result.exif or b"")
    assert block[0x010F] == "Maker"
    assert block.get_ifd(0x8769)[0xA002] == 40


def test_a_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "sub/b.jpg", "sub/deep/c.webp"):
        save(here / "in" / name, smooth(12, 10, 3))
    (here / "in" / "note.txt").write_text("not an image")
    assert main(["upscale", "in", "-o", "out"]) == 0
    made = {path.relative_to(here / "out").as_posix() for path in (here / "out").rglob("*") if path.is_file()}
    assert made == {"a.png", "sub/b.jpg", "sub/deep/c.webp"}
    assert f"3 of 3 files upscaled, in {here / 'out'}\n" in capsys.readouterr().err
    before = {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*")}
    assert main(["upscale", "in", "-o", "out"]) == 0
    assert f"0 of 3 files upscaled, in {here / 'out'}, 3 were there already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (here / "out").rglob("*")} == before
    assert main(["upscale", "in", "-o", "out", "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_fails_does_not_stop_the_rest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(4):
        save(here / "in" / f"{index}.png", smooth(12, 10, 3))
    for name in ("1.png", "2.png"):
        (here / "in" / name).write_bytes((here / "in" / name).read_bytes()[:60])
    assert main(["upscale", "in", "-o", "out", "--quiet"]) == 2
    assert sorted(path.name for path in (here / "out").iterdir()) == ["0.png", "3.png"]
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line.split(":")[1].strip() for line in lines[:4:2]] == ["error", "error"]
    assert lines[-3:] == [
        f"2 of 4 files upscaled, in {here / 'out'}, 2 failed:",
        f"  {Path('in', '1.png')}",
        f"  {Path('in', '2.png')}",
    ]


def test_notes_about_what_is_lost(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "a.png", smooth(12, 10, 3, dtype=np.uint16))
    assert main(["upscale", "a.png", "--format", "jpeg", "--quiet"]) == 0
    assert capsys.readouterr().err == "paragon: note: a.png: JPEG holds 8 bits per channel, the image has more\n"
    assert (here / "a_2x.jpg").exists()


def test_a_source_is_never_replaced(here: Path) -> None:
    save(here / "a.png", smooth(12, 10, 3))
    before = (here / "a.png").read_bytes()
    for arguments in (["-o", "a.png"], ["-o", "."], ["-o", "./"], ["-o", "a.png", "--overwrite"]):
        assert main(["upscale", "a.png", *arguments]) == 2
    assert (here / "a.png").read_bytes() == before


def test_another_image_is_not_replaced_unasked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "a.png", smooth(12, 10, 3))
    save(here / "precious.png", smooth(50, 50, 3))
    before = (here / "precious.png").read_bytes()
    assert main(["upscale", "a.png", "-o", "precious.png"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (here / "precious.png").read_bytes() == before
    assert main(["upscale", "a.png", "-o", "precious.png", "--overwrite"]) == 0
    assert read_image(here / "precious.png").size == (20, 24)


def test_options_reach_the_upscaler(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "a.png", smooth(70, 90, 3))
    common = ["upscale", "a.png", "--overwrite", "--backend", "onnxruntime", "--precision", "fp32", "--device", "cpu"]
    assert main([*common, "-o", "plain.png", "--scale", "2", "--jobs", "1"]) == 0
    assert "onnxruntime fp32" in capsys.readouterr().err
    for number, options in enumerate(
        (["--tile", "40"], ["--tile", "48x40"], ["--tile", "off"], ["--max-memory", "1M"])
    ):
        assert main([*common, "-o", f"{number}.png", *options]) == 0
        difference = read_image(here / f"{number}.png").array.astype(int) - read_image(here / "plain.png").array
        assert np.abs(difference).max() <= 1
    assert main([*common, "-o", "soft.png", "--alpha", "0.5"]) == 0
    assert not np.array_equal(read_image(here / "soft.png").array, read_image(here / "plain.png").array)


def test_models_by_file(here: Path, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(here / "a.png", smooth(20, 24, 3))
    weights = shared / "weights" / "v11_2xParagonSR2_Stream_fidelity.safetensors"
    assert main(["upscale", "a.png", "--model", str(weights)]) == 0
    assert "note" not in capsys.readouterr().err
    refused = next((shared / "weights").glob("v2_*"))
    assert main(["upscale", "a.png", "--model", str(refused), "-o", "b.png"]) == 2
    assert not (here / "b.png").exists()


def test_an_assumed_setting_is_told_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "tests" / "data" / "v9_realtime_x3.safetensors", here / "mine.safetensors")
    save(here / "a.png", smooth(20, 24, 3))
    assert main(["upscale", "a.png", "--model", "mine.safetensors", "--quiet"]) == 0
    assert read_image(here / "a_3x.png").size == (72, 60)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("paragon: note: ")
    assert "0.3" in line
    assert "--alpha" in line
    assert main(["upscale", "a.png", "--model", "mine.safetensors", "--alpha", "0", "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["info", "mine.safetensors", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["upsampler_alpha"] == 0.3
    assert len(output.err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_an_interrupt_leaves_whole_files_only(here: Path) -> None:
    for index in range(300):
        save(here / "in" / f"{index:03}.bmp", smooth(120, 160, 3))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "paragon_core.cli.main",
            "upscale",
            str(here / "in"),
            "-o",
            str(here / "out"),
            "--jobs",
            "4",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for _ in range(6):  # the model's line and five images
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert output == ""
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("paragon: interrupted")
    made = list((here / "out").iterdir())
    assert 5 <= len(made) < 300
    assert {read_image(path).size for path in made} == {(320, 240)}
