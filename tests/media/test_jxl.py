"""JPEG XL, where its package is installed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("pillow_jxl")

from paragon_core.errors import MediaError, UnsupportedSizeError
from paragon_core.media.icc import code_points, profile_of
from paragon_core.media.images import read_header, read_image, write_image
from paragon_core.media.jobs import Job, run
from paragon_core.media.jxl import read_jxl_header
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.srgb import srgb_profile
from tests.media import samples
from tests.media.stand_in_upscaling import twice

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.booleans())
def test_sizes_in_headers(width: int, height: int, container: bool) -> None:
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, "JXL", lossless=True, effort=1, use_container=container)
    header = read_jxl_header(stream)
    assert header.size == (width, height)
    assert (header.bits, header.floating, header.animated) == (8, False, False)


def test_depth_in_headers(tmp_path: Path) -> None:
    pixels = samples.pixels(0, 9, 7, dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.jxl", lossless=True)
    with (tmp_path / "a.jxl").open("rb") as stream:
        assert read_jxl_header(stream).bits == 16
    assert np.array_equal(read_image(tmp_path / "a.jxl").array, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_and_metadata_stay(tmp_path: Path, channels: int) -> None:
    shape = (9, 7) if channels == 1 else (9, 7, channels)
    pixels = samples.pixels(channels, *shape)
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a description", 6
    loaded = LoadedImage(
        array=pixels,
        format="png",
        lossless=True,
        exif=exif.tobytes().removeprefix(b"Exif\0\0"),
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    )
    assert write_image(tmp_path / "a.jxl", loaded) == ()
    made = read_image(tmp_path / "a.jxl")
    assert np.array_equal(made.array, np.rot90(pixels, -1))
    assert made.orientation == 1
    assert made.exif is not None
    assert b"a description" in made.exif
    assert made.xmp == loaded.xmp
    (result,) = run([Job(source=tmp_path / "a.jxl", target=tmp_path / "b.png")], twice, scale=2)
    assert result.error is None
    assert np.array_equal(read_image(tmp_path / "b.png").array, twice(made.array))


def test_other_colours_become_srgb(tmp_path: Path) -> None:
    icc = srgb_profile()
    pixels = samples.pixels(0, 9, 7, 3)
    assert write_image(tmp_path / "a.jxl", LoadedImage(array=pixels, format="png", lossless=True, icc=icc)) == ()
    assert np.array_equal(read_image(tmp_path / "a.jxl").array, pixels)
    wide = profile_of(code_points(12, 13), grey=False)
    notes = write_image(tmp_path / "b.jxl", LoadedImage(array=pixels, format="png", lossless=True, icc=wide))
    assert "converted to sRGB" in " ".join(notes)
    assert not np.array_equal(read_image(tmp_path / "b.jxl").array, pixels)


def test_bounds_and_damage(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jxl", LoadedImage(array=samples.pixels(0, 40, 30, 3), format="png", lossless=True))
    assert read_header(tmp_path / "a.jxl").size == (30, 40)
    with pytest.raises(UnsupportedSizeError, match="limit"):
        read_image(tmp_path / "a.jxl", max_pixels=100)
    data = (tmp_path / "a.jxl").read_bytes()
    for cut in (13, 60, len(data) // 2, len(data) - 9):
        (tmp_path / "a.jxl").write_bytes(data[:cut])
        with pytest.raises(MediaError):
            read_image(tmp_path / "a.jxl")


@pytest.mark.parametrize(("channels", "bits"), [(1, 10), (2, 16), (3, 10), (3, 16), (4, 12)])
def test_high_bit_depth(tmp_path: Path, channels: int, bits: int) -> None:
    codecs = pytest.importorskip("imagecodecs")
    shape = (9, 7) if channels == 1 else (9, 7, channels)
    pixels = samples.pixels(1, *shape, dtype=np.uint16) >> (16 - bits)
    (tmp_path / "a.jxl").write_bytes(codecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits))
    loaded = read_image(tmp_path / "a.jxl")
    assert loaded.array.dtype == np.uint16
    assert np.abs(loaded.array - pixels * (65535 / (2**bits - 1))).max() <= 1
    assert loaded.notes == ()
