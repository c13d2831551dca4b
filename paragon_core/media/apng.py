"""Animated PNG, written frame by frame.

Each frame is first a PNG file of its own, so that colours and metadata are what still images get.
Source: Portable Network Graphics (PNG) Specification, third edition (W3C, 2025), 11.3.6.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import numpy as np

from paragon_core.media.changed_part import bounds
from paragon_core.media.png import SIGNATURE, chunks, write_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.media.loaded_image import Array

_LARGEST_TERM: Final = 65535
_LARGEST_COUNT: Final = 2**31 - 1


class Encode(Protocol):
    """Makes a PNG file of an image."""

    def __call__(self, image: Array, *, first: bool) -> bytes:
        """Encode an image; ``first``: with everything around its pixels."""


class ApngWriter:
    """Writes the frames of an animated PNG one after another; it holds two of them."""

    def __init__(
        self, stream: BinaryIO, encode: Encode, *, count: int, plays: int, hidden: Array | None = None
    ) -> None:
        """Prepare to write.

        Args:
            stream: binary stream, written from its position on.
            encode: makes a PNG file of an image, with the same depth and channels each time; of the first one with
                everything around its pixels.
            count: number of frames.
            plays: number of times that they are shown; 0 for endless.
            hidden: image that programs without animation show, if it is not the first frame.

        """
        self._stream = stream
        self._encode = encode
        self._sequence = 0
        self._animation = struct.pack(">II", count, min(plays, _LARGEST_COUNT))
        self._before: Array | None = None
        self._tail: list[tuple[bytes, bytes]] = []
        if hidden is not None:
            self._begin(hidden, control=None)

    def add(self, frame: Array, duration: Fraction) -> None:
        """Add a frame: HxW, HxWx2, HxWx3 or HxWx4, with the seconds for which it is shown."""
        if self._sequence == 0 and self._before is None and not self._tail:
            self._begin(frame, control=duration)
        else:
            rows, columns = self._changed(frame)
            self._control(frame[rows, columns], (columns.start, rows.start), duration)
            for kind, data in _chunks(self._encode(np.ascontiguousarray(frame[rows, columns]), first=False)):
                if kind == b"IDAT":
                    write_chunk(self._stream, b"fdAT", self._number() + data)
        self._before = frame

    def finish(self) -> None:
        """Write what follows the frames."""
        for kind, data in self._tail:
            write_chunk(self._stream, kind, data)

    def _begin(self, image: Array, *, control: Fraction | None) -> None:
        """Write the image that is a still PNG by itself, with everything around its pixels."""
        self._stream.write(SIGNATURE)
        begun = False
        for kind, data in _chunks(self._encode(image, first=True)):
            if kind == b"IDAT":
                if not begun:
                    write_chunk(self._stream, b"acTL", self._animation)
                    if control is not None:
                        self._control(image, (0, 0), control)
                begun = True
            if begun and kind != b"IDAT":
                self._tail.append((kind, data))
            else:
                write_chunk(self._stream, kind, data)

    def _changed(self, frame: Array) -> tuple[slice, slice]:
        """Return the rows and columns that differ from the frame before; one pixel where none do."""
        if self._before is None:
            return slice(0, frame.shape[0]), slice(0, frame.shape[1])
        differs = frame != self._before
        differs = differs if differs.ndim == 2 else differs.any(axis=2)  # noqa: PLR2004 - axes
        return bounds(differs)

    def _control(self, part: Array, place: tuple[int, int], duration: Fraction) -> None:
        height, width = part.shape[:2]
        time = term(duration)
        # Neither disposed of nor blended: what is stored replaces what is there.
        fields = struct.pack(">IIIIHHBB", width, height, *place, time.numerator, time.denominator, 0, 0)
        write_chunk(self._stream, b"fcTL", self._number() + fields)

    def _number(self) -> bytes:
        self._sequence += 1
        return struct.pack(">I", self._sequence - 1)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, data) of the chunks of a PNG file."""
    stream = io.BytesIO(png)
    return ((chunk.kind, chunk.data(stream)) for chunk in chunks(stream))


def term(duration: Fraction) -> Fraction:
    """Return the nearest duration that is a fraction of two numbers of 16 bits."""
    if duration > _LARGEST_TERM:
        return Fraction(_LARGEST_TERM)
    nearest = duration.limit_denominator(_LARGEST_TERM)
    while nearest.numerator > _LARGEST_TERM:
        nearest = nearest.limit_denominator(nearest.denominator // 2)
    return nearest
