"""Image files made by hand, for what Pillow does not write: independent of the code under test."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pixels(seed: int, *shape: int, dtype: type[np.generic] = np.uint8) -> npt.NDArray[Any]:
    """Random pixels over the whole range of a type."""
    top = 255 if dtype is np.uint8 else 65535
    return np.random.default_rng(seed).integers(0, top + 1, shape).astype(dtype)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    rows: bytes,
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    *extra: tuple[bytes, bytes],
    interlace: int = 0,
    first_chunk_only: bool = False,
) -> bytes:
    """A PNG from filtered rows in two chunks, with further chunks in front of them."""
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, interlace)
    data = zlib.compress(rows)
    first, second = data[: len(data) // 2], data[len(data) // 2 :]
    chunks = [(b"IDAT", first)] if first_chunk_only else [(b"IDAT", first), (b"IDAT", second)]
    parts = [(b"IHDR", header), *extra, *chunks, (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(chunk(kind, data) for kind, data in parts)


def filtered_rows(array: npt.NDArray[np.uint16], first_filter: int = 0) -> bytes:
    """Rows of a 16-bit PNG; the filter types 0 to 4 take turns (PNG specification, section 9)."""
    raw = array.astype(">u2").reshape(array.shape[0], -1).view(np.uint8).astype(int)
    step = 2 * (array.size // array.shape[0] // array.shape[1])
    out = bytearray()
    for y, row in enumerate(raw):
        kind = (first_filter + y) % 5
        out.append(kind)
        for x, value in enumerate(row):
            left = row[x - step] if x >= step else 0
            above = raw[y - 1][x] if y else 0
            corner = raw[y - 1][x - step] if y and x >= step else 0
            prediction = (0, left, above, (left + above) // 2, paeth(left, above, corner))[kind]
            out.append((value - prediction) % 256)
    return bytes(out)


def paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def adam7_rows(array: npt.NDArray[np.uint16]) -> bytes:
    """Unfiltered rows of the seven passes of an interlaced PNG."""
    out = bytearray()
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in array[y::dy, x::dx]:
            if row.size:
                out += b"\0" + row.astype(">u2").tobytes()
    return bytes(out)


def read_deep_png(path: Path) -> npt.NDArray[np.uint16]:
    """Decode a 16-bit PNG that uses the filters None and Up only, without Pillow."""
    data = path.read_bytes()
    at, body = len(PNG_SIGNATURE), b""
    width = height = channels = 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + content) == struct.unpack_from(">I", data, at + 8 + length)[0]
        if kind == b"IHDR":
            width, height, depth, colour_type = struct.unpack_from(">IIBB", content)
            assert depth == 16
            channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour_type]
        elif kind == b"IDAT":
            body += content
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, -1)
    assert set(rows[:, 0]) <= {0, 2}
    plain = np.zeros((height, rows.shape[1] - 1), np.uint8)
    for y, row in enumerate(rows):
        plain[y] = row[1:] + (plain[y - 1] if row[0] == 2 and y else 0)
    return plain.view(">u2").astype(np.uint16).reshape(height, width, channels)


def tiff(
    array: npt.NDArray[Any],
    order: Literal["<", ">"] = "<",
    *,
    photometric: int | None = None,
    extra: tuple[int, ...] | None = None,
    tags: dict[int, tuple[int, tuple[int, ...]]] | None = None,
    data: bytes | None = None,
    bits: int | None = None,
) -> bytes:
    """An uncompressed TIFF in one strip; ``tags`` adds or replaces SHORT (3) and LONG (4) entries."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    body = data if data is not None else array.astype(array.dtype.newbyteorder(order)).tobytes()
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits or 8 * array.itemsize,) * channels),
        259: (3, (1,)),
        262: (3, ((2 if channels > 2 else 1) if photometric is None else photometric,)),
        273: (4, (0,)),
        277: (3, (channels,)),
        278: (4, (height,)),
        279: (4, (len(body),)),
        339: (3, ({"f": 3, "i": 2}.get(array.dtype.kind, 1),) * channels),
    }
    if extra is not None:
        entries[338] = (3, extra)
    entries |= tags or {}
    directory_length = 2 + 12 * len(entries) + 4
    outside = b""
    for _round in range(2):  # the first one finds out how long the values outside the directory are
        start = 8 + directory_length
        if tags is None or 273 not in tags:
            entries[273] = (4, (start + len(outside),))
        outside, directory = b"", struct.pack(order + "H", len(entries))
        for tag, (kind, values) in sorted(entries.items()):
            value = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
            if len(value) > 4:
                directory += struct.pack(order + "HHII", tag, kind, len(values), start + len(outside))
                outside += value
            else:
                directory += struct.pack(order + "HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + outside + body


def cmyk_profile() -> bytes:
    """A tiny but complete ICC profile: four inks to Lab through a table with two points per ink (ICC.1, 10.10)."""
    lab = bytearray()
    for cyan in (0, 1):
        for magenta in (0, 1):
            for yellow in (0, 1):
                for black in (0, 1):
                    light = 255 * (1 - black) * (3 - cyan - magenta - yellow) / 3
                    lab += bytes(
                        [round(light), 128 + 60 * (magenta - cyan), 128 + 60 * (yellow - (magenta + cyan) // 2)]
                    )
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += ramp * 4 + bytes(lab) + ramp * 3
    table += b"\0" * (-len(table) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    words = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * (4 + 4 + 2 + 1 + 67)
    words += b"\0" * (-len(words) % 4)
    rights = b"text\0\0\0\0none\0\0\0\0"
    contents = ((b"A2B0", table), (b"wtpt", white), (b"desc", words), (b"cprt", rights))
    at = 128 + 4 + 12 * len(contents)
    index, body = struct.pack(">I", len(contents)), b""
    for name, content in contents:
        index += name + struct.pack(">II", at + len(body), len(content))
        body += content
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + index + body
