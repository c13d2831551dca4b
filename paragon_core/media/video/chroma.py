"""Chroma at the resolution of luma and back, by cubic convolution from where its samples sit; band by band of rows.

The kernel is that of Keys ("Cubic Convolution Interpolation for Digital Image Processing", 1981) with a = -1/2, as in
VapourSynth's ``resize.Bicubic``. Reducing stretches it by the factor. Beyond the edge the plane is mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

#: Makes a number of planes of a shape [height, width], with anything in them.
MakePlanes = Callable[[int, tuple[int, int]], list[Plane]]

_A: Final = -0.5
#: Samples to each side of a place that the kernel reaches.
_REACH: Final = 2
_ROWS, _COLUMNS = 0, 1


@dataclass(frozen=True, kw_only=True)
class Siting:
    """Position of chroma samples among those of luma."""

    factors: tuple[int, int]
    """Luma samples for each chroma sample, down and across: 1, 2 or 4."""
    offsets: tuple[float, float]
    """Where the first sits, in luma samples down and right of the first of these."""

    @property
    def margin(self) -> int:
        """Rows of luma above and below a band that `reduce_chroma` looks at."""
        return _REACH * self.factors[_ROWS] if self.factors[_ROWS] > 1 else 0


def upsample_chroma(plane: Plane, siting: Siting, *, top: int, bottom: int, width: int) -> Plane:
    """Interpolate chroma at every pixel of a band of rows.

    Args:
        plane: all samples, [ceil(h / factor), ceil(w / factor)].
        siting: where they sit.
        top: first row of luma, a multiple of the factor.
        bottom: row behind the last.
        width: that of luma.

    Returns:
        Shape [bottom - top, width].

    """
    down, across = siting.factors
    first, last = top // down, -(-bottom // down)
    if down == 1:
        band = plane[first:last]
    else:
        band = _upsampled(mirrored(plane, first - _REACH, last + _REACH), down, siting.offsets[_ROWS], _ROWS)
    if across > 1:
        around = mirrored(band, -_REACH, band.shape[_COLUMNS] + _REACH, _COLUMNS)
        band = _upsampled(around, across, siting.offsets[_COLUMNS], _COLUMNS)
    return band[: bottom - top, :width]


def subsample_chroma(band: Plane, siting: Siting) -> Plane:
    """Return a band of chroma with one sample for several of luma: the opposite of `upsample_chroma`.

    Args:
        band: rows of full resolution from a multiple of the factor on, with ``siting.margin`` more above and below.
        siting: where samples shall sit.

    """
    down, across = siting.factors
    if down > 1:
        band = _subsampled(band, down, siting.offsets[_ROWS], _ROWS)
    if across > 1:
        margin = _REACH * across
        width = -(-band.shape[_COLUMNS] // across) * across
        band = _subsampled(
            mirrored(band, -margin, width + margin, _COLUMNS), across, siting.offsets[_COLUMNS], _COLUMNS
        )
    return band


def mirrored(plane: Plane, first: int, last: int, axis: int = _ROWS) -> Plane:
    """Return rows (or columns) ``first`` to ``last``, where those beyond the edge are mirrored at it."""
    length = plane.shape[axis]
    inside = _part(plane, axis, slice(max(first, 0), min(last, length)))
    if first >= 0 and last <= length:
        return inside
    places = np.concatenate([np.arange(first, 0), np.arange(length, max(last, length))]) % (2 * length)
    beyond = plane.take(np.minimum(places, 2 * length - 1 - places), axis)
    before = max(-first, 0)
    parts = [_part(beyond, axis, slice(before)), inside, _part(beyond, axis, slice(before, None))]
    return np.concatenate(parts, axis)


@dataclass(frozen=True, kw_only=True)
class Taps:
    """What one output sample in each period is made from."""

    first: int
    """Where the first tap is, relative to the period's first input sample."""
    weights: tuple[float, ...]
    """Weights of it and of those behind it."""


def _upsampled(plane: Plane, factor: int, offset: float, axis: int) -> Plane:
    """Upsample a plane along an axis; it has the kernel's reach more on both sides than the result."""
    length = plane.shape[axis] - 2 * _REACH
    shape = list(plane.shape)
    shape[axis] = length * factor
    result = np.empty(shape, dtype=np.float32)
    for phase in range(factor):
        taps = upsampling_taps(factor, offset, phase)
        values = _filtered(plane, axis, taps, margin=_REACH, step=1, length=length)
        _part(result, axis, slice(phase, None, factor))[...] = values
    return result


def _subsampled(plane: Plane, factor: int, offset: float, axis: int) -> Plane:
    """Subsample a plane along an axis; it has the stretched kernel's reach more on both sides than the result."""
    margin = _REACH * factor
    length = (plane.shape[axis] - 2 * margin) // factor
    return _filtered(plane, axis, subsampling_taps(factor, offset), margin=margin, step=factor, length=length)


def _filtered(plane: Plane, axis: int, taps: Taps, *, margin: int, step: int, length: int) -> Plane:
    """Return, for k < ``length``, the sum over taps t of ``weights[t] * plane[margin + k * step + first + t]``."""
    starts = [margin + taps.first + tap for tap in range(len(taps.weights))]
    parts = [_part(plane, axis, slice(start, start + (length - 1) * step + 1, step)) for start in starts]
    total = parts[0] * np.float32(taps.weights[0])
    term = np.empty_like(total)
    for part, weight in zip(parts[1:], taps.weights[1:], strict=True):
        total += np.multiply(part, np.float32(weight), out=term)
    return total


def _part(plane: Plane, axis: int, where: slice) -> Plane:
    return plane[where] if axis == _ROWS else plane[:, where]


@cache
def upsampling_taps(factor: int, offset: float, phase: int) -> Taps:
    """Return the taps for luma sample ``factor * k + phase``, relative to chroma sample k."""
    place = (phase - offset) / factor
    first = int(np.floor(place)) - 1
    return _trimmed(first, [_kernel(place - tap) for tap in range(first, first + 2 * _REACH)])


@cache
def subsampling_taps(factor: int, offset: float) -> Taps:
    """Return the taps for chroma sample k, relative to luma sample ``factor * k``."""
    first = int(np.ceil(offset - _REACH * factor))
    taps = range(first, first + 2 * _REACH * factor + 1)
    return _trimmed(first, [_kernel((tap - offset) / factor) for tap in taps])


def _trimmed(first: int, weights: list[float]) -> Taps:
    """Leave out zeros at both ends, and divide by the sum."""
    while not weights[0]:
        first, weights = first + 1, weights[1:]
    while not weights[-1]:
        weights = weights[:-1]
    total = sum(weights)
    return Taps(first=first, weights=tuple(weight / total for weight in weights))


def _kernel(distance: float) -> float:
    x = abs(distance)
    if x < 1:
        return (_A + 2) * x**3 - (_A + 3) * x**2 + 1
    return _A * (x**3 - 5 * x**2 + 8 * x - 4) if x < _REACH else 0.0
