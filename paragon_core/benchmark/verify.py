"""Verification of what runs here: whether it is right, how fast it is, and what "auto" makes of it.

Every backend in every precision upscales an image. The result is compared with that of the network as it was
published, in fp32, by the limits that `precision` has for images of 8 bits. What "auto" takes for such images is
measured again.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from paragon_core.backends import Backend, BackendInfo, Precision, SessionOptions
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.torch import TorchBackend
from paragon_core.benchmark.bench import Clock, time_interleaved
from paragon_core.errors import BackendError, BackendUnavailableError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.precision import BYTE_BITS, Closeness, PrecisionChoice, choose_precision, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from paragon_core.models.model import Model

    Batch = npt.NDArray[np.float32]

Status = Literal["right", "wrong", "too coarse", "fails", "not here"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one backend did in one precision."""

    backend: str
    """Its name."""
    precision: Precision
    """Of the arithmetic."""
    status: Status
    """right: within the limits. wrong: beyond them, although it is fp32 or what "auto" uses. too coarse: beyond them,
    but "auto" does not use it. fails: it does not run, although it should. not here: this machine has no such
    precision."""
    used: bool
    """Whether "auto" uses this precision of the backend for images of 8 bits."""
    why: str
    """The reason for the status, or for its use or not, for people."""
    closeness: Closeness | None = None
    """Against the reference; None if there was no result."""
    seconds: float | None = None
    """Median time of a run."""
    speed: float | None = None
    """As a share of the fastest one's, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found out about a model."""

    reference: str
    """What computed the reference image."""
    size: tuple[int, int]
    """Width and height of the image that was upscaled."""
    clock: Clock
    """What ``seconds`` and ``speed`` come from: CPU time, or the time on the clock where an accelerator takes part."""
    rounds: int
    """Runs that were timed."""
    findings: tuple[Finding, ...]
    """All backends that work here, in all precisions."""
    missing: tuple[BackendInfo, ...]
    """Backends that do not work here, or do not run such networks, and do not claim to."""

    @property
    def ok(self) -> bool:
        """Whether nothing that would be used is wrong."""
        return all(finding.status not in {"wrong", "fails"} for finding in self.findings)


def verify(model: Model, backends: Sequence[Backend], image: Batch, *, rounds: int) -> Verification:
    """Let backends upscale an image in every precision, compare, and time them in turns.

    Args:
        model: the network.
        backends: those to be examined; the ones that do not work here are only listed.
        image: [1, 3, h, w] of 0..1.
        rounds: runs to be timed.

    Raises:
        BackendUnavailableError: nothing here can compute the reference.

    """
    description, right = reference(model, image)
    infos = {backend.name: _examinable(backend, model) for backend in backends}
    findings: list[Finding] = []
    runs: dict[str, Callable[[], Any]] = {}
    with ExitStack() as stack:
        for backend in backends:
            if infos[backend.name].available:
                examined, working = _examine(backend, model, image, right, stack)
                findings += examined
                runs |= working
        timings = time_interleaved(runs, rounds=rounds) if runs else {}
    on_cpu = not any(info.accelerator for info in infos.values())
    # Windows counts CPU time in steps of 16 ms: small images take none.
    clock: Clock = "cpu" if on_cpu and all(min(timing.cpu) > 0 for timing in timings.values()) else "wall"
    fastest = min(timings.values(), key=lambda timing: timing.median(clock), default=None)
    for place, finding in enumerate(findings):
        timing = timings.get(_label(finding.backend, finding.precision))
        if timing and fastest:
            share = min(fastest.ratio_to(timing, clock), 1.0)
            findings[place] = replace(finding, seconds=timing.median(clock), speed=share)
    return Verification(
        reference=description,
        size=(image.shape[3], image.shape[2]),
        clock=clock,
        rounds=rounds,
        findings=tuple(findings),
        missing=tuple(info for info in infos.values() if not info.available),
    )


def reference(model: Model, image: Batch) -> tuple[str, Batch]:
    """Return the output of the network as published, in fp32 on the CPU, and a description of what computed it.

    Raises:
        BackendUnavailableError: neither torch nor ONNX Runtime works here.

    """
    candidates: tuple[tuple[Backend, str], ...] = (
        (TorchBackend(), "the reference network in torch"),
        (OnnxRuntimeBackend(), "the network layer by layer in ONNX Runtime"),
    )
    for backend, words in candidates:
        if backend.probe().available:
            session = backend.open(model, GraphSpec(fused=False), SessionOptions(device="cpu"))
            try:
                return words, session.run(image)
            finally:
                session.close()
    msg = "neither torch nor ONNX Runtime works here, so there is no reference to compare with"
    raise BackendUnavailableError(msg, hint="pip install onnxruntime")


def _examinable(backend: Backend, model: Model) -> BackendInfo:
    """Return what a backend is here, for this model: one that does not run such networks is not available."""
    info = backend.probe()
    obstacle = backend.obstacle(model.spec, fused=True, precision="fp32")
    return replace(info, available=False, reason=obstacle) if info.available and obstacle else info


def _examine(
    backend: Backend, model: Model, image: Batch, right: Batch, stack: ExitStack
) -> tuple[list[Finding], dict[str, Callable[[], Any]]]:
    """Return the findings of a backend and what is to be timed; the sessions stay open until the stack is left."""
    spec, options = GraphSpec(), SessionOptions()
    choice = choose_precision(backend, model, replace(spec, io="uint8"), options, again=True)
    taken = choice.precision(BYTE_BITS)
    if backend.compiles_slowly:
        spec = replace(spec, size=(image.shape[3], image.shape[2]))
    findings: list[Finding] = []
    runs: dict[str, Callable[[], Any]] = {}
    for precision in get_args(Precision):
        finding = Finding(backend=backend.name, precision=precision, status="right", used=taken == precision, why="")
        try:
            session = backend.open(model, spec, replace(options, precision=precision))
            stack.callback(session.close)
            closeness = compare(session.run(image), right)
        except BackendError as error:
            absent = isinstance(error, BackendUnavailableError) and precision != "fp32"
            findings.append(replace(finding, status="not here" if absent else "fails", why=str(error)))
            continue
        findings.append(_judged(replace(finding, closeness=closeness), closeness, choice))
        runs[_label(backend.name, precision)] = partial(session.run, image)
    return findings, runs


def _judged(finding: Finding, closeness: Closeness, choice: PrecisionChoice) -> Finding:
    """Return the finding with its status, and why "auto" uses the precision or does not."""
    why = choice.reason(finding.precision, BYTE_BITS)
    if closeness.within(BYTE_BITS):
        return replace(finding, why=why)
    if finding.used or finding.precision == "fp32":
        return replace(finding, status="wrong", why=f"{closeness} from the reference")
    return replace(finding, status="too coarse", why=why)


def _label(backend: str, precision: str) -> str:
    return f"{backend} {precision}"
