"""How the samples of a video are to be read: its matrix, its range, and where chroma sits (ITU-T H.273)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from paragon_core.media.video.chroma import Siting

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

    @property
    def peak(self) -> float:
        """Largest sample; 1 for floating point, which may be larger."""
        return 1.0 if self.bits == FLOAT else 2.0**self.bits - 1

    @property
    def neutral(self) -> float:
        """Chroma of grey."""
        return 0.0 if self.bits == FLOAT else self.scale_and_zero(chroma=True)[1]

    def scale_and_zero(self, *, chroma: bool) -> tuple[float, float]:
        """Return the span of 0..1 (of -0.5..0.5 for chroma) in steps, and where 0 is (H.273, 8.3); for integers."""
        steps = 2.0**self.bits - 1
        unit = 2.0 ** (self.bits - 8)
        if chroma:
            return (steps if self.full else 224 * unit), 128 * unit
        return (steps, 0) if self.full else (219 * unit, 16 * unit)


def guess_matrix(width: int, height: int) -> int:
    """Return the matrix of a video that does not say it: by its size, as players do."""
    if width > _STANDARD_DEFINITION[0] or height > _STANDARD_DEFINITION[1]:
        return BT709
    return 5 if height == _STANDARD_DEFINITION[1] else 6


def weights_of(matrix: int) -> tuple[float, float, float]:
    """Return the weights of R, G and B in luma; not for `RGB` and `YCGCO`."""
    red, blue = _WEIGHTS[matrix]
    return red, 1 - red - blue, blue
