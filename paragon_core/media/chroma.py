"""Chroma planes at the resolution of luma and back, by cubic convolution from where their samples sit.

The kernel is that of Keys ("Cubic Convolution Interpolation for Digital Image Processing", 1981) with a = -1/2, as in
VapourSynth's ``resize.Bicubic``. Reducing stretches it by the factor. Beyond the edge the picture is mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

_A: Final = -0.5
_ROWS, _COLUMNS = 0, 1

#: Rows that are worked on at a time, so that sums stay in the processor's cache.
_BAND: Final = 16


def enlarge_chroma(
    plane: Plane, size: tuple[int, int], *, factors: tuple[int, int], offsets: tuple[float, float]
) -> Plane:
    """Interpolate chroma at every pixel.

    Args:
        plane: samples [ceil(h / factor), ceil(w / factor)].
        size: h and w of luma.
        factors: how many luma samples a chroma sample stands for, down and across: 1, 2 or 4.
        offsets: where the first chroma sample sits, in luma samples down and right of the first of these.

    Returns:
        Shape [h, w].

    """
    height, width = size
    for axis in (_COLUMNS, _ROWS):
        if factors[axis] > 1:
            plane = _enlarged(plane, factors[axis], offsets[axis], axis)
    return plane[:height, :width]


def reduce_chroma(plane: Plane, *, factors: tuple[int, int], offsets: tuple[float, float]) -> Plane:
    """Return chroma of shape [h, w] with one sample for so many: the opposite of `enlarge_chroma`."""
    for axis in (_ROWS, _COLUMNS):
        if factors[axis] > 1:
            plane = _reduced(plane, factors[axis], offsets[axis], axis)
    return plane


@dataclass(frozen=True, kw_only=True)
class _Taps:
    """What one output sample in each period is made from."""

    first: int
    """Where the first tap is, relative to the period's first input sample."""
    weights: tuple[float, ...]
    """Weights of it and of those behind it."""


def _enlarged(plane: Plane, factor: int, offset: float, axis: int) -> Plane:
    length = plane.shape[axis]
    shape = list(plane.shape)
    shape[axis] = length * factor
    result = np.empty(shape, dtype=np.float32)
    for phase in range(factor):
        taps = _enlarging_taps(factor, offset, phase)
        _part(result, axis, slice(phase, None, factor))[...] = _filtered(plane, axis, taps, step=1, length=length)
    return result


def _reduced(plane: Plane, factor: int, offset: float, axis: int) -> Plane:
    length = -(-plane.shape[axis] // factor)
    return _filtered(plane, axis, _reducing_taps(factor, offset), step=factor, length=length)


def _filtered(plane: Plane, axis: int, taps: _Taps, *, step: int, length: int) -> Plane:
    """Return, for k < ``length``, the sum over taps t of ``weights[t] * plane[k * step + first + t]``."""
    if taps == _Taps(first=0, weights=(1.0,)) and step == 1:
        return plane
    before = max(-taps.first, 0)
    after = max((length - 1) * step + taps.first + len(taps.weights) - plane.shape[axis], 0)
    around = [(0, 0), (0, 0)]
    around[axis] = (before, after)
    padded = np.pad(plane, around, mode="symmetric")
    shape = list(plane.shape)
    shape[axis] = length
    total = np.zeros(shape, dtype=np.float32)
    term = np.empty((_BAND, shape[_COLUMNS]), dtype=np.float32)
    starts = [before + taps.first + tap for tap in range(len(taps.weights))]
    parts = [_part(padded, axis, slice(start, start + (length - 1) * step + 1, step)) for start in starts]
    for top in range(0, shape[_ROWS], _BAND):
        sums = total[top : top + _BAND]
        for part, weight in zip(parts, taps.weights, strict=True):
            sums += np.multiply(part[top : top + _BAND], np.float32(weight), out=term[: len(sums)])
    return total


def _part(plane: Plane, axis: int, where: slice) -> Plane:
    return plane[where] if axis == _ROWS else plane[:, where]


@cache
def _enlarging_taps(factor: int, offset: float, phase: int) -> _Taps:
    """Return the taps for luma sample ``factor * k + phase``, relative to chroma sample k."""
    place = (phase - offset) / factor
    nearest = int(np.floor(place))
    return _trimmed(nearest - 1, [_kernel(place - tap) for tap in range(nearest - 1, nearest + 3)])


@cache
def _reducing_taps(factor: int, offset: float) -> _Taps:
    """Return the taps for chroma sample k, relative to luma sample ``factor * k``."""
    first = int(np.ceil(offset - 2 * factor))
    return _trimmed(first, [_kernel((tap - offset) / factor) for tap in range(first, first + 4 * factor + 1)])


def _trimmed(first: int, weights: list[float]) -> _Taps:
    """Leave out zeros at both ends, and divide by the sum."""
    while not weights[0]:
        first, weights = first + 1, weights[1:]
    while not weights[-1]:
        weights = weights[:-1]
    total = sum(weights)
    return _Taps(first=first, weights=tuple(weight / total for weight in weights))


def _kernel(distance: float) -> float:
    x = abs(distance)
    if x < 1:
        return (_A + 2) * x**3 - (_A + 3) * x**2 + 1
    return _A * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0  # noqa: PLR2004 - the kernel's support
