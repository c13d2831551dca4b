"""torch on NVIDIA cards: pixels travel while others are computed, and what is done to them is done on the card.

One stream of the card computes; each lane, of which one serves one caller at a time, has a stream that copies, and
memory on the card and next to it that the card reads and writes by itself. From the third tile of a size on, a lane
starts all of its work as one CUDA graph: launching the layers of a small image one by one takes longer than they take.

Samples go up and come down in their own type. That they are numbers is checked, and they are rounded, clipped and
converted on the card. No card was available to run this; tests/gpu is for those who have one.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch

from paragon_core.backends import staging
from paragon_core.backends.base import ImageInPlace, Piece, PlaneSession
from paragon_core.backends.batches import as_images
from paragon_core.backends.failures import failure, non_finite
from paragon_core.backends.staging import Layout
from paragon_core.errors import BackendUnavailableError, OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.backends.gpu_memory import TorchBuffer, TorchMemory, TorchStream
    from paragon_core.backends.torch_network import Work
    from paragon_core.graph.graph_spec import GraphSpec

NAME: Final = "torch"

#: A lane records its work when it has run this many times for tiles of the same form, the last time on the same thread.
_RUNS_BEFORE_RECORDING: Final = 2

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What decides which work is started for a tile."""

    given: Layout
    result: Layout
    clip: bool


@dataclass(kw_only=True)
class _Buffers:
    """Memory for tiles of a form."""

    form: _Form
    given: TorchBuffer
    result: TorchBuffer
    finite: TorchBuffer
    runs: int = 0
    launch: Callable[[], None] | None = None


@dataclass(kw_only=True)
class _Lane:
    """What one caller at a time uses."""

    stream: TorchStream
    buffers: _Buffers | None = None


class CudaFrames:
    """Runs tiles of images through a network on a card; safe to use from threads."""

    def __init__(
        self,
        work: Work,
        memory: TorchMemory,
        device: torch.device,
        *,
        scale: int,
        lanes: int = 1,
        records: bool = True,
        on_device_time: Callable[[float], None] | None = None,
    ) -> None:
        """Take streams of a card.

        Args:
            work: what the card does for a tile, samples to samples: a network's layers (`on_samples`) or its kernels.
            memory: the card's.
            device: the card.
            scale: factor along both axes.
            lanes: most callers at once; more wait for each other.
            records: whether work may become a CUDA graph: only where the weights stay where they are.
            on_device_time: see `SessionOptions`.

        """
        self._work = work
        self._memory = memory
        self._device = device
        self._scale = scale
        self._records = records
        self._on_device_time = on_device_time
        self._compute: TorchStream = memory.stream()
        self._one_at_a_time = threading.Lock()
        self._lanes: queue.LifoQueue[_Lane] = queue.LifoQueue()  # so that one caller at a time uses one
        for _ in range(lanes):
            self._lanes.put(_Lane(stream=memory.stream()))

    def upscale(self, image: ImageInPlace, piece: Piece) -> None:
        """Upscale a tile of an image into its place; see `PlaneSession.upscale`."""
        lane = self._lanes.get()
        try:
            # What is done about missing memory stands outside the handler of the error: that held the call's tensors.
            if not self._is_computed(lane, image, piece):
                self._release_idle_lanes()
                if not self._is_computed(lane, image, piece):
                    self._memory.trim()  # smaller tiles will need it
                    msg = f"torch ran out of memory on {self._device}"
                    raise OutOfMemoryError(msg, hint="use smaller tiles, or a smaller max_memory")
            self._write(lane, image, piece)
        finally:
            self._lanes.put(lane)

    def _is_computed(self, lane: _Lane, image: ImageInPlace, piece: Piece) -> bool:
        """Compute a tile into a lane's memory; return False if there is not enough.

        Raises:
            InferenceError: something else went wrong.

        """
        try:
            self._run(lane, image, piece)
        except Exception as error:
            found = failure(NAME, error)
            with suppress(Exception):  # a broken context is reported by the next call, too
                lane.stream.wait()
                self._compute.wait()
            lane.buffers = None
            if not isinstance(found, OutOfMemoryError):
                raise found from error
            return False
        return True

    def _release_idle_lanes(self) -> None:
        """Let go of what lanes keep for tiles of their last size: graphs hold memory as large as a run takes."""
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._lanes.get_nowait())
        for lane in idle:
            lane.buffers = None
            self._lanes.put(lane)
        self._memory.trim()

    def _write(self, lane: _Lane, image: ImageInPlace, piece: Piece) -> None:
        buffers = lane.buffers
        if buffers is None or not buffers.finite.array[0]:
            raise non_finite(NAME)
        interleaved = buffers.form.result.interleaved
        staging.write(buffers.result.array, image, piece, scale=self._scale, interleaved=interleaved)

    def _run(self, lane: _Lane, image: ImageInPlace, piece: Piece) -> None:
        width, height = staging.size_of(piece)
        form = _Form(
            given=Layout.of((*image.planes, *image.detail), (width, height)),
            result=Layout.of(image.out, (width * self._scale, height * self._scale)),
            clip=image.clip,
        )
        with self._memory.selected(), torch.inference_mode():
            buffers = lane.buffers
            if buffers is None or buffers.form != form:
                lane.buffers = buffers = None  # free before more is taken
                lane.buffers = buffers = self._buffers(form)
            staging.read(image, piece, buffers.given.array, interleaved=form.given.interleaved)
            lane.stream.upload(buffers.given)
            with self._one_at_a_time:
                self._compute.wait_for(lane.stream)
                took = self._launch(buffers)
                lane.stream.wait_for(self._compute)
            lane.stream.download(buffers.result)
            lane.stream.download(buffers.finite)
            lane.stream.wait()
        if took is not None and self._on_device_time is not None:
            self._on_device_time(took())

    def _buffers(self, form: _Form) -> _Buffers:
        given, result = (self._memory.buffer(layout.shape, layout.dtype) for layout in (form.given, form.result))
        finite = self._memory.buffer((1,), np.dtype(np.uint8))
        return _Buffers(form=form, given=given, result=result, finite=finite)

    def _launch(self, buffers: _Buffers) -> Callable[[], float] | None:
        """Start the work for a tile; return what tells its time, if anybody wants to know."""
        launch = buffers.launch or (lambda: self._compute.run(lambda: self._start(buffers)))
        took = None
        if self._on_device_time is None:
            launch()
        else:
            took = self._compute.timed(launch)
        if buffers.launch is None:
            buffers.runs += 1
            if self._records and buffers.runs >= _RUNS_BEFORE_RECORDING:
                self._record(buffers)
        return took

    def _record(self, buffers: _Buffers) -> None:
        """Make a CUDA graph of the work; where that fails, layers go on being launched one by one."""
        try:
            buffers.launch = self._compute.record(lambda: self._start(buffers))
        except Exception as error:  # noqa: BLE001 - torch raises RuntimeError for nearly everything
            self._records = False
            _LOG.info("torch records no CUDA graph: %s", " ".join(str(error).split()))

    def _start(self, buffers: _Buffers) -> None:
        """Start all that the card does for a tile."""
        form = buffers.form
        image = _planes(buffers.given.device, form.given)
        self._work(image, _planes(buffers.result.device, form.result), buffers.finite.device, clip=form.clip)


