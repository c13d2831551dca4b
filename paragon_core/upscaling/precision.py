"""Decide by measurement in which precision to compute: a reduced one only if it is accurate, and faster, here.

Which precision pays differs from processor to processor: on one that has AVX512-FP16 but no AMX-FP16, OpenVINO is
slower in fp16 than in fp32. Which is accurate differs from model to model, and shows on hard images only.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.backends import is_on_cpu
from paragon_core.errors import BackendError, NonFiniteError, OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.precision_memory import Trial, TrialKey, recall, remember
from paragon_core.upscaling.trial_images import trial_images

if TYPE_CHECKING:
    from paragon_core.backends import Backend, Precision, Session, SessionOptions
    from paragon_core.graph.graph_spec import Io
    from paragon_core.models.model import Model

#: Bits of depth that images of bytes have.
BYTE_BITS: Final = 8
#: Bits of depth to which floats are taken seriously, unless it is known what they were made from.
FLOAT_BITS: Final = 16

#: Levels next to each other, as shares of the peak, differ by a little more than one level, or less.
_ROUNDING: Final = 1e-6

#: Bits of the significand of reduced precisions: none can be the same as fp32 to a greater depth.
_SIGNIFICANT_BITS: Final = {"fp16": 11, "bf16": 8}

#: A precision that gains less than this over fp32 is not worth its errors.
MIN_SPEEDUP: Final = 1.1

#: Width and height of the images that are timed, if fp32 does not take longer for one than `_LONGEST_RUN`.
_REALISTIC: Final = (640, 360)

#: The same on a card: smaller images show what launches cost instead of arithmetic and memory.
_REALISTIC_ON_CARD: Final = (1920, 1080)
_LONGEST_RUN: Final = 0.5
_SHORTEST_TIMING: Final = 0.5
_ROUNDS: Final = (5, 15)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """How close a result comes to what it should be."""

    max_error: float
    """Largest difference, of values in 0..1; not a number if the result has such, or another shape."""
    psnr: float
    """Peak signal-to-noise ratio in dB for a peak of 1; infinite if nothing differs."""

    def within(self, bits: int) -> bool:
        """Return whether it is the same to a depth: off by one level at most, and by half a level on average (RMS)."""
        allowed = (1 + _ROUNDING) / (2**bits - 1)
        return self.max_error <= allowed and self.psnr >= min_psnr(bits)  # NaN compares false

    def __str__(self) -> str:
        """Return it for people; a level is one of 8 bits."""
        return f"off by at most {255 * self.max_error:.2g} levels, {self.psnr:.1f} dB"


def min_psnr(bits: int) -> float:
    """Return the PSNR in dB, for a peak of 1, of errors of half a level on average (RMS)."""
    return 20 * math.log10(2 * (2**bits - 1))


def compare(result: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> Closeness:
    """Compare two results of values in 0..1."""
    if result.shape != reference.shape:
        return Closeness(max_error=float("nan"), psnr=float("nan"))
    with np.errstate(invalid="ignore"):  # infinite values
        difference = np.abs(result.astype(np.float64) - reference)
    squared = float(np.mean(difference**2))
    psnr = float("inf") if squared == 0 else -10 * float(np.log10(squared))
    return Closeness(max_error=float(difference.max()), psnr=psnr)


@dataclass(frozen=True, kw_only=True)
class PrecisionChoice:
    """What the trials of a backend's reduced precisions showed."""

    trials: tuple[Trial, ...]
    """One for each reduced precision that the backend offers here."""

    def precision(self, bits: int) -> Precision:
        """Return the fastest precision that is the same as fp32 to a depth; fp32 if there is none."""
        accepted = [trial for trial in self.trials if _accepted(trial, bits)]
        return max(accepted, key=lambda trial: trial.speedup).precision if accepted else "fp32"

    def reason(self, precision: Precision, bits: int) -> str:
        """Say why a precision is taken for images of a depth, or left."""
        trial = next((trial for trial in self.trials if trial.precision == precision), None)
        if trial is not None:
            return _reason(trial, bits)
        if precision != "fp32":
            return f"{precision} is not offered here"
        if not self.trials:
            return "nothing is faster than fp32 here"
        if self.precision(bits) != "fp32":
            return f"{self.precision(bits)} is as good and faster"
        return "no reduced precision is both accurate and faster"


