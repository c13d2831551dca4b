"""Colours keep their meaning in every format: as code points, as a profile, or with a note; never a wrong label."""

from __future__ import annotations

import io
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from paragon_core.errors import BackendUnavailableError
from paragon_core.media.avif_boxes import read_avif_header
from paragon_core.media.formats import FORMATS
from paragon_core.media.icc import code_points, colour_profile, profile_of
from paragon_core.media.images import LoadedImage, read_image, write_image
from paragon_core.media.video.scheduling import own_priority
from tests.media import samples

if TYPE_CHECKING:
    from pathlib import Path

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
PQ = (b"cICP", bytes([9, 16, 0, 1]))
MASTERING = (b"mDCV", struct.pack(">8H2I", *range(1000, 9000, 1000), 10_000_000, 50))
LEVELS = (b"cLLI", struct.pack(">II", 1000 * 10_000, 400 * 10_000))
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
WIDE = (b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600))


def loaded(array: Any, *colour: tuple[bytes, bytes], **surroundings: Any) -> LoadedImage:
    return LoadedImage(array=array, format="png", lossless=True, png_colour=colour, **surroundings)


def to_srgb(icc: bytes, values: list[int], mode: str = "RGB") -> list[int]:
    """Convert grey pixels with a profile by Little CMS; the red channel of the result."""
    array = np.array([values], np.uint8)
    image = Image.fromarray(array if mode == "L" else np.repeat(array[..., np.newaxis], 3, axis=2))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    converted = ImageCms.profileToProfile(image, profile, SRGB, outputMode="RGB")
    assert converted is not None
    return [int(value) for value in np.asarray(converted)[0, :, 0]]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.4, 3), st.booleans())
def test_a_gamma_becomes_a_profile_that_other_programs_read(exponent: float, grey: bool) -> None:
    stored = round(1e5 / exponent)
    icc = profile_of(((b"gAMA", struct.pack(">I", stored)),), grey=grey)
    if abs(stored - 45455) <= 500:
        return
    assert icc is not None
    linear = (np.array([0, 60, 128, 200, 255]) / 255) ** exponent
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.array(to_srgb(icc, [0, 60, 128, 200, 255], "L" if grey else "RGB")) - expected).max() <= 2
    if grey:
        as_colour = colour_profile(icc)
        assert as_colour is not None
        assert np.abs(np.array(to_srgb(as_colour, [0, 60, 128, 200, 255])) - expected).max() <= 2


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 4, 5, 8, 13, 16, 18])
def test_code_points_become_profiles(primaries: int, transfer: int) -> None:
    icc = profile_of(((b"cICP", bytes([primaries, transfer, 0, 1])),), grey=False)
    if (primaries, transfer) == (1, 13):
        assert icc is None
        return
    assert icc is not None
    black, white = to_srgb(icc, [0, 255])
    assert black <= 1
    assert white >= 254
    assert struct.pack(">4s4xBBBB", b"cicp", primaries, transfer, 0, 1) in icc


