"""Every kind of unusable file ends in an error of ours that names the file and says what to do."""

from __future__ import annotations

import io
import os
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import InputError, MediaError, ParagonError, UnsupportedFormatError
from paragon_core.media.images import read_header, read_image
from tests.fresh_python import PROGRAMS, run
from tests.media import samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = {"png": {}, "jpeg": {}, "webp": {}, "tiff": {"compression": "tiff_lzw"}, "avif": {}, "bmp": {}}


def encoded(name: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(samples.pixels(1, 24, 20, 3)).save(stream, name, **FORMATS[name])
    return stream.getvalue()


ENCODED = {name: encoded(name) for name in FORMATS}
PNG = ENCODED["png"]
ROWS = b"\0\0\0\0" * 4


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def ftyp(brand: bytes, *others: bytes) -> bytes:
    body = brand + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body


BAD_FILES: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\x89",
    "zeros": b"\0" * 4096,
    "text": b"This is no image.\n" * 9,
    "web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "xml": b"<?xml version='1.0'?><svg/>",
    "gif without frames": b"GIF89a\1\0\1\0\0\0\0;",
    "pdf": b"%PDF-1.7\n",
    "photoshop": b"8BPS\0\1",
    "heic": ftyp(b"heic", b"mif1", b"heic"),
    "heic by a compatible brand": ftyp(b"mif1", b"heic"),
    "mp4": ftyp(b"isom", b"mp42"),
    "jpeg xl": b"\xff\x0a\xfa\x1f",
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "openexr": b"\x76\x2f\x31\x01\2\0\0\0",
    "matroska": b"\x1aE\xdf\xa3\x93B",
    "zip": b"PK\3\4\0\0",
    "canon raw": b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 90,
    "dng": samples.tiff(samples.pixels(0, 4, 4, 3), tags={0xC612: (4, (1,))}),
    "preview of a raw file": samples.tiff(samples.pixels(0, 4, 4, 3), tags={254: (4, (1,)), 330: (4, (8,))}),
    "png signature only": PNG[:8],
    "png header cut": PNG[:20],
    "png without pixels": samples.PNG_SIGNATURE + samples.chunk(b"IHDR", PNG[16:29]) + samples.chunk(b"IEND", b""),
    "png cut in the pixels": PNG[: len(PNG) // 2],
    "png cut near the end": PNG[:-30],
    "png of no width": samples.png(ROWS, (0, 4), 8, 2),
    "png of no height": samples.png(ROWS, (4, 0), 8, 2),
    "png with an impossible depth": samples.png(ROWS, (1, 4), 7, 2),
    "png with an unknown filter": samples.png(b"\x09\1\2\3" * 4, (1, 4), 8, 2),
    "png that lacks a chunk of pixels": samples.png(ROWS, (1, 4), 8, 2, first_chunk_only=True),
    "png that ends after a chunk of pixels": samples.png(ROWS, (1, 4), 8, 2, first_chunk_only=True)[:-12],
    "png with a broken checksum": patched(PNG, 29, b"\0\0\0\0"),
    "png with broken compression": samples.png(ROWS, (1, 4), 8, 2).replace(b"x\x9c", b"\0\0"),
    "png that claims to be huge": samples.png(ROWS, (60000, 60000), 8, 2),
    "png without a palette": samples.png(ROWS, (3, 4), 8, 3),
    "deep png cut": samples.png(samples.filtered_rows(samples.pixels(0, 9, 9, 3, dtype=np.uint16)), (9, 9), 16, 2)[
        :300
    ],
    "png as text": PNG.replace(b"\r\n", b"\n"),
    "jpeg start only": ENCODED["jpeg"][:3],
    "jpeg cut in the tables": ENCODED["jpeg"][:100],
    "jpeg cut in the pixels": ENCODED["jpeg"][: len(ENCODED["jpeg"]) * 2 // 3],
    "jpeg with nothing but ends": b"\xff\xd8\xff\xd9",
    "jpeg of no height": ENCODED["jpeg"].replace(b"\xff\xc0\x00\x11\x08\x00\x18", b"\xff\xc0\x00\x11\x08\x00\x00"),
    "webp start only": ENCODED["webp"][:12],
    "webp cut": ENCODED["webp"][: len(ENCODED["webp"]) // 2],
    "webp with an unknown chunk": patched(ENCODED["webp"], 12, b"XXXX"),
    "tiff start only": b"II*\0",
    "tiff with its directory outside": b"II*\0\xff\xff\xff\x7f",
    "tiff without tags": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    "tiff cut": ENCODED["tiff"][: len(ENCODED["tiff"]) // 2],
    "raw tiff cut": samples.tiff(samples.pixels(0, 60, 60, 3))[:4000],
    "tiff of no width": samples.tiff(samples.pixels(0, 4, 4, 3), tags={256: (4, (0,))}),
    "tiff that claims to be huge": samples.tiff(
        samples.pixels(0, 4, 4, 3), tags={256: (4, (99999,)), 257: (4, (99999,))}
    ),
    "tiff with an unknown compression": samples.tiff(samples.pixels(0, 4, 4, 3), tags={259: (3, (12345,))}),
    "tiff of signed numbers": samples.tiff(samples.pixels(0, 4, 4).astype(np.int16)),
    "tiff of floating-point colours above 1": samples.tiff(np.full((4, 4, 3), 2, np.float32)),
    "avif start only": ENCODED["avif"][:32],
    "avif cut": ENCODED["avif"][: len(ENCODED["avif"]) // 2],
    "bmp start only": b"BM",
    "bmp cut": ENCODED["bmp"][:500],
    "bmp of no width": patched(ENCODED["bmp"], 18, b"\0\0\0\0"),
    "bmp that claims to be huge": patched(ENCODED["bmp"], 18, b"\0\0\1\0\0\0\1\0"),
    "bmp with an impossible depth": patched(ENCODED["bmp"], 28, b"\x63\0"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(BAD_FILES[kind])
    with pytest.raises((MediaError, InputError)) as caught:
        read_image(path)
    assert "image.png" in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # libraries in C must not talk behind our back


def test_well_known_files_are_called_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for kind, words in (
        ("heic", "HEIC"),
        ("web page", "web page"),
        ("mp4", "MP4"),
        ("dng", "raw file"),
    ):
        path.write_bytes(BAD_FILES[kind])
        with pytest.raises(UnsupportedFormatError, match=words):
            read_image(path)


@pytest.mark.parametrize("read", [read_image, read_header])
def test_what_is_no_file(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        read(tmp_path / "missing.png")
    with pytest.raises(MediaError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(MediaError, match=r"exist|cannot read"):
        read(tmp_path / "file" / "below.png")
    with pytest.raises(MediaError):
        read(tmp_path / ("n" * 300 + ".png"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(MediaError, match="regular file"):
            read(tmp_path / "pipe.png")


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be made unreadable for their owner on Windows")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    path.chmod(0)
    result = run(PROGRAMS / "reads_a_forbidden_image.py", path)
    assert result.stdout.startswith(f"you may not read {path}|"), result.stderr


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_random_damage_never_ends_in_a_foreign_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(ENCODED[data.draw(st.sampled_from(sorted(ENCODED)))])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "a"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for read in (read_header, read_image):
        try:
            read(path)
        except ParagonError as error:
            assert error.hint  # noqa: PT017 - success is as good
