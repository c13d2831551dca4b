"""Upscaling a video into an animation: GIF, WebP, APNG or AVIF."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from paragon_core.atomic_files import remove_leftovers
from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.media.animation import Animation
from paragon_core.media.compression import ImageCompression
from paragon_core.media.formats import format_of_name
from paragon_core.media.gif import MOST_FRAMES
from paragon_core.media.loaded_image import LoadedImage
from paragon_core.media.series import write_animation
from paragon_core.media.video.image_output import ImageEncoding, array_of
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.opening import opened
from paragon_core.media.video.pipeline import FrameOptions, upscaled_frames
from paragon_core.media.video.upscale import VideoProgress, VideoResult, check_different
from paragon_core.media.video.y4m import Y4mInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    from paragon_core.media.loaded_image import Array
    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.pipeline import UpscaledFrames
    from paragon_core.upscaling.upscaler import Upscaler

#: Transfer functions of HDR (PQ, HLG), by their numbers of H.273.
_HDR: Final = frozenset({16, 18})


def upscale_to_animation(
    source: Source,
    target: Path,
    upscaler: Upscaler,
    options: FrameOptions = FrameOptions(),  # noqa: B008 - it is frozen
    *,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - likewise
    progress: VideoProgress = lambda _done, _total: None,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> VideoResult:
    """Upscale a video into an animation, which appears whole or not at all, and is repeated endlessly.

    The source is decoded twice: animations begin with the number of their frames.

    Args:
        source: a file, or images; no pipe.
        target: the file to write, in a format that holds animations.
        upscaler: as `upscale_video` takes it.
        options: what is made of the frames.
        compression: how lossy formats are written.
        progress: called in the calling thread after each frame; an exception that it raises ends the work.
        observer: told in more detail what happens.

    Returns:
        What was made.

    Raises:
        InputError: the source is a pipe, or the target would replace it.
        UnsupportedSizeError: it has too many frames for an animation.
        ParagonError: as `upscale_video` and `series.upscale_animation`.

    """
    image_format = format_of_name(target)
    compression.check(image_format)
    if isinstance(source, Y4mInput):
        msg = f"{image_format.title} begins with the number of its frames, which a pipe does not tell"
        raise InputError(msg, hint="choose .mkv first, or an image for each frame: frames/%06d.png")
    check_different(source, target)
    remove_leftovers(target.parent)
    durations = _durations(source, options)
    encoding = ImageEncoding(deep=False)
    with upscaled_frames(source, upscaler, encoding, options, progress=progress, observer=observer) as upscaled:
        video, output = upscaled.video, upscaled.format
        frames = _arrays(upscaled)
        first = next(frames)
        animation = Animation(
            source=target,
            still=LoadedImage(array=first, format="png", lossless=False),
            durations=durations,
            plays=0,
            has_alpha=False,
            has_half_alpha=False,
        )
        result = write_animation(target, animation, frames, compression=compression)
        notes = [*output.notes, *video.notes, *result.notes]
    if int(video.stream.codec_context.color_trc) in _HDR:
        notes.append("it is HDR, which the animation does not say: its colours will look pale")
    if video.others:
        notes.append(f"{image_format.title} holds no sound, subtitles or attachments, and they were left out")
    return VideoResult(frames=result.count, size=result.size, notes=tuple(dict.fromkeys(notes)))


def _durations(source: Source, options: FrameOptions) -> tuple[Fraction, ...]:
    """Return the seconds for which each frame is shown, by decoding the video."""
    reading = opened(source, options.time_range, keep_damaged=options.keep_damaged, deinterlace=options.deinterlace)
    with reading as video:
        times = [(step.frame.pts or 0) * video.time_base for step in video.steps() if step.frame is not None]
        last = video.last_duration * video.time_base
    if len(times) > MOST_FRAMES:
        msg = f"it has {len(times)} frames, and animations have at most {MOST_FRAMES} here"
        raise UnsupportedSizeError(msg, hint="choose a part (--start, --duration), or a video: .mp4 or .mkv")
    return (*(after - before for before, after in pairwise(times)), *([last] if times else []))


def _arrays(upscaled: UpscaledFrames) -> Iterator[Array]:
    for done, frame in enumerate(upscaled.frames, 1):
        assert frame is not None  # noqa: S101 - all are wanted
        yield array_of(frame)
        upscaled.tell(done, frame)
