"""How fast each runtime upscales images, in each precision: the network alone, and from bytes to bytes.

Everything runs in one process and in turns, so that what disturbs one disturbs all; memory is measured in processes of
its own (`footprint`).
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from paragon_core.backends import Backend, Precision, SessionOptions, is_on_cpu
from paragon_core.benchmark import footprint
from paragon_core.benchmark.bench import Timing, time_interleaved
from paragon_core.benchmark.images import as_batch, like_a_photograph
from paragon_core.cores import usable_cores
from paragon_core.errors import BackendError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paragon_core.benchmark.footprint import Footprint
    from paragon_core.benchmark.images import Pixels
    from paragon_core.models.model import Model

Span = Literal["network", "end to end"]

#: Runs of each candidate and image before those that count: one to see whether it works, one in turns.
WARM_UP: Final = 2

#: Why there is no time of a device in most cases.
ON_PROCESSOR: Final = "it runs on the processor"

_ATTENTION_MODES: Final = ("none", "sdpa", "flex")


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """Images that are upscaled one after the other."""

    images: tuple[Pixels, ...]
    """At least one, each [h, w, 3]."""

    @classmethod
    def of_size(cls, width: int, height: int) -> Workload:
        """Return one image of a size."""
        return cls(images=(like_a_photograph(width, height),))

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The different sizes (width, height), the smallest area first."""
        sizes = {(image.shape[1], image.shape[0]) for image in self.images}
        return tuple(sorted(sizes, key=lambda size: (size[0] * size[1], size)))

    @property
    def size(self) -> tuple[int, int] | None:
        """Their size if all have the same."""
        return self.sizes[0] if len(self.sizes) == 1 else None

    @property
    def name(self) -> str:
        """What tables call it."""
        shown = " to ".join(f"{width}x{height}" for width, height in dict.fromkeys((self.sizes[0], self.sizes[-1])))
        return shown if len(self.images) == 1 else f"{len(self.images)} images, {shown}"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is timed."""

    backend: str
    """Name of the runtime."""
    precision: Precision
    """Of the arithmetic."""
    span: Span
    """network: float32 in and out, in one piece, all cores at one image. end to end: `Upscaler`, uint8 in and
    out."""
    attention: str = ""
    """Which of torch's implementations, for the network layer by layer; empty for the fused network."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of a candidate."""

    candidate: Candidate
    """What ran."""
    workload: str
    """On what."""
    timings: tuple[Timing, ...]
    """One for each image."""
    footprint: Footprint | None = None
    """Memory for the largest image, in a process of its own; only end to end."""
    no_device_time: str = ""
    """Why the device's own time is not known; empty where it is."""

    @property
    def wall(self) -> tuple[float, ...]:
        """Seconds on the clock of all runs."""
        return tuple(seconds for timing in self.timings for seconds in timing.wall)

    @property
    def average(self) -> float:
        """Mean seconds on the clock."""
        return statistics.fmean(self.wall)

    @property
    def median(self) -> float:
        """Median seconds on the clock."""
        return statistics.median(self.wall)

    @property
    def p95(self) -> float:
        """Seconds on the clock within which 95 of 100 runs end."""
        return float(np.percentile(self.wall, 95))

    @property
    def spread(self) -> float:
        """Width of the middle half of an image's runs, as a share of their median; the median of the images'."""
        shares = []
        for timing in self.timings:
            low, high = np.percentile(timing.wall, (25, 75))
            shares.append(float(high - low) / timing.wall_median)
        return statistics.median(shares)

    @property
    def fps(self) -> float:
        """Images a second, one after the other."""
        return 1 / self.average

    @property
    def cpu(self) -> float:
        """Median of the CPU seconds over all threads, which other programs disturb least."""
        return statistics.median(seconds for timing in self.timings for seconds in timing.cpu)

    @property
    def device(self) -> float | None:
        """Median of the seconds by the graphics card's own clock, without copies; None if not known."""
        seconds = [seconds for timing in self.timings for seconds in timing.device]
        return statistics.median(seconds) if seconds else None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What could not be measured."""

    candidate: Candidate
    """What should have run."""
    workload: str
    """On what."""
    reason: str
    """Why it did not."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a model comes from, so that other processes can load it, too; see `model.load`."""

    name: str
    """Name or path."""
    upsampler_alpha: float | None = None
    """As given."""
    window_size: int | None = None
    """As given."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """What runs a candidate."""

    once: Callable[[int], object]
    """Upscales the image of a number."""
    device: list[float] = field(default_factory=list)
    """Seconds by the graphics card's own clock, one for each run so far where the runtime knows them."""


