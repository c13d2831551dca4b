"""Upscaling a video into images, one for each frame."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from paragon_core.atomic_files import prepare_folder, remove_leftovers
from paragon_core.errors import JobError, MediaError, UnsupportedFormatError
from paragon_core.media.compression import ImageCompression
from paragon_core.media.encoding import fit
from paragon_core.media.formats import format_of_name
from paragon_core.media.images import read_header, write_image
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.prefetch import completed, in_order, threads
from paragon_core.media.sequences import ImageSequence
from paragon_core.media.video.colour import RGB, UNSPECIFIED, VideoColour
from paragon_core.media.video.encoders import with_depth
from paragon_core.media.video.encoding import FrameFormat, VideoEncoding
from paragon_core.media.video.frames import samples_of
from paragon_core.media.video.jobs import possible_sizes
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.pipeline import FrameOptions, upscaled_frames
from paragon_core.media.video.upscale import VideoProgress, VideoResult
from paragon_core.media.video.y4m import Y4mInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from av import VideoFrame

    from paragon_core.media.loaded_image import Array
    from paragon_core.media.sequences import SequencePattern
    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.pipeline import UpscaledFrames
    from paragon_core.upscaling.output_size import Size
    from paragon_core.upscaling.upscaler import Upscaler

#: Images that are written at once.
_AT_ONCE: Final = 2

#: Numbers of H.273: the transfer of HDR (PQ, HLG), and the primaries of BT.2020.
_HDR: Final = frozenset({16, 18})
_WIDE: Final = 9

#: Share of a frame by which a time may be off the frame rate.
_UNEVEN: Final = Fraction(1, 2)

_BYTE: Final = 8


@dataclass(frozen=True, kw_only=True)
class ImageEncoding(VideoEncoding):
    """Frames as images hold them: RGB or grey, of 8 or 16 bits."""

    deep: bool = True
    """Whether the images hold more than 8 bits."""

    def chosen(self, bits: int, size: tuple[int, int]) -> VideoEncoding:
        """Return it."""
        del bits, size
        return self

    @property
    def keeps_hdr(self) -> bool:
        """Whether static HDR is kept: images say less, and have no codec to blame for it."""
        return True

    def frame_format(
        self, source: VideoColour, planar: str, *, rotated: bool, primaries: int = UNSPECIFIED
    ) -> FrameFormat:
        """Return how frames are stored; see `VideoEncoding.frame_format`."""
        del rotated, primaries
        bits = 16 if self.deep and source.bits > _BYTE else _BYTE
        if planar.startswith("gray"):
            colour = replace(source, full=True, bits=bits, factors=(1, 1))
            return FrameFormat(pixel_format=with_depth("gray", bits), colour=colour, even=False)
        colour = VideoColour(matrix=RGB, full=True, bits=bits)
        return FrameFormat(pixel_format=with_depth("gbrp", bits), colour=colour, even=False)


def upscale_to_images(
    source: Source,
    pattern: SequencePattern,
    upscaler: Upscaler,
    options: FrameOptions = FrameOptions(),  # noqa: B008 - it is frozen
    *,
    first: int = 1,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - likewise
    overwrite: bool = False,
    progress: VideoProgress = lambda _done, _total: None,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> VideoResult:
    """Upscale a video, or a sequence of images, into images: every frame becomes one.

    Each image appears whole or not at all. Those that are there already, whole, of the right size and not older than
    the source, are not made again.

    Args:
        source: a file, images, or y4m from a pipe.
        pattern: names of the images, whose extension says their format.
        upscaler: as `upscale_video` takes it.
        options: what is made of the frames.
        first: number of the first image.
        compression: how lossy formats are written.
        overwrite: make all of them again, and replace whatever else has such a name.
        progress: called in the calling thread after each frame; an exception that it raises ends the work.
        observer: told in more detail what happens.

    Returns:
        What was made, images that were there already included.

    Raises:
        JobError: an image is there that is something else, or that may be, because the source is a pipe.
        ParagonError: as `upscale_video` and `images.write_image`.

    """
    target = format_of_name(pattern.path(first))
    compression.check(target)
    prepare_folder(pattern.path(first))
    remove_leftovers(pattern.folder)
    there = _There(source, pattern, upscaler.scale, options, first, overwrite=overwrite)
    encoding = ImageEncoding(deep=target.high_bit_depth)
    frames, uneven, begin = 0, 0, None
    notes: list[str] = []
    with (
        threads(_AT_ONCE) as pool,
        upscaled_frames(
            source, upscaler, encoding, options, is_wanted=there.is_wanted, progress=progress, observer=observer
        ) as upscaled,
    ):
        video, output = upscaled.video, upscaled.format
        written = in_order(_written(upscaled, pattern, first, compression, pool), at_once=_AT_ONCE)
        for lost, time in written:
            notes += lost
            if time is not None:
                begin = time - frames / video.rate if begin is None else begin
                uneven += abs((time - begin) * video.rate - frames) > _UNEVEN
            frames += 1
            upscaled.tell(frames, None)
        notes += [*output.notes, *video.notes]
    if output.aspect != 1:
        notes.append(f"the images do not say that their pixels are {output.aspect} times as wide as high")
    if uneven:
        notes.append(f"images have no times: {uneven} frames were not shown at even distances")
    if video.others:
        notes.append("images hold no sound, subtitles or attachments, and they were left out")
    if there.found:
        notes.append(f"{there.found} of {frames} images were there already (--overwrite makes them again)")
    if pattern.path(first + frames).exists():
        notes.append(f"{pattern.path(first + frames).name} and what may follow it is not of this video")
    return VideoResult(frames=frames, size=output.size, notes=tuple(dict.fromkeys(notes)))


def _written(
    upscaled: UpscaledFrames, pattern: SequencePattern, first: int, compression: ImageCompression, pool: Executor
) -> Iterator[Future[tuple[tuple[str, ...], Fraction | None]]]:
    """Yield what images that are being written do not hold, and when each is shown; None where that is not known."""
    colours = _colours_of(upscaled)
    fitted = False
    for number, frame in enumerate(upscaled.frames, first):
        if frame is None:
            yield completed(((), None))
            continue
        path, time = pattern.path(number), (frame.pts or 0) * upscaled.video.time_base
        image = LoadedImage(array=array_of(frame), format="png", lossless=True, png_colour=colours)
        if not fitted:
            fit(image, format_of_name(path))
            fitted = True
        yield pool.submit(_write, path, image, compression, time)


def _write(
    path: Path, image: LoadedImage, compression: ImageCompression, time: Fraction
) -> tuple[tuple[str, ...], Fraction]:
    return write_image(path, image, compression=compression), time


def array_of(frame: VideoFrame) -> Array:
    """Return a frame of a format from `ImageEncoding` as HxWx3 RGB or HxW grey, uint8 or uint16."""
    planes = samples_of(frame)
    return planes[0].copy() if len(planes) == 1 else np.stack(planes, axis=2)


def _colours_of(upscaled: UpscaledFrames) -> tuple[tuple[bytes, bytes], ...]:
    """Return what says the meaning of the colours, in a chunk of PNG; nothing for what viewers take for granted."""
    context = upscaled.video.stream.codec_context
    primaries, transfer = int(context.color_primaries), int(context.color_trc)
    if transfer not in _HDR and primaries != _WIDE:
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)


class _There:
    """Images that were there before."""

    def __init__(
        self,
        source: Source,
        pattern: SequencePattern,
        scale: int,
        options: FrameOptions,
        first: int,
        *,
        overwrite: bool,
    ) -> None:
        self.found = 0
        self._source = source
        self._pattern = pattern
        self._scale = scale
        self._options = options
        self._first = first
        self._overwrite = overwrite
        self._sizes: set[Size] | None = None
        self._changed = 0

    def is_wanted(self, index: int) -> bool:
        """Return whether the image of a frame is to be made."""
        path = self._pattern.path(self._first + index)
        if self._overwrite or not path.exists():
            return True
        hint = "choose another output, or replace it with --overwrite"
        if isinstance(self._source, Y4mInput):
            raise JobError(f"{path} exists, and what comes from a pipe may be another video", hint=hint)
        try:
            header = read_header(path)
        except MediaError:
            return True  # it is damaged
        except UnsupportedFormatError as error:
            raise JobError(f"{path} exists and is not an image that Paragon made", hint=hint) from error
        if not header.ends:
            return True
        if header.size not in self._possible():
            what = f"{self._scale}x" if self._options.size is None else str(self._options.size)
            raise JobError(f"{path} exists and is not a frame upscaled to {what}", hint=hint)
        done = path.stat().st_mtime_ns >= self._changed
        self.found += done
        return not done

    def _possible(self) -> set[Size]:
        """Return the sizes that images may have, and note when the source was changed."""
        if self._sizes is None:
            options = self._options
            self._sizes, _ = possible_sizes(
                self._source,
                options.time_range,
                scale=self._scale,
                wanted=options.size,
                keep_damaged=options.keep_damaged,
            )
            if isinstance(self._source, ImageSequence):
                self._changed = self._source.changed()
            elif isinstance(self._source, Path):
                with suppress(OSError):  # it was there a moment ago
                    self._changed = self._source.stat().st_mtime_ns
        return self._sizes
