"""Backends with known faults: ONNX Runtime, and what is added to its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.backends import BackendInfo, Session
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import BackendUnavailableError, InferenceError, NonFiniteError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from paragon_core.backends import Precision, SessionOptions
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

    Batch = npt.NDArray[Any]
    Fault = Callable[[Batch, Batch], Batch]


class OddSession(Session):
    def __init__(self, session: Session, fault: Fault, *, runs: int) -> None:
        self._session = session
        self._fault = fault
        self._runs = runs

    def run(self, batch: Batch) -> Batch:
        for _ in range(self._runs):
            result = self._session.run(batch)
        if batch.dtype != np.uint8:
            return self._fault(batch, result)
        levels = 255 * self._fault(_floats(batch), _floats(result))
        if not np.isfinite(levels).all():
            msg = "odd computed values that are not numbers"
            raise NonFiniteError(msg)
        return np.asarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))

    def close(self) -> None:
        self._session.close()


class Odd(OnnxRuntimeBackend):
    """Does in each precision what ``faults`` says; it has no others."""

    name = "odd"

    def __init__(self, *, fast: Precision | None = None, **faults: Fault) -> None:
        self._fast = fast
        self._faults = faults

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        del device
        return (self._fast,) if self._fast else ()

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
        if options.precision not in self._faults:
            msg = f"no {options.precision} here"
            raise BackendUnavailableError(msg)
        exact = type(options)(device="cpu", threads=options.threads)
        runs = 3 if self._fast and options.precision == "fp32" else 1  # so that reduced precisions are the faster ones
        return OddSession(super().open(model, spec, exact), self._faults[options.precision], runs=runs)


class Absent(Odd):
    """Not installed."""

    name = "absent"

    def probe(self) -> BackendInfo:
        return BackendInfo(name=self.name, available=False, reason="nobody has it", hint="pip install it")


def _floats(batch: Batch) -> Batch:
    """Return bytes [1, h, w, c] as floats [1, c, h, w] of 0..1."""
    return batch.transpose(0, 3, 1, 2) / np.float32(255)


def right(batch: Batch, result: Batch) -> Batch:
    del batch
    return result


def off(batch: Batch, result: Batch) -> Batch:
    """Two levels of eight bits: an image like that looks right."""
    del batch
    return result + np.float32(2 / 255)


def off_elsewhere(batch: Batch, result: Batch) -> Batch:
    """Right on the trial images, which have 96 pixels a side."""
    return result if batch.shape[2:] == (96, 96) else off(batch, result)


def not_numbers(batch: Batch, result: Batch) -> Batch:
    del batch
    return np.full_like(result, np.nan)


def cut(batch: Batch, result: Batch) -> Batch:
    del batch
    return result[:, :, :-1]


def failing(batch: Batch, result: Batch) -> Batch:
    msg = f"no kernel for {batch.shape}, {result.shape}"
    raise InferenceError(msg)
