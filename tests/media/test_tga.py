"""TGA whose runs do not end with their rows."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import MediaError
from paragon_core.media.images import read_image
from paragon_core.media.tga import in_rows

if TYPE_CHECKING:
    from pathlib import Path

#: Packets: repeated or not, and how many pixels they have.
PACKETS = st.lists(st.tuples(st.booleans(), st.integers(1, 128)), min_size=1, max_size=20)


def packed(packets: list[tuple[bool, int]], channels: int, width: int) -> tuple[bytes, np.ndarray]:
    """Return a file and its pixels, [h, w] grey or [h, w, c], with blue first in the file."""
    generator = np.random.default_rng(len(packets))
    pixels, content = [], b""
    for repeated, count in [*packets, (True, width)]:  # the last one is cut where the image ends
        values = generator.integers(0, 256, (1 if repeated else count, channels), np.uint8)
        content += bytes([repeated << 7 | count - 1]) + values.tobytes()
        pixels.append(np.repeat(values, count if repeated else 1, axis=0))
    height = sum(map(len, pixels)) // width
    shown = np.concatenate(pixels)[: height * width].reshape(height, width, channels)
    kind, flags = (11, 0x20) if channels == 1 else (10, 0x28 if channels == 4 else 0x20)
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, width, height, 8 * channels, flags)
    return head + content, shown[..., 0] if channels == 1 else shown[..., [2, 1, 0, *range(3, channels)]]


@given(PACKETS, st.sampled_from([1, 3, 4]), st.integers(1, 128))
def test_runs_may_go_on_in_the_next_row(
    tmp_path_factory: pytest.TempPathFactory, packets: list[tuple[bool, int]], channels: int, width: int
) -> None:
    data, expected = packed(packets, channels, width)
    path = tmp_path_factory.mktemp("tga") / "a.tga"
    path.write_bytes(data)
    found = read_image(path)
    assert np.array_equal(found.array, expected)
    assert found.notes == ()


@given(st.binary(max_size=80), st.sampled_from([9, 10, 11]), st.integers(0, 40), st.integers(0, 40))
def test_any_bytes_come_to_an_end(junk: bytes, kind: int, width: int, height: int) -> None:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, width, height, 24, 0)
    result = in_rows(io.BytesIO(head + junk)).read()
    assert len(result) <= len(head) + len(junk) + 4 * (height + 1)


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    data, _ = packed([(False, 100), (True, 100)], 3, 30)
    (tmp_path / "a.tga").write_bytes(data[:150])
    with pytest.raises(MediaError):
        read_image(tmp_path / "a.tga")
