"""Samples of a video frame to RGB (or grey) of 0..1 and back, in NumPy: where the native kernel is missing.

`native_conversion` takes the same steps, each rounded to float32, and makes the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from paragon_core.media.video.chroma import mirrored, subsample_chroma, upsample_chroma
from paragon_core.media.video.colour import FLOAT, RGB, YCGCO, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.media.video.chroma import Plane
    from paragon_core.media.video.colour import SampleArray, VideoColour

#: Rows that are converted at a time, so that they stay in the processor's cache; a multiple of all factors.
_BAND: Final = 32


def to_network(samples: Sequence[SampleArray], colour: VideoColour) -> list[Plane]:
    """Convert a frame to float32 planes; see `conversion.to_network`."""
    if len(samples) == 1 or colour.matrix == RGB:
        return [_from_samples(plane, colour, chroma=False) for plane in samples]
    height, width = samples[0].shape
    result = [np.empty((height, width), dtype=np.float32) for _ in samples]
    chroma = [_from_samples(plane, colour, chroma=True) for plane in samples[1:]]
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        luma = _from_samples(samples[0][top:bottom], colour, chroma=False)
        cb, cr = (upsample_chroma(plane, colour.siting, top=top, bottom=bottom, width=width) for plane in chroma)
        _to_rgb(luma, cb, cr, [plane[top:bottom] for plane in result], colour.matrix)
    return result


def from_network(planes: Sequence[Plane], out: Sequence[SampleArray], colour: VideoColour) -> None:
    """Write float32 planes as the samples of a frame; see `conversion.from_network`."""
    if colour.matrix == RGB or len(out) == 1:
        for index, target in enumerate(out):
            _to_samples(planes[index % len(planes)], target, colour, chroma=False)
        return
    if len(planes) == 1:
        _to_samples(planes[0], out[0], colour, chroma=False)
        for target in out[1:]:
            target[...] = colour.neutral
        return
    height, (down, _), margin = len(planes[0]), colour.factors, colour.siting.margin
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        last = top - (top - bottom) // down * down  # where the last chroma sample's rows end
        luma, *chroma = _to_luma_and_chroma(
            *(mirrored(plane, top - margin, last + margin) for plane in planes), matrix=colour.matrix
        )
        _to_samples(luma[margin : margin + bottom - top], out[0][top:bottom], colour, chroma=False)
        for plane, target in zip(chroma, out[1:], strict=True):
            _to_samples(subsample_chroma(plane, colour.siting), target[top // down : last // down], colour, chroma=True)


def _to_rgb(luma: Plane, cb: Plane, cr: Plane, out: Sequence[Plane], matrix: int) -> None:
    red, green, blue = out
    if matrix == YCGCO:
        np.add(luma, cb, out=green)
        np.subtract(luma, cb, out=red)
        np.subtract(red, cr, out=blue)
        red += cr
        return
    of_red, of_green, of_blue = weights_of(matrix)
    np.multiply(cr, np.float32(2 - 2 * of_red), out=red)
    np.multiply(cb, np.float32(2 - 2 * of_blue), out=blue)
    np.subtract(luma, red * np.float32(of_red / of_green), out=green)
    green -= blue * np.float32(of_blue / of_green)
    red += luma
    blue += luma


def _to_luma_and_chroma(red: Plane, green: Plane, blue: Plane, *, matrix: int) -> tuple[Plane, Plane, Plane]:
    half = np.float32(0.5)
    if matrix == YCGCO:
        around = half * (red + blue)
        return half * (green + around), half * (green - around), half * (red - blue)
    of_red, of_green, of_blue = weights_of(matrix)
    luma = np.float32(of_green) * green
    luma += np.float32(of_red) * red
    luma += np.float32(of_blue) * blue
    cb, cr = blue - luma, red - luma
    cb *= np.float32(1 / (2 - 2 * of_blue))
    cr *= np.float32(1 / (2 - 2 * of_red))
    return luma, cb, cr


def _from_samples(samples: SampleArray, colour: VideoColour, *, chroma: bool) -> Plane:
    plane = samples.astype(np.float32)
    if colour.bits != FLOAT:
        scale, zero = colour.scale_and_zero(chroma=chroma)
        if zero:
            plane -= np.float32(zero)
        plane *= np.float32(1 / scale)
    return plane


def _to_samples(plane: Plane, out: SampleArray, colour: VideoColour, *, chroma: bool) -> None:
    if colour.bits == FLOAT:
        out[...] = plane
        return
    scale, zero = colour.scale_and_zero(chroma=chroma)
    values = plane * np.float32(scale)
    values += np.float32(zero + 0.5)
    np.clip(values, 0, colour.peak + 0.5, out=values)
    # Conversion to integers rounds towards zero: with the half above, to nearest.
    np.copyto(out, values, casting="unsafe")
