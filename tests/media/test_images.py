from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.images import LoadedImage, read_header, read_image, write_image
from paragon_core.media.metadata import as_stored, as_viewed, with_size
from tests.media import samples
from tests.media.stand_in_upscaling import SRGB

if TYPE_CHECKING:
    from pathlib import Path

GREY = SRGB[:16] + b"GRAY" + SRGB[20:]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif(orientation: int = 1, width: int = 5, height: int = 4) -> bytes:
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x0112] = orientation
    block[0x8298] = "Somebody"
    block.get_ifd(0x8769).update({0xA002: width, 0xA003: height, 0x9003: "2020:02:02 02:02:02"})
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes().removeprefix(b"Exif\0\0")


def loaded(array: Any, *, lossless: bool = True, **surroundings: Any) -> LoadedImage:
    return LoadedImage(array=array, format="png", lossless=lossless, **surroundings)


def parsed(block: bytes | None) -> Image.Exif:
    exif_block = Image.Exif()
    exif_block.load(block or b"")
    return exif_block


@st.composite
def loaded_images(draw: st.DrawFn, dtypes: tuple[type[np.generic], ...], kinds: str) -> LoadedImage:
    """Any image of the given types: g(rey), G(rey and alpha), c(olour), C(olour and alpha)."""
    kind = draw(st.sampled_from(kinds))
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    array = samples.pixels(
        draw(st.integers(0, 99)), *shape, {"g": 1, "G": 2, "c": 3, "C": 4}[kind], dtype=draw(st.sampled_from(dtypes))
    )
    if kind == "g":
        array = array[..., 0]
    block = exif(draw(st.integers(1, 8)), shape[1], shape[0])
    return loaded(array, icc=GREY if kind in "gG" else SRGB, exif=block, xmp=XMP, dpi=(300, 72))


def assert_same(result: LoadedImage, expected: LoadedImage, *, turned: bool = False) -> None:
    """All is the same, but for the orientation where pixels are to be turned."""
    assert result.array.dtype == expected.array.dtype
    array = as_viewed(expected.array, expected.orientation) if turned else expected.array
    assert np.array_equal(result.array, array)
    assert (result.icc, result.xmp) == (expected.icc, expected.xmp)
    assert result.orientation == (1 if turned else expected.orientation)
    assert not result.notes
    kept, original = parsed(result.exif), parsed(expected.exif)
    inner = dict(original.get_ifd(0x8769))
    if turned:
        inner |= {0xA002: array.shape[1], 0xA003: array.shape[0]}
    assert kept.get_ifd(0x8769) == inner
    assert kept.get_ifd(0x8825) == original.get_ifd(0x8825)
    assert (kept[0x010F], kept[0x8298]) == ("Maker", "Somebody")


