"""Small files that claim much: refused or read within bounds, by pixels and by memory."""

from __future__ import annotations

import struct
import time
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
from PIL import Image

from paragon_core.errors import OutOfMemoryError, UnsupportedSizeError
from paragon_core.media.images import MAX_PIXELS, read_image
from paragon_core.media.jobs import plan, run
from paragon_core.media.tiff_reading import MOST_PAGES
from paragon_core.media.tiff_reading import pages as tiff_pages
from tests.fresh_python import PROGRAMS
from tests.fresh_python import run as run_python
from tests.media import samples
from tests.media.stand_in_upscaling import twice
from tests.media.test_jobs import save

if TYPE_CHECKING:
    from pathlib import Path

ROWS = b"\0\0\0\0" * 4


def test_the_limit_is_pillows() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MAX_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def leave(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Leave ``size`` bytes of memory."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=size))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(free=0))


def test_the_limit_can_be_raised_and_memory_still_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(samples.png(ROWS, (20_000, 10_000), 8, 2))
    with pytest.raises(UnsupportedSizeError) as caught:
        read_image(tmp_path / "a.png")
    assert "--max-pixels" in caught.value.hint
    leave(monkeypatch, 2**29)
    with pytest.raises(OutOfMemoryError, match=r"a\.png needs more memory"):
        read_image(tmp_path / "a.png", max_pixels=10**9)


def test_a_result_that_does_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = plan([save(tmp_path / "a.png", size=(4000, 1000))], tmp_path / "out", suffix="")
    leave(monkeypatch, 2**25)
    (result,) = run(jobs, twice, scale=2)
    assert isinstance(result.error, OutOfMemoryError)
    assert "a.png" in str(result.error)
    assert result.error.hint
    assert not (tmp_path / "out").exists()


def pages(count: int, *, last: int = 0) -> bytes:
    """A TIFF with a chain of directories; the last leads to another place."""
    first = samples.tiff(samples.pixels(0, 4, 4, 3))
    end = 8 + 2 + 12 * struct.unpack_from("<H", first, 8)[0]
    directory, length = first[8:end], end - 8 + 4
    chain = b"".join(
        directory + struct.pack("<I", len(first) + length * (number + 1) if number < count - 2 else last)
        for number in range(count - 1)
    )
    return first[:end] + struct.pack("<I", len(first) if count > 1 else last) + first[end + 4 :] + chain


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pages(1), 1),
        (pages(3), 3),
        (pages(3, last=8), 3),
        (pages(2, last=2**32 - 1), 3),
        (b"II*\0", 0),
        (pages(20_000), MOST_PAGES),
    ],
)
def test_pages_are_counted_in_bounded_time(tmp_path: Path, data: bytes, expected: int) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with path.open("rb") as stream:
        assert len(tiff_pages(stream)) == expected
    if expected == MOST_PAGES:
        start = time.process_time()
        assert any("1000 or more pages" in note for note in read_image(path).notes)
        assert time.process_time() - start < 5  # Pillow needs half a minute


def inflated(kind: bytes, head: bytes) -> bytes:
    return samples.png(ROWS, (1, 4), 8, 2, *[(kind, head + zlib.compress(bytes(100_000_000)))] * 3)


def many_entries(order: str = "<") -> bytes:
    """A directory whose entries all have the same long value."""
    entries = b"".join(struct.pack(order + "HHII", 1000 + tag, 7, 100_000, 0) for tag in range(5000))
    return b"II*\0\x08\0\0\0" + struct.pack(order + "H", 5000) + entries + bytes(200_000)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(inflated(b"zTXt", b"Comment\0\0"), id="zTXt"),
        pytest.param(inflated(b"iCCP", b"profile\0\0"), id="iCCP"),
        pytest.param(inflated(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), id="iTXt"),
        pytest.param(samples.png(ROWS, (1, 4), 8, 2, (b"eXIf", many_entries())), id="EXIF"),
        pytest.param(samples.png(ROWS, (2**31 - 1, 2**31 - 1), 8, 2), id="dimensions"),
        pytest.param(samples.tiff(samples.pixels(0, 4, 4), tags={257: (4, (2**32 - 1,)), 278: (4, (1,))}), id="strips"),
        pytest.param(
            samples.tiff(samples.pixels(0, 4, 4), tags={273: (4, (2**31,)), 279: (4, (2**32 - 1,))}), id="length"
        ),
    ],
)
def test_bombs_take_little_memory(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    result = run_python(PROGRAMS / "memory_of_reading.py", path)
    assert int(result.stdout) < 250e6
