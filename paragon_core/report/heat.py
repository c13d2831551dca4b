"""Heat maps: how far each pixel is from the reference, in colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.quality.metrics import Floats
    from paragon_core.report.contents import Pixels

#: From no difference to the largest: from dark to light, so that they also differ without colour.
RAMP: Final = ((0, 0, 16), (48, 16, 112), (144, 32, 112), (224, 80, 48), (248, 176, 32), (255, 255, 208))

#: Levels that the lightest colour stands for at least: smaller differences are not to be blown up.
_LEAST: Final = 8.0
_SHARE: Final = 99.9


def full_heat(differences: Sequence[Floats]) -> float:
    """Return the difference that the lightest colour stands for: 99.9 % of all pixels of all maps differ by less."""
    return max([_LEAST, *(float(np.ceil(np.percentile(each, _SHARE))) for each in differences)])


def heat_map(difference: Floats, *, full: float, width: int, height: int) -> Pixels:
    """Draw a heat map: [about height, about width, 3].

    Where it is smaller than what it shows, each pixel has the colour of the largest difference below it, so that single
    wrong pixels stay visible.

    Args:
        difference: [h, w], in levels of 0..255.
        full: difference of the lightest colour; larger ones have it as well.
        width: columns at most, and all there are if there are fewer.
        height: rows at most, likewise.

    """
    small = _largest(_largest(difference, height).T, width).T
    share = np.clip(small / full, 0, 1)
    places = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(share, places, [colour[channel] for colour in RAMP]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=2)).astype(np.uint8)


def _largest(values: Floats, rows: int) -> Floats:
    """Return the largest values of groups of neighbouring rows, at most as many groups as asked for."""
    if values.shape[0] <= rows:
        return values
    starts = np.arange(rows) * values.shape[0] // rows
    return np.asarray(np.maximum.reduceat(values, starts, axis=0))
