"""Decide by measurement whether a reduced precision may be trusted with a model."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import BackendError

if TYPE_CHECKING:
    from paragon_core.backends import Backend, Network, Precision, RunSettings

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


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """How close a result comes to what it should be."""

    max_error: float
    """Largest difference, of values in 0..1; not a number if the result has such, or another shape."""
    psnr: float
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite if nothing differs."""

    @property
    def accepted(self) -> bool:
        """Whether both limits are kept."""
        return self.max_error <= MAX_ERROR and self.psnr >= MIN_PSNR  # NaN compares false

    def __str__(self) -> str:
        """Return it for people; a level is one of 8 bits."""
        return f"off by at most {255 * self.max_error:.2g} levels, {self.psnr:.1f} dB"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the test picture showed about a backend."""

    precision: Precision
    """What "auto" uses."""
    fast: Precision | None
    """The reduced precision in question, if there is one."""
    reason: str
    """Why, for people."""


def compare(result: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> Closeness:
    """Compare two results of values in 0..1."""
    if result.shape != reference.shape:
        return Closeness(max_error=float("nan"), psnr=float("nan"))
    with np.errstate(invalid="ignore"):  # infinite values
        difference = np.abs(result.astype(np.float64) - reference)
    squared = float(np.mean(difference**2))
    psnr = float("inf") if squared == 0 else -10 * float(np.log10(squared))
    return Closeness(max_error=float(difference.max()), psnr=psnr)


def try_precision(backend: Backend, network: Network, settings: RunSettings) -> Trial:
    """Find out by the test picture whether the backend's fast precision may stand in for fp32."""
    fast = backend.fast_precision(settings.device)
    if fast is None:
        return Trial(precision="fp32", fast=None, reason="nothing is faster than fp32 here")
    if backend.compiles_slowly:
        network = replace(network, size=(_SIDE, _SIDE))
    picture = natural_picture()
    outputs = []
    precisions: tuple[Precision, ...] = ("fp32", fast)
    for precision in precisions:
        try:
            session = backend.open(network, replace(settings, precision=precision, streams=1, threads=1))
            outputs.append(session.run(picture))
            session.close()
        except BackendError as error:
            return Trial(precision="fp32", fast=fast, reason=f"{precision} does not work: {error}")
    found = compare(outputs[1], outputs[0])
    reason = f"{fast} is {found} from fp32 on the test picture"
    if found.accepted:
        return Trial(precision=fast, fast=fast, reason=reason)
    limits = f"at most {255 * MAX_ERROR:.0f} level and at least {MIN_PSNR:.0f} dB are allowed"
    return Trial(precision="fp32", fast=fast, reason=f"{reason}; {limits}")


def trusted_precision(backend: Backend, network: Network, settings: RunSettings) -> RunSettings:
    """Return the settings with the backend's fast precision if it reproduces fp32 on the test picture, else fp32."""
    trial = try_precision(backend, network, settings)
    _LOG.info("%s computes in %s: %s", backend.name, trial.precision, trial.reason)
    return replace(settings, precision=trial.precision)