def measure(
    model: Model,
    backends: Sequence[Backend],
    precisions: Sequence[Precision],
    workload: Workload,
    *,
    rounds: int,
    device: str = "auto",
) -> tuple[list[Measurement], list[Skipped]]:
    """Time every backend in every precision on the same images, in turns.

    Args:
        model: the network.
        backends: those to be timed; all work here.
        precisions: those to be tried.
        workload: the images.
        rounds: runs of each candidate and image that count.
        device: see `UpscaleOptions`; backends that have none of that name are skipped.

    Returns:
        What was measured, and what could not be.

    """
    skipped: list[Skipped] = []
    runs: dict[Candidate, _Run] = {}
    with ExitStack() as stack:
        for candidate, start in _candidates(model, backends, precisions, workload, device).items():
            try:
                run = start(stack)
                for number in range(len(workload.images)):
                    run.once(number)
            except (BackendError, MemoryError) as error:
                skipped.append(Skipped(candidate=candidate, workload=workload.name, reason=str(error)))
            else:
                runs[candidate] = run
        timings: dict[Candidate, list[Timing]] = {candidate: [] for candidate in runs}
        for number in range(len(workload.images) if runs else 0):
            actions = {str(place): partial(run.once, number) for place, run in enumerate(runs.values())}
            for candidate, timing in zip(runs, time_interleaved(actions, rounds=rounds).values(), strict=True):
                on_device = tuple(runs[candidate].device[-rounds:])
                timings[candidate].append(replace(timing, device=on_device))
    on_cpu = {backend.name: is_on_cpu(backend.probe(), device) for backend in backends}
    found = [
        Measurement(
            candidate=candidate,
            workload=workload.name,
            timings=tuple(each),
            no_device_time="" if each[0].device else _why_untimed(candidate, on_cpu=on_cpu[candidate.backend]),
        )
        for candidate, each in timings.items()
    ]
    return found, skipped


def _why_untimed(candidate: Candidate, *, on_cpu: bool) -> str:
    """Return why the device's own time of a candidate is not known."""
    if on_cpu or candidate.attention:
        return ON_PROCESSOR
    if candidate.span == "end to end":
        return "it is taken of the network alone"
    return f"{candidate.backend} does not tell it on this device"


def with_footprints(
    found: Sequence[Measurement], source: Source, workload: Workload, *, device: str = "auto"
) -> list[Measurement]:
    """Return the measurements with the memory of those that go end to end."""
    return [
        replace(
            each,
            footprint=footprint.measure(
                source.name,
                backend=each.candidate.backend,
                precision=each.candidate.precision,
                size=workload.sizes[-1],
                device=device,
                upsampler_alpha=source.upsampler_alpha,
                window_size=source.window_size,
            ),
        )
        if each.candidate.span == "end to end"
        else each
        for each in found
    ]


def _candidates(
    model: Model, backends: Sequence[Backend], precisions: Sequence[Precision], workload: Workload, device: str
) -> dict[Candidate, Callable[[ExitStack], _Run]]:
    """Return how to start each candidate; the stack ends it."""
    candidates: dict[Candidate, Callable[[ExitStack], _Run]] = {}
    for backend in backends:
        for precision in precisions:
            network = Candidate(backend=backend.name, precision=precision, span="network")
            candidates[network] = partial(_network, model, backend, precision, workload, device=device)
            end_to_end = replace(network, span="end to end")
            candidates[end_to_end] = partial(_end_to_end, model, backend, precision, workload, device=device)
        if backend.name == "torch" and model.spec.attention and "fp32" in precisions:
            for mode in _ATTENTION_MODES:
                plain = Candidate(backend=backend.name, precision="fp32", span="network", attention=mode)
                candidates[plain] = partial(_attention, model, mode, workload)
    return candidates


def _network(
    model: Model, backend: Backend, precision: Precision, workload: Workload, stack: ExitStack, *, device: str
) -> _Run:
    seconds: list[float] = []
    options = SessionOptions(precision=precision, threads=usable_cores(), device=device, on_device_time=seconds.append)
    session = backend.open(model, GraphSpec(size=workload.size), options)
    stack.callback(session.close)
    batches = [as_batch(image) for image in workload.images]
    for width, height in workload.sizes:
        session.prepare((width, height))

    def once(number: int) -> None:
        with session.lend(batches[number]):
            pass

    return _Run(once=once, device=seconds)


def _end_to_end(
    model: Model, backend: Backend, precision: Precision, workload: Workload, stack: ExitStack, *, device: str
) -> _Run:
    options = UpscaleOptions(backend=backend, precision=precision, device=device)
    upscaler = stack.enter_context(Upscaler(model, options))
    return _Run(once=lambda number: upscaler(workload.images[number]))


def _attention(model: Model, mode: Any, workload: Workload, stack: ExitStack) -> _Run:  # noqa: ANN401 - torch's literal
    del stack
    from paragon_core.network.modes import network_in_mode  # noqa: PLC0415 - needs torch

    run = network_in_mode(model, mode, threads=usable_cores())
    batches = [as_batch(image) for image in workload.images]
    return _Run(once=lambda number: run(batches[number]))