@settings(max_examples=40, deadline=None)
@given(loaded_images((np.uint8, np.uint16), "gGcC"))
def test_png_keeps_everything(tmp_path_factory: pytest.TempPathFactory, original: LoadedImage) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    assert write_image(path, original) == ()
    result = read_image(path)
    assert_same(result, original, turned=True)
    assert result.lossless
    sideways = original.orientation > 4 and original.array.shape[0] != original.array.shape[1]
    assert result.dpi == pytest.approx((72, 300) if sideways else (300, 72), rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(loaded_images((np.uint8, np.uint16), "gGcC"))
def test_tiff_keeps_everything(tmp_path_factory: pytest.TempPathFactory, original: LoadedImage) -> None:
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    assert write_image(path, original) == ()
    result = read_image(path)
    assert_same(result, original)
    assert result.dpi == pytest.approx(original.dpi)


@settings(max_examples=40, deadline=None)
@given(loaded_images((np.uint8,), "cC"))
def test_lossless_webp_keeps_everything(tmp_path_factory: pytest.TempPathFactory, original: LoadedImage) -> None:
    path = tmp_path_factory.mktemp("webp") / "a.webp"
    assert write_image(path, original) == ()
    result = read_image(path)
    if original.opaque:  # WebP does not store an alpha channel that says nothing
        original = original.without_alpha()
    assert_same(result, original, turned=True)
    assert result.lossless
    resolution = parsed(result.exif)
    assert {resolution[0x011A], resolution[0x011B]} == {300, 72}


@settings(max_examples=40, deadline=None)
@given(loaded_images((np.uint8,), "gc"))
def test_bmp_keeps_the_image_as_viewed(tmp_path_factory: pytest.TempPathFactory, original: LoadedImage) -> None:
    path = tmp_path_factory.mktemp("bmp") / "a.bmp"
    assert write_image(path, original) == (
        "its colour profile does not go into this BMP file",
        "its EXIF block and XMP packet do not go into BMP",
    )
    result = read_image(path)
    assert np.array_equal(result.array, as_viewed(original.array, original.orientation))
    assert result.orientation == 1


@pytest.mark.parametrize("extension", [".jpg", ".webp", ".avif"])
@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_lossy_formats_stay_close_and_keep_metadata(tmp_path: Path, extension: str, kind: str) -> None:
    y, x = np.mgrid[:48, :64]
    array = np.stack([x * 4, y * 5, 255 - x * 3], axis=2).astype(np.uint8)
    array = array if kind == "colour" else array[..., 0]
    original = loaded(array, lossless=False, icc=SRGB if kind == "colour" else None, exif=exif(8, 64, 48), xmp=XMP)
    path = tmp_path / f"a{extension}"
    assert write_image(path, original) == ()
    result = read_image(path)
    grey_as_colour = result.array.ndim == 3 and array.ndim == 2
    seen = as_viewed(result.array, result.orientation)
    assert np.abs((seen[..., 0] if grey_as_colour else seen).astype(int) - as_viewed(array, 8)).max() <= 12
    assert not result.lossless
    assert (result.icc, result.xmp, result.orientation) == (original.icc, XMP, 8 if extension == ".jpg" else 1)
    assert parsed(result.exif)[0x8298] == "Somebody"


@settings(max_examples=40, deadline=None)
@given(loaded_images((np.uint16,), "gGcC"))
def test_deep_png_by_an_independent_reader(tmp_path_factory: pytest.TempPathFactory, original: LoadedImage) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    write_image(path, original)
    array = samples.read_deep_png(path)
    seen = as_viewed(original.array, original.orientation)
    assert np.array_equal(array[..., 0] if seen.ndim == 2 else array, seen)


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_deep_png_by_an_independent_writer(
    tmp_path: Path, channels: int, colour_type: int, *, interlaced: bool
) -> None:
    array: Any = samples.pixels(3, 13, 11, channels, dtype=np.uint16)
    rows = samples.adam7_rows(array) if interlaced else samples.filtered_rows(array)
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(rows, (11, 13), 16, colour_type, interlace=int(interlaced)))
    result = read_image(path).array
    assert result.dtype == np.uint16
    assert np.array_equal(result, array[..., 0] if channels == 1 else array)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_tiff_by_an_independent_writer(tmp_path: Path, order: Literal["<", ">"], channels: int) -> None:
    array = samples.pixels(4, 9, 7, channels, dtype=np.uint16)
    array = array[..., 0] if channels == 1 else array
    path = tmp_path / "a.tif"
    path.write_bytes(samples.tiff(array, order, extra=(2,) if channels == 4 else None))
    result = read_image(path)
    assert result.array.dtype == np.uint16
    assert np.array_equal(result.array, array)


def test_premultiplied_tiff_is_divided_in_full_depth(tmp_path: Path) -> None:
    straight = samples.pixels(5, 6, 6, 4, dtype=np.uint16).astype(float)
    straight[..., 3] = np.maximum(straight[..., 3], 30000)
    multiplied = straight.copy()
    multiplied[..., :3] = np.rint(straight[..., :3] * straight[..., 3:] / 65535)
    path = tmp_path / "a.tif"
    path.write_bytes(samples.tiff(multiplied.astype(np.uint16), extra=(1,)))
    assert np.abs(read_image(path).array - straight).max() <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_white_is_zero_tiff(tmp_path: Path, order: Literal["<", ">"]) -> None:
    array: Any = samples.pixels(6, 5, 8, dtype=np.uint16)
    path = tmp_path / "a.tif"
    path.write_bytes(samples.tiff(array, order, photometric=0))
    try:
        result = read_image(path).array
    except UnsupportedFormatError:  # Pillow knows the little-endian form only
        assert order == ">"
    else:
        assert np.array_equal(result, 65535 - array)


