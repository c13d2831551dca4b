"""ONNX Runtime behind the seam, watched, and with less memory than there is if need be."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from paragon_core.backends import Session
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import OutOfMemoryError

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.backends import SessionOptions
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

    Pixels = npt.NDArray[Any]


class Watched(OnnxRuntimeBackend):
    """What `open` and `run` saw."""

    def __init__(self, largest_area: float = float("inf"), error: type[MemoryError] = OutOfMemoryError) -> None:
        self.largest_area = largest_area
        self.error = error
        self.opened: list[GraphSpec] = []
        self.alive: weakref.WeakSet[WatchedSession] = weakref.WeakSet()
        self.areas: list[int] = []
        self.alive_at_opening: list[int] = []
        self.delay = 0.0

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
        self.opened.append(spec)
        self.alive_at_opening.append(len(self.alive))
        session = WatchedSession(self, super().open(model, spec, options), as_bytes=spec.io == "uint8")
        self.alive.add(session)
        return session


class WatchedSession(Session):
    def __init__(self, backend: Watched, session: Any, *, as_bytes: bool) -> None:
        self.backend = backend
        self.session = session
        self.axes = (1, 2) if as_bytes else (2, 3)

    def run(self, batch: Pixels) -> Pixels:
        area = batch.shape[self.axes[0]] * batch.shape[self.axes[1]]
        self.backend.areas.append(area)
        time.sleep(self.backend.delay)
        if area > self.backend.largest_area:
            msg = "the session ran out of memory"
            raise self.backend.error(msg)
        return np.asarray(self.session.run(batch))

    def close(self) -> None:
        self.session.close()
