"""Damage to images and videos: bytes anywhere, and the structure that readers trust (chunks, boxes, entries)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.media.samples import PNG_SIGNATURE, chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

#: Numbers at which readers overflow, allocate too much or read outside.
_EDGES = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

#: Headers are a small part of a file, and most of what can be wrong.
_HEAD = 400

#: Boxes of MP4, QuickTime and AVIF that hold other boxes, with the bytes of their own in front of these.
_PARENTS = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"dinf": 0, b"edts": 0, b"udta": 0, b"meta": 4}
_PARENTS |= {b"iprp": 0, b"ipco": 0, b"moof": 0, b"traf": 0, b"mvex": 0, b"stsd": 8, b"iinf": 6}


def mutated(data: bytes, other: bytes, random: Random) -> bytes:
    """Return a damaged copy of a file, now and then with parts of another one."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        structured = _structured(data)
        if structured is not None and random.random() < 0.6:
            data = structured(data, random)
        else:
            data = random.choice(_ANYWHERE)(data, other, random)
    return data


def _place(data: bytes, random: Random) -> int:
    return random.randrange(max(min(len(data), _HEAD) if random.random() < 0.7 else len(data), 1))


def _flip(data: bytes, _other: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 40))):
        if changed:
            changed[_place(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _number(data: bytes, _other: bytes, random: Random) -> bytes:
    length = random.choice((1, 2, 4, 8))
    value = random.choice(_EDGES) % (1 << 8 * length)
    return _replaced(data, _place(data, random), value.to_bytes(length, random.choice(("big", "little"))))


def _cut(data: bytes, _other: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _removed(data: bytes, _other: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + data[at + random.choice((1, 2, 4, 16, 300)) :]


def _doubled(data: bytes, _other: bytes, random: Random) -> bytes:
    at, length = _place(data, random), random.choice((1, 4, 12, 100, 2000))
    return data[: at + length] + data[at:]


def _noise(data: bytes, _other: bytes, random: Random) -> bytes:
    return _replaced(data, _place(data, random), random.randbytes(random.choice((4, 32, 500))))


def _spliced(data: bytes, other: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + other[min(at, len(other)) :]


_ANYWHERE = (_flip, _flip, _number, _number, _cut, _removed, _doubled, _noise, _spliced)


def _replaced(data: bytes, at: int, new: bytes) -> bytes:
    return (data[:at] + new + data[at + len(new) :])[: max(len(data), at)]


def _structured(data: bytes) -> Callable[[bytes, Random], bytes] | None:
    if data.startswith(PNG_SIGNATURE):
        return _png
    if data[:4] in {b"II*\0", b"MM\0*"}:
        return _tiff
    if data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return _boxes
    if data[:4] == b"RIFF":
        return _riff
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg
    return None


def _png(data: bytes, random: Random) -> bytes:
    """Change, drop, double, move or add a chunk; its checksum is right, so that its content is looked at."""
    found, at = [], len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not found:
        return data
    index, which = random.randrange(len(found)), random.randrange(6)
    kind, content = found[index]
    if which == 0:
        found[index] = kind, random.choice(_ANYWHERE)(content, content, random)
    elif which == 1:
        del found[index]
    elif which == 2:
        found.insert(random.randrange(len(found)), (kind, content))
    elif which == 3 and len(content) >= 4:
        at = random.randrange(0, len(content) - 3, random.choice((1, 4)))
        found[index] = kind, _replaced(content, at, struct.pack(">I", random.choice(_EDGES)))
    elif which == 4:
        found.insert(random.randrange(1, len(found) + 1), random.choice(_EXTRA_CHUNKS))
    else:
        found[index] = random.choice((b"tRNS", b"PLTE", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"cICP")), content
    return PNG_SIGNATURE + b"".join(chunk(kind, content) for kind, content in found)


_EXTRA_CHUNKS = (
    (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))),
    (b"iCCP", b"profile\0\0" + zlib.compress(bytes(5_000_000))),
    (b"iCCP", b"profile\0\0" + b"no zlib stream"),
    (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
    (b"tEXt", b"Raw profile type exif\0\nexif\n 4\n41424344\n"),
    (b"eXIf", b"MM\0*\xff\xff\xff\xff"),
    (b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\x0f\x01\x02\0\xff\xff\xff\x7f\x08\0\0\0" * 5),
    (b"pHYs", bytes(9)),
    (b"tRNS", b""),
    (b"tRNS", b"\xff" * 300),
    (b"acTL", b"\xff" * 8),
)


def _tiff(data: bytes, random: Random) -> bytes:
    """Change tag, type, count or value of an entry in the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4) if len(data) >= 8 else (0,)
    if not 0 < directory <= len(data) - 14:
        return data
    (count,) = struct.unpack_from(order + "H", data, directory)
    at = directory + 2 + 12 * random.randrange(max(count, 1))
    if at + 12 > len(data):
        return data
    form, offset = random.choice((("H", 0), ("H", 2), ("I", 4), ("I", 8), ("I", 8), ("H", 8)))
    top = 0xFFFF if form == "H" else 0xFFFFFFFF
    value = random.choice((*_EDGES, random.randrange(20), random.randrange(400), random.randrange(len(data)))) & top
    return _replaced(data, at + offset, struct.pack(order + form, value))


def _boxes_of(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where boxes begin and how long they are, with those inside."""
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if not 8 <= size <= end - start:
            return
        yield start, size
        if (inner := _PARENTS.get(data[start + 4 : start + 8])) is not None:
            yield from _boxes_of(data, start + 8 + inner, start + size)
        start += size


def _boxes(data: bytes, random: Random) -> bytes:
    found = list(_boxes_of(data, 0, len(data)))
    if not found:
        return data
    at, size = random.choice(found)
    which = random.randrange(5)
    if which == 0:
        return _replaced(data, at, struct.pack(">I", random.choice((*_EDGES, size + 1, size - 1, 2 * size))))
    if which == 1:
        return _replaced(data, at + 4, random.choice((b"free", b"xxxx", data[at + 4 : at + 7] + b"\xa9", bytes(4))))
    if which == 2:
        return data[:at] + data[at + size :]
    if which == 3:
        return data[: at + size] + data[at : at + size] + data[at + size :]
    inside = at + 8 + random.randrange(max(min(size, _HEAD) - 8, 1))
    return _replaced(data, inside, struct.pack(">I", random.choice(_EDGES)))


def _riff(data: bytes, random: Random) -> bytes:
    found, at = [4], 12
    while at + 8 <= len(data):
        found.append(at + 4)
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 12 if data[at : at + 4] == b"LIST" else 8 + length + length % 2
    place = random.choice(found)
    if random.random() < 0.3 and place > 4:
        return _replaced(
            data, place - 4, random.choice((b"VP8L", b"VP8X", b"ANMF", b"EXIF", b"XMP ", b"idx1", b"strf"))
        )
    if random.random() < 0.5:
        return _replaced(data, place + 4 + random.randrange(40), struct.pack("<I", random.choice(_EDGES)))
    return _replaced(data, place, struct.pack("<I", random.choice((*_EDGES, random.randrange(1000)))))


def _jpeg(data: bytes, random: Random) -> bytes:
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xD9:
        found.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if not found:
        return data
    at = random.choice(found)
    length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    which = random.randrange(5)
    if which == 0:
        return _replaced(data, at + 2, struct.pack(">H", random.choice(_EDGES) & 0xFFFF))
    if which == 1:
        return _replaced(
            data, at + 1, bytes([random.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDA, 0xDB, 0xE1, 0xE2))])
        )
    if which == 2:
        return data[:at] + data[at + length :]
    if which == 3:
        return data[: at + length] + data[at : at + length] + data[at + length :]
    return _replaced(data, at + 4 + random.randrange(max(length - 4, 1)), bytes([random.choice(_EDGES) & 0xFF]))