def _planes(samples: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return samples as [1, channels, h, w], where they are."""
    return (samples.permute(2, 0, 1) if layout.interleaved else samples)[None]


class CudaSession(PlaneSession):
    """A network in torch on an NVIDIA card."""

    def __init__(self, frames: CudaFrames, spec: GraphSpec, *, scale: int, trim: Callable[[], None]) -> None:
        """Run a network.

        Args:
            frames: what runs it.
            spec: in which form.
            scale: factor along both axes.
            trim: gives memory back that nobody holds.

        """
        self._frames: CudaFrames | None = frames
        self._spec = spec
        self._scale = scale
        self._trim = trim

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`. Floats that are not finite are an error as well."""
        return upscale_batch(self, batch, self._spec, scale=self._scale)

    def upscale(self, image: ImageInPlace, piece: Piece, cancellation: Cancellation | None = None) -> None:
        """Upscale a tile; see `PlaneSession.upscale`. Not cancelled: it takes a moment."""
        del cancellation
        if self._frames is None:
            msg = "the session was closed"
            raise BackendUnavailableError(msg, hint="open a new Upscaler")
        self._frames.upscale(image, piece)

    def close(self) -> None:
        """Drop the weights, the graphs and what torch keeps for later on the card."""
        self._frames = None
        self._trim()


def upscale_batch(session: PlaneSession, batch: npt.NDArray[Any], spec: GraphSpec, *, scale: int) -> npt.NDArray[Any]:
    """Return what `Session.run` does, from a session for images where they are.

    Raises:
        InferenceError: the batch has another type or other axes than the spec says.

    """
    output, images = as_images(batch, spec, scale=scale, name=NAME)
    for image in images:
        height, width = image.planes[0].shape
        session.upscale(image, Piece(left=0, top=0, right=width, bottom=height))
    return output
