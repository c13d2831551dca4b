"""The parts of WebP that Pillow does not report. Source: RFC 9649."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIDE_BITS = 14
_FLAGS_AT, _ALPHA_FLAG = 20, 0x10


def riff_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the types of the top-level chunks of a WebP file; where each is yielded, the stream is at its content."""
    place = 12
    stream.seek(place)
    while len(head := stream.read(8)) == 8:  # noqa: PLR2004 - type and length, four bytes each
        yield head[:4]
        length = int.from_bytes(head[4:], "little")
        place += 8 + length + length % 2
        stream.seek(place)


def frames_are_lossless(stream: BinaryIO) -> bool:
    """Return whether every frame of an animated WebP holds its pixels without loss."""
    frames = 0
    for kind in riff_chunks(stream):
        if kind == b"ANMF":  # section 2.7.1.3: 16 bytes about the frame, then its chunks
            frames += 1
            inner = stream.read(24)[16:]
            if inner[:4] in {b"VP8 ", b"ALPH"}:  # codespell:ignore alph
                return False
    return frames > 0


def with_alpha_flag(data: bytes) -> bytes:
    """Return an animated WebP that says that its canvas is transparent (section 2.7.1).

    libwebp forgets it where no frame has transparent pixels, but the frames leave parts of the canvas free.
    """
    return data[:_FLAGS_AT] + bytes([data[_FLAGS_AT] | _ALPHA_FLAG]) + data[_FLAGS_AT + 1 :]


def webp_size(stream: BinaryIO) -> tuple[int, int]:
    """Return the width and height that a WebP file states first; 0 and 0 where it states none."""
    for kind in riff_chunks(stream):
        head = stream.read(10)
        if kind == b"VP8X":  # section 2.7.1: flags, then both sides less one in 24 bits each
            return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
        if kind == b"VP8L":  # section 3.4: a signature, then both sides less one in 14 bits each
            bits, most = int.from_bytes(head[1:5], "little"), (1 << _SIDE_BITS) - 1
            return (bits & most) + 1, (bits >> _SIDE_BITS & most) + 1
        if kind == b"VP8 ":  # RFC 6386, 9.1: a frame tag and a start code, then both sides in 14 of 16 bits
            most = (1 << _SIDE_BITS) - 1
            return int.from_bytes(head[6:8], "little") & most, int.from_bytes(head[8:10], "little") & most
    return 0, 0