def test_float_tiff(tmp_path: Path) -> None:
    array = np.random.default_rng(7).random((9, 8), np.float32)
    path = tmp_path / "a.tif"
    write_image(path, loaded(array))
    result = read_image(path).array
    assert result.dtype == np.float32
    assert np.array_equal(result, array)
    path.write_bytes(samples.tiff(array * 2))
    with pytest.raises(UnsupportedFormatError, match=r"outside 0\.\.1"):
        read_image(path)


def test_float_pixels_into_other_formats(tmp_path: Path) -> None:
    array = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    assert write_image(tmp_path / "a.png", loaded(array)) == ("PNG holds 16 bits per channel, the image has more",)
    assert np.array_equal(read_image(tmp_path / "a.png").array, np.rint(array * 65535))
    write_image(tmp_path / "a.bmp", loaded(array))
    assert np.array_equal(read_image(tmp_path / "a.bmp").array, np.rint(array * 255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_pixels_are_not_turned(tmp_path: Path, orientation: int) -> None:
    array = samples.pixels(8, 5, 9, 3)
    path = tmp_path / "a.tif"
    path.write_bytes(samples.tiff(array, tags={274: (3, (orientation,))}))
    result = read_image(path)
    assert np.array_equal(result.array, array)
    assert result.orientation == orientation
    assert read_header(path).size == (9, 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 5))
def test_turning_and_back(turn: int, height: int, width: int) -> None:
    array: Any = np.arange(height * width * 3).reshape(height, width, 3)
    assert np.array_equal(as_stored(as_viewed(array, turn), turn), array)
    block = Image.Exif()
    block[0x0112] = turn
    source = Image.fromarray(array.astype(np.uint8))
    source.info["exif"] = block.tobytes()
    from PIL import ImageOps  # noqa: PLC0415 - the oracle

    assert np.array_equal(np.asarray(ImageOps.exif_transpose(source)), as_viewed(array, turn))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_png_with_few_bits_and_a_transparent_value(tmp_path: Path, depth: int) -> None:
    width = 8 // depth * 2
    values = np.arange(width) % 2**depth
    packed = np.packbits(((values[:, np.newaxis] >> np.arange(depth)[::-1]) & 1).astype(np.uint8)).tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(b"\0" + packed, (width, 1), depth, 0))
    grey = values * 255 // (2**depth - 1)
    assert np.array_equal(read_image(path).array[0], grey)
    path.write_bytes(samples.png(b"\0" + packed, (width, 1), depth, 0, (b"tRNS", b"\0\1")))
    result = read_image(path)
    assert result.array.shape == (1, width, 2)
    assert np.array_equal(result.array[0, :, 0], grey)
    assert np.array_equal(result.array[0, :, 1], np.where(values == 1, 0, 255))


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_png_with_a_transparent_colour(tmp_path: Path, depth: int) -> None:
    colours = np.array([[[1, 2, 3], [1, 2, 4], [1, 2, 3]]], np.uint16) + (0 if depth == 8 else 258)
    rows = b"\0" + colours.astype(">u2" if depth == 16 else np.uint8).tobytes()
    key = colours[0, 0].astype(">u2").tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(rows, (3, 1), depth, 2, (b"tRNS", key)))
    result = read_image(path).array
    assert np.array_equal(result[..., :3], colours)
    assert np.array_equal(result[0, :, 3], np.array([0, 2**depth - 1, 0]))


def test_deep_grey_png_with_a_transparent_value(tmp_path: Path) -> None:
    values = np.array([[[256], [257], [1]]], np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(b"\0" + values.astype(">u2").tobytes(), (3, 1), 16, 0, (b"tRNS", b"\1\1")))
    result = read_image(path)
    assert np.array_equal(result.array[0, :, 1], [65535, 0, 65535])


@pytest.mark.parametrize("transparent", [None, b"\x00\x80\xff", b"\xff\x00"])
def test_palette_png(tmp_path: Path, transparent: bytes | None) -> None:
    palette = bytes(range(9))
    extra = [(b"PLTE", palette)] + ([(b"tRNS", transparent)] if transparent else [])
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(b"\0\0\1\2", (3, 1), 8, 3, *extra))
    result = read_image(path).array
    assert np.array_equal(result[0, :, :3].ravel(), np.arange(9))
    if transparent is None:
        assert result.shape[2] == 3
    else:
        assert bytes(result[0, :, 3].astype(np.uint8)) == transparent.ljust(3, b"\xff")


