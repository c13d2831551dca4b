"""Text, comments, records, EXIF and resolutions go along in every format that has a place for them, or are noted."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.media.exif_tags import dpi_of, with_dpi, with_text
from paragon_core.media.formats import FORMATS
from paragon_core.media.gain_map import ISO_NAME, find_gain_map, with_gain_map
from paragon_core.media.images import LoadedImage, read_image, write_image
from paragon_core.media.metadata import upright
from paragon_core.media.xmp import without_appended
from tests.media import samples

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = (
    (b"tEXt", b"Author\0someone"),
    (b"iTXt", b"Description\0\0\0\0\0Gr\xc3\xbc\xc3\x9fe"),
    (b"zTXt", b"parameters\0\0" + zlib.compress(b"a tree\nSteps: 40")),
    (b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b'{"nodes": []}')),
    (b"tEXt", b"Comment\0a comment"),
    (b"tEXt", b"Title\0a title"),
)
#: A block of IPTC records: caption and keyword (2:120, 2:25).
IPTC = b"\x1c\x02\x78\x00\x07caption\x1c\x02\x19\x00\x04cats"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
EXIF = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0"  # turned upside down
PIXELS: Any = samples.pixels(1, 9, 7, 3)
GAIN_MAP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    b' xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/"'
    b' xmlns:C="http://ns.google.com/photos/1.0/container/" xmlns:I="http://ns.google.com/photos/1.0/container/item/"'
    b' h:Version="1.0" xmp:Rating="5"><C:Directory><rdf:Seq>'
    b'<rdf:li rdf:parseType="Resource"><C:Item I:Semantic="Primary"'
    b' I:Mime="image/jpeg"/></rdf:li><rdf:li rdf:parseType="Resource"><C:Item I:Semantic="GainMap" I:Length="432"/>'
    b"</rdf:li></rdf:Seq></C:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def loaded(array: Any = PIXELS, **surroundings: Any) -> LoadedImage:
    return LoadedImage(array=array, format="png", lossless=True, **surroundings)


def exif_of(loaded: LoadedImage) -> Image.Exif:
    block = Image.Exif()
    block.load(loaded.exif or b"")
    return block


def written(tmp_path: Path, name: Any, original: LoadedImage) -> tuple[LoadedImage, str]:
    path = tmp_path / f"a{FORMATS[name].extensions[0]}"
    notes = write_image(path, original)
    return read_image(path), " ".join(notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("behind", [False, True])
def test_png_keeps_text(tmp_path: Path, dtype: type[np.generic], *, behind: bool) -> None:
    array = samples.pixels(1, 5, 4, 3, dtype=dtype)
    rows = b"".join(b"\0" + row.tobytes() for row in array.astype(">u2" if dtype is np.uint16 else np.uint8))
    plain = samples.png(rows, (4, 5), 8 * array.itemsize, 2, *(() if behind else TEXTS))
    if behind:
        plain = plain[:-12] + b"".join(samples.chunk(*text) for text in TEXTS) + plain[-12:]
    path = tmp_path / "source.png"
    path.write_bytes(plain)
    original = read_image(path)
    assert original.png_text == TEXTS
    result, notes = written(tmp_path, "png", original)
    assert (result.png_text, notes) == (TEXTS, "")
    with Image.open(tmp_path / "a.png") as opened:
        opened.load()
        assert opened.text["Description"] == "Grüße"  # type: ignore[attr-defined]
        assert opened.text["workflow"] == '{"nodes": []}'  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["jpeg", "webp", "tiff", "avif", "bmp"])
def test_text_goes_into_exif_or_is_noted(tmp_path: Path, name: Any) -> None:
    result, notes = written(tmp_path, name, loaded(png_text=TEXTS))
    if name == "bmp":
        assert "parameters" in notes
        return
    assert "Title" in notes
    block = exif_of(result)
    assert block[0x013B] == "someone"
    assert bytes(block.get_ifd(0x8769)[0x9286]) == b"UNICODE\0" + "a tree\nSteps: 40".encode("utf-16-be")
    assert block[0x010F] == 'workflow:{"nodes": []}'
    assert ("Comment" in notes) == (name != "jpeg")  # for which there is no second place
    if name == "jpeg":
        assert result.png_text == ((b"tEXt", b"Comment\0a comment"),)


@pytest.mark.parametrize("comment", [b"plain", "Grüße".encode(), "Grüße".encode("latin-1"), b"with a null\0"])
def test_jpeg_keeps_comment_and_iptc(tmp_path: Path, comment: bytes) -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG", comment=comment)
    data = stream.getvalue()
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0"  # padded
    block += b"8BIM\x04\x0c\0\0" + struct.pack(">I", 4) + b"thum"
    (tmp_path / "b.jpg").write_bytes(data[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + data[2:])
    original = read_image(tmp_path / "b.jpg")
    assert (original.iptc, original.notes) == (IPTC, ())
    paths = (
        data[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 14) + block + b"8BIM\x07\xd0\0\0" + bytes(4) + data[2:]
    )
    (tmp_path / "c.jpg").write_bytes(paths)
    assert read_image(tmp_path / "c.jpg").notes == ("its clipping paths are not kept",)
    result, notes = written(tmp_path, "jpeg", original)
    assert (result.iptc, notes) == (IPTC, "")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.info["comment"] == comment.rstrip(b"\0")
        assert opened.info["photoshop"][0x0404] == IPTC
    for name in ("tiff", "png"):
        result, notes = written(tmp_path, name, original)
        assert (result.iptc, notes) == (IPTC, "")
    assert "IPTC" in written(tmp_path, "webp", original)[1]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "title", "block", "kept"),
    [
        ("exif", b"exif", b"Exif\0\0" + EXIF, {"exif": EXIF}),
        ("exif", b"Exif", EXIF, {"exif": EXIF}),
        ("APP1", b"generic profile", b"Exif\0\0" + EXIF, {"exif": EXIF}),
        ("APP1", b"generic profile", b"http://ns.adobe.com/xap/1.0/\0" + XMP, {"xmp": XMP}),
        ("xmp", b"XMP", XMP, {"xmp": XMP}),
        ("iptc", b"IPTC profile", b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0", {"iptc": IPTC}),
        ("8bim", b"8bim", b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC, {"iptc": IPTC}),
    ],
)
def test_blocks_in_the_text_of_a_png_are_told_from_text(
    tmp_path: Path, name: str, title: bytes, block: bytes, kept: dict[str, bytes], *, packed: bool
) -> None:
    digits = block.hex().encode()
    lines = b"\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (title, len(block), lines)
    keyword = b"Raw profile type " + name.encode()
    if packed:  # with something behind the end, as in the field
        chunk = (b"zTXt", keyword + b"\0\0" + zlib.compress(text + b'$"\x1d'))
    else:
        chunk = (b"tEXt", keyword + b"\0" + text)
    path = tmp_path / "old.png"
    path.write_bytes(samples.png(b"\0\0\0\0", (1, 1), 8, 2, chunk))
    found = read_image(path)
    assert {key: getattr(found, key) for key in ("exif", "xmp", "iptc") if getattr(found, key)} == kept
    assert found.png_text == ()


@pytest.mark.parametrize(
    "text", [b"", b"\nexif\n 4\nnot digits", b"\nexif\n99999999999999\n00", b"\niptc\n4\n41424344"]
)
def test_what_is_called_a_block_and_is_none_does_no_harm(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(samples.png(b"\0\0\0\0", (1, 1), 8, 2, (b"tEXt", b"Raw profile type iptc\0" + text)))
    assert read_image(path).iptc is None


def test_a_long_text_does_not_cost_a_jpeg_its_exif(tmp_path: Path) -> None:
    block = Image.Exif()
    block[0x013B] = "Somebody"
    texts = ((b"tEXt", b"workflow\0" + b"x" * 70_000),)
    result, notes = written(tmp_path, "jpeg", loaded(png_text=texts, exif=block.tobytes().removeprefix(b"Exif\0\0")))
    assert exif_of(result)[0x013B] == "Somebody"
    assert "workflow" in notes


def test_long_profiles_and_texts_are_read(tmp_path: Path) -> None:
    icc = b"\0" * 16 + b"RGB " + b"\0" * 16 + b"acsp" + bytes(1_600_000)
    text = (b"zTXt", b"init_img\0\0" + zlib.compress(bytes(3_000_000)))
    rows = b"\0\0\0\0"
    path = tmp_path / "b.png"
    path.write_bytes(samples.png(rows, (1, 1), 8, 2, (b"iCCP", b"p\0\0" + zlib.compress(icc)), text))
    result = read_image(path)
    assert (result.icc, result.png_text, result.notes) == (icc, (text,), ())
    again, notes = written(tmp_path, "png", result)
    assert (again.icc, again.png_text, notes) == (icc, (text,), "")


def test_endless_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(
        samples.png(
            b"\0\0\0\0", (1, 1), 8, 2, (b"iCCP", b"p\0\0" + zlib.compress(bytes(20_000_000))), *TEXTS[:1] * 9000
        )
    )
    result = read_image(path)
    assert result.icc is None
    assert len(result.png_text) < 9000
    assert any("profile is longer" in note for note in result.notes)
    assert any("text is longer" in note for note in result.notes)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "tiff", "avif", "bmp"])
def test_the_resolution_is_kept(tmp_path: Path, name: Any) -> None:
    result, notes = written(tmp_path, name, loaded(dpi=(300, 200)))
    assert not notes
    assert result.dpi == pytest.approx((300, 200), rel=1e-3)
    if name in {"webp", "avif"}:
        block = exif_of(result)
        assert (block[0x011A], block[0x011B], block[0x0128]) == (300, 200, 2)
        assert written(tmp_path, "tiff", result)[0].dpi == (300, 200)


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
@pytest.mark.parametrize("turn", range(2, 9))
def test_pixels_are_upright_where_readers_do_not_turn_them(tmp_path: Path, name: Any, turn: int) -> None:
    array = np.zeros((32, 48, 3), np.uint8)
    array[:8, :8] = 255
    block = Image.Exif()
    block[0x0112], block[0x010F] = turn, "Maker"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    result, _ = written(
        tmp_path, name, loaded(array, exif=block.tobytes().removeprefix(b"Exif\0\0"), xmp=xmp, dpi=(100, 50))
    )
    assert result.orientation == 1
    assert result.size == ((32, 48) if turn > 4 else (48, 32))
    corner = {2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}[turn]
    assert result.array[corner].min() > 200
    assert b'Orientation="1"' in (result.xmp or b"")
    assert exif_of(result)[0x010F] == "Maker"


def test_thumbnails_that_lie_on_their_side_go() -> None:
    stream = io.BytesIO()
    block = Image.Exif()
    block[0x0112] = 6
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=block)
    with Image.open(stream) as opened:
        plain = opened.info["exif"].removeprefix(b"Exif\0\0")
    link = 8 + 2 + 12 * int.from_bytes(plain[8:10], "big")
    second = struct.pack(">HHHIII", 1, 0x0201, 4, 1, 99, 0)
    with_thumbnail = plain[:link] + struct.pack(">I", len(plain)) + plain[link + 4 :] + second
    turned = upright(with_thumbnail)
    result = Image.Exif()
    result.load(turned)
    assert result[0x0112] == 1
    assert not result.get_ifd(1)
    assert len(turned) == len(with_thumbnail)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from("<>"),
    st.lists(st.sampled_from(["Author", "Comment", "Software", "prompt", "Title"]), unique=True, max_size=5),
    st.text(max_size=30),
)
def test_tags_are_added_without_moving_others(endian: str, keywords: list[str], text: str) -> None:
    block = Image.Exif()
    block.endian = endian
    block[0x010F], block[0x0110] = "Maker", "Model"
    block.get_ifd(0x8769)[0x927C] = b"maker note with offsets inside"
    before = block.tobytes().removeprefix(b"Exif\0\0")
    after, left = with_text(before, [(keyword, text) for keyword in keywords])
    assert after is not None
    assert after[8 : len(before)] == before[8:]
    after = with_dpi(after, (300, 72))
    assert with_dpi(after, (300, 72)) == after
    assert dpi_of(after) == (300, 72)
    for kind in (3, 4, 8, 9):  # whole numbers, as some programs write them
        tags = struct.pack("<HHII", 282, kind, 1, 300) + struct.pack("<HHII", 283, kind, 1, 72)
        assert dpi_of(b"II*\0\x08\0\0\0\2\0" + tags + bytes(4)) == (300, 72), kind
    assert dpi_of(with_dpi(after, (44, 43))) == (44, 43)
    result = Image.Exif()
    result.load(after)
    assert (result[0x010F], result[0x0110], result[0x011A], result[0x011B]) == ("Maker", "Model", 300, 72)
    assert result.get_ifd(0x8769)[0x927C] == b"maker note with offsets inside"
    assert set(left) == {"prompt", "Title"} & set(keywords)  # a model is there already
    if "Comment" in keywords:
        assert bytes(result.get_ifd(0x8769)[0x9286]) == b"UNICODE\0" + text.encode("utf-16-be", "replace")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80), st.text(max_size=9))
def test_tags_in_damaged_blocks_do_no_harm(junk: bytes, text: str) -> None:
    for order in (b"II*\0", b"MM\0*"):
        after, _ = with_text(order + junk.ljust(4, b"\0"), [("Author", text), ("Comment", text)])
        assert after is not None
        upright(after)
        dpi_of(order + junk)


def test_gain_maps_are_announced_no_more(tmp_path: Path) -> None:
    path = tmp_path / "b.jpg"
    Image.fromarray(PIXELS).save(path, xmp=GAIN_MAP)
    original = read_image(path)
    assert any("gain map" in note for note in original.notes)
    assert original.xmp is not None
    assert b"Rating" in original.xmp
    for word in (b"hdr-gain-map", b"container", b"GainMap", b"Semantic"):
        assert word not in original.xmp
    result, _ = written(tmp_path, "jpeg", original)
    assert result.xmp == original.xmp
    assert result.notes == ()


@pytest.mark.parametrize("iso", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_gain_maps_go_along(tmp_path: Path, *, iso: bool, listed: bool) -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    other = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/>'
    Image.fromarray(PIXELS).save(streams[0], "JPEG", xmp=GAIN_MAP)
    Image.fromarray(PIXELS[..., 0]).save(streams[1], "JPEG", xmp=other)
    main, gain_map = (stream.getvalue() for stream in streams)
    announced = ISO_NAME + b"\0\0\0\0" if iso else None
    path = tmp_path / "b.jpg"
    if listed:
        path.write_bytes(with_gain_map(main, gain_map, 20, iso=announced))
    else:
        announced = None
        Image.fromarray(PIXELS).save(path, xmp=GAIN_MAP.replace(b'"432"', b'"%d"' % len(gain_map)))
        path.write_bytes(path.read_bytes() + gain_map)
    original = read_image(path)
    assert original.gain_map == gain_map
    larger = original.with_array(np.repeat(np.repeat(original.array, 2, axis=0), 2, axis=1))
    result, notes = written(tmp_path, "jpeg", larger)
    assert (result.gain_map, result.gain_map_iso, result.xmp, notes) == (gain_map, announced, original.xmp, "")
    with Image.open(tmp_path / "a.jpg") as opened:  # Pillow finds both by what the file lists
        assert opened.format == "MPO"
        assert opened.n_frames == 2  # type: ignore[attr-defined]
        opened.seek(1)
        assert opened.size == (7, 9)
        assert opened.mode == "L"
    result, notes = written(tmp_path, "webp", larger)
    assert "gain map" in notes
    assert b"hdr-gain-map" not in (result.xmp or b"")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=90), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_damaged_lists_of_images_do_no_harm(junk: bytes, order: bytes) -> None:
    assert find_gain_map(io.BytesIO(junk), order + junk, 0) is None


def test_a_packet_that_cannot_be_cleaned_is_left_out() -> None:
    assert without_appended(GAIN_MAP.replace(b"</C:Directory>", b"")) is None


def test_xmp_of_others_is_not_touched(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"/></x:xmpmeta>'
    )
    path = tmp_path / "b.jpg"
    Image.fromarray(PIXELS).save(path, xmp=xmp)
    assert (read_image(path).xmp, read_image(path).notes) == (xmp, ())


def test_pixels_that_are_not_square_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(samples.png(b"\0\0\0\0", (1, 1), 8, 2, (b"pHYs", struct.pack(">IIB", 2, 1, 0))))
    assert "not square" in read_image(path).notes[0]
    path.write_bytes(samples.png(b"\0\0\0\0", (1, 1), 8, 2, (b"pHYs", struct.pack(">IIB", 1, 1, 0))))
    assert read_image(path).notes == ()
    path.write_bytes(samples.png(b"\0\0\0\0", (1, 1), 8, 2, (b"caBX", b"jumb")))
    assert "C2PA" in read_image(path).notes[0]


def test_a_resolution_in_exif_alone(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG", exif=b"Exif\0\0" + with_dpi(None, (300, 44)))
    (tmp_path / "a.jpg").write_bytes(stream.getvalue().replace(b"JFIF", b"JFXX"))
    assert read_image(tmp_path / "a.jpg").dpi == (300, 44)
    Image.fromarray(PIXELS).save(tmp_path / "b.jpg", exif=with_text(None, [("Author", "me")])[0])
    assert read_image(tmp_path / "b.jpg").dpi is None
