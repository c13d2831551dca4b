"""Backends with known faults: ONNX Runtime, and what is added to its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.backends import BackendInfo, Session
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import BackendUnavailableError, InferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from paragon_core.backends import Network, Precision, RunSettings

    Batch = npt.NDArray[Any]
    Fault = Callable[[Batch, Batch], Batch]


class OddSession(Session):
    def __init__(self, session: Session, fault: Fault) -> None:
        self._session = session
        self._fault = fault

    def run(self, batch: Batch) -> Batch:
        return self._fault(batch, self._session.run(batch))

    def close(self) -> None:
        self._session.close()


class Odd(OnnxRuntimeBackend):
    """Does in each precision what ``faults`` says; it has no others."""

    name = "odd"

    def __init__(self, *, fast: Precision | None = None, **faults: Fault) -> None:
        self._fast = fast
        self._faults = faults

    def fast_precision(self, device: str) -> Precision | None:
        del device
        return self._fast

    def open(self, network: Network, settings: RunSettings) -> Any:
        if settings.precision not in self._faults:
            msg = f"no {settings.precision} here"
            raise BackendUnavailableError(msg)
        exact = type(settings)(device="cpu", threads=settings.threads)
        return OddSession(super().open(network, exact), self._faults[settings.precision])


class Absent(Odd):
    """Not installed."""

    name = "absent"

    def probe(self) -> BackendInfo:
        return BackendInfo(name=self.name, available=False, reason="nobody has it", hint="pip install it")


def right(batch: Batch, result: Batch) -> Batch:
    del batch
    return result


def off(batch: Batch, result: Batch) -> Batch:
    """Two levels of eight bits: a picture like that looks right."""
    del batch
    return result + np.float32(2 / 255)


def off_elsewhere(batch: Batch, result: Batch) -> Batch:
    """Right on the test picture of `self_check`, which has 96 pixels a side."""
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
