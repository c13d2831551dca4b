"""The native kernel: the fastest on processors, and exact, for networks without attention."""

from __future__ import annotations

import ctypes
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.backends.base import Backend, BackendInfo, ImageInPlace, InPlaceSession, Piece, Precision
from paragon_core.backends.batches import as_images
from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.failures import non_finite, refuse_obstacle
from paragon_core.errors import BackendUnavailableError, InferenceError, OutOfMemoryError
from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.native import interface, kernel, library, packing
from paragon_core.native.interface import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends.base import SessionOptions
    from paragon_core.graph.fused_weights import FusedWeights
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model
    from paragon_core.models.spec import ModelSpec
    from paragon_core.native.kernel import Kernel
    from paragon_core.native.library import NativeLibrary

Array = npt.NDArray[Any]

NAME: Final = "native"


class NativeSession(InPlaceSession):
    """A network in the kernel: one for each type of images, made when the first image of it comes."""

    def __init__(self, found: NativeLibrary, fused: FusedWeights, spec: GraphSpec, threads: int) -> None:
        self._library = found
        self._fused: FusedWeights | None = fused
        self._spec = spec
        self._threads = threads
        self._scale = fused.spec.scale
        self._kernels: dict[int, Kernel] = {}
        self._lock = threading.Lock()

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        return self._run(batch, Cancellation())

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch; see `Session.lend`."""
        yield self._run(batch, cancellation or Cancellation())

    def _run(self, batch: npt.NDArray[Any], cancellation: Cancellation) -> npt.NDArray[Any]:
        output, images = as_images(batch, self._spec, scale=self._scale, name=NAME)
        for image in images:
            height, width = image.planes[0].shape
            cuts = np.linspace(0, height, min(self._threads, height) + 1, dtype=int).tolist()
            strips = [Piece(left=0, right=width, top=cut, bottom=end) for cut, end in itertools.pairwise(cuts)]
            if len(strips) == 1:
                self.upscale(image, strips[0], cancellation)
                continue
            with ThreadPoolExecutor(len(strips)) as threads:
                list(threads.map(lambda strip, image=image: self.upscale(image, strip, cancellation), strips))
        return output

    def working_memory(self, piece: tuple[int, int], *, separate_detail: bool) -> int:
        """Return the bytes that a piece takes; see `InPlaceSession.working_memory`."""
        return self._kernel(np.dtype(self._spec.io)).working_memory(*piece, separate_detail=separate_detail)

    def upscale(self, image: ImageInPlace, piece: Piece, cancellation: Cancellation | None = None) -> None:
        """Upscale a piece; see `InPlaceSession.upscale`.

        What the kernel does not write as it is, float16 or samples that are not next to each other, goes through an
        array of the piece's size.
        """
        planes, detail = (
            tuple(plane if kernel.reads(plane) else plane.copy() for plane in group)
            for group in (image.planes, image.detail)
        )
        rows, columns = (
            slice(start * self._scale, end * self._scale)
            for start, end in ((piece.top, piece.bottom), (piece.left, piece.right))
        )
        dtype = planes[0].dtype
        if straight := image.out[0].dtype == dtype and kernel.writes(image.out):
            apart: tuple[Array, ...] = ()
            out = [kernel.plane(plane) for plane in image.out]
        else:
            shape = rows.stop - rows.start, columns.stop - columns.start
            apart = tuple(np.empty((len(planes), *shape), dtype))
            out = [kernel.plane(plane, row=-rows.start, column=-columns.start) for plane in apart]
        described = kernel.image(
            planes, out, detail, columns=image.columns, rows=image.rows, margin=image.margin, clip=image.clip
        )
        cancelled = ctypes.c_int32(0)
        with (cancellation or Cancellation()).ending(lambda: setattr(cancelled, "value", 1)):
            status = self._kernel(dtype).upscale(
                described, interface.ParagonPiece(piece.left, piece.top, piece.right, piece.bottom), cancelled
            )
        _raise_unless_done(status)
        if not straight:
            for values, plane in zip(apart, image.out, strict=True):
                target = plane[rows, columns]
                if target.dtype.kind == "f":
                    largest = np.finfo(target.dtype).max
                    np.clip(values, -largest, largest, out=target, casting="same_kind")
                else:
                    target[...] = values

    def close(self) -> None:
        """Let go of the network; its memory is given back when the last call under way has ended."""
        with self._lock:
            self._fused = None
            self._kernels.clear()

    def _kernel(self, dtype: np.dtype[Any]) -> Kernel:
        peak = kernel.peak_of(dtype)
        with self._lock:
            if self._fused is None:
                raise BackendUnavailableError("the session was closed", hint="open a new Upscaler")
            if peak not in self._kernels:
                self._kernels[peak] = kernel.Kernel(self._library, packing.pack(self._fused, peak))
            return self._kernels[peak]


class NativeBackend(Backend):
    """Runs fused networks without attention in the native kernel."""

    name = NAME
    runs_on_cpu = True
    stores_attention = False
    compiles_slowly = False
    largest_tile = None
    in_place = True
    tile_multiple = 2

    def obstacle(self, spec: ModelSpec, *, fused: bool, precision: Precision | Literal["auto"]) -> str:
        """Return why it does not run a network; see `Backend.obstacle`."""
        if not packing.runs(spec):
            return f"the native kernel runs realtime and stream networks, not {spec.variant}"
        if not fused:
            return "the native kernel runs networks in their fused form only, not layer by layer"
        if precision not in {"fp32", "auto"}:
            return f"the native kernel does not compute in {precision}, only in fp32"
        return ""

    def may_accelerate(self) -> bool:
        """Return False: it is for processors."""
        return False

    def probe(self) -> BackendInfo:
        """Find out whether the kernel was built and runs on this processor."""
        try:
            found = library.load()
        except BackendUnavailableError as error:
            return BackendInfo(name=NAME, available=False, reason=str(error), hint=error.hint)
        version = f"{interface.VERSION}+{found.instructions}"
        return BackendInfo(name=NAME, available=True, reason=f"CPU, {found.instructions}", version=version)

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        """Return none: it is exact.

        Tried on a matrix unit (AMX): numbers as sums of two bfloat16 are off by 6e-6 and not faster than fp32, single
        bfloat16 numbers are off by five levels on hard images.
        """
        _check_device(device)
        return ()

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> NativeSession:
        """Build a session; see `Backend.open`."""
        _check_device(options.device)
        refuse_obstacle(self, model.spec, fused=spec.fused, precision=options.precision)
        found = library.load()
        fused = fuse_arrays(model.spec, for_grey(model.arrays) if spec.grey else model.arrays)
        return NativeSession(found, fused, spec, options.threads)


def _check_device(device: str) -> None:
    if device not in {"auto", "cpu"}:
        raise BackendUnavailableError(
            f"the native kernel runs on the CPU only, not on {device!r}", hint="use device cpu, or another backend"
        )


def _raise_unless_done(status: Status) -> None:
    if status is Status.DONE:
        return
    if status is Status.NOT_FINITE:
        raise non_finite(NAME)
    if status is Status.OUT_OF_MEMORY:
        raise OutOfMemoryError("native ran out of memory", hint="use smaller tiles, or a smaller max_memory")
    if status is Status.CANCELLED:
        raise InferenceError("native was cancelled", hint="somebody else ended this work")
    raise InferenceError("native failed: the kernel refused the image", hint="use another backend; please report this")
