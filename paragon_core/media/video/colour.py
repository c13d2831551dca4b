"""From the samples of a video frame to the RGB (or grey) of 0..1 that networks take, and back.

Everything is in floating point and by the stream's own description (ITU-T H.273): matrix, range and where chroma sits.
Both directions use the same description, so that what the network leaves alone comes back as it was. Values beyond
0..1, which limited ranges can hold, are not clipped on the way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.media.video.chroma import Plane, Siting, mirrored, subsample_chroma, upsample_chroma

if TYPE_CHECKING:
    from collections.abc import Sequence

SampleArray = npt.NDArray[Any]

#: Luma weights of R and B by the numbers of H.273, table 4.
_WEIGHTS: Final = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 B, G
    6: (0.299, 0.114),  # SMPTE 170M
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
RGB: Final = 0
BT709: Final = 1
UNSPECIFIED: Final = 2
YCGCO: Final = 8

#: Bits of a floating-point sample.
FLOAT: Final = 32

#: Matrices that can be converted.
MATRICES: Final = frozenset({RGB, YCGCO, *_WEIGHTS})

#: Rows that are converted at a time, so that they stay in the processor's cache; a multiple of all factors.
_BAND: Final = 32

#: Largest width and height of standard definition; 576 lines tell the European kind.
_STANDARD_DEFINITION: Final = (1024, 576)

#: Where chroma sits, as FFmpeg counts: unspecified, left, center, top left, top, bottom left, bottom. Whether it sits
#: between two columns, and by what share of the way from the upper to the lower of the rows it stands for.
LEFT: Final = 1
_PLACES: Final = {1: (False, 0.5), 2: (True, 0.5), 3: (False, 0.0), 4: (True, 0.0), 5: (False, 1.0), 6: (True, 1.0)}


@dataclass(frozen=True, kw_only=True)
class VideoColour:
    """How samples are to be read or written."""

    matrix: int
    """Number of H.273, table 4; 0 for RGB itself."""
    full: bool
    """Whether the range is full; limited leaves room below black and above white."""
    bits: int
    """Bits of a sample; 32 stands for floating point."""
    factors: tuple[int, int] = (1, 1)
    """Luma samples for each chroma sample, down and across: 1, 2 or 4."""
    chroma_location: int = LEFT
    """Where chroma samples sit, as FFmpeg counts: 1 left, 2 center, 3 top left, 4 top, 5 bottom left, 6 bottom."""

    @property
    def siting(self) -> Siting:
        """Position of chroma samples among those of luma."""
        between, share = _PLACES[self.chroma_location]
        down, across = self.factors
        return Siting(factors=self.factors, offsets=(share * (down - 1), (across - 1) / 2 if between else 0.0))


def guess_matrix(width: int, height: int) -> int:
    """Return the matrix of a video that does not say it: by its size, as players do."""
    if width > _STANDARD_DEFINITION[0] or height > _STANDARD_DEFINITION[1]:
        return BT709
    return 5 if height == _STANDARD_DEFINITION[1] else 6


def to_network(samples: Sequence[SampleArray], colour: VideoColour) -> list[Plane]:
    """Convert a frame to float32 planes of 0..1.

    Args:
        samples: luma [h, w] alone; luma, Cb and Cr [ceil(h / factor), ceil(w / factor)]; or R, G and B.
        colour: how to read them.

    Returns:
        Grey [h, w]; or R, G and B, each [h, w].

    """
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
    """Write float32 planes of 0..1 as the samples of a frame, rounded to nearest.

    Args:
        planes: grey [h, w]; or R, G and B.
        out: luma [h, w]; with Cb and Cr [ceil(h / factor), ceil(w / factor)], neutral where the planes are grey; or
            R, G and B.
        colour: how to write them.

    """
    if colour.matrix == RGB or len(out) == 1:
        for index, target in enumerate(out):
            _to_samples(planes[index % len(planes)], target, colour, chroma=False)
        return
    if len(planes) == 1:
        _to_samples(planes[0], out[0], colour, chroma=False)
        for target in out[1:]:
            target[...] = _neutral(colour)
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
    of_red, of_blue = _WEIGHTS[matrix]
    of_green = 1 - of_red - of_blue
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
    of_red, of_blue = _WEIGHTS[matrix]
    luma = np.float32(1 - of_red - of_blue) * green
    luma += np.float32(of_red) * red
    luma += np.float32(of_blue) * blue
    cb, cr = blue - luma, red - luma
    cb *= np.float32(1 / (2 - 2 * of_blue))
    cr *= np.float32(1 / (2 - 2 * of_red))
    return luma, cb, cr


def _scale_and_zero(colour: VideoColour, *, chroma: bool) -> tuple[float, float]:
    """Return the span of 0..1 (of -0.5..0.5 for chroma) in steps, and where 0 is (H.273, 8.3)."""
    steps = 2.0**colour.bits - 1
    unit = 2.0 ** (colour.bits - 8)
    if chroma:
        return (steps if colour.full else 224 * unit), 128 * unit
    return (steps, 0) if colour.full else (219 * unit, 16 * unit)


def _neutral(colour: VideoColour) -> float:
    return 0.0 if colour.bits == FLOAT else _scale_and_zero(colour, chroma=True)[1]


def _from_samples(samples: SampleArray, colour: VideoColour, *, chroma: bool) -> Plane:
    plane = samples.astype(np.float32)
    if colour.bits != FLOAT:
        scale, zero = _scale_and_zero(colour, chroma=chroma)
        if zero:
            plane -= np.float32(zero)
        plane *= np.float32(1 / scale)
    return plane


def _to_samples(plane: Plane, out: SampleArray, colour: VideoColour, *, chroma: bool) -> None:
    if colour.bits == FLOAT:
        out[...] = plane
        return
    scale, zero = _scale_and_zero(colour, chroma=chroma)
    values = plane * np.float32(scale)
    values += np.float32(zero + 0.5)
    np.clip(values, 0, 2**colour.bits - 1 + 0.5, out=values)
    # Conversion to integers rounds towards zero: with the half above, to nearest.
    np.copyto(out, values, casting="unsafe")