def measure(backend: Backend, model: Model, spec: GraphSpec, options: SessionOptions) -> PrecisionChoice:
    """Compare the backend's reduced precisions with fp32 on the trial images, and time those that are accurate."""
    measurement = _PrecisionTrials(backend, model, spec, options)
    try:
        trials = tuple(map(measurement.trial, backend.reduced_precisions(options.device)))
    finally:
        measurement.close()
    for trial in trials:
        _LOG.info("%s: %s", backend.name, _reason(trial, BYTE_BITS))
    return PrecisionChoice(trials=trials)


def choose_precision(
    backend: Backend, model: Model, spec: GraphSpec, options: SessionOptions, *, again: bool = False
) -> PrecisionChoice:
    """Return what `measure` found the first time it was asked on this machine, or now if it is to measure ``again``.

    The answer is kept in the cache folder for each machine, runtime and model; where it cannot be kept, it is measured
    every time.
    """
    if not backend.reduced_precisions(options.device):
        return PrecisionChoice(trials=())
    key = TrialKey.of(backend, model, spec, options.device)
    known = None if again else recall(key, options.cache)
    if known is not None:
        return PrecisionChoice(trials=known)
    choice = measure(backend, model, spec, options)
    if not any(trial.failure for trial in choice.trials):  # the next time, it may work
        remember(key, choice.trials, options.cache)
    return choice


class Precisions:
    """The precisions that an upscaler computes in, found out when first asked for; safe to use from threads."""

    def __init__(
        self,
        wanted: Precision | Literal["auto"],
        backend: Backend,
        model: Model,
        options: SessionOptions,
        *,
        fused: bool = True,
    ) -> None:
        """Take what the user wants.

        Raises:
            BackendUnavailableError: there is no such device.

        """
        if wanted == "auto" and not backend.reduced_precisions(options.device):
            wanted = "fp32"
        self._wanted = wanted
        self._backend = backend
        self._model = model
        self._options = options
        self._fused = fused
        self._choices: dict[Io, PrecisionChoice] = {}
        self._lock = threading.Lock()

    def of(self, io: Io, bits: int) -> tuple[Precision, ...]:
        """Return what to compute images of a type and a depth in; if that overflows, the next, and so on."""
        first: Precision
        if self._wanted != "auto":
            first = self._wanted
        else:
            first = "fp32" if bits > max(_SIGNIFICANT_BITS.values()) else self._chosen(io).precision(bits)
        return ("fp32",) if first == "fp32" else (first, "fp32")

    def _chosen(self, io: Io) -> PrecisionChoice:
        with self._lock:
            if io not in self._choices:
                spec = GraphSpec(fused=self._fused, io=io)
                self._choices[io] = choose_precision(self._backend, self._model, spec, self._options)
            return self._choices[io]


def _accepted(trial: Trial, bits: int) -> bool:
    return _closeness(trial).within(bits) and trial.speedup >= MIN_SPEEDUP


def _closeness(trial: Trial) -> Closeness:
    return Closeness(max_error=trial.max_error, psnr=trial.psnr)


def _reason(trial: Trial, bits: int) -> str:
    if trial.failure:
        return f"{trial.precision} does not work: {trial.failure}"
    closeness, levels = _closeness(trial), 2**bits - 1
    if not math.isfinite(trial.max_error):
        return f"{trial.precision} overflows on {trial.image}"
    if not closeness.within(bits):
        off = f"off by up to {levels * trial.max_error:.2g} levels of {bits} bits ({trial.psnr:.1f} dB)"
        return f"{trial.precision} is {off} from fp32 on {trial.image}; 1 level, {min_psnr(bits):.1f} dB are allowed"
    if trial.speedup < MIN_SPEEDUP:
        return f"{trial.precision} is accurate, but not faster: its speed is {trial.speedup:.2f} times that of fp32"
    return f"{trial.precision} is within 1 level of fp32 on all trial images, and {trial.speedup:.2f} times as fast"


