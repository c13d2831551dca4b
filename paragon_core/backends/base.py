"""The seam between Paragon and the runtimes: everything a runtime must do, and nothing else.

A backend answers two questions: what works here (`Backend.probe`), and how to run a network (`Backend.open`). Tiling,
streams, fallback and numerics sit above this seam and are the same for all.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from paragon_core.engines import BuildProgress, ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

Precision = Literal["fp32", "fp16", "bf16"]


@dataclass(frozen=True, kw_only=True)
class BackendInfo:
    """What `Backend.probe` found."""

    name: str
    """Name as the ``backend`` argument takes it."""
    available: bool
    """Whether networks can be run with it here and now."""
    reason: str = ""
    """Why not, or on which device it would run."""
    hint: str = ""
    """What to do to make it work: the pip line."""
    version: str = ""
    """Version of the runtime, empty where it is not installed."""
    accelerator: str = ""
    """The device beyond the CPU that it would use ("cuda", "mps"), empty if none."""
    streams: int = 1
    """How many calls at once keep that device busy."""


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How a session computes; `session_pool.session_options` derives it from what a user asks for."""

    precision: Precision = "fp32"
    """Arithmetic of the intermediate values."""
    streams: int = 1
    """Number of calls of `Session.run` that may be under way at once."""
    threads: int = 1
    """Threads of each of them on a CPU. One is best where there is a tile for every core."""
    device: str = "auto"
    """The backend's own name of a device ("cpu", "cuda", "cuda:1", "mps"), or auto."""
    cache: Path | None = None
    """The folder of the engine cache; None for the one that `engines.cache_folder` returns."""
    on_build_progress: BuildProgress = ignore_progress
    """Called with the share of a build that is done, and its current step; what it raises ends the build."""


class Session(Protocol):
    """A network that is ready to run."""

    def prepare(self, size: tuple[int, int]) -> None:
        """Get ready for batches of this width and height, one image each, if that takes long; else do nothing.

        Raises:
            EngineError: no engine can be had for it.

        """
        del size

    def has(self, size: tuple[int, int]) -> bool:
        """Whether something was made in advance for images of this width and height."""
        del size
        return False

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the network's output for a batch, in the layout that the `GraphSpec` asked for.

        May be called from as many threads at once as there are streams. The result is the caller's own.

        Raises:
            OutOfMemoryError: the batch needs more memory than there is.
            NonFiniteError: bytes were asked for, and the values before rounding are not all finite.
            InferenceError: anything else that went wrong in the runtime.

        """
        ...

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run a batch and lend the output until the block ends: as `run`, for callers that copy it anyway.

        Where the runtime can end a run between two layers it does so, with any error, once the ``cancellation`` asks
        for it: on a CPU, photographs take minutes with the larger networks.
        """
        del cancellation
        yield self.run(batch)

    def close(self) -> None:
        """Release the runtime's memory; the session cannot run afterwards."""
        ...


class Backend(Protocol):
    """One runtime."""

    @property
    def name(self) -> str:
        """Name as the ``backend`` argument takes it."""
        ...

    @property
    def runs_on_cpu(self) -> bool:
        """Whether the device "cpu" is one of its devices."""
        ...

    @property
    def stores_attention(self) -> bool:
        """Whether the weights of an attention are held in memory as a whole."""
        ...

    @property
    def compiles_slowly(self) -> bool:
        """Whether a session for one size takes seconds, so that only a video or very many images pay for it."""
        ...

    @property
    def largest_tile(self) -> tuple[int, int] | None:
        """Width and height up to which one session serves all sizes; larger images are better cut. None: no limit."""
        ...

    def may_accelerate(self) -> bool:
        """Whether it could use more than the CPU here, found out without loading the runtime."""
        ...

    def probe(self) -> BackendInfo:
        """Find out whether the runtime works here; never raises."""
        ...

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return the precisions below fp32 that may be faster on this device; `precision` finds out whether they are.

        Raises:
            BackendUnavailableError: there is no such device.

        """
        ...

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Session:
        """Build a session that computes a model's graph in the form that the spec says, with float32 or uint8 data.

        Raises:
            BackendUnavailableError: the runtime, the device or the precision does not work here.
            InferenceError: the runtime refused the graph.

        """
        ...
