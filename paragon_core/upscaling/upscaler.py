"""Pictures in, larger pictures out."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from paragon_core.backends import Backend, Precision
from paragon_core.backends.cancellation import Cancellation
from paragon_core.engines import MOST_PIXELS, BuildProgress, ignore_progress
from paragon_core.errors import EngineError, InputError, NonFiniteError, OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import Model, load
from paragon_core.upscaling import memory, tiling
from paragon_core.upscaling.border import Border, Padding, halo_of
from paragon_core.upscaling.free_size import upscale_to
from paragon_core.upscaling.planes import check_planes, even_places, fill_transparent, split
from paragon_core.upscaling.precision import BYTE_BITS, FLOAT_BITS
from paragon_core.upscaling.running import Running, Wish
from paragon_core.upscaling.tile_cache import WindowMemory
from paragon_core.upscaling.tile_io import Attempt, BytePicture, FloatPicture, Picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from paragon_core.graph.graph_spec import Io
    from paragon_core.upscaling.output_size import OutputSize

Image = npt.NDArray[Any]
Progress = Callable[[int, int], None]

#: Tiles that cost less than this share in overlap are large enough: (w / (w - 2 halo))^2 <= 1.05 at w = 84 halos.
_LARGE_ENOUGH: Final = 84

#: Tiles of so many pixels at most where what stands still is reused: larger ones find fewer such areas, smaller ones
#: compute more halo. From 64 to 160 pixels a side, a captured screen takes nearly the same time.
_REUSE_AREA: Final = 96 * 96

#: Share of ``max_memory`` that remembered windows may take on top of it.
_REUSE_SHARE: Final = 0.5

#: Seconds between two calls of ``progress``, and before an interrupt is noticed.
_PATIENCE: Final = 0.2

_LOG = logging.getLogger(__name__)


class Upscaler:
    """Enlarges pictures with one model in one runtime.

    Use it as a context manager, or call `close`. Calls may come from several threads, but not from forked processes:
    open another in each of these, or start them by spawn.
    """

    def __init__(
        self,
        model: Model | str | Path,
        *,
        backend: str | Backend = "auto",
        precision: Precision | Literal["auto"] = "auto",
        tile: tiling.TileSize = "auto",
        padding: Padding | Literal["auto"] = "auto",
        fused: bool = True,
        clip: bool = True,
        max_memory: int | None = None,
        streams: int | None = None,
        pictures_at_once: int = 1,
        reuse: bool = False,
        device: str = "auto",
        cache: Path | None = None,
        building: BuildProgress = ignore_progress,
        make_room: Callable[[int], None] | None = None,
        tile_area: float = math.inf,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        """Choose a runtime and check that it works; sessions are built when the first picture comes.

        Args:
            model: a loaded model, the name of a boxed one, or the path of a checkpoint.
            backend: a name from `paragon_core.backends`, a backend of your own, or "auto" for the fastest that works
                here; then the next takes over where TensorRT cannot have its engine, with a warning in the log.
            precision: "fp32", "fp16" or "bf16"; "auto" is fp32 unless a faster precision was measured here to be the
                same to the image's depth, hard images included (`precision`). Where a reduced precision leaves the
                range of its numbers, fp32 takes over for that image, with a warning in the log.
            tile: "auto" (windows chosen for speed and memory), "off" (always the whole picture), or the size of a
                window in low-resolution pixels, halo included: a number or (width, height). For networks with a
                receptive radius (realtime, stream) the pixels are the same in every case. Photo with attention and pro
                see the whole picture: for them "auto" tiles only what exceeds ``max_memory``, with other pixels (6
                levels of 255 at most, 0.04 on average, for the official photo network on a picture of Set14).
            padding: what the network sees beyond the border of an image: "zero" as the author's network, which darkens
                the outermost pixels of bright images; "edge" (the outermost pixels repeated); "symmetric" (the image
                mirrored, which scores best); "wrap" (the opposite side, for textures that are laid next to each other
                without a seam). "auto" is "symmetric" for networks with a receptive radius, for others "zero". Pixels
                further inside than the network's radius are the same in every case.
            fused: run the fused form; False runs the network layer by layer as upstream does.
            clip: clip results to 0..1; False returns float pictures as the network makes them.
            max_memory: bytes that the runtime may take for its work, roughly; by default half of what is free, and
                at most 2 GiB for networks with a receptive radius.
            streams: windows computed at once; by default as many as there are physical cores, with one thread each, but
                1 on a graphics card (2 with TensorRT); for networks that want the whole picture in one window, as many
                as pictures come at once, which share the cores.
            pictures_at_once: how many calls you make side by side (frames of a video): they share the streams, so
                that fewer and larger windows keep them busy. More calls than that are safe, and wait for each other.
            reuse: remember the windows of the last picture, and what became of them: a window whose input is the same
                in every bit is not computed again (`reuse`). Windows are smaller then. Takes up to half of
                ``max_memory`` on top of it; what would go beyond is computed every time.
            device: the backend's name of a device, for example "cpu", "cuda:1"; or "auto".
            cache: the folder of TensorRT's engines (`engines`); by default ``PARAGON_CACHE``, else the platform's.
            building: called with a share from 0 to 1 and what is being done while an engine is built, from any
                thread; an exception that it raises ends the build and reaches the caller.
            make_room: called from the calling thread, before the runtime needs memory for windows of a size, with the
                bytes that it needs for them, roughly.
            tile_area: with ``tile="auto"``, the most pixels of a tile of networks with a receptive radius, however much
                memory there is: so that ``progress`` and ``interrupt`` are called often.
            interrupt: called from the calling thread again and again while tiles are computed; an exception that it
                raises ends the work, between two layers where the runtime can, and reaches the caller.

        Raises:
            InputError: an option is out of range.
            CheckpointError: the model cannot be loaded.
            BackendUnavailableError: the backend, device or precision does not work here.

        """
        self.model = model if isinstance(model, Model) else load(model)
        self._tile = tiling.checked(tile)
        self._border = Border.of(self.model.spec, padding)
        self._spec = GraphSpec(fused=fused)
        self._clip = clip
        self._limits_memory = max_memory is not None  # the default is about this machine's memory, not a card's
        self._max_memory = memory.default_limit(self.model.spec) if max_memory is None else max_memory
        if min(1 if streams is None else streams, self._max_memory, pictures_at_once) < 1:
            given = f"streams ({streams}), max_memory ({max_memory}) and pictures_at_once ({pictures_at_once})"
            msg = f"{given} must be positive"
            raise InputError(msg, hint="leave them out for sensible values")
        if precision not in {"auto", *get_args(Precision)}:
            msg = f"there is no precision {precision!r}"
            raise InputError(msg, hint=f"choose one of auto, {', '.join(get_args(Precision))}")
        self._running = Running.start(
            Wish(
                model=self.model,
                fused=fused,
                backend=backend,
                precision=precision,
                streams=streams,
                pictures_at_once=pictures_at_once,
                device=device,
                cache=cache,
                building=building,
            )
        )
        self._make_room = make_room
        self._tile_area = tile_area
        self._interrupt = interrupt
        self._pictures_at_once = pictures_at_once
        self._memory = WindowMemory(int(self._max_memory * _REUSE_SHARE)) if reuse else None
        self._lock = threading.Lock()
        self._computed = self._reused = 0
        if precision != "auto":
            self._running.sessions.get(self._spec, precision)  # so that one that does not work is refused now

    @property
    def backend(self) -> str:
        """Name of the runtime in use."""
        return self._running.backend.name

    def precision_of(self, dtype: npt.DTypeLike) -> Precision:
        """Return the precision that images of a data type are computed in; with "auto" the first call may measure."""
        if np.dtype(dtype) == np.uint8:
            return self._running.precisions.of("uint8", BYTE_BITS)[0]
        return self._running.precisions.of("float32", FLOAT_BITS)[0]

    @property
    def scale(self) -> int:
        """Enlargement along both axes."""
        return self.model.spec.scale

    @property
    def pictures_at_once(self) -> int:
        """How many calls side by side it is laid out for."""
        return self._pictures_at_once

    @property
    def windows_computed(self) -> int:
        """Number of windows that were run through the network so far."""
        return self._computed

    @property
    def windows_reused(self) -> int:
        """Number of windows whose output was remembered instead (see ``reuse``)."""
        return self._reused

    def __enter__(self) -> Self:
        """Return the upscaler itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release threads and the runtime's memory once the calls under way have ended; safe to call twice.

        In a process that was forked from the one that made it, nothing happens.
        """
        if self._running.sessions.inherited:
            return
        with self._lock:
            running = self._running
        running.close()
        if self._memory:
            self._memory.forget()

    def release(self) -> None:
        """Give the runtime's memory back as soon as the calls under way have ended; the next call takes it anew."""
        if not self._running.sessions.inherited:
            self._forget(self._running)

    def __call__(self, image: Image, *, size: OutputSize | None = None, progress: Progress | None = None) -> Image:
        """Return a picture enlarged, with the data type and the channels of the input.

        By the model's scale, or to any size: then the model runs as often as needed, in floats from its first run on,
        and the result is resized down to exactly that size and rounded once. An image that is to become smaller is only
        resized.

        Args:
            image: [h, w] or [h, w, 1] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB, [h, w, 4] RGB and alpha; uint8,
                uint16, or float16 and float32 of 0..1. Grey goes through the network as equal R, G and B, and the mean
                of the result is returned. Alpha goes through it as a plane of its own, continued beyond the picture's
                edge so that opaque pictures stay opaque, and is always clipped.
            size: the size that the result shall have, instead of the model's scale.
            progress: called with (windows done, windows in all) from the calling thread, those of alpha included; an
                exception that it raises ends the work and reaches the caller.

        Raises:
            InputError: the picture is not of such a kind.
            UnsupportedSizeError: the result, or a step on the way to it, would have more than 2^30 pixels.
            BackendUnavailableError: the upscaler was closed, or belongs to the process from which this one was forked.
            OutOfMemoryError: it does not fit, even in small windows.
            NonFiniteError: the network computed values that are not numbers, also in fp32.
            InferenceError: the runtime failed.

        """
        with _named_memory_errors(image, self.scale):
            if size is None:
                return self._upscale(image, progress)
            split(image)  # which refuses what is no image
            width, height = image.shape[1], image.shape[0]
            target = size.of((width, height))
            if target == (width * self.scale, height * self.scale):
                return self._upscale(image, progress)
            bits = BYTE_BITS if image.dtype == np.uint8 else FLOAT_BITS
            return upscale_to(
                image,
                target,
                scale=self.scale,
                run=lambda pixels, progress: self._upscale(pixels, progress, bits=bits),
                clip=self._clip,
                progress=progress,
            )

    def upscale_planes(
        self,
        planes: Sequence[Image],
        out: Sequence[Image],
        *,
        detail: Sequence[Image] | None = None,
        bits: int = FLOAT_BITS,
        progress: Progress | None = None,
    ) -> None:
        """Enlarge planes straight into others: for frames of a video, which come one like the other.

        The first picture of a size takes a moment longer, because a session is made for just that size. From then on
        the pixels depend on nothing but the picture.

        Args:
            planes: 1 plane (grey) or 3 (R, G, B), each [h, w], all float16 or all float32, of 0..1. Any strides;
                they are only read.
            out: as many planes [sh, sw] of the same type to be written; their old content is lost, also where this
                fails.
            detail: planes like ``planes`` that the detail path shall see instead of them, while the base path sees
                ``planes`` (`temporal`).
            bits: the depth that matters, that of the video for example: "auto" takes a reduced precision only if it is
                the same as fp32 to so many bits.
            progress: as for a call.

        Raises:
            InputError: the planes are not of such a kind, or contain values that are not numbers.
            BackendUnavailableError: the upscaler was closed, or belongs to the process from which this one was forked.
            OutOfMemoryError: it does not fit, even in small windows.
            NonFiniteError: the network computed values that are not numbers, also in fp32.
            InferenceError: the runtime failed.

        """
        seen = () if detail is None else tuple(detail)
        check_planes(planes, out, seen, scale=self.scale)
        picture = FloatPicture(
            planes=tuple(planes), out=tuple(out), border=self._border, detail=seen, clip=self._clip, bits=bits
        )
        with _named_memory_errors(planes[0], self.scale):
            self._enlarge(picture, progress, often=True)

    def upscale_alpha(self, alpha: Image) -> Image:
        """Return transparency [h, w] enlarged, of any type that pictures have, as that of a picture is.

        What is opaque, or entirely transparent, stays so; the result is clipped to 0..1. Raises what a call does.
        """
        with _named_memory_errors(alpha, self.scale):
            plane = split(alpha[:, :, None]).colour
            even = even_places(plane, wrap=self._border.padding == "wrap")
            return self._enlarged_alpha(plane, even, None)[:, :, 0]

    def _upscale(self, image: Image, progress: Progress | None, *, bits: int = FLOAT_BITS) -> Image:
        parts = split(image)
        if parts.alpha is None:
            result = self._enlarged(parts.colour, progress, self._border, clip=self._clip, bits=bits)
            return result.reshape(_enlarged_shape(image, self.scale))
        colour = fill_transparent(parts.colour, parts.alpha)
        channels = colour.shape[2]
        result = np.empty(_enlarged_shape(image, self.scale), dtype=image.dtype)
        even = even_places(parts.alpha, wrap=self._border.padding == "wrap")
        works = self._steps(colour, self._border), 0 if even.all() else self._steps(parts.alpha, self._border_of_alpha)
        of_colour, of_alpha = _part(progress, 0, works[1]), _part(progress, works[0], 0)
        result[:, :, :channels] = self._enlarged(colour, of_colour, self._border, clip=self._clip, bits=bits)
        result[:, :, channels:] = self._enlarged_alpha(parts.alpha, even, of_alpha, bits=bits)
        return result

    def _enlarged_alpha(
        self, alpha: Image, even: npt.NDArray[np.bool_], progress: Progress | None, *, bits: int = FLOAT_BITS
    ) -> Image:
        """Return transparency [h, w, 1] enlarged, unchanged where it is ``even``."""
        result = alpha.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        if not even.all():
            drawn = self._enlarged(alpha, progress, self._border_of_alpha, clip=True, bits=bits)
            uneven = ~even.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            result[uneven] = drawn[uneven]
        return result

    @property
    def _border_of_alpha(self) -> Border:
        """Continued in any case, so that the network's own zeros beyond the picture stay out of sight."""
        return self._border if self._border.padding == "wrap" else Border(padding="edge", margin=self._halo)

    def _steps(self, image: Image, border: Border) -> int:
        """Return the number of windows for [h, w, 1 or 3]."""
        height, width = image.shape[:2]
        io: Io = "uint8" if image.dtype == np.uint8 else "float32"
        running, spec = self._running, replace(self._spec, io=io, grey=image.shape[2] == 1)
        precision = self.precision_of(image.dtype)
        window = self._window(running, spec, precision, size=border.grown((width, height)))
        return len(self._plan(width, height, window, border))

    @property
    def _halo(self) -> int:
        return halo_of(self.model.spec)

    def _enlarged(self, image: Image, progress: Progress | None, border: Border, *, clip: bool, bits: int) -> Image:
        """Return [h, w, 1 or 3] enlarged; ``bits`` is the depth that matters where it is not bytes."""
        height, width, channels = image.shape
        result = np.empty((height * self.scale, width * self.scale, channels), dtype=image.dtype)
        if image.dtype == np.uint8:
            self._enlarge(BytePicture(image=image, out=result, border=border), progress)
        else:
            parts, out = tuple(np.moveaxis(image, 2, 0)), tuple(np.moveaxis(result, 2, 0))
            self._enlarge(FloatPicture(planes=parts, out=out, clip=clip, border=border, bits=bits), progress)
        return result

    def _enlarge(self, picture: Picture, progress: Progress | None, *, often: bool = False) -> None:
        """Enlarge a picture, in the next precision if one overflows, in another runtime if this one has no engine."""
        running = self._running
        attempts = picture.attempts(running.precisions.of(picture.io, picture.bits))
        try:
            for attempt, following in zip_longest(attempts, attempts[1:]):
                try:
                    self._attempt(running, attempt, progress, often=often)
                except NonFiniteError as error:
                    if following is None:
                        raise
                    _LOG.warning("%s in %s: %s takes over for this image", error, attempt, following)
                else:
                    return
        except EngineError as error:
            self._replace(running, error)
            self._enlarge(picture, progress, often=often)

    def _attempt(self, running: Running, attempt: Attempt, progress: Progress | None, *, often: bool) -> None:
        """Enlarge a picture in one precision, in smaller windows as long as memory runs out."""
        width, height = attempt.picture.size
        border = attempt.picture.border
        seen = border.grown((width, height))
        spec = attempt.picture.graph(self._spec)
        window = self._window(running, spec, attempt.precision, size=seen, often=often)
        if self._tile == "auto" and self.model.spec.receptive_radius is None and window != seen:
            _LOG.warning(
                "%dx%d pixels need more than max_memory in one go; tiles of %s differ a little from the whole picture",
                *(width, height, self.model.spec.variant),
            )
        while True:
            plan = self._plan(width, height, window, border)
            try:
                self._run(running, self._of_size(running, spec, plan, often=often), attempt, plan, progress)
            except MemoryError:  # the runtime's, or numpy's around it
                smaller = (max(plan.window[0] // 2, 4 * self._halo), max(plan.window[1] // 2, 4 * self._halo))
                following = self._plan(width, height, smaller, border)
                if self._tile == "off" or smaller == window or len(following) <= len(plan):
                    raise
                _LOG.warning("out of memory with windows of %dx%d, trying %dx%d", *plan.window, *smaller)
                window = smaller
            else:
                return
            self._forget(running)

    def _forget(self, running: Running) -> None:
        running.sessions.forget()
        if self._memory:
            self._memory.forget()

    def _replace(self, running: Running, error: EngineError) -> None:
        """Let another runtime take over, unless another call saw to that; raise the error if there is none."""
        with self._lock:
            if self._running is running:
                self._running = running.after(error)

    def _plan(self, width: int, height: int, window: tuple[int, int], border: Border) -> tiling.TilePlan:
        multiple = self.model.spec.size_multiple
        return tiling.TilePlan(
            rows=tiling.cover(height, window[1], halo=self._halo, multiple=multiple, margin=border.margin),
            columns=tiling.cover(width, window[0], halo=self._halo, multiple=multiple, margin=border.margin),
        )

    def _window(
        self, running: Running, graph: GraphSpec, precision: Precision, *, size: tuple[int, int], often: bool = False
    ) -> tuple[int, int]:
        """Return the size of the windows for a picture that has a size with the margin of its border."""
        width, height = size
        if self._tile == "off":
            return width, height
        if isinstance(self._tile, tuple):
            return self._tile
        spec = self.model.spec
        backend, streams = running.backend, running.settings.streams
        allowed = memory.pixels_that_fit(
            spec, self._max_memory, streams=streams, stores_attention=backend.stores_attention
        )
        if spec.receptive_radius is None and width * height <= allowed:
            return width, height
        if backend.largest_tile and spec.receptive_radius is not None and not (self._limits_memory or self._memory):
            fits = often and width * height <= MOST_PIXELS
            if fits or running.sessions.get(graph, precision).has((width, height)):
                return width, height
            return tiling.fitting_window(
                (width, height), backend.largest_tile, halo=self._halo, multiple=spec.size_multiple
            )
        return tiling.choose_window(
            (width, height),
            halo=self._halo,
            streams=max(streams // self._pictures_at_once, 1),
            largest_area=min(allowed, self._largest_area()),
            multiple=spec.size_multiple,
        )

    def _largest_area(self) -> float:
        """Return the most pixels that a window shall have if memory does not matter."""
        if self._memory:
            return _REUSE_AREA
        # Whole frames are the fastest: 1280x720 in three or four windows take 12 to 18 % more CPU time, halos included.
        area = math.inf if self._pictures_at_once > 1 else (_LARGE_ENOUGH * self._halo) ** 2
        return min(area, self._tile_area)

    def _run(
        self, running: Running, spec: GraphSpec, attempt: Attempt, plan: tiling.TilePlan, progress: Progress | None
    ) -> None:
        if self._make_room:
            streams, backend = running.settings.streams, running.backend
            pixel = memory.bytes_per_pixel(self.model.spec, stores_attention=backend.stores_attention)
            self._make_room(math.prod(plan.window) * streams * pixel)
        picture = attempt.picture
        session = running.sessions.get(spec, attempt.precision)
        session.prepare(plan.window)  # here, because whoever waits for a build can be interrupted
        remembered = self._memory.of(spec, attempt.precision, plan) if self._memory else None

        def enlarge_tile(tile: tiling.Tile) -> None:
            batch = picture.batch(tile)
            core = remembered.find(tile, batch) if remembered else None
            if core is not None:
                picture.write(tile, core)
                with self._lock:
                    self._reused += 1
                return
            with session.lend(batch, cancellation) as output:
                core = picture.core(tile, output)
                picture.write(tile, core)
                if remembered:
                    remembered.keep(tile, batch, core)
            with self._lock:
                self._computed += 1

        cancellation = Cancellation()
        with running.sessions.kept_open():
            pending = {running.pool.submit(enlarge_tile, tile) for tile in plan}
        try:
            while pending:
                # Without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
                done, pending = wait(pending, timeout=_PATIENCE, return_when=FIRST_EXCEPTION)
                while done:
                    done.pop().result()  # no name for it: its error would hold this frame, the frame the error
                if self._interrupt:
                    self._interrupt()
                if progress:
                    progress(len(plan) - len(pending), len(plan))
        finally:
            for future in pending:
                future.cancel()
            cancellation.cancel()
            wait(pending)

    @staticmethod
    def _of_size(running: Running, spec: GraphSpec, plan: tiling.TilePlan, *, often: bool) -> GraphSpec:
        """Return what to run: for exactly this window if it comes ``often`` enough to pay for compiling it."""
        often = running.sessions.pays_to_compile(plan.window, len(plan)) or often
        return replace(spec, size=plan.window) if often and plan.is_even else spec


@contextmanager
def _named_memory_errors(image: Image, scale: int) -> Iterator[None]:
    """Turn numpy's errors for what stands outside the runtime into ours."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        msg = f"there is not enough memory to enlarge a picture of shape {image.shape} by {scale}"
        raise OutOfMemoryError(msg, hint="close other programs, or cut the picture into parts") from error


def _part(progress: Progress | None, before: int, after: int) -> Progress | None:
    """Return a callback for work that has so many steps of the whole before and after it."""
    return None if progress is None else lambda done, total: progress(before + done, before + total + after)


def _enlarged_shape(image: Image, scale: int) -> tuple[int, ...]:
    return image.shape[0] * scale, image.shape[1] * scale, *image.shape[2:]
