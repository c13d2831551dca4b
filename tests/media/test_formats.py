"""The formats that are one row, and those for which a package may be missing."""

from __future__ import annotations

import io
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import BackendUnavailableError, MediaError, UnsupportedFormatError
from paragon_core.media.encoding import encode
from paragon_core.media.formats import EXTENSIONS, FOREIGN_EXTENSIONS, FORMATS, HEAD_LENGTH, format_of_name, sniff
from paragon_core.media.images import read_header, read_image, write_image
from paragon_core.media.jobs import Job, plan, run
from paragon_core.media.loaded_image import LoadedImage
from tests.media import samples
from tests.media.stand_in_upscaling import twice

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array

ALWAYS_THERE = [row for row in FORMATS.values() if row.requirement is None]


@pytest.mark.parametrize("row", ALWAYS_THERE, ids=lambda row: row.name)
def test_a_format_is_told_by_its_content(tmp_path: Path, row: object) -> None:
    assert isinstance(row, type(FORMATS["png"]))
    pixels = samples.pixels(1, 9, 7, 3)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, row.name.upper())
    assert sniff(stream.getvalue()[:HEAD_LENGTH]) == row.name
    (tmp_path / "a.xyz").write_bytes(stream.getvalue())
    assert read_header(tmp_path / "a.xyz").format == row.name
    assert read_header(tmp_path / "a.xyz").ends
    loaded = read_image(tmp_path / "a.xyz")
    assert (loaded.format, loaded.size) == (row.name, (7, 9))
    if row.writable:
        write_image(tmp_path / f"b{row.extensions[0]}", loaded)
        assert read_image(tmp_path / f"b{row.extensions[0]}").size == (7, 9)


def test_every_extension_means_one_thing(tmp_path: Path) -> None:
    assert not set(EXTENSIONS) & FOREIGN_EXTENSIONS
    for extension, name in EXTENSIONS.items():
        if FORMATS[name].writable:
            assert format_of_name(tmp_path / f"a{extension}") is FORMATS[name]
        else:
            with pytest.raises(UnsupportedFormatError, match="cannot write"):
                format_of_name(tmp_path / f"a{extension}")


def test_what_is_not_written_becomes_png(tmp_path: Path) -> None:
    Image.fromarray(samples.pixels(0, 8, 8, 4)).save(tmp_path / "a.dds")
    (job,) = plan([tmp_path / "a.dds"], suffix="_2x")
    assert job.target == tmp_path / "a_2x.png"
    assert run([job], twice, scale=2)[0].state == "written"


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("extension", [".gif", ".tga"])
def test_still_images_without_loss(tmp_path: Path, extension: str, channels: int) -> None:
    palette = samples.pixels(3, 40, channels)
    if channels == 4:
        palette[:, 3] = np.where(palette[:, 3] > 128, 255, 0)
    pixels = palette[np.random.default_rng(0).integers(0, 40, (20, 30))]
    pixels = pixels[..., 0] if channels == 1 else pixels
    assert write_image(tmp_path / f"a{extension}", LoadedImage(array=pixels, format="png", lossless=True)) == ()
    with Image.open(tmp_path / f"a{extension}") as image:  # another reader than ours, for GIF
        seen = np.asarray(image.convert("RGBA"))
    expected = pixels[..., np.newaxis].repeat(3, axis=2) if channels == 1 else pixels
    assert np.array_equal(seen[..., :3][seen[..., 3] > 0], expected[..., :3][seen[..., 3] > 0])
    if channels == 4:
        assert np.array_equal(seen[..., 3], pixels[..., 3])
    again = read_image(tmp_path / f"a{extension}")
    write_image(tmp_path / f"b{extension}", again)
    assert (tmp_path / f"a{extension}").read_bytes() == (tmp_path / f"b{extension}").read_bytes()


def test_what_a_gif_loses_is_told() -> None:
    def notes(array: Array) -> str:
        return " ".join(encode(LoadedImage(array=array, format="png", lossless=True, exif=None), FORMATS["gif"])[1])

    few = np.zeros((8, 8, 3), np.uint8)
    assert notes(few) == ""
    assert "dithered" in notes(samples.pixels(0, 30, 30, 3))
    assert "half-transparent" in notes(np.full((8, 8, 4), 100, np.uint8))
    assert "8 bits" in notes(few.astype(np.uint16))


