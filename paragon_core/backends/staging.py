"""Between images where they are and the memory next to a card: what a tile reads, and where its result goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from paragon_core.backends.base import ImageInPlace, Piece

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the samples of an image lie in a piece of memory."""

    shape: tuple[int, ...]
    """[height, width, channels] where it is interleaved, else [channels, height, width]."""
    dtype: np.dtype[Any]
    """Type of a sample."""
    interleaved: bool
    """Whether the channels of a pixel lie next to each other."""

    @classmethod
    def of(cls, planes: tuple[Array, ...], size: tuple[int, int]) -> Layout:
        """Return the layout in which planes are copied fastest, for a width and height."""
        width, height = size
        interleaved = as_image(planes) is not None
        shape = (height, width, len(planes)) if interleaved else (len(planes), height, width)
        return cls(shape=shape, dtype=planes[0].dtype, interleaved=interleaved)


def as_image(planes: tuple[Array, ...]) -> Array | None:
    """Return planes [h, w] that are the channels of one image as that image [h, w, channels], without a copy.

    None if they are not: if they lie elsewhere or in another order.
    """
    first, itemsize, count = planes[0], planes[0].itemsize, len(planes)
    start = first.__array_interface__["data"][0]
    for index, plane in enumerate(planes):
        lies_next = plane.__array_interface__["data"][0] == start + index * itemsize
        if not lies_next or plane.strides != first.strides or plane.dtype != first.dtype:
            return None
    if count == 1 or first.strides[1] != count * itemsize:
        return None
    shape, strides = (*first.shape, count), (*first.strides, itemsize)
    return np.lib.stride_tricks.as_strided(first, shape, strides, writeable=first.flags.writeable)


def size_of(piece: Piece) -> tuple[int, int]:
    """Return the width and height of a piece with its halo."""
    left, top, right, bottom = piece.halo
    return piece.right - piece.left + left + right, piece.bottom - piece.top + top + bottom


def read(image: ImageInPlace, piece: Piece, target: Array, *, interleaved: bool) -> None:
    """Copy what a tile sees of an image, and of what its detail path sees, into memory of its `Layout`.

    Args:
        image: where it is.
        piece: the tile; what of its halo lies outside the image is read as the image continues there.
        target: of `size_of` the piece; planes of the detail path follow those of the image.
        interleaved: as in `Layout`.

    """
    planes = (*image.planes, *image.detail)
    whole = as_image(planes) if interleaved else None
    pairs = zip(planes, target, strict=True) if whole is None else ((whole, target),)
    left, top = piece.left - piece.halo[0], piece.top - piece.halo[1]
    width, height = size_of(piece)
    columns = image.columns[left + image.margin :][:width]
    rows = image.rows[top + image.margin :][:height]
    for source, place in pairs:
        _read(source, place, (left, top), columns, rows)


def _read(source: Array, target: Array, corner: tuple[int, int], columns: Array, rows: Array) -> None:
    """Copy a rectangle of a continued plane or image: what lies inside at once, what lies around line by line."""
    left, top = max(-corner[0], 0), max(-corner[1], 0)
    part = source[max(corner[1], 0) : corner[1] + len(rows), max(corner[0], 0) : corner[0] + len(columns)]
    bottom, right = top + part.shape[0], left + part.shape[1]
    target[top:bottom, left:right] = part
    for lines, across in (
        (slice(0, top), slice(None)),
        (slice(bottom, None), slice(None)),
        (slice(top, bottom), slice(0, left)),
        (slice(top, bottom), slice(right, None)),
    ):
        if target[lines, across].size:
            target[lines, across] = source[np.ix_(rows[lines], columns[across])]


def write(output: Array, image: ImageInPlace, piece: Piece, *, scale: int, interleaved: bool) -> None:
    """Copy the core of a tile's result to its place.

    Args:
        output: the result, halo included, in the layout that `Layout.of` gave for the image's ``out``.
        image: where the place is.
        piece: the tile.
        scale: pixels of the result for one of the image.
        interleaved: as in `Layout`.

    """
    rows, columns = slice(piece.top * scale, piece.bottom * scale), slice(piece.left * scale, piece.right * scale)
    inner_rows = slice(piece.halo[1] * scale, (piece.halo[1] + piece.bottom - piece.top) * scale)
    inner_columns = slice(piece.halo[0] * scale, (piece.halo[0] + piece.right - piece.left) * scale)
    whole = as_image(image.out) if interleaved else None
    if whole is not None:
        whole[rows, columns] = output[inner_rows, inner_columns]
        return
    for plane, result in zip(image.out, output, strict=True):
        plane[rows, columns] = result[inner_rows, inner_columns]
