"""What passes between an image and a session, tile by tile, without a copy in between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from paragon_core.backends import ImageInPlace
from paragon_core.backends.failures import non_finite
from paragon_core.upscaling.border import AUTHORS, Border
from paragon_core.upscaling.precision import BYTE_BITS, FLOAT_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.backends import Precision
    from paragon_core.graph.graph_spec import GraphSpec, Io
    from paragon_core.upscaling.tiling import Span, Tile

Array = npt.NDArray[Any]

_ROWS: Final = 32


class ImageJob(Protocol):
    """An image and the place for its result."""

    @property
    def io(self) -> Io:
        """Type in which it goes through the network."""
        ...

    @property
    def bits(self) -> int:
        """Depth to which a reduced precision must be the same as fp32."""
        ...

    def attempts(self, precisions: Sequence[Precision]) -> list[PrecisionAttempt]:
        """Return how to compute it, one after the other as long as values overflow: at least in these precisions."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image."""
        ...

    @property
    def border(self) -> Border:
        """What the network sees beyond the image."""
        ...

    def graph(self, spec: GraphSpec) -> GraphSpec:
        """Return the form of the graph that takes this image, for any size."""
        ...

    def in_place(self) -> ImageInPlace:
        """Return the image for a session that needs no batches."""
        ...

    def batch(self, tile: Tile) -> Array:
        """Return what a session takes for a tile; it may share the image's memory."""
        ...

    def core(self, tile: Tile, output: Array) -> Array:
        """Return the part of a session's output that the tile is responsible for, without copying it."""
        ...

    def write(self, tile: Tile, core: Array) -> None:
        """Put a core in its place.

        Raises:
            NonFiniteError: it contains values that are not numbers.

        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class PrecisionAttempt:
    """A way to compute an image."""

    job: ImageJob
    """The image, in the form in which it goes through the network."""
    precision: Precision
    """Of the arithmetic."""

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.precision} ({self.job.io})"


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatImageJob:
    """An image that goes through the network as float32, in planes."""

    planes: tuple[Array, ...]
    """1 or 3 planes [h, w] of float16, float32, uint16 or uint8, of any strides."""
    out: tuple[Array, ...]
    """As many planes [sh, sw] of the same type."""
    clip: bool
    """Whether results are clipped to 0..1; integers always are."""
    border: Border = AUTHORS
    """What the network sees beyond the planes."""
    detail: tuple[Array, ...] = ()
    """What the detail path sees instead, where it is not ``planes``."""
    bits: int = FLOAT_BITS
    """Depth to which a reduced precision must be the same as fp32."""
    io: Io = "float32"
    """Type in which it goes through the network."""

    def attempts(self, precisions: Sequence[Precision]) -> list[PrecisionAttempt]:
        """Return one attempt in each precision."""
        return [PrecisionAttempt(job=self, precision=precision) for precision in precisions]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.planes[0].shape
        return width, height

    def graph(self, spec: GraphSpec) -> GraphSpec:
        """Return the graph in floats."""
        return replace(spec, io="float32", grey=len(self.planes) == 1, separate_detail=bool(self.detail))

    def in_place(self) -> ImageInPlace:
        """Return the planes, those of float16 as float32."""
        planes, detail = (
            tuple(plane.astype(np.float32) if plane.dtype == np.float16 else plane for plane in group)
            for group in (self.planes, self.detail)
        )
        return _in_place(planes, self.out, self.border, detail, clip=self.clip)

    def batch(self, tile: Tile) -> Array:
        """Return [1, planes and those of the detail path, height, width] of 0..1."""
        sources = [self.border.read(plane, tile) for plane in (*self.planes, *self.detail)]
        batch = np.empty((1, len(sources), *sources[0].shape), dtype=np.float32)
        for channel, source in enumerate(sources):
            batch[0, channel] = source
        if sources[0].dtype.kind == "u":
            batch /= np.float32(np.iinfo(sources[0].dtype).max)
        return batch

    def core(self, tile: Tile, output: Array) -> Array:
        """Return [planes, height, width]."""
        scale = self.out[0].shape[0] // self.planes[0].shape[0]
        core: Array = output[0][:, _inside(tile.rows, scale), _inside(tile.columns, scale)]
        return core

    def write(self, tile: Tile, core: Array) -> None:
        """Check, clip, convert and copy, by few enough rows at a time that they come from memory once."""
        scale = self.out[0].shape[0] // self.planes[0].shape[0]
        for values, plane in zip(core, self.out, strict=True):
            target = plane[_written(tile.rows, scale), _written(tile.columns, scale)]
            for start in range(0, len(values), _ROWS):
                self._write(values[start : start + _ROWS], target[start : start + _ROWS])

    def _write(self, values: Array, target: Array) -> None:
        if not np.isfinite(values).all():
            raise non_finite("the network")
        if target.dtype.kind == "u":
            target[...] = np.rint(np.clip(values, 0, 1) * np.iinfo(target.dtype).max)
        else:
            lowest, highest = (0, 1) if self.clip else (np.finfo(target.dtype).min, np.finfo(target.dtype).max)
            np.clip(values, lowest, highest, out=target, casting="same_kind")


@dataclass(frozen=True, kw_only=True, eq=False)
class ByteImageJob:
    """An image of bytes, which the graph itself converts, rounds and clips."""

    image: Array
    """[h, w, 1 or 3] of uint8."""
    out: Array
    """[sh, sw, 1 or 3] of uint8."""
    border: Border = AUTHORS
    """What the network sees beyond the image."""
    bits: int = BYTE_BITS
    """Depth to which a reduced precision must be the same as fp32."""
    io: Io = "uint8"
    """Type in which it goes through the network."""

    def attempts(self, precisions: Sequence[Precision]) -> list[PrecisionAttempt]:
        """Return one attempt in each precision, and a last one in floats.

        Bytes are checked by their sum before rounding, which huge values overflow as well; floats are looked at singly.
        """
        planes, out = (tuple(np.moveaxis(array, 2, 0)) for array in (self.image, self.out))
        floats = FloatImageJob(planes=planes, out=out, clip=True, border=self.border, bits=self.bits)
        return [
            *(PrecisionAttempt(job=self, precision=precision) for precision in precisions),
            *floats.attempts(precisions[-1:]),
        ]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.shape[1], self.image.shape[0]

    def graph(self, spec: GraphSpec) -> GraphSpec:
        """Return the graph in bytes."""
        return replace(spec, io="uint8", grey=self.image.shape[2] == 1)

    def in_place(self) -> ImageInPlace:
        """Return the channels as planes."""
        planes, out = (tuple(np.moveaxis(array, 2, 0)) for array in (self.image, self.out))
        return _in_place(planes, out, self.border, clip=True)

    def batch(self, tile: Tile) -> Array:
        """Return [1, height, width, channels]."""
        return self.border.read(self.image, tile)[None]

    def core(self, tile: Tile, output: Array) -> Array:
        """Return [height, width, channels]."""
        scale = self.out.shape[0] // self.image.shape[0]
        return output[0, _inside(tile.rows, scale), _inside(tile.columns, scale)]

    def write(self, tile: Tile, core: Array) -> None:
        """Copy."""
        scale = self.out.shape[0] // self.image.shape[0]
        self.out[_written(tile.rows, scale), _written(tile.columns, scale)] = core


def _in_place(
    planes: tuple[Array, ...], out: tuple[Array, ...], border: Border, detail: tuple[Array, ...] = (), *, clip: bool
) -> ImageInPlace:
    rows, columns = (
        border.places(-border.margin, length + border.margin, length).astype(np.int32) for length in planes[0].shape
    )
    return ImageInPlace(
        planes=planes, out=out, detail=detail, columns=columns, rows=rows, margin=border.margin, clip=clip
    )


def _inside(span: Span, scale: int) -> slice:
    """Return what a tile is responsible for along one axis of its output."""
    return slice((span.core_start - span.start) * scale, (span.core_end - span.start) * scale)


def _written(span: Span, scale: int) -> slice:
    """Return what a tile is responsible for along one axis of the result."""
    return slice(span.core_start * scale, span.core_end * scale)