def tga(kind: int, depth: int, pixels: bytes, *, palette: bytes = b"", descriptor: int = 0x20) -> bytes:
    head = struct.pack(
        "<BBBHHBHHHHBB",
        0,
        bool(palette),
        kind,
        0,
        len(palette) // 3,
        24 if palette else 0,
        0,
        0,
        2,
        2,
        depth,
        descriptor,
    )
    return head + palette + pixels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (tga(2, 24, bytes(range(12))), [[[2, 1, 0], [5, 4, 3]], [[8, 7, 6], [11, 10, 9]]]),
        (tga(2, 24, bytes(range(12)), descriptor=0), [[[8, 7, 6], [11, 10, 9]], [[2, 1, 0], [5, 4, 3]]]),
        (tga(3, 8, bytes([1, 2, 3, 4])), [[1, 2], [3, 4]]),
        (
            tga(1, 8, bytes([0, 1, 1, 0]), palette=bytes([1, 2, 3, 4, 5, 6])),
            [[[3, 2, 1], [6, 5, 4]], [[6, 5, 4], [3, 2, 1]]],
        ),
        (tga(10, 24, bytes([0x81, 7, 8, 9] * 2)), [[[9, 8, 7]] * 2] * 2),
    ],
)
def test_tga_of_all_kinds(tmp_path: Path, data: bytes, expected: object) -> None:
    (tmp_path / "a.tga").write_bytes(data)
    assert read_image(tmp_path / "a.tga").array.tolist() == expected


@pytest.mark.parametrize("pixel_format", ["DXT1", "DXT5", "BC5"])
def test_dds(tmp_path: Path, pixel_format: str) -> None:
    image = Image.new("RGB" if pixel_format == "BC5" else "RGBA", (8, 8), (200, 100, 0))
    image.save(tmp_path / "a.dds", pixel_format=pixel_format)
    loaded = read_image(tmp_path / "a.dds")
    assert not loaded.lossless
    assert np.abs(loaded.array[0, 0, :2].astype(int) - [200, 100]).max() < 8
    data = bytearray((tmp_path / "a.dds").read_bytes())
    data[28:32] = struct.pack("<I", 4)
    data[112:116] = struct.pack("<I", 0x200)
    (tmp_path / "a.dds").write_bytes(data)
    assert len(read_image(tmp_path / "a.dds").notes) == 2


def test_dds_of_other_kinds(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8)).save(tmp_path / "a.dds", pixel_format="BC3")
    data = bytearray((tmp_path / "a.dds").read_bytes())
    assert data[84:88] == b"DX10"
    for number, words in ((95, "HDR"), (2, "not handled")):  # BC6H, and four floats
        data[128:132] = struct.pack("<I", number)
        (tmp_path / "a.dds").write_bytes(data)
        with pytest.raises(UnsupportedFormatError, match=words) as caught:
            read_image(tmp_path / "a.dds")
        assert caught.value.hint


@pytest.mark.parametrize(("name", "head"), [("exr", b"v/1\x01\2\0\0\0"), ("jxl", b"\xff\x0a\xfa\x1f")])
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, head: bytes) -> None:
    row = next(row for row in FORMATS.values() if row.name == name)
    assert row.requirement is not None
    package = row.requirement.removesuffix("-plugin").replace("-", "_")
    for module in [package, *(each for each in sys.modules if each.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"paragon_core.media.{name}", raising=False)
    (tmp_path / "a").write_bytes(head + bytes(64))
    with pytest.raises(BackendUnavailableError, match=row.title) as caught:
        read_image(tmp_path / "a")
    assert f"pip install {row.requirement}" in caught.value.hint
    with pytest.raises(BackendUnavailableError) as caught:
        write_image(tmp_path / f"b.{name}", LoadedImage(array=np.zeros((2, 2), np.uint8), format="png", lossless=True))
    assert "paragon-sr[" in caught.value.hint


@pytest.mark.parametrize("cut", [0, 3, 18, 40])
def test_truncated_files(tmp_path: Path, cut: int) -> None:
    for row in ALWAYS_THERE:
        stream = io.BytesIO()
        Image.fromarray(samples.pixels(1, 40, 30, 3)).save(stream, row.name.upper())
        (tmp_path / "a").write_bytes(stream.getvalue()[:cut])
        with pytest.raises((MediaError, UnsupportedFormatError)) as caught:
            read_image(tmp_path / "a")
        assert caught.value.hint


def test_a_task_of_every_format_to_every_other(tmp_path: Path) -> None:
    for row in ALWAYS_THERE:
        Image.fromarray(samples.pixels(1, 6, 5, 3)).save(tmp_path / f"a{row.extensions[0]}", row.name.upper())
        for other in ALWAYS_THERE:
            if other.writable:
                job = Job(source=tmp_path / f"a{row.extensions[0]}", target=tmp_path / f"b{other.extensions[0]}")
                (result,) = run([job], twice, scale=2, overwrite=True)
                assert result.error is None, (row.name, other.name, result.error)
                assert read_image(job.target).size == (10, 12)
