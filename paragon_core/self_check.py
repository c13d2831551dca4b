"""Decide by measurement whether a reduced precision may be trusted with a model."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends import Backend, Network, Precision, RunSettings
from paragon_core.errors import BackendError

#: Largest difference to fp32 that is accepted: one level of 8 bits.
MAX_ERROR: Final = 1 / 255

#: Smallest PSNR against fp32 that is accepted, in dB for a peak of 1.
MIN_PSNR: Final = 60.0

_SIDE: Final = 96
_LOG = logging.getLogger(__name__)


def natural_picture() -> npt.NDArray[np.float32]:
    """Return a fixed picture, [1, 3, 96, 96] of 0.05..0.95, with the statistics of a photograph.

    Noise whose amplitude falls with the frequency, as in nature, and discs with soft edges. Harder patterns (full
    noise, checks) would prove nothing: stream multiplies features and leaves every sensible range on them even in
    float64.
    """
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None])
    spectrum = np.fft.rfft2(generator.standard_normal((3, _SIDE, _SIDE))) / np.maximum(frequency, 1 / _SIDE)
    texture = np.fft.irfft2(spectrum, s=(_SIDE, _SIDE))
    picture = 0.5 + 0.12 * texture / texture.std()
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    for _ in range(12):
        column, row, radius = generator.uniform((0, 0, 4), (_SIDE, _SIDE, 20))
        colour = generator.uniform(-0.25, 0.25, (3, 1, 1))
        picture += colour / (1 + np.exp(2 * (np.hypot(x - column, y - row) - radius)))
    return np.asarray(np.clip(picture, 0.05, 0.95)[None], dtype=np.float32)


def trusted_precision(backend: Backend, network: Network, device: str) -> Precision:
    """Return the backend's fast precision if it reproduces fp32 on the test picture, else fp32."""
    fast = backend.fast_precision(device)
    if fast is None:
        return "fp32"
    picture = natural_picture()
    outputs = []
    for precision in ("fp32", fast):
        try:
            session = backend.open(network, RunSettings(precision=precision, device=device))
            outputs.append(session.run(picture))
            session.close()
        except BackendError as error:
            _LOG.info("%s %s does not work: %s", backend.name, precision, error)
            return "fp32"
    difference = np.abs(outputs[1].astype(np.float64) - outputs[0])
    squared = float(np.mean(difference**2))
    psnr = float("inf") if squared == 0 else -10 * np.log10(squared)
    trusted = bool(difference.max() <= MAX_ERROR and psnr >= MIN_PSNR)  # NaN compares false
    _LOG.info("%s %s: max error %.2g, %.1f dB against fp32", backend.name, fast, difference.max(), psnr)
    return fast if trusted else "fp32"
