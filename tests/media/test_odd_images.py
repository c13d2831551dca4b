"""Kinds of images that Pillow does not read, or reads as something else: read right, or refused by their name."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.formats import FORMATS, WRITABLE
from paragon_core.media.images import MAX_PIXELS, LoadedImage, read_header, read_image, write_image
from paragon_core.media.series import read_series
from paragon_core.media.tiff_reading import full_pages
from tests.media import samples

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.formats import FormatName

DTYPES: tuple[type[np.generic], ...] = (np.uint8, np.uint16, np.float32)


def values(seed: int, *shape: int, dtype: type[np.generic]) -> Any:
    if dtype is np.float32:
        return np.random.default_rng(seed).random(shape, np.float32)
    return samples.pixels(seed, *shape, dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tiff_of_any_arrangement(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    dtype, channels = data.draw(st.sampled_from(DTYPES)), data.draw(st.integers(1, 5))
    planar: Any = data.draw(st.sampled_from(["contig", "separate"]))
    compression = data.draw(st.sampled_from([None, "zlib"]))
    order: Any = data.draw(st.sampled_from(["<", ">"]))
    premultiplied = data.draw(st.booleans())
    array = values(1, 9, 7, channels, dtype=dtype)
    colours = 1 if channels < 3 else 3
    extra = ["assocalpha" if premultiplied else "unassalpha", "unspecified"][: channels - colours]
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    stored = np.ascontiguousarray(array if planar == "contig" else np.moveaxis(array, -1, 0))
    if channels == 1:
        stored, planar = array[..., 0], "contig"
    tifffile.imwrite(
        path,
        stored,
        photometric="minisblack" if colours == 1 else "rgb",
        planarconfig=planar,
        extrasamples=extra,
        compression=compression,
        byteorder=order,
        metadata=None,
    )
    result = read_image(path)
    used = min(channels, colours + 1)
    assert result.array.dtype == dtype
    assert result.array.shape == ((9, 7) if used == 1 else (9, 7, used))
    assert read_header(path).size == (7, 9)
    assert bool(result.notes) == (channels > used)
    shown = result.array.reshape(9, 7, used)
    if used > colours:
        assert np.array_equal(shown[..., -1], array[..., colours])
    if used == colours or not premultiplied:
        assert np.array_equal(shown[..., :colours], array[..., :colours])
    else:
        top = 1 if dtype is np.float32 else np.iinfo(array.dtype).max
        again = shown[..., :colours] * (array[..., colours, np.newaxis] / top)
        possible = np.minimum(array[..., :colours], array[..., colours, np.newaxis])
        assert np.abs(again - possible).max() <= (1e-6 if top == 1 else 1 + 0.5)


@pytest.mark.parametrize("bits", [32, 64])
def test_long_integers_become_floating_point(tmp_path: Path, bits: int) -> None:
    array = np.array([[0, 2**bits - 1, 2 ** (bits - 1)]], f"u{bits // 8}")
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert read_image(tmp_path / "a.tif").array.tolist() == [[0, 1, 0.5]]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("channels", [1, 3])
def test_signed_numbers_are_refused(tmp_path: Path, dtype: Any, channels: int) -> None:
    array = samples.pixels(1, 5, 4, channels).astype(dtype)
    (tmp_path / "a.tif").write_bytes(samples.tiff(array[..., 0] if channels == 1 else array))
    with pytest.raises(UnsupportedFormatError, match="signed numbers"):
        read_image(tmp_path / "a.tif")


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(DTYPES), st.sampled_from([(9, 7), (9, 7, 2), (9, 7, 3), (9, 7, 4)]))
def test_tiff_comes_back(
    tmp_path_factory: pytest.TempPathFactory, dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    array = values(2, *shape, dtype=dtype)
    assert write_image(path, LoadedImage(array=array, format="tiff", lossless=True)) == ()
    assert np.array_equal(read_image(path).array, array)
    assert np.array_equal(tifffile.imread(path), array)  # another reader


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_the_full_page_is_chosen(tmp_path: Path, *, bigtiff: bool, deep: bool) -> None:
    path = tmp_path / "a.tif"
    small, full = samples.pixels(1, 5, 6, 3), samples.pixels(2, 10, 12, 3)
    array = full.astype(np.float32) / 255 if deep else full
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        writer.write(small, subfiletype=1, photometric="rgb", metadata=None)
        writer.write(array, photometric="rgb", resolution=(300, 300), resolutionunit=2, metadata=None)
    result = read_image(path)
    assert np.array_equal(result.array, array)
    assert (result.notes, result.dpi) == ((), (300, 300))
    assert read_header(path).size == (12, 10)


def test_the_full_page_below_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    small, full = samples.pixels(1, 5, 6, 3), samples.pixels(2, 10, 12, 3)
    with tifffile.TiffWriter(path) as writer:
        writer.write(small, subfiletype=1, photometric="rgb", subifds=1, metadata=None)
        writer.write(full, photometric="rgb", metadata=None)
    assert np.array_equal(read_image(path).array, full)
    with tifffile.TiffWriter(path) as writer:
        writer.write(small, subfiletype=1, photometric="rgb", subifds=1, metadata=None)
        writer.write(full[..., 0], photometric="cfa", metadata=None)
    with pytest.raises(UnsupportedFormatError, match="raw file"):
        read_image(path)


def test_a_page_that_only_bears_the_mark_of_a_thumbnail(tmp_path: Path) -> None:
    array = samples.pixels(1, 5, 6, 3)
    (tmp_path / "a.tif").write_bytes(samples.tiff(array, tags={254: (4, (1,))}))
    assert np.array_equal(read_image(tmp_path / "a.tif").array, array)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120))
def test_damaged_directories_do_no_harm(junk: bytes) -> None:
    for head in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        stream = io.BytesIO(head + junk)
        try:
            assert len(full_pages(stream)) <= 1000
        except Exception as error:  # noqa: BLE001 - Pillow's, which `read_image` puts into words
            assert type(error).__module__ != "paragon_core.errors"  # noqa: PT017


def test_tags_of_programs_are_noted_by_number_and_those_of_a_tiffs_own_storage_are_not(tmp_path: Path) -> None:
    array = samples.pixels(1, 5, 6, 3)
    tags = {50838: (4, (1, 2)), 65000: (3, (1,)), 32997: (3, (1,)), 18246: (3, (5,))}
    (tmp_path / "a.tif").write_bytes(samples.tiff(array, tags=tags))
    read = read_image(tmp_path / "a.tif")
    assert read.notes == ("its private tags (50838, 65000) are not kept",)
    block = Image.Exif()
    block.load(read.exif or b"")
    assert dict(block) == {18246: 5}  # a rating


def test_what_a_tiff_says_of_maps_and_layers_is_noted(tmp_path: Path) -> None:
    array = samples.pixels(1, 5, 6, 3)
    (tmp_path / "a.tif").write_bytes(samples.tiff(array, tags={33922: (4, (1, 2)), 37724: (4, (1, 2))}))
    notes = " ".join(read_image(tmp_path / "a.tif").notes)
    assert "GeoTIFF" in notes
    assert "layers" in notes


@pytest.mark.parametrize(
    ("marker", "bits", "words"), [(0xC1, 12, "12 bits"), (0xC3, 8, "lossless"), (0xF7, 8, "JPEG-LS")]
)
def test_kinds_of_jpeg_are_called_by_their_name(tmp_path: Path, marker: int, bits: int, words: str) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(samples.pixels(1, 8, 8, 3)).save(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\xff\xc0\0\x11\x08", struct.pack(">BBHB", 0xFF, marker, 17, bits)))
    with pytest.raises(UnsupportedFormatError, match=words):
        read_image(path)


def test_kinds_of_bmp_are_called_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    masks = struct.pack("<3I", 0xC000, 0x3800, 0x07FF)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, 3, 32, 0, 0, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 98, 0, 0, 66) + info + masks + bytes(32))
    with pytest.raises(UnsupportedFormatError, match="BMP of a kind"):
        read_image(path)


def test_a_whole_avif_that_cannot_be_decoded_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.fromarray(samples.pixels(1, 16, 16, 3)).save(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"hdlr", b"free", 1))
    with pytest.raises(UnsupportedFormatError, match="AVIF of a kind"):
        read_image(path)


@pytest.mark.parametrize("target", WRITABLE)
def test_what_pillow_does_not_open_is_no_animation(tmp_path: Path, target: FormatName) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values(1, 9, 7, 3, dtype=np.float32), photometric="rgb")
    assert read_series(path, FORMATS[target], max_pixels=MAX_PIXELS) is None