def test_display_p3_is_the_one_of_others() -> None:
    icc = profile_of(((b"cICP", bytes([12, 13, 0, 1])),), grey=False)
    assert icc is not None
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
    # The matrix that Apple's profile has.
    assert profile.red_colorant is not None
    assert profile.green_colorant is not None
    assert profile.red_colorant[0] == pytest.approx((0.51512, 0.2412, -0.00105), abs=2e-4)
    assert profile.green_colorant[0] == pytest.approx((0.29198, 0.69225, 0.04189), abs=2e-4)


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        ((b"sRGB", b"\0"), LINEAR),
        ((b"gAMA", struct.pack(">I", 45455)),),
        ((b"cICP", bytes([1, 13, 0, 1])),),
        ((b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),),
    ],
)
def test_srgb_needs_no_profile(chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    assert profile_of(chunks, grey=False) is None


@pytest.mark.parametrize(
    "chunk",
    [
        (b"cICP", bytes([9, 16, 0, 0])),  # limited range
        (b"cICP", bytes([9, 99, 0, 1])),
        (b"gAMA", bytes(4)),
        (b"cHRM", bytes(32)),
    ],
)
@pytest.mark.parametrize("name", ["jpeg", "webp", "tiff", "avif"])
def test_what_no_profile_can_say_is_a_note(tmp_path: Path, chunk: tuple[bytes, bytes], name: Any) -> None:
    path = tmp_path / f"a{FORMATS[name].extensions[0]}"
    notes = write_image(path, loaded(samples.pixels(1, 16, 16, 3), chunk))
    result = read_image(path)
    assert any(chunk[0].decode() in note for note in notes)
    assert result.icc is None


@pytest.mark.parametrize("name", ["jpeg", "webp", "tiff", "avif"])
@pytest.mark.parametrize("kind", ["grey", "colour", "alpha", "deep"])
@pytest.mark.parametrize("chunks", [(LINEAR,), (LINEAR, WIDE)])
def test_numbers_for_colours_become_a_profile(
    tmp_path: Path, name: Any, kind: str, chunks: tuple[tuple[bytes, bytes], ...]
) -> None:
    if kind == "alpha" and name == "jpeg":
        return
    array = samples.pixels(1, 16, 16, 4 if kind == "alpha" else 3, dtype=np.uint16 if kind == "deep" else np.uint8)
    path = tmp_path / f"a{FORMATS[name].extensions[0]}"
    write_image(path, loaded(array[..., 0] if kind == "grey" else array, *chunks))
    result = read_image(path)
    assert result.icc is not None
    assert result.icc[16:20] == (b"GRAY" if result.is_grey else b"RGB ")
    if result.is_grey or chunks == (LINEAR,):
        (middle,) = to_srgb(result.icc, [128], "L" if result.is_grey else "RGB")
        assert abs(middle - 188) <= 2
    assert (name == "webp") <= (not result.is_grey)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_hdr(tmp_path: Path, dtype: type[np.generic]) -> None:
    path = tmp_path / "a.png"
    assert write_image(path, loaded(samples.pixels(1, 9, 7, 3, dtype=dtype), PQ, MASTERING, LEVELS)) == ()
    assert set(read_image(path).png_colour) == {PQ, MASTERING, LEVELS}


@pytest.mark.parametrize("name", ["jpeg", "webp", "tiff", "bmp"])
def test_hdr_in_other_formats_is_labelled_and_noted(tmp_path: Path, name: Any) -> None:
    path = tmp_path / f"a{FORMATS[name].extensions[0]}"
    notes = write_image(path, loaded(samples.pixels(1, 9, 7, 3, dtype=np.uint16), PQ, LEVELS))
    assert any("high dynamic range" in note for note in notes)
    assert any("light levels" in note for note in notes)
    icc = read_image(path).icc
    assert (name == "bmp") == (icc is None)
    assert icc is None or b"cicp" in icc


@pytest.mark.parametrize("bits", [None, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif_keeps_hdr_and_depth(tmp_path: Path, bits: int | None, channels: int) -> None:
    pytest.importorskip("imagecodecs")
    y, x = np.mgrid[:40, :48]
    array = np.stack([x * 1300, y * 1500, 65535 - x * 1200, 20000 + x * 900][:channels], axis=2).astype(np.uint16)
    array = array[..., 0] if channels == 1 else array
    path = tmp_path / "a.avif"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    exif = Image.Exif()
    exif[0x013B] = "Somebody"
    original = loaded(array, PQ, MASTERING, LEVELS, bits=bits, xmp=xmp, exif=exif.tobytes().removeprefix(b"Exif\0\0"))
    notes = write_image(path, original)
    assert bool(notes) == (bits is None)
    header = read_avif_header(path.read_bytes())
    assert (header.bits, header.code_points, header.whole) == (bits or 10, (9, 16), True)
    result = read_image(path)
    assert result.array.dtype == np.uint16
    grey_as_colour = result.array[..., 0] if result.array.ndim > array.ndim else result.array
    assert np.abs(grey_as_colour.astype(int) - array).max() <= 65535 * 0.03
    assert set(result.png_colour) == {PQ, MASTERING, LEVELS}
    assert result.xmp == xmp
    with Image.open(path) as opened:  # Pillow's libavif finds what was added
        assert opened.getexif()[0x013B] == "Somebody"
        assert opened.info["xmp"] == xmp
    png = tmp_path / "a.png"
    assert write_image(png, result) == ()
    assert read_image(png).array.dtype == np.uint16
    assert PQ in read_image(png).png_colour


def test_avif_of_ten_bits_by_another_program(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    av = pytest.importorskip("av")
    values = np.linspace(64, 940, 64).astype(np.uint16)
    frame = av.VideoFrame(64, 64, "yuv420p10le")
    for plane, width in zip(frame.planes, (64, 32, 32), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16) + 512
        if width == 64:
            rows[:, :64] = values
        plane.update(rows.tobytes())
    path = tmp_path / "a.avif"
    with av.open(str(path), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1, options={"crf": "5", "preset": "8"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        with own_priority():
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result = read_image(path)
    assert result.bits == 10
    assert result.array.dtype == np.uint16
    assert dict(result.png_colour)[b"cICP"] == PQ[1]
    expected = (values.astype(float) - 64) / 876 * 65535  # limited range, grey
    assert np.abs(result.array[..., 1].astype(float).mean(axis=0) - expected).max() <= 65535 * 0.02


def test_avif_without_the_codecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs")
    array = samples.pixels(1, 16, 16, 3, dtype=np.uint16)
    write_image(tmp_path / "hdr.avif", loaded(array, PQ))
    write_image(tmp_path / "sdr.avif", loaded(array))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(BackendUnavailableError, match=r"hdr\.avif: .* imagecodecs") as caught:
        read_image(tmp_path / "hdr.avif")
    assert "pip install" in caught.value.hint
    with pytest.raises(BackendUnavailableError, match="imagecodecs"):
        write_image(tmp_path / "again.avif", loaded(array, PQ))
    result = read_image(tmp_path / "sdr.avif")
    assert result.array.dtype == np.uint8
    assert any("10 bits" in note and "pip install" in note for note in result.notes)
    assert "8 bits" in " ".join(write_image(tmp_path / "again.avif", loaded(array)))


def test_code_points_that_say_nothing_are_srgb() -> None:
    assert code_points(2, 2) == code_points(1, 13) == code_points(0, 2) == ()
    assert code_points(9, 2) == ((b"cICP", bytes([9, 13, 0, 1])),)
    assert code_points(2, 16) == ((b"cICP", bytes([1, 16, 0, 1])),)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_damaged_boxes_do_no_harm(junk: bytes) -> None:
    for data in (junk, struct.pack(">I4s", 8 + len(junk), b"meta") + junk):
        assert read_avif_header(data).bits >= 0


def test_a_bmp_keeps_its_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.fromarray(samples.pixels(1, 6, 8, 3)).save(path)
    plain = path.read_bytes()
    icc = SRGB.tobytes()
    header = bytearray(plain[14:54].ljust(124, b"\0"))
    struct.pack_into("<I", header, 0, 124)
    struct.pack_into("<I", header, 56, 0x4D424544)
    body = plain[54:]
    struct.pack_into("<II", header, 112, 124 + len(body), len(icc))
    path.write_bytes(plain[:10] + struct.pack("<I", 138) + bytes(header) + body + icc)
    assert read_image(path).icc == icc
    struct.pack_into("<I", header, 56, 0x4C494E4B)
    path.write_bytes(plain[:10] + struct.pack("<I", 138) + bytes(header) + body + b"C:\\a.icc\0")
    assert "another file" in read_image(path).notes[0]
    struct.pack_into("<I", header, 56, 0)
    struct.pack_into("<3I", header, 96, *[65536] * 3)
    path.write_bytes(plain[:10] + struct.pack("<I", 138) + bytes(header) + body)
    assert read_image(path).png_colour == (LINEAR,)
