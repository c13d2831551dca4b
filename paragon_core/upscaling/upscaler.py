"""Images in, larger images out."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
import numpy.typing as npt

from paragon_core.errors import OutOfMemoryError
from paragon_core.models.model import Model, load
from paragon_core.upscaling.border import Border, halo_of
from paragon_core.upscaling.free_size import upscale_to
from paragon_core.upscaling.options import UpscaleKeywords, UpscaleOptions
from paragon_core.upscaling.planes import check_out, check_planes, fill_transparent, flat_areas, split
from paragon_core.upscaling.precision import BYTE_BITS, FLOAT_BITS
from paragon_core.upscaling.tile_io import ByteImageJob, FloatImageJob
from paragon_core.upscaling.tile_runner import TileProgress, TileRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from paragon_core.backends import Precision
    from paragon_core.graph.graph_spec import Io
    from paragon_core.upscaling.output_size import OutputSize

Image = npt.NDArray[Any]


class Upscaler:
    """Upscales images with one model in one runtime.

    Use it as a context manager, or call `close`. Calls may come from several threads, but not from forked processes:
    open another in each of these, or start them by spawn.
    """

    def __init__(
        self,
        model: Model | str | Path,
        options: UpscaleOptions | None = None,
        **changes: Unpack[UpscaleKeywords],
    ) -> None:
        """Choose a runtime and check that it works; sessions are built when the first image comes.

        ``Upscaler(model, backend="openvino", tile=256)`` is short for
        ``Upscaler(model, UpscaleOptions(backend="openvino", tile=256))``.

        Args:
            model: a loaded model, the name of a bundled one, or the path of a checkpoint.
            options: how it runs.
            changes: fields of `UpscaleOptions`, which win over ``options``.

        Raises:
            InputError: an option is out of range.
            CheckpointError: the model cannot be loaded.
            BackendUnavailableError: the backend, device or precision does not work here.

        """
        self.model = model if isinstance(model, Model) else load(model)
        self.options = (options or UpscaleOptions()).changed(**changes)
        """How it runs."""
        self._border = Border.of(self.model.spec, self.options.padding)
        self._runner = TileRunner(self.model, self.options)

    @property
    def backend(self) -> str:
        """Name of the runtime in use."""
        return self._runner.pool.backend.name

    def precision_of(self, dtype: npt.DTypeLike, *, bits: int = FLOAT_BITS) -> Precision:
        """Return the precision that images of a data type are computed in; with "auto" the first call may measure.

        Args:
            dtype: the data type; all but uint8 are computed alike.
            bits: the depth that matters where it is not uint8, as for `upscale_planes`.

        """
        is_bytes = np.dtype(dtype) == np.uint8
        precisions = self._runner.pool.precisions
        return (precisions.of("uint8", BYTE_BITS) if is_bytes else precisions.of("float32", bits))[0]

    @property
    def scale(self) -> int:
        """Factor along both axes."""
        return self.model.spec.scale

    @property
    def tiles_computed(self) -> int:
        """Number of tiles that were run through the network so far."""
        return self._runner.tiles_computed

    @property
    def tiles_reused(self) -> int:
        """Number of tiles whose output came from the tile cache instead (see ``reuse``)."""
        return self._runner.tiles_reused

    @property
    def pictures_at_once(self) -> int:
        """Old name of ``options.concurrency``."""
        _warn_of_old_name("pictures_at_once", "options.concurrency")
        return self.options.concurrency

    @property
    def windows_computed(self) -> int:
        """Old name of ``tiles_computed``."""
        _warn_of_old_name("windows_computed", "tiles_computed")
        return self.tiles_computed

    @property
    def windows_reused(self) -> int:
        """Old name of ``tiles_reused``."""
        _warn_of_old_name("windows_reused", "tiles_reused")
        return self.tiles_reused

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
        self._runner.close()

    def release(self) -> None:
        """Give the runtime's memory back as soon as the calls under way have ended; the next call takes it again."""
        self._runner.release()

    def __call__(
        self,
        image: Image,
        *,
        size: OutputSize | None = None,
        progress: TileProgress | None = None,
        out: Image | None = None,
    ) -> Image:
        """Return an image upscaled, with the data type and the channels of the input.

        By the model's scale, or to any size: then the model runs as often as needed, in floats from its first run on,
        and the result is resized down to exactly that size and rounded once. An image that is to become smaller is only
        resized.

        Args:
            image: [h, w] or [h, w, 1] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB, [h, w, 4] RGB and alpha; uint8,
                uint16, or float16 and float32 of 0..1. Grey goes through the network as equal R, G and B, and the mean
                of the result is returned. Alpha goes through it as a plane of its own, continued beyond the image's
                edge so that opaque images stay opaque, and is always clipped.
            size: the size that the result shall have, instead of the model's scale.
            progress: called with (tiles done, tiles in all) from the calling thread, those of alpha included; an
                exception that it raises ends the work and reaches the caller.
            out: where to put the result, of its shape and data type and of any strides; it is returned then. Its old
                content is lost, also where this fails. By default a new array.

        Raises:
            InputError: the image is not of such a kind, or ``out`` does not suit.
            UnsupportedSizeError: the result, or a step on the way to it, would have more than 2^30 pixels.
            BackendUnavailableError: the upscaler was closed, or belongs to the process from which this one was forked.
            OutOfMemoryError: it does not fit, even in small tiles.
            NonFiniteError: the network computed values that are not numbers, also in fp32.
            InferenceError: the runtime failed.

        """
        with _named_memory_errors(image, self.scale):
            if size is None:
                return self._upscale_by_scale(image, progress, out=out)
            split(image)  # which refuses what is no image
            width, height = image.shape[1], image.shape[0]
            target = size.of((width, height))
            if target == (width * self.scale, height * self.scale):
                return self._upscale_by_scale(image, progress, out=out)
            check_out(out, image, target)
            bits = BYTE_BITS if image.dtype == np.uint8 else FLOAT_BITS
            result = upscale_to(
                image,
                target,
                scale=self.scale,
                run=lambda pixels, progress: self._upscale_by_scale(pixels, progress, bits=bits),
                clip=self.options.clip,
                progress=progress,
            )
            return _put(result, out)

    def upscale_planes(
        self,
        planes: Sequence[Image],
        out: Sequence[Image],
        *,
        detail: Sequence[Image] | None = None,
        bits: int = FLOAT_BITS,
        finite: bool = False,
        progress: TileProgress | None = None,
    ) -> None:
        """Upscale planes straight into others: for frames of a video, which come one like the other.

        The first frame of a size takes a moment longer, because a session is made for just that size. From then on
        the pixels depend on nothing but the frame.

        Args:
            planes: 1 plane (grey) or 3 (R, G, B), each [h, w], all float16 or all float32, of 0..1. Any strides;
                they are only read.
            out: as many planes [sh, sw] of the same type to be written; their old content is lost, also where this
                fails.
            detail: planes like ``planes`` that the detail path shall see instead of them, while the base path sees
                ``planes`` (`temporal`).
            bits: the depth that matters, that of the video for example: "auto" takes a reduced precision only if it is
                the same as fp32 to this depth.
            finite: the planes are known to hold no NaN or infinity, for example because they come from integers;
                nobody looks for them then.
            progress: as for a call.

        Raises:
            InputError: the planes are not of such a kind, or contain values that are not numbers.
            BackendUnavailableError: the upscaler was closed, or belongs to the process from which this one was forked.
            OutOfMemoryError: it does not fit, even in small tiles.
            NonFiniteError: the network computed values that are not numbers, also in fp32.
            InferenceError: the runtime failed.

        """
        seen = () if detail is None else tuple(detail)
        check_planes(planes, out, seen, scale=self.scale, finite=finite)
        job = FloatImageJob(
            planes=tuple(planes), out=tuple(out), border=self._border, detail=seen, clip=self.options.clip, bits=bits
        )
        with _named_memory_errors(planes[0], self.scale):
            self._runner.run(job, progress, fixed_size=True)

    def upscale_alpha(self, alpha: Image) -> Image:
        """Return transparency [h, w] upscaled, of any type that images have, as that of an image is.

        What is opaque, or entirely transparent, stays so; the result is clipped to 0..1. Raises what a call does.
        """
        with _named_memory_errors(alpha, self.scale):
            plane = split(alpha[:, :, None]).colour
            flat = flat_areas(plane, wrap=self._border.padding == "wrap")
            return self._upscale_alpha(plane, flat, None)[:, :, 0]

    def _upscale_by_scale(
        self, image: Image, progress: TileProgress | None, *, bits: int = FLOAT_BITS, out: Image | None = None
    ) -> Image:
        """Return an image of any kind upscaled by the model's scale; ``bits`` is the depth that matters for floats."""
        parts = split(image)
        check_out(out, image, (image.shape[1] * self.scale, image.shape[0] * self.scale))
        if parts.alpha is not None:
            return _put(self._upscale_with_alpha(parts.colour, parts.alpha, progress, bits=bits), out)
        shape = image.shape[0] * self.scale, image.shape[1] * self.scale
        result = np.empty((*shape, *image.shape[2:]), dtype=image.dtype) if out is None else out
        place = result[:, :, None] if result.ndim == len(shape) else result
        self._upscale_channels(parts.colour, progress, self._border, clip=self.options.clip, bits=bits, out=place)
        return result

    def _upscale_with_alpha(self, colour: Image, alpha: Image, progress: TileProgress | None, *, bits: int) -> Image:
        """Return colour [h, w, 1 or 3] and alpha [h, w, 1] upscaled, one behind the other in the last axis."""
        colour = fill_transparent(colour, alpha)
        flat = flat_areas(alpha, wrap=self._border.padding == "wrap")
        colour_tiles = self._count_tiles(colour, self._border)
        alpha_tiles = 0 if flat.all() else self._count_tiles(alpha, self._border_of_alpha)
        of_colour, of_alpha = _part(progress, 0, alpha_tiles), _part(progress, colour_tiles, 0)
        height, width, channels = colour.shape
        result = np.empty((height * self.scale, width * self.scale, channels + 1), dtype=colour.dtype)
        result[:, :, :channels] = self._upscale_channels(
            colour, of_colour, self._border, clip=self.options.clip, bits=bits
        )
        result[:, :, channels:] = self._upscale_alpha(alpha, flat, of_alpha, bits=bits)
        return result

    def _upscale_alpha(
        self, alpha: Image, flat: npt.NDArray[np.bool_], progress: TileProgress | None, *, bits: int = FLOAT_BITS
    ) -> Image:
        """Return transparency [h, w, 1] upscaled, unchanged where it is ``flat``."""
        result = alpha.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        if not flat.all():
            drawn = self._upscale_channels(alpha, progress, self._border_of_alpha, clip=True, bits=bits)
            uneven = ~flat.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            result[uneven] = drawn[uneven]
        return result

    def _upscale_channels(
        self,
        image: Image,
        progress: TileProgress | None,
        border: Border,
        *,
        clip: bool,
        bits: int,
        out: Image | None = None,
    ) -> Image:
        """Return [h, w, 1 or 3] upscaled; ``bits`` is the depth that matters where it is not bytes."""
        height, width, channels = image.shape
        shape = height * self.scale, width * self.scale, channels
        result = np.empty(shape, dtype=image.dtype) if out is None else out
        if image.dtype == np.uint8:
            self._runner.run(ByteImageJob(image=image, out=result, border=border), progress)
        else:
            planes, places = tuple(np.moveaxis(image, 2, 0)), tuple(np.moveaxis(result, 2, 0))
            job = FloatImageJob(planes=planes, out=places, clip=clip, border=border, bits=bits)
            self._runner.run(job, progress)
        return result

    @property
    def _border_of_alpha(self) -> Border:
        """Continued in any case, so that the network's own zeros beyond the image stay out of sight."""
        is_wrapped = self._border.padding == "wrap"
        return self._border if is_wrapped else Border(padding="edge", margin=halo_of(self.model.spec))

    def _count_tiles(self, image: Image, border: Border) -> int:
        """Return the number of tiles for [h, w, 1 or 3]."""
        height, width, channels = image.shape
        io: Io = "uint8" if image.dtype == np.uint8 else "float32"
        precision = self.precision_of(image.dtype)
        return self._runner.count_tiles((width, height), io=io, grey=channels == 1, precision=precision, border=border)


@contextmanager
def _named_memory_errors(image: Image, scale: int) -> Iterator[None]:
    """Turn numpy's errors outside the runtime into ours."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        msg = f"there is not enough memory to upscale an image of shape {image.shape} by {scale}"
        raise OutOfMemoryError(msg, hint="close other programs, or cut the image into parts") from error


def _put(result: Image, out: Image | None) -> Image:
    """Return the result, in the place for it if there is one."""
    if out is None:
        return result
    out[...] = result
    return out


def _part(progress: TileProgress | None, before: int, after: int) -> TileProgress | None:
    """Return a callback for the part of the work with ``before`` steps before it and ``after`` steps after it."""
    return None if progress is None else lambda done, total: progress(before + done, before + total + after)


def _warn_of_old_name(old: str, new: str) -> None:
    warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
