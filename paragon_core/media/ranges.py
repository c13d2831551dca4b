"""Parts of files as a file of their own, without a copy."""

from __future__ import annotations

import io
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer


class _Ranges(io.RawIOBase):
    """Ranges of streams, one after another; closing them leaves the streams open."""

    def __init__(self, ranges: Sequence[tuple[BinaryIO, int, int]]) -> None:
        super().__init__()
        self._ranges = ranges
        self._starts = [0, *accumulate(length for _, _, length in ranges)]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._place >= self._starts[-1]:
            return 0
        view = memoryview(buffer).cast("B")
        index = bisect_right(self._starts, self._place) - 1
        stream, start, length = self._ranges[index]
        offset = self._place - self._starts[index]
        stream.seek(start + offset)
        part = stream.read(min(len(view), length - offset))
        view[: len(part)] = part
        self._place += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = max((0, self._place, self._starts[-1])[whence] + offset, 0)
        return self._place


def joined(ranges: Sequence[tuple[BinaryIO, int, int]]) -> BinaryIO:
    """Return ranges of seekable streams, each as (stream, start, length), as one stream that reads from them."""
    return io.BufferedReader(_Ranges(ranges))
