"""The fixed kernels of the base path, and what they become on the low-resolution grid.

Upstream calls the base path "Magic Kernel Sharp 2021": an optional 7-tap blend, nearest-neighbour upscaling by
the scale, then a 5-tap binomial blur on the large grid (spec §1). None of it is learned.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: The 7 taps that upstream names "sharpening". Their gain falls from 1 at DC over 1/2 at a quarter of the sampling
#: rate to 0 at Nyquist: blending them in *softens* the image (spec §9, B2).
SOFTENING_TAPS: Array = np.array([-1, 0, 9, 16, 9, 0, -1], dtype=np.float64) / 32

#: The 5-tap binomial blur that runs on the upscaled image.
BINOMIAL_TAPS: Array = np.array([1, 4, 6, 4, 1], dtype=np.float64) / 16


def base_phases(scale: int) -> Array:
    """Return the base path along one axis as ``scale`` three-tap filters on the low-resolution grid.

    Row ``p`` holds the weights of the samples ``i-1, i, i+1`` that make output sample ``scale*i + p``. Nearest
    upscaling followed by the five taps reads output positions ``scale*i + p - 2 ... + 2``, which are copies of
    low-resolution samples ``floor((scale*i + p + d) / scale)``; collecting equal samples gives the row. Zeros outside
    the image are the same zeros on both grids, so this holds at the border too (spec §8).
    """
    phases = np.zeros((scale, 3))
    for phase in range(scale):
        for tap, weight in enumerate(BINOMIAL_TAPS):
            phases[phase, (phase + tap - 2) // scale + 1] += weight
    return phases


def softening_kernel(alpha: float) -> Array:
    """Return the 7x7 kernel of ``x + alpha * (S(x) - x)``, where ``S`` is the separable 7-tap filter."""
    kernel = alpha * np.outer(SOFTENING_TAPS, SOFTENING_TAPS)
    kernel[3, 3] += 1 - alpha
    return kernel
