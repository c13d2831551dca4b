"""From linear light to the values that networks are trained on, and back.

Light up to 1 is coded as sRGB. Where some is brighter, all is coded as PQ with 1 at 203 cd/m2 (ITU-R BT.2408), which is
even to the eye over the whole range; what passes its 10,000 cd/m2 is made darker first, as a whole.
Sources: IEC 61966-2-1; SMPTE ST 2084.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from paragon_core.media.loaded_image import Array

#: Light that PQ codes as 1, where 1 is the white of a page.
BRIGHTEST: Final = 10_000 / 203

#: Chromaticities with a number (ITU-T H.273).
_PRIMARIES: Final[dict[tuple[float, ...], int]] = {
    (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290): 1,
    (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290): 9,
    (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290): 12,
}
_SAME = 1e-3
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


@dataclass(frozen=True, kw_only=True)
class LinearLight:
    """How the linear light of a file was coded."""

    curve: Literal["srgb", "pq"]
    """The transfer function."""
    gain: float = 1.0
    """What the light was multiplied by first."""
    half: bool = True
    """Whether the file held half floats."""
    chromaticities: tuple[float, ...] | None = None
    """x and y of red, green, blue and white; None for those of BT.709, as sRGB has them."""

    @classmethod
    def fitting(cls, peak: float, *, half: bool, chromaticities: tuple[float, ...] | None) -> LinearLight:
        """Return the coding for light up to a peak."""
        return cls(
            curve="srgb" if peak <= 1 else "pq",
            gain=min(1.0, BRIGHTEST / peak) if peak > 1 else 1.0,
            half=half,
            chromaticities=chromaticities,
        )

    @property
    def primaries(self) -> int | None:
        """Number of the primaries (ITU-T H.273); None for those that have none, such as those of ACES."""
        if self.chromaticities is None:
            return 1
        for known, number in _PRIMARIES.items():
            if all(abs(one - other) < _SAME for one, other in zip(known, self.chromaticities, strict=True)):
                return number
        return None

    def coded(self, light: Array) -> Array:
        """Return light from 0 on as values in 0..1, float32."""
        return (_srgb if self.curve == "srgb" else _pq)(light.astype(np.float64) * self.gain).astype(np.float32)

    def light(self, values: Array) -> Array:
        """Return values in 0..1 as light, float32."""
        values = np.clip(values.astype(np.float64), 0, 1)
        return ((_from_srgb if self.curve == "srgb" else _from_pq)(values) / self.gain).astype(np.float32)


def _srgb(light: Array) -> Array:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)  # noqa: PLR2004 - the standard's


def _from_srgb(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - likewise


def _pq(light: Array) -> Array:
    power = np.minimum(light / BRIGHTEST, 1) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _from_pq(values: Array) -> Array:
    root = values ** (1 / _M2)
    return BRIGHTEST * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