def test_png_colour_chunks_survive(tmp_path: Path) -> None:
    chunks = ((b"gAMA", b"\0\0\xb1\x8f"), (b"cHRM", bytes(range(32))), (b"cICP", b"\x09\x10\x00\x01"))
    for depth, channels in ((8, 3), (16, 3)):
        array = samples.pixels(9, 4, 4, channels, dtype=np.uint8 if depth == 8 else np.uint16)
        body = array.astype(">u2" if depth == 16 else np.uint8)
        path = tmp_path / f"{depth}.png"
        rows = b"".join(b"\0" + row.tobytes() for row in body)
        path.write_bytes(samples.png(rows, (4, 4), depth, 2, *chunks))
        original = read_image(path)
        assert original.png_colour == chunks
        write_image(tmp_path / "again.png", original)
        assert set(read_image(tmp_path / "again.png").png_colour) == set(chunks)


def test_cmyk_with_a_profile_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(path, icc_profile=samples.cmyk_profile(), quality=100)
    result = read_image(path)
    assert result.array.shape == (8, 8, 3)
    assert result.array.min() >= 250
    assert result.icc is not None
    assert result.icc[16:20] == b"RGB "
    assert result.notes == ("its CMYK colours were converted to sRGB",)


def test_cmyk_without_a_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 8)).save(path)
    with pytest.raises(UnsupportedFormatError, match="CMYK") as caught:
        read_image(path)
    assert "RGB" in caught.value.hint


@pytest.mark.parametrize(("icc", "mode"), [(SRGB, "L"), (GREY, "RGB"), (b"nonsense", "RGB"), (SRGB[:100], "RGB")])
def test_profiles_that_do_not_fit_are_left_out_with_a_note(tmp_path: Path, icc: bytes, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, (2, 2)).save(path, icc_profile=icc)
    result = read_image(path)
    assert result.icc is None
    assert "colour profile" in result.notes[0]


@pytest.mark.parametrize("extension", [".png", ".webp", ".tif", ".avif"])
def test_of_several_frames_the_first_is_used_and_said_so(tmp_path: Path, extension: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"a{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    result = read_image(path)
    assert np.abs(result.array[..., :3].astype(int) - (255, 0, 0)).max() <= 8
    assert result.notes[0].startswith("only the first of its 3 ")


def test_appended_previews_of_cameras_are_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16), "red").save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert read_image(path).notes == ()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from("<>"), st.integers(1, 200000), st.integers(1, 200000), st.integers(1, 8))
def test_sizes_in_exif_follow_in_place(order: str, width: int, height: int, turn: int) -> None:
    block = Image.Exif()
    block.endian = order
    block[0x0100], block[0x0101], block[0x0112] = 3, 4, turn
    block.get_ifd(0x8769).update({0xA002: 3, 0xA003: 4, 0x927C: b"maker note with offsets inside"})
    before = block.tobytes().removeprefix(b"Exif\0\0")
    after = with_size(before, width, height)
    assert len(after) == len(before)
    result = parsed(after)
    assert (result[0x0100], result[0x0101], result[0x0112]) == (width, height, turn)
    inner = result.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (width, height)
    assert inner[0x927C] == b"maker note with offsets inside"


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_damaged_exif_does_no_harm(junk: bytes) -> None:
    for order in (b"II*\0", b"MM\0*"):
        block = order + junk
        assert len(with_size(block, 7, 8)) == len(block)
        assert 1 <= loaded(samples.pixels(0, 2, 2), exif=block).orientation <= 8


def test_upscaling_updates_the_sizes_in_exif() -> None:
    small = loaded(samples.pixels(0, 4, 5, 3), exif=exif(6, 5, 4))
    large = small.with_array(samples.pixels(0, 8, 10, 3))
    block = parsed(large.exif)
    assert block.get_ifd(0x8769)[0xA002] == 10
    assert block.get_ifd(0x8769)[0xA003] == 8
    assert large.orientation == 6


@pytest.mark.parametrize("extension", [".jpg", ".bmp"])
def test_alpha_where_the_format_has_none(tmp_path: Path, extension: str) -> None:
    array: Any = samples.pixels(0, 6, 6, 4)
    with pytest.raises(UnsupportedFormatError, match="transparent parts"):
        write_image(tmp_path / f"a{extension}", loaded(array))
    array[..., 3] = 255
    write_image(tmp_path / f"a{extension}", loaded(array))
    assert read_image(tmp_path / f"a{extension}").array.shape == (6, 6, 3)


