"""Pictures in, larger pictures out."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import psutil

from paragon_core import memory, planes, tiling
from paragon_core.backends import Network, Precision, RunSettings, Session, choose
from paragon_core.errors import BackendUnavailableError, InferenceError, InputError, OutOfMemoryError
from paragon_core.model import Model, load
from paragon_core.self_check import trusted_precision

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Image = npt.NDArray[Any]
Progress = Callable[[int, int], None]
TileSize = Literal["auto", "off"] | int | tuple[int, int]

#: Halo of windows where attention or a global mean leaves no exact one, in low-resolution pixels.
INEXACT_HALO: Final = 32

#: Tiles that cost less than this share in overlap are large enough: (w / (w - 2 halo))^2 <= 1.05 at w = 84 halos.
_LARGE_ENOUGH: Final = 84

#: A session for one size is faster than one for any size, and worth compiling after so many pixels of that size.
_PIXELS_WORTH_COMPILING: Final = 2**22
_SESSIONS_KEPT: Final = 6

#: Seconds between two calls of ``progress``, and before an interrupt is noticed.
_PATIENCE: Final = 0.2

_LOG = logging.getLogger(__name__)


class Upscaler:
    """Enlarges pictures with one model in one runtime.

    Use it as a context manager, or call `close`. Calls may come from several threads.
    """

    def __init__(
        self,
        model: Model | str | Path,
        *,
        backend: str = "auto",
        precision: Precision | Literal["auto"] = "auto",
        tile: TileSize = "auto",
        fused: bool = True,
        clip: bool = True,
        max_memory: int | None = None,
        streams: int | None = None,
        device: str = "auto",
    ) -> None:
        """Choose a runtime and check that it works; sessions are built when the first picture comes.

        Args:
            model: a loaded model, the name of a boxed one, or the path of a checkpoint.
            backend: a name from `paragon_core.backends`, or "auto" for the fastest that works here.
            precision: "fp32", "fp16" or "bf16"; "auto" is fp32 unless the backend's fast precision reproduces it on a
                test picture (`self_check`).
            tile: "auto" (windows chosen for speed and memory), "off" (always the whole picture), or the size of a
                window in low-resolution pixels, halo included: a number or (width, height). For networks with a
                receptive radius (realtime, stream) the pixels are the same in every case. Photo with attention and pro
                see the whole picture: for them "auto" tiles only what exceeds ``max_memory``, with other pixels (6
                levels of 255 at most, 0.04 on average, for the official photo network on a picture of Set14).
            fused: run the fused form; False runs the network layer by layer as upstream does.
            clip: clip results to 0..1; False returns float pictures as the network makes them.
            max_memory: bytes that the runtime may take for its work, roughly; by default half of what is free, and
                at most 2 GiB for networks with a receptive radius.
            streams: windows computed at once; by default as many as there are physical cores, with one thread each, but
                1 on a graphics card, and 1 with all cores for networks that want the whole picture in one window.
            device: the backend's name of a device, for example "cpu", "cuda:1"; or "auto".

        Raises:
            InputError: an option is out of range.
            CheckpointError: the model cannot be loaded.
            BackendUnavailableError: the backend, device or precision does not work here.

        """
        self.model = model if isinstance(model, Model) else load(model)
        self._backend = choose(backend, device)
        self._tile = _checked_tile(tile)
        self._fused = fused
        self._clip = clip
        self._max_memory = memory.default_limit(self.model.spec) if max_memory is None else max_memory
        on_cpu = device == "cpu" or not self._backend.probe().accelerator
        cores = _usable_cores() if on_cpu else 1
        whole = self.model.spec.receptive_radius is None
        self._streams = (1 if whole else cores) if streams is None else streams
        if self._streams < 1 or self._max_memory < 1:
            msg = f"streams ({streams}) and max_memory ({max_memory}) must be positive"
            raise InputError(msg, hint="leave them out for sensible values")
        if precision not in {"auto", *get_args(Precision)}:
            msg = f"there is no precision {precision!r}"
            raise InputError(msg, hint=f"choose one of auto, {', '.join(get_args(Precision))}")
        network = Network(model=self.model, fused=fused)
        chosen = trusted_precision(self._backend, network, device) if precision == "auto" else precision
        threads = max(cores // self._streams, 1) if whole else 1
        self._settings = RunSettings(precision=chosen, streams=self._streams, threads=threads, device=device)
        self._sessions: dict[Network, Session] = {}
        self._pixels_of_size: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._pool = ThreadPoolExecutor(self._streams, thread_name_prefix="paragon")
        if precision != "auto":
            self._session(network)  # so that a precision that does not work is refused now

    @property
    def backend(self) -> str:
        """Name of the runtime in use."""
        return self._backend.name

    @property
    def precision(self) -> Precision:
        """Precision in use."""
        return self._settings.precision

    @property
    def scale(self) -> int:
        """Enlargement along both axes."""
        return self.model.spec.scale

    def __enter__(self) -> Self:
        """Return the upscaler itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release threads and the runtime's memory once the calls under way have ended; safe to call twice."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)  # not cancel_futures: nobody would tell the calls that wait for those futures
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def __call__(self, image: Image, *, progress: Progress | None = None) -> Image:
        """Return a picture enlarged, with the data type and the channels of the input.

        Args:
            image: [h, w] or [h, w, 1] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB, [h, w, 4] RGB and alpha; uint8,
                uint16, or float16 and float32 of 0..1. Grey goes through the network as equal R, G and B, and the mean
                of the result is returned. Alpha goes through it as a plane of its own, continued beyond the picture's
                edge so that opaque pictures stay opaque, and is always clipped.
            progress: called with (windows done, windows in all) from the calling thread, those of alpha included; an
                exception that it raises ends the work and reaches the caller.

        Raises:
            InputError: the picture is not of such a kind.
            BackendUnavailableError: the upscaler was closed.
            OutOfMemoryError: it does not fit, even in small windows.
            InferenceError: the runtime failed, or made values that are not numbers.

        """
        try:
            return self._upscale(image, progress)
        except OutOfMemoryError:
            raise
        except MemoryError as error:  # numpy's, for what stands outside the runtime
            msg = f"there is not enough memory to enlarge a picture of shape {image.shape} by {self.scale}"
            raise OutOfMemoryError(msg, hint="close other programs, or cut the picture into parts") from error

    def _upscale(self, image: Image, progress: Progress | None) -> Image:
        parts = planes.split(image)
        if parts.alpha is None:
            return self._enlarge(parts.colour, progress, clip=self._clip).reshape(_enlarged_shape(image, self.scale))
        colour = planes.fill_transparent(parts.colour, parts.alpha)
        channels = colour.shape[2]
        result = np.empty(_enlarged_shape(image, self.scale), dtype=image.dtype)
        even = planes.even_places(parts.alpha)
        padded = self._continued(parts.alpha)
        works = [self._steps(colour), 0 if even.all() else self._steps(padded)]
        result[:, :, :channels] = self._enlarge(colour, _part(progress, 0, works[1]), clip=self._clip)
        alpha = parts.alpha.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        if not even.all():
            edge = self._halo * self.scale
            drawn = self._enlarge(padded, _part(progress, works[0], 0), clip=True)[edge:-edge, edge:-edge]
            uneven = ~even.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            alpha[uneven] = drawn[uneven]
        result[:, :, channels:] = alpha
        return result

    def _continued(self, plane: Image) -> Image:
        """Continue a plane beyond its edge, so that the network's own zeros there stay out of sight."""
        return np.pad(plane, ((self._halo, self._halo), (self._halo, self._halo), (0, 0)), mode="edge")

    def _steps(self, plane: Image) -> int:
        height, width, _ = plane.shape
        return len(self._plan(width, height, self._window(width, height)))

    @property
    def _halo(self) -> int:
        radius = self.model.spec.receptive_radius
        return INEXACT_HALO if radius is None else radius

    def _enlarge(self, plane: Image, progress: Progress | None, *, clip: bool) -> Image:
        """Enlarge [h, w, 1 or 3], in smaller windows as long as memory runs out."""
        height, width, _ = plane.shape
        window = self._window(width, height)
        if self._tile == "auto" and self.model.spec.receptive_radius is None and window != (width, height):
            _LOG.warning(
                "%dx%d pixels need more than max_memory in one go; tiles of %s differ a little from the whole picture",
                *(width, height, self.model.spec.variant),
            )
        while True:
            plan = self._plan(width, height, window)
            try:
                return self._run(plane, plan, progress, clip=clip)
            except MemoryError:  # the runtime's, or numpy's around it
                smaller = (max(plan.window[0] // 2, 4 * self._halo), max(plan.window[1] // 2, 4 * self._halo))
                if self._tile == "off" or smaller == window or len(self._plan(width, height, smaller)) <= len(plan):
                    raise
                _LOG.warning("out of memory with windows of %dx%d, trying %dx%d", *plan.window, *smaller)
                window = smaller
            with self._lock:
                self._sessions.clear()  # runtimes hold on to what they had before they failed

    def _plan(self, width: int, height: int, window: tuple[int, int]) -> tiling.TilePlan:
        multiple = self.model.spec.size_multiple
        return tiling.TilePlan(
            rows=tiling.cover(height, window[1], halo=self._halo, multiple=multiple),
            columns=tiling.cover(width, window[0], halo=self._halo, multiple=multiple),
        )

    def _window(self, width: int, height: int) -> tuple[int, int]:
        if self._tile == "off":
            return width, height
        if isinstance(self._tile, tuple):
            return self._tile
        spec = self.model.spec
        appetite = memory.bytes_per_pixel(spec, stores_attention=self._backend.stores_attention)
        allowed = max(self._max_memory // (self._streams * appetite), 1)
        if spec.receptive_radius is None and width * height <= allowed:
            return width, height
        return tiling.choose_window(
            (width, height),
            halo=self._halo,
            streams=self._streams,
            largest_area=min(allowed, (_LARGE_ENOUGH * self._halo) ** 2),
            multiple=spec.size_multiple,
        )

    def _run(self, plane: Image, plan: tiling.TilePlan, progress: Progress | None, *, clip: bool) -> Image:
        scale = self.scale
        result = np.empty((plane.shape[0] * scale, plane.shape[1] * scale, plane.shape[2]), dtype=plane.dtype)
        session = self._session(self._network(plane, plan))
        in_bytes = plane.dtype == np.uint8

        def enlarge_tile(tile: tiling.Tile) -> None:
            rows, columns = tile.rows, tile.columns
            source = plane[rows.start : rows.end, columns.start : columns.end]
            enlarged = session.run(source[None]) if in_bytes else _run_float(session, source)
            core = enlarged[0][
                (rows.core_start - rows.start) * scale : (rows.core_end - rows.start) * scale,
                (columns.core_start - columns.start) * scale : (columns.core_end - columns.start) * scale,
            ]
            result[
                rows.core_start * scale : rows.core_end * scale,
                columns.core_start * scale : columns.core_end * scale,
            ] = core if in_bytes else _from_float(core, plane.dtype, clip=clip)

        with self._lock:
            self._refuse_if_closed()
            pending = {self._pool.submit(enlarge_tile, tile) for tile in plan}
        try:
            while pending:
                # Without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
                done, pending = wait(pending, timeout=_PATIENCE, return_when=FIRST_EXCEPTION)
                while done:
                    done.pop().result()  # no name for it: its error would hold this frame, the frame the error
                if progress:
                    progress(len(plan) - len(pending), len(plan))
        finally:
            for future in pending:
                future.cancel()
            wait(pending)
        return result

    def _network(self, plane: Image, plan: tiling.TilePlan) -> Network:
        """Return what to run: for exactly this window if enough pixels of that size went by to pay for compiling it."""
        window = plan.window
        with self._lock:
            pixels = self._pixels_of_size.get(window, 0) + len(plan) * window[0] * window[1]
            self._pixels_of_size[window] = pixels
        same = all(span.end - span.start == window[0] for span in plan.columns)
        same = same and all(span.end - span.start == window[1] for span in plan.rows)
        return Network(
            model=self.model,
            fused=self._fused,
            io="uint8" if plane.dtype == np.uint8 else "float32",
            grey=plane.shape[2] == 1,
            size=window if same and pixels >= _PIXELS_WORTH_COMPILING else None,
        )

    def _session(self, network: Network) -> Session:
        with self._lock:
            self._refuse_if_closed()
            session = self._sessions.pop(network, None)
            if session is None:
                session = self._backend.open(network, self._settings)
            self._sessions[network] = session  # the newest last
            while len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.pop(next(iter(self._sessions)))  # whoever still runs it keeps it alive
            return session

    def _refuse_if_closed(self) -> None:
        if self._closed:
            msg = "this upscaler was closed"
            raise BackendUnavailableError(msg, hint="open a new Upscaler")


def _part(progress: Progress | None, before: int, after: int) -> Progress | None:
    """Return a callback for work that has so many steps of the whole before and after it."""
    return None if progress is None else lambda done, total: progress(before + done, before + total + after)


def _run_float(session: Session, source: Image) -> npt.NDArray[np.float32]:
    """Run [h, w, c] of any type but uint8 and return [1, H, W, c] of 0..1."""
    values = source.astype(np.float32)
    if source.dtype == np.uint16:
        values /= np.float32(65535)
    output = session.run(np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
    if not np.isfinite(output).all():
        msg = "the network made values that are not numbers"
        raise InferenceError(msg, hint="use precision fp32; if it happens there too, the checkpoint is damaged")
    return np.asarray(output.transpose(0, 2, 3, 1), dtype=np.float32)


def _from_float(values: npt.NDArray[np.float32], dtype: np.dtype[Any], *, clip: bool) -> Image:
    if clip or dtype == np.uint16:
        values = np.clip(values, 0, 1)
    return np.rint(values * 65535).astype(dtype) if dtype == np.uint16 else values.astype(dtype)


def _enlarged_shape(image: Image, scale: int) -> tuple[int, ...]:
    return image.shape[0] * scale, image.shape[1] * scale, *image.shape[2:]


def _checked_tile(tile: TileSize) -> TileSize:
    sizes = (tile, tile) if isinstance(tile, int) else tile
    if isinstance(sizes, tuple):
        if len(sizes) == 2 and all(isinstance(size, int) and size > 0 for size in sizes):  # noqa: PLR2004 - width, height
            return sizes
    elif isinstance(sizes, str) and sizes in {"auto", "off"}:
        return sizes
    msg = f"tile {tile!r} is not a size"
    raise InputError(msg, hint='give "auto", "off", a number of pixels or (width, height)')


def _usable_cores() -> int:
    """Return the physical cores that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(usable, psutil.cpu_count(logical=False) or usable), 1)
