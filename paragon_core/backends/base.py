"""The seam between Paragon and the runtimes: everything a runtime must do, and nothing else.

A backend answers two questions: what works here (`Backend.probe`), and how to run a network (`Backend.open`). Tiling,
streams, fallback and numerics sit above this seam and are the same for all.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from paragon_core.engines import BuildProgress, ignore_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model
    from paragon_core.models.spec import ModelSpec

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
    on_device_time: Callable[[float], None] | None = None
    """Called after each tile with the seconds from the start of its first computation on a graphics card to the end of
    its last, by the card's own clock: copies are not in it. Runtimes that do not know that never call it."""


def is_on_cpu(info: BackendInfo, device: str) -> bool:
    """Return whether a backend computes on the processor for what a user calls the device."""
    return device == "cpu" or (device == "auto" and not info.accelerator)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageInPlace:
    """An image where it is, and the place for its result, for a `PlaneSession`."""

    planes: tuple[npt.NDArray[Any], ...]
    """1 or 3 planes [h, w] of uint8, uint16 or float32 (of 0..1), of any strides."""
    out: tuple[npt.NDArray[Any], ...]
    """As many planes [sh, sw] of the same type, or of float16 instead of float32, of any strides."""
    detail: tuple[npt.NDArray[Any], ...] = ()
    """Planes like ``planes`` that the detail path sees instead of them, if there are any."""
    columns: npt.NDArray[np.int32]
    """Which column of the image stands at each place of the continued image: w + 2 margin numbers."""
    rows: npt.NDArray[np.int32]
    """The same for rows: h + 2 margin numbers."""
    margin: int = 0
    """Pixels by which the image is continued on each side; zeros follow."""
    clip: bool
    """Whether floats are clipped to 0..1; integers always are."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A rectangle of an image, in low-resolution pixels."""

    left: int
    """First column."""
    top: int
    """First row."""
    right: int
    """One past the last column."""
    bottom: int
    """One past the last row."""
    halo: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Pixels around it that a tile carries on the left, at the top, on the right and at the bottom; they may lie in the
    margin of the image."""


@runtime_checkable
class PlaneSession(Session, Protocol):
    """A session that reads images where they are, writes results where they belong, and takes any size."""

    def upscale(self, image: ImageInPlace, piece: Piece, cancellation: Cancellation | None = None) -> None:
        """Upscale a piece of an image into its place; `Session.run` says what may be raised, `lend` how it ends.

        Its halo is what the network sees around it; values that are not finite are an error also where they are floats.
        """
        ...


@runtime_checkable
class InPlaceSession(PlaneSession, Protocol):
    """One that sees to what lies around a piece itself: it needs no halo, the pixels are those of the whole image."""

    def working_memory(self, piece: tuple[int, int], *, separate_detail: bool) -> int:
        """Return the bytes that `upscale` takes for a piece of a width and height, besides images."""
        ...


class Backend(Protocol):
    """One runtime; subclasses say only in what they differ from the others."""

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

    @property
    def in_place(self) -> bool:
        """Whether its sessions are `InPlaceSession`s; not, unless said otherwise."""
        return False

    @property
    def takes_all_sizes(self) -> bool:
        """Whether one session is as fast for all sizes as one for each; unless said so, that is ``in_place``."""
        return self.in_place

    @property
    def tile_multiple(self) -> int:
        """Tiles that begin at multiples of it are the same in every bit as the whole image; 1, unless said otherwise.

        More than 1 where neighbouring rows are computed together.
        """
        return 1

    @property
    def named_devices(self) -> tuple[str, ...]:
        """Devices that are taken by name only, not by "auto": no speed was measured. None, unless said otherwise."""
        return ()

    def obstacle(self, spec: ModelSpec, *, fused: bool, precision: Precision | Literal["auto"]) -> str:
        """Return why it runs no such networks in this form and precision, wherever it is; empty if it does."""
        del spec, fused, precision
        return ""

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

    def free_memory(self, device: str) -> int | None:
        """Return the bytes that are free on a device with memory of its own; None where it is the machine's.

        There, one run is made at a time, of a whole image if that fits: no cache of a processor makes small tiles fast.
        """
        del device
        return None

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Session:
        """Build a session that computes a model's graph in the form that the spec says, with float32 or uint8 data.

        Raises:
            BackendUnavailableError: the runtime, the device or the precision does not work here.
            InferenceError: the runtime refused the graph.

        """
        ...
