r"""Temporal smoothing of video: weights of the frames before, and where scenes begin. Pure functions on numbers.

Upstream's video mode (spec §4) blends the features behind the first layer with those of the frame before::

    f_n = (1 - a) * conv_in(x_n) + a * f_{n-1},      f_0 = conv_in(x_0) in the first frame of a scene

conv_in is linear apart from its bias, also at the border, where it sees zeros: ``conv_in(x) = W x + b``. With ``d``
frames since the scene's first, the recursion written out is a sum over frames whose weights add up to 1, so the bias
comes out once, as it should, and the blend can move from the features to the frames::

    f_n = sum_{k<d} (1-a) a^k conv_in(x_{n-k}) + a^d conv_in(x_{n-d})
        = conv_in(sum_{k<d} (1-a) a^k x_{n-k} + a^d x_{n-d})

The base path sees ``x_n`` alone. So smoothing is a weighted sum of frames for the detail path, with no state between
frames: any frame can be asked for at any time, given its predecessors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Plane = npt.NDArray[Any]

#: Beyond this, ghosts of what moved stay longer than anyone wants, and windows grow long.
STRONGEST: Final = 0.9

#: Frames that weigh less are left out.
SMALLEST_WEIGHT: Final = 1 / 1024

#: Difference in mean luma, of 0..1, beyond which a frame begins a scene (spec §4).
SCENE_CUT: Final = 30 / 255

_ROUNDING: Final = 1e-9
_BT601: Final = (0.299, 0.587, 0.114)


def check_strength(strength: float) -> None:
    """Check the share of the frame before, upstream's ``alpha`` (there always 0.2).

    Raises:
        InputError: it is not in 0..0.9.

    """
    if not 0 <= strength <= STRONGEST:  # NaN compares false
        msg = f"temporal smoothing of {strength} is out of range"
        raise InputError(msg, hint=f"give 0 (none) to {STRONGEST}; upstream uses 0.2")


def window_length(strength: float) -> int:
    """Return the number of frames that `smoothing_weights` may name: the frame itself and those before it.

    The first frame of a scene weighs most, ``a^d``, so the window ends where that falls below `SMALLEST_WEIGHT`: 5
    frames for 0.2, 11 for 0.5, 66 for 0.9.
    """
    check_strength(strength)
    length = 1
    while strength**length >= SMALLEST_WEIGHT:
        length += 1
    return length


def smoothing_weights(strength: float, frames_since_cut: int) -> tuple[float, ...]:
    """Return the weights of frame n, n-1, ... in what the detail path sees.

    Weights below 1/1024 are dropped and the others divided by their sum. What is dropped has at most the share
    ``a^k < 1 / (1024 (1 - a))`` with ``k`` the first frame that is, so the result differs from the whole recursion's by
    at most that share of the image's range: 1/819 for 0.2, 1/512 for 0.5, 1/102 for 0.9.

    Args:
        strength: share of the frame before in each step of the recursion, 0..0.9.
        frames_since_cut: how many frames before this one belong to its scene; more than `window_length` make no
            difference.

    Returns:
        At least one weight, at most `window_length`; they add up to 1. Between the frames that count and the first of
        the scene there may be zeros.

    Raises:
        InputError: the strength is out of range, or the number of frames negative.

    """
    if frames_since_cut < 0:
        msg = f"{frames_since_cut} frames since the last cut are out of range"
        raise InputError(msg, hint="the first frame of a scene has 0")
    steps = min(frames_since_cut, window_length(strength))
    weights = [(1 - strength) * strength**age for age in range(steps)] + [strength**steps]
    kept = [weight if weight >= SMALLEST_WEIGHT else 0.0 for weight in weights]
    while not kept[-1]:
        kept.pop()
    total = math.fsum(kept)
    return tuple(weight / total for weight in kept)


def mean_luma(planes: Sequence[Plane]) -> float:
    """Return the mean luma of a frame of 0..1: BT.601 of R, G, B as upstream takes it, or the mean of a grey plane."""
    means = [float(plane.mean(dtype=np.float64)) for plane in planes]
    return means[0] if len(means) == 1 else sum(share * mean for share, mean in zip(_BT601, means, strict=True))


def is_scene_cut(mean: float, previous_mean: float) -> bool:
    """Return whether a frame begins a scene: its mean luma is more than 30/255 away from the previous frame's.

    Only the means of whole frames are compared (spec §4): a cut between equally bright scenes is not seen, a flash is
    taken for one. A difference of exactly 30 levels is none, whatever rounding makes of it.
    """
    return abs(mean - previous_mean) > SCENE_CUT + _ROUNDING


def frames_since_cut(starts: Sequence[bool]) -> int:
    """Return how many frames before frame n belong to its scene.

    Args:
        starts: whether frame n, n-1, ... is the first of a scene. The first frame of a clip is.

    Returns:
        The age of the newest frame that is; the number of frames told if none is.

    """
    return next((age for age, first in enumerate(starts) if first), len(starts))


def blend(frames: Sequence[Sequence[Plane]], weights: Sequence[float]) -> list[Plane]:
    """Return the weighted sum of frames n, n-1, ...: planes of the same type and size, for the detail path.

    Args:
        frames: at least as many as weights, each of as many planes; those that weigh nothing are not looked at.
        weights: from `smoothing_weights`.

    """
    blended = []
    for index, plane in enumerate(frames[0]):
        total = np.zeros(plane.shape, dtype=np.float32)
        for frame, weight in zip(frames, weights, strict=False):
            if weight:
                total += np.float32(weight) * frame[index]
        blended.append(total.astype(plane.dtype, copy=False))
    return blended
