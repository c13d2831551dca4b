"""Upscaling a file of several images, animation or pages, one image at a time."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paragon_core.atomic_files import atomic_write
from paragon_core.media.adapting import adapted
from paragon_core.media.animation import Animation, read_animation
from paragon_core.media.apng import ApngWriter
from paragon_core.media.avif import QUALITY, SPEED
from paragon_core.media.avif_times import with_plays
from paragon_core.media.encoding import encode, fit, webp_effort
from paragon_core.media.formats import FORMATS, format_of_name
from paragon_core.media.frame_sequence import FrameSequence
from paragon_core.media.gif_writer import GIF_DITHERED, GIF_HALF, GifWriter, gif_comment, gif_form
from paragon_core.media.images import incomplete
from paragon_core.media.loaded_image import Array, LoadedImage, full_scale, with_depth
from paragon_core.media.tiff_pages import TiffPages, append_page, read_pages
from paragon_core.media.webp import with_alpha_flag

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.formats import FormatName, ImageFormat

#: Called with the number of images that are done, and how many there are.
SeriesProgress = Callable[[int, int], None]

#: Most that a delay of a GIF, a number of repetitions, and a time in a WebP can be.
_LONGEST_DELAY: Final = 65535
_MOST_LOOPS: Final = 65535
_LONGEST_TIME: Final = 2**24 - 1
#: Browsers show frames of a GIF with a delay of 1 for 10 hundredths of a second.
_SHORTEST_DELAY: Final = 2


@dataclass(frozen=True, kw_only=True)
class SeriesResult:
    """What was written."""

    size: tuple[int, int]
    """Width and height of the first image in pixels."""
    count: int
    """Number of images."""
    notes: tuple[str, ...]
    """Notes on what was not kept, for the user."""


@dataclass(frozen=True, kw_only=True)
class _Result:
    """The frames of an upscaled animation, made when they are asked for."""

    animation: Animation
    """The source."""
    first: LoadedImage
    """The first image of the file with everything around it."""
    frames: Iterator[Array]
    """All frames, in their order: uint8, all with the same channels."""
    notes: list[str]
    """Notes on what was not kept, for the user."""
    compression: ImageCompression
    """How lossy formats are written."""


def read_series(path: Path, target: ImageFormat, *, max_pixels: int) -> Animation | TiffPages | None:
    """Read an animation or pages if a format can hold them; what is None is to be read as one image.

    Raises:
        ParagonError: as `images.read_image`.

    """
    if target.animated and (animation := read_animation(path, max_pixels=max_pixels)):
        return animation
    return read_pages(path, max_pixels=max_pixels) if target.paged else None


def upscale_pages(
    pages: TiffPages,
    target: Path,
    upscale: Callable[[LoadedImage], Array],
    *,
    compression: ImageCompression,
    complete: bool,
    progress: SeriesProgress,
) -> SeriesResult:
    """Upscale a TIFF page by page into one that appears whole or not at all.

    Args:
        pages: from `tiff_pages.read_pages`.
        target: file to write.
        upscale: takes a page and returns the result with the same channels and dtype.
        compression: as `write_image` takes it.
        complete: write nothing if anything could not be kept.
        progress: called before each page.

    Raises:
        ParagonError: a page cannot be read, upscaled or stored.

    """
    notes = list(pages.notes)
    size = (0, 0)
    with atomic_write(target) as stream:
        for index, page in enumerate(pages.loaded_images()):
            progress(index, pages.count)
            loaded = fit(page, format_of_name(target))
            result = loaded.with_array(upscale(loaded))
            data, lost = encode(result, format_of_name(target), compression)
            append_page(stream, data)
            size = result.size if index == 0 else size
            notes += [f"page {index + 1}: {note}" for note in (*loaded.notes, *lost)]
        if notes and complete:
            raise incomplete(target, notes)
    return SeriesResult(size=size, count=pages.count, notes=tuple(notes))


def upscale_animation(
    animation: Animation,
    target: Path,
    upscale: Callable[[LoadedImage], Array],
    *,
    compression: ImageCompression,
    complete: bool,
    progress: SeriesProgress,
) -> SeriesResult:
    """Upscale an animation frame by frame into a file that appears whole or not at all.

    Args:
        animation: from `animation.read_animation`.
        target: file to write, in a format that is ``animated``.
        upscale: takes a frame and returns the result with the same channels and dtype; all of one size.
        compression: how lossy formats are written.
        complete: write nothing if anything could not be kept.
        progress: called before each frame.

    Raises:
        MediaError: the source cannot be read any more, or the target not be written.
        UnsupportedFormatError: as `encoding.fit`.
        UnsupportedSizeError: likewise.

    """
    image_format = format_of_name(target)
    notes = list(animation.notes)
    upscaled = _upscaled(animation, upscale, progress)
    results: Iterator[Array] = upscaled
    still = animation.upright_still()
    if animation.hidden and image_format.name == "png":
        first = still.with_array(_with_channels(upscale(still), animation))
    else:
        frame = next(results)
        first = still.with_array(frame)
        results = chain([frame], results)
    first = fit(first, image_format)
    result = _Result(animation=animation, first=first, frames=results, notes=notes, compression=compression)
    # The source is closed before the target gets its name: it may be the same file, and Windows replaces no open one.
    with atomic_write(target) as stream, closing(upscaled):
        _WRITERS[image_format.name](stream, result)
        if notes and complete:
            raise incomplete(target, notes)
    return SeriesResult(size=first.size, count=animation.count, notes=tuple(dict.fromkeys(notes)))


def write_animation(
    target: Path, animation: Animation, frames: Iterator[Array], *, compression: ImageCompression
) -> SeriesResult:
    """Write frames that were upscaled as an animation, which appears whole or not at all.

    Args:
        target: file to write, in a format that is ``animated``.
        animation: what is told of it; its still is the first frame.
        frames: all others, HxW or HxWx3 uint8.
        compression: how lossy formats are written.

    Raises:
        MediaError: the target cannot be written.
        UnsupportedFormatError: as `encoding.fit`.
        UnsupportedSizeError: likewise.

    """
    image_format = format_of_name(target)
    first, notes = fit(animation.still, image_format), list(animation.notes)
    all_frames = chain([animation.still.array], frames)
    result = _Result(animation=animation, first=first, frames=all_frames, notes=notes, compression=compression)
    with atomic_write(target) as stream:
        _WRITERS[image_format.name](stream, result)
    return SeriesResult(size=first.size, count=animation.count, notes=tuple(dict.fromkeys(notes)))


def _upscaled(
    animation: Animation, upscale: Callable[[LoadedImage], Array], progress: SeriesProgress
) -> Generator[Array]:
    with closing(animation.frames()) as frames:
        for index, frame in enumerate(frames):
            progress(index, animation.count)
            yield _with_channels(
                upscale(LoadedImage(array=frame, format=animation.still.format, lossless=True)), animation
            )


def _with_channels(array: Array, animation: Animation) -> Array:
    """Return an image in 8 bits, with an alpha channel if any frame has one."""
    array = with_depth(array, np.uint8)
    if not animation.has_alpha or array.shape[2:] in {(2,), (4,)}:
        return array
    colour = array.reshape(*array.shape[:2], -1)
    alpha = np.full((*array.shape[:2], 1), full_scale(array), array.dtype)
    return np.concatenate([colour, alpha], axis=2)


def _write_png(stream: BinaryIO, result: _Result) -> None:
    animation = result.animation

    def encoded(image: Array, *, first: bool) -> bytes:
        loaded = result.first if first else LoadedImage(array=image, format="png", lossless=True)
        data, notes = encode(loaded, FORMATS["png"])
        result.notes.extend(notes)
        return data

    writer = ApngWriter(
        stream,
        encoded,
        count=animation.count,
        plays=animation.plays,
        hidden=result.first.array if animation.hidden else None,
    )
    for frame, duration in zip(result.frames, _shown(animation, result.notes), strict=True):
        writer.add(frame, duration)
    writer.finish()


def _write_gif(stream: BinaryIO, result: _Result) -> None:
    animation, first = result.animation, result.first
    shortest = 0 if animation.still.format == "gif" else _SHORTEST_DELAY
    delays = _rounded(animation.durations, Fraction(1, 100), shortest=shortest, longest=_LONGEST_DELAY)
    if any(delay != duration * 100 for delay, duration in zip(delays, animation.durations, strict=True)):
        result.notes.append("GIF holds times in hundredths of a second, and they were rounded to these")
    if animation.has_half_alpha:
        result.notes.append(GIF_HALF)
    held, lost = gif_form(first)
    result.notes.extend(lost)
    writer = GifWriter(
        stream,
        first.size,
        loop=None if animation.plays == 1 else min(max(animation.plays - 1, 0), _MOST_LOOPS),
        comment=gif_comment(held),
        icc=held.icc,
        xmp=held.xmp,
    )
    for frame, delay in zip(result.frames, delays, strict=True):
        writer.add(frame, delay)
    writer.finish()
    if writer.dithered and animation.still.format != "gif":  # whose smooth edges have more colours by nature
        result.notes.append(GIF_DITHERED)


def _write_webp(stream: BinaryIO, result: _Result) -> None:
    animation = result.animation
    options: dict[str, Any] = {"loop": min(animation.plays, _MOST_LOOPS), "background": (0, 0, 0, 0)}
    options |= webp_effort(result.compression, lossless=animation.still.lossless)
    data = _saved("webp", result, options)
    stream.write(with_alpha_flag(data) if animation.has_alpha else data)


def _write_avif(stream: BinaryIO, result: _Result) -> None:
    compression = result.compression
    options = {
        "quality": compression.quality or QUALITY,
        "subsampling": compression.subsampling or "4:4:4",
        "speed": SPEED,
    }
    stream.write(with_plays(_saved("avif", result, options), result.animation.plays))


def _saved(name: FormatName, result: _Result, options: dict[str, Any]) -> bytes:
    """Let Pillow write an animation; it counts in thousandths of a second."""
    first, count = result.first, result.animation.count
    durations = _shown(result.animation, result.notes)
    times = _rounded(durations, Fraction(1, 1000), shortest=1, longest=_LONGEST_TIME)
    if any(time != duration * 1000 for time, duration in zip(times, durations, strict=True)):
        result.notes.append("its times were rounded to thousandths of a second, which the format holds")
    held, lost = adapted(first, FORMATS[name])
    result.notes.extend(lost)
    for key, block in (("icc_profile", held.icc), ("exif", held.exif), ("xmp", held.xmp)):
        options |= {key: block} if block else {}
    frames = FrameSequence(map(_in_colour, result.frames), count)
    stream = io.BytesIO()
    frames.save(stream, name, save_all=True, duration=times, **options)
    return stream.getvalue()


def _in_colour(frame: Array) -> Array:
    """Return a frame as RGB or RGBA: to find out that all are grey, Pillow would ask for all of them beforehand."""
    if frame.ndim == 2:  # noqa: PLR2004 - axes
        return frame[..., np.newaxis].repeat(3, axis=2)
    return frame[..., [0, 0, 0, 1]] if frame.shape[2] == 2 else frame  # noqa: PLR2004 - grey and alpha


def _shown(animation: Animation, notes: list[str]) -> tuple[Fraction, ...]:
    """Return the durations for a format other than GIF, where browsers show the shortest frames for longer."""
    durations = animation.shown_durations()
    if durations != animation.durations:
        notes.append("frames without a duration are shown for a tenth of a second, as browsers show them")
    return durations


def _rounded(durations: Sequence[Fraction], unit: Fraction, *, shortest: int, longest: int) -> list[int]:
    """Round durations so that the error of their sum does not grow; what is 0 stays 0."""
    total, told, counts = Fraction(0), 0, []
    for duration in durations:
        total += duration / unit
        count = min(max(round(total) - told, shortest), longest) if duration else 0
        counts.append(count)
        told += count
    return counts


_WRITERS: Final = {"png": _write_png, "gif": _write_gif, "webp": _write_webp, "avif": _write_avif}