def test_deep_pixels_into_shallow_formats_are_rounded_with_a_note(tmp_path: Path) -> None:
    array = np.array([[0, 128, 129, 65535 - 129, 65535 - 128, 65535]], np.uint16)
    notes = write_image(tmp_path / "a.bmp", loaded(array))
    assert notes == ("BMP holds 8 bits per channel, the image has more",)
    assert read_image(tmp_path / "a.bmp").array.tolist() == [[0, 0, 1, 254, 255, 255]]


def test_metadata_too_long_for_jpeg_is_left_out_with_a_note(tmp_path: Path) -> None:
    original = loaded(samples.pixels(0, 4, 4, 3), exif=exif() + b"\0" * 70000, xmp=b"<" + b"x" * 70000)
    assert len(write_image(tmp_path / "a.jpg", original)) == 2
    assert read_image(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize(("extension", "side"), [(".jpg", 65501), (".webp", 16384)])
def test_images_too_long_for_a_format(tmp_path: Path, extension: str, side: int) -> None:
    with pytest.raises(UnsupportedSizeError, match="do not fit") as caught:
        write_image(tmp_path / f"a{extension}", loaded(np.zeros((1, side), np.uint8)))
    assert "PNG" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".avif", ".bmp"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_limit_on_pixels_is_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, *, compressed: bool
) -> None:
    path = tmp_path / f"a{extension}"
    options = {"compression": "tiff_lzw"} if compressed and extension == ".tif" else {}
    Image.new("RGB", (20, 10)).save(path, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's, for the whole process
    assert read_image(path).array.shape == (10, 20, 3)
    assert read_header(path).size == (20, 10)
    with pytest.raises(UnsupportedSizeError, match="20 x 10 pixels, more than the limit") as caught:
        read_image(path, max_pixels=199)
    assert "--max-pixels" in caught.value.hint


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path, "JPEG")
    assert read_image(path).format == "jpeg"
    assert read_header(path).format == "jpeg"


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".avif", ".bmp"])
def test_headers_agree_with_images_and_notice_broken_ends(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a{extension}"
    write_image(path, loaded(samples.pixels(0, 40, 50, 3)))
    header = read_header(path)
    assert header.size == read_image(path).size == (50, 40)
    assert header.ends
    if extension in {".png", ".jpg"}:
        path.write_bytes(path.read_bytes()[:-20])
        assert not read_header(path).ends


def test_unusual_modes(tmp_path: Path) -> None:
    for mode, words in (("I", "signed numbers"), ("LAB", "kind of pixels")):
        path = tmp_path / "a.tif"
        Image.new(mode, (3, 3)).save(path)
        with pytest.raises(UnsupportedFormatError, match=words):
            read_image(path)
    Image.new("YCbCr", (16, 16)).save(tmp_path / "b.tif", compression="jpeg")
    assert not read_image(tmp_path / "b.tif").lossless


def test_twelve_bit_tiff(tmp_path: Path) -> None:
    packed = bytes([0xFF, 0xF0, 0x00, 0x80, 0x07, 0xFF])  # 4095, 0; 2048, 2047
    path = tmp_path / "a.tif"
    path.write_bytes(samples.tiff(np.zeros((2, 2), np.uint16), data=packed, bits=12))
    assert read_image(path).array.tolist() == [[65535, 0], [round(2048 * 65535 / 4095), round(2047 * 65535 / 4095)]]


def test_separate_planes(tmp_path: Path) -> None:
    array = samples.pixels(1, 4, 5, 3)
    where = (0, 0, 0)
    for dtype in (np.uint8, np.uint16):
        planes = array.astype(dtype).transpose(2, 0, 1).tobytes()
        size = len(planes) // 3
        start = 8 + 2 + 12 * 11 + 4 + 6 + 6 + 12 + 12
        where = (start, start + size, start + 2 * size)
        tags = {284: (3, (2,)), 273: (4, where), 279: (4, (size,) * 3)}
        path = tmp_path / "a.tif"
        path.write_bytes(samples.tiff(array.astype(dtype), tags=tags, data=planes))
        assert np.array_equal(read_image(path).array, array)


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(path)
    result = read_image(path)
    path.unlink()  # Windows would refuse if the file were still open
    assert result.array.shape == (2, 2, 3)
