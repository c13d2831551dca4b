"""Upscaling a video into whatever a file name asks for: another video, or an animation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core.media.compression import ImageCompression
from paragon_core.media.formats import holds_animation
from paragon_core.media.video.animation_output import upscale_to_animation
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.observer import VideoObserver
from paragon_core.media.video.pipeline import FrameOptions
from paragon_core.media.video.upscale import VideoProgress, VideoResult, upscale_video

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.video.opening import Source
    from paragon_core.upscaling.upscaler import Upscaler


def upscale_to_file(
    source: Source,
    target: Path,
    upscaler: Upscaler,
    options: FrameOptions = FrameOptions(),  # noqa: B008 - it is frozen
    *,
    encoding: VideoEncoding = VideoEncoding(),  # noqa: B008 - likewise
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - likewise
    progress: VideoProgress = lambda _done, _total: None,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> VideoResult:
    """Upscale a video into a file; raises what `upscale_video` and `upscale_to_animation` do.

    Args:
        source: a file, an open one, images, or y4m from a pipe.
        target: the file to write; .gif, .webp, .apng and .avif become animations, all others must be videos.
        upscaler: as `upscale_video` takes it.
        options: what is made of the frames.
        encoding: what a video is encoded with.
        compression: how lossy animations are written.
        progress: called in the calling thread after each frame; an exception that it raises ends the work.
        observer: told in more detail what happens.

    """
    if holds_animation(target):
        return upscale_to_animation(
            source, target, upscaler, options, compression=compression, progress=progress, observer=observer
        )
    return upscale_video(
        source,
        target,
        upscaler,
        size=options.size,
        temporal=options.temporal,
        encoding=encoding,
        start=options.time_range.start,
        duration=options.time_range.duration,
        keep_damaged=options.keep_damaged,
        deinterlace=options.deinterlace,
        progress=progress,
        observer=observer,
    )
