"""The seam between engines and what builds and runs them: TensorRT, or the stand-in that tests use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from paragon_core.backends.base import BackendInfo, Precision, SessionOptions
    from paragon_core.backends.tensorrt_build import GraphToBuild
    from paragon_core.engines import BuildProgress, EngineKey, Flavour, Profile, Target


@dataclass(frozen=True, kw_only=True)
class EngineDevice:
    """Where engines are built and run."""

    index: int
    """Number of the GPU."""
    capability: str
    """What it can do, such as "sm_86"."""
    flavour: Flavour
    """Which TensorRT."""
    target: Target
    """For which GPUs engines are built for it."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the manifests of engines."""


class Executor(Protocol):
    """An engine that is loaded."""

    def lend(self, batch: npt.NDArray[Any]) -> AbstractContextManager[npt.NDArray[Any]]:
        """Run a batch of a size that the profile covers, and lend the output until the block ends.

        Raises:
            OutOfMemoryError: the device is full.
            InferenceError: anything else that went wrong.

        """
        ...

    def close(self) -> None:
        """Release its memory."""
        ...


class Runtime(Protocol):
    """Who builds and runs engines."""

    @property
    def name(self) -> str:
        """Name of the backend that it makes."""
        ...

    def may_accelerate(self) -> bool:
        """Whether it could work here, found out without loading it."""
        ...

    def probe(self) -> BackendInfo:
        """Find out whether it works here; never raises."""
        ...

    @property
    def reduced_precisions(self) -> tuple[Precision, ...]:
        """The precisions below fp32 that may be faster."""
        ...

    def device(self, name: str) -> EngineDevice:
        """Return the device of a name ("auto", "cuda", "cuda:1").

        Raises:
            BackendUnavailableError: there is none.

        """
        ...

    def key(
        self, model: str, graph: GraphToBuild, precision: Literal["fp32", "fp16"], device: EngineDevice
    ) -> EngineKey:
        """Return the key of the engines of a graph."""
        ...

    def build(self, graph: GraphToBuild, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        """Build an engine with what the key says of target and options.

        Raises:
            EngineBuildError: the compiler refused it.

        """
        ...

    def load(
        self, data: bytes, graph: GraphToBuild, profile: Profile, device: EngineDevice, options: SessionOptions
    ) -> Executor:
        """Load an engine that runs as many batches at once as the options have streams.

        Raises:
            EngineRefusedError: the runtime does not take it.
            OutOfMemoryError: the device is full.

        """
        ...
