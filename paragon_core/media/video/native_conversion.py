"""Samples of a video frame to RGB (or grey) of 0..1 and back, by the native kernel's library, in one pass.

The steps are those of `array_conversion`, and so are the bits.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paragon_core.errors import InferenceError, OutOfMemoryError
from paragon_core.low_memory import HINT
from paragon_core.media.video.chroma import subsampling_taps, upsampling_taps
from paragon_core.media.video.colour import FLOAT, RGB, YCGCO, weights_of
from paragon_core.native import kernel
from paragon_core.native.interface import (
    Matrix,
    ParagonColour,
    ParagonPlane,
    ParagonSpan,
    ParagonTaps,
    Sample,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.media.video.chroma import MakePlanes, Plane, Taps
    from paragon_core.media.video.colour import SampleArray, VideoColour
    from paragon_core.native.library import NativeLibrary

_BYTE: Final = 8


def takes(samples: Sequence[SampleArray], planes: Sequence[Plane], colour: VideoColour) -> bool:
    """Return whether the kernel reads and writes such arrays where they are; any distance between rows will do."""
    dtype = np.dtype(_sample(colour).name.lower())
    return all(_fits(array, dtype) for array in samples) and all(_fits(array, np.dtype("float32")) for array in planes)


def to_network(
    library: NativeLibrary, samples: Sequence[SampleArray], colour: VideoColour, make_planes: MakePlanes
) -> list[Plane]:
    """Convert a frame that the kernel `takes` to float32 planes; see `conversion.to_network`."""
    height, width = samples[0].shape
    result = make_planes(len(samples), (height, width))
    convert = library.functions.paragon_to_floats
    if len(samples) == 1 or colour.matrix == RGB:
        for plane, target in zip(samples, result, strict=True):
            _run(library, convert, _plain(colour), [plane], [target])
    else:
        _run(library, convert, _described(colour), samples, result)
    return result


def from_network(
    library: NativeLibrary, planes: Sequence[Plane], out: Sequence[SampleArray], colour: VideoColour
) -> None:
    """Write planes as the samples of a frame, both such as the kernel `takes`; see `conversion.from_network`."""
    convert = library.functions.paragon_to_samples
    if colour.matrix == RGB or len(out) == 1:
        for index, target in enumerate(out):
            _run(library, convert, _plain(colour), [planes[index % len(planes)]], [target])
    elif len(planes) == 1:
        _run(library, convert, _plain(colour), planes, out[:1])
        for target in out[1:]:
            target[...] = colour.neutral
    else:
        _run(library, convert, _described(colour), planes, out)


def _fits(array: SampleArray, dtype: np.dtype[Any]) -> bool:
    return array.dtype == dtype and kernel.reads(array) and array.strides[1] == dtype.itemsize


def _run(
    library: NativeLibrary,
    function: Any,  # noqa: ANN401 - ctypes makes its functions' types as it loads them
    colour: ParagonColour,
    arrays: Sequence[SampleArray],
    out: Sequence[SampleArray],
) -> None:
    height, width = arrays[0].shape
    described = [(ParagonPlane * len(group))(*map(kernel.plane, group)) for group in (arrays, out)]
    status = function(ctypes.byref(colour), width, height, *described, library.instructions.encode("ascii"))
    if status == Status.OUT_OF_MEMORY:
        raise OutOfMemoryError("there is not enough memory to convert the colours of a frame", hint=HINT)
    if status != Status.DONE:
        raise InferenceError("the native kernel refused the samples of a frame", hint="please report this")


def _sample(colour: VideoColour) -> Sample:
    if colour.bits == FLOAT:
        return Sample.FLOAT32
    return Sample.UINT8 if colour.bits == _BYTE else Sample.UINT16


@cache
def _plain(colour: VideoColour) -> ParagonColour:
    """Return how a plane of grey, R, G or B is to be read or written."""
    return ParagonColour(
        sample=_sample(colour), matrix=Matrix.PLAIN, peak=colour.peak, luma=_span(colour, chroma=False)
    )


@cache
def _described(colour: VideoColour) -> ParagonColour:
    """Return how luma, Cb and Cr are to be read or written."""
    (down, across), (top, left) = colour.siting.factors, colour.siting.offsets
    result = ParagonColour(
        sample=_sample(colour),
        matrix=Matrix.YCGCO if colour.matrix == YCGCO else Matrix.YUV,
        down=down,
        across=across,
        peak=colour.peak,
        luma=_span(colour, chroma=False),
        chroma=_span(colour, chroma=True),
        down_rows=_taps(subsampling_taps(down, top)) if down > 1 else _ONE,
        down_columns=_taps(subsampling_taps(across, left)) if across > 1 else _ONE,
    )
    for taps, factor, offset in ((result.up_rows, down, top), (result.up_columns, across, left)):
        for phase in range(factor):
            taps[phase] = _taps(upsampling_taps(factor, offset, phase)) if factor > 1 else _ONE
    if colour.matrix != YCGCO:
        red, green, blue = weights_of(colour.matrix)
        result.to_rgb[:] = 2 - 2 * red, 2 - 2 * blue, red / green, blue / green
        result.from_rgb[:] = red, green, blue, 1 / (2 - 2 * blue), 1 / (2 - 2 * red)
    return result


def _span(colour: VideoColour, *, chroma: bool) -> ParagonSpan:
    if colour.bits == FLOAT:
        return ParagonSpan(1, 1, 0)
    scale, zero = colour.scale_and_zero(chroma=chroma)
    return ParagonSpan(scale, 1 / scale, zero)


def _taps(taps: Taps) -> ParagonTaps:
    result = ParagonTaps(first=taps.first, count=len(taps.weights))
    result.weights[: len(taps.weights)] = taps.weights
    return result


#: A filter that leaves samples as they are.
_ONE: Final = ParagonTaps(0, 1, (1,))