class _PrecisionTrials:
    """The comparison of reduced precisions with fp32."""

    def __init__(self, backend: Backend, model: Model, spec: GraphSpec, options: SessionOptions) -> None:
        self._backend = backend
        self._model = model
        self._options = replace(options, precision="fp32", streams=1, threads=1)
        on_cpu = is_on_cpu(backend.probe(), options.device)
        self._timed_size = _REALISTIC if on_cpu or backend.compiles_slowly else _REALISTIC_ON_CARD
        # On a busy machine the time on the clock says nothing about one thread; it is all there is for a graphics card.
        self._clock = time.process_time if on_cpu else time.perf_counter
        self._spec = replace(spec, size=_REALISTIC) if backend.compiles_slowly else spec
        self._exact: Session | None = None
        self._references: dict[str, npt.NDArray[np.float64]] = {}
        self._seconds = 0.0

    def trial(self, precision: Precision) -> Trial:
        """Compare a precision, and time it if it is accurate enough for bytes."""
        reduced = None
        try:
            if self._exact is None:
                self._exact = self._backend.open(self._model, self._spec, self._options)
            reduced = self._backend.open(self._model, self._spec, replace(self._options, precision=precision))
            return self._compared(self._exact, reduced, Trial(precision=precision, max_error=0.0, psnr=math.inf))
        except BackendError as error:
            return Trial(precision=precision, failure=str(error))
        finally:
            if reduced is not None:
                reduced.close()

    def close(self) -> None:
        """Release the memory of fp32."""
        if self._exact is not None:
            self._exact.close()

    def _compared(self, exact: Session, reduced: Session, worst: Trial) -> Trial:
        """Go through the images until one shows that the precision is of no use for any depth."""
        for name, image in trial_images().items():
            batch = self._batch(image)
            reference = self._reference(exact, name, batch)
            if not np.isfinite(reference).all():  # nothing sensible can be made of this image anyway
                continue
            try:
                found = compare(_clipped(reduced.run(batch)), reference)
            except NonFiniteError:
                found = Closeness(max_error=math.nan, psnr=math.nan)
            if not found.max_error <= worst.max_error or not found.psnr >= worst.psnr:
                worst = replace(worst, max_error=found.max_error, psnr=found.psnr, image=name)
            if not found.within(BYTE_BITS):
                return worst
        return replace(worst, speedup=self._speedup(exact, reduced))

    def _reference(self, exact: Session, name: str, batch: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return what fp32 makes of a trial image, of values in 0..1; NaN where that is not finite."""
        if name not in self._references:
            start = time.perf_counter()
            try:
                self._references[name] = _clipped(exact.run(batch))
            except NonFiniteError:
                self._references[name] = np.full(1, np.nan)
            self._seconds = time.perf_counter() - start
        return self._references[name]

    def _batch(
        self, image: npt.NDArray[np.uint8], size: tuple[int, int] | None = None
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
        """Return [1, h, w, 3] of bytes or [1, 3, h, w] of floats, repeated to a size: by default the network's."""
        width, height = size or self._spec.size or (image.shape[1], image.shape[0])
        image = image[np.arange(height)[:, None] % image.shape[0], np.arange(width) % image.shape[1]]
        if self._spec.io == "uint8":
            return image[None]
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)

    def _speedup(self, exact: Session, reduced: Session) -> float:
        """Return fp32's time divided by that of the reduced precision, at a realistic size, in turns."""
        image = next(reversed(trial_images().values()))
        share = 1.0
        if self._spec.size is None:
            seconds = self._seconds * math.prod(self._timed_size) / math.prod(image.shape[:2])
            share = min(math.sqrt(_LONGEST_RUN / max(seconds, 1e-9)), 1.0)
        width, height = (max(round(side * share), 1) for side in self._timed_size)
        batch = self._batch(image, (width, height))
        rounds: list[list[float]] = []
        begin = time.perf_counter()
        while len(rounds) < _ROUNDS[0] or (len(rounds) < _ROUNDS[1] and time.perf_counter() - begin < _SHORTEST_TIMING):
            try:
                if not rounds:  # memory is taken and kernels are compiled
                    exact.run(batch)
                    reduced.run(batch)
                rounds.append([self._seconds_of(session, batch) for session in (exact, reduced)])
            except OutOfMemoryError:
                return math.nan
        of_exact, of_reduced = np.sum(rounds, axis=0)  # no medians: Windows counts CPU time in steps of 16 ms
        return float(of_exact / max(of_reduced, 1e-9))

    def _seconds_of(self, session: Session, batch: npt.NDArray[Any]) -> float:
        start = self._clock()
        session.run(batch)
        return self._clock() - start


def _clipped(output: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return an output as values of 0..1; what is not a number stays so."""
    values = output.astype(np.float64)
    return values / 255 if output.dtype == np.uint8 else np.where(np.isfinite(values), np.clip(values, 0, 1), np.nan)
