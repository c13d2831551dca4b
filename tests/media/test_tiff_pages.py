"""A TIFF of several pages is upscaled page by page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media import tiff_pages
from paragon_core.media.encoding import encode
from paragon_core.media.formats import FORMATS
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.tiff_pages import append_page, read_pages
from tests.media import samples
from tests.media.stand_in_upscaling import twice, upscale

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.loaded_image import Array

DESCRIPTION, ORIENTATION, SUBFILE = 0x010E, 0x0112, 254


def page(seed: int, number: int) -> tuple[Array, bytes]:
    """A page of random size, depth and channels, with EXIF of its own."""
    random = np.random.default_rng([seed, number])
    shape = [int(side) for side in random.integers(2, 30, 2)] + [[], [3], [4]][int(random.integers(3))]
    deep = random.random() < 0.5
    pixels = samples.pixels(seed + number, *shape, dtype=np.uint16 if deep else np.uint8)
    exif = Image.Exif()
    exif[DESCRIPTION] = f"page {number}" + " of a long book" * int(random.integers(4))
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif[0x8769] = dict(exif.get_ifd(0x8769))
    return pixels, exif.tobytes().removeprefix(b"Exif\0\0")


def put_together(pages: list[tuple[Array, bytes]]) -> bytes:
    stream = io.BytesIO()
    for pixels, exif in pages:
        append_page(
            stream, encode(LoadedImage(array=pixels, format="tiff", lossless=True, exif=exif), FORMATS["tiff"])[0]
        )
    return stream.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_every_page_keeps_its_size_depth_and_metadata(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    pages = [page(seed, number) for number in range(count)]
    (folder / "a.tif").write_bytes(put_together(pages))
    result = upscale(folder / "a.tif", folder / "b.tif")
    assert result.error is None
    assert result.frames == count
    assert not result.notes
    made = read_pages(folder / "b.tif", max_pixels=10**6)
    assert made is not None
    with Image.open(folder / "b.tif") as image:  # Pillow finds the same pages, and their metadata
        assert getattr(image, "n_frames", 1) == count
        for number, (loaded, (pixels, _)) in enumerate(zip(made.loaded_images(), pages, strict=True)):
            assert loaded.array.dtype == pixels.dtype
            assert np.array_equal(loaded.array, twice(pixels))
            image.seek(number)
            assert image.size == (2 * pixels.shape[1], 2 * pixels.shape[0])
            assert str(image.getexif()[DESCRIPTION]).startswith(f"page {number}")
            assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            if pixels.dtype == np.uint8:
                assert np.array_equal(np.asarray(image), twice(pixels))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_that_pillow_wrote(tmp_path: Path, compression: str | None, big: bool) -> None:
    images = [Image.fromarray(samples.pixels(number, 20 + number, 30 - number, 3)) for number in range(3)]
    images[0].save(tmp_path / "a.tif", save_all=True, append_images=images[1:], compression=compression, big_tiff=big)
    assert upscale(tmp_path / "a.tif", tmp_path / "b.tif").frames == 3
    with Image.open(tmp_path / "a.tif") as before, Image.open(tmp_path / "b.tif") as after:
        for number in range(3):
            before.seek(number)
            after.seek(number)
            assert np.array_equal(twice(np.asarray(before)), np.asarray(after))


def with_thumbnails(path: Path) -> list[Array]:
    """Two pages, each behind a smaller copy of it, and a mask at the end."""
    pages = [samples.pixels(number, 12, 10, 3) for number in range(2)]
    images = []
    for pixels in pages:
        images += [(pixels[::4, ::4], 1), (pixels, 0)]
    images.append((pages[0][..., 0], 4))
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as writer:
        for pixels, kind in images:
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[SUBFILE] = kind
            Image.fromarray(np.ascontiguousarray(pixels)).save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    return pages


def test_thumbnails_and_masks_are_no_pages(tmp_path: Path) -> None:
    pages = with_thumbnails(tmp_path / "a.tif")
    assert upscale(tmp_path / "a.tif", tmp_path / "b.tif").frames == 2
    made = read_pages(tmp_path / "b.tif", max_pixels=10**6)
    assert made is not None
    for loaded, pixels in zip(made.loaded_images(), pages, strict=True):
        assert np.array_equal(loaded.array, twice(pixels))


def test_another_target_takes_the_first_page(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(put_together([page(1, number) for number in range(3)]))
    result = upscale(tmp_path / "a.tif", tmp_path / "b.png")
    assert result.error is None
    assert any("only the first of its 3 pages" in note for note in result.notes)


def test_a_page_that_cannot_be_read(tmp_path: Path) -> None:
    pages = [Image.fromarray(samples.pixels(0, 8, 8, 3)), Image.new("CMYK", (8, 8))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    result = upscale(tmp_path / "a.tif", tmp_path / "b.tif")
    assert isinstance(result.error, UnsupportedFormatError)
    assert "page 2" in str(result.error)
    assert result.error.hint
    assert not (tmp_path / "b.tif").exists()


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = put_together([page(1, number) for number in range(3)])
    (tmp_path / "a.tif").write_bytes(data)
    monkeypatch.setattr(tiff_pages, "MOST_PAGES", 3)
    with pytest.raises(UnsupportedSizeError, match="3 pages or more"):
        read_pages(tmp_path / "a.tif", max_pixels=10**6)
    monkeypatch.setattr(tiff_pages, "_LARGEST_FILE", len(data) + 100)
    stream = io.BytesIO(data)
    with pytest.raises(UnsupportedSizeError, match="4 GiB"):
        append_page(stream, data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_is_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("damage")
    whole = bytearray(put_together([page(7, number) for number in range(2)]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.tif").write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    result = upscale(folder / "a.tif", folder / "b.tif")
    assert result.state == "written" or (result.error is not None and result.error.hint)
