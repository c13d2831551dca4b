"""One file in, one larger file out, in one call."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from paragon_core.errors import InputError
from paragon_core.media import jobs
from paragon_core.media.compression import ImageCompression
from paragon_core.media.images import MAX_PIXELS
from paragon_core.media.sources import unreadable
from paragon_core.media.upscalers import Upscalers
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.image import AUTO, models_for, wanted_size
from paragon_core.upscaling.options import UpscaleKeywords, UpscaleOptions
from paragon_core.upscaling.temporal import check_strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from paragon_core.media.job_plan import Job
    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.media.video.upscale import VideoProgress, VideoResult
    from paragon_core.models.model import Model
    from paragon_core.upscaling.output_size import OutputSize


def upscale_file(
    source: str | Path,
    target: str | Path,
    *,
    model: Model | str | Path = AUTO,
    scale: float | None = None,
    size: OutputSize | None = None,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - it is frozen
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[UpscaleKeywords],
) -> jobs.JobResult:
    """Upscale an image, an animation, a TIFF with all its pages, or a video, from file to file.

    Does what ``paragon upscale`` does: colour profile, EXIF, transparency and depth are kept, and what the target's
    format cannot hold is noted in the result. The target appears whole or not at all, and it is skipped where it is
    done already. `upscale_video` has the settings of videos; for many files, see `paragon_core.media.jobs`.

    Args:
        source: the file to read.
        target: the file to write, whose extension says its format; or a folder, for the same name in it. Never the
            source.
        model: a loaded model, the name of one, or the path of a checkpoint. "auto" is the bundled model that suits the
            size best; without ``scale`` and ``size``, realtime-2x.
        scale: how many times as wide and high, such as 3 or 1.5; by default the model's scale.
        size: any other size, instead of ``scale``; that of the image or video as it is viewed.
        compression: how lossy formats of images are written.
        overwrite: write the target even if it is done already, and replace whatever else has its name.
        max_pixels: larger images and frames are refused, against small files that claim to be huge.
        **options: the fields of `UpscaleOptions`, such as ``backend``, ``precision``, ``tile`` or ``padding``.

    Returns:
        Whether the target was written or skipped, its size, and what could not be kept.

    Raises:
        InputError: an option is out of range, or the target would replace the source.
        MediaError: the source cannot be read, or the target cannot be written.
        JobError: the target exists and is something else.
        UnsupportedFormatError: of source or target.
        UnsupportedSizeError: the source or the result has too many pixels.
        CheckpointError: the model cannot be loaded.
        BackendUnavailableError: the backend, device or precision does not work here.
        OutOfMemoryError: it does not fit, even in small tiles.
        InferenceError: the runtime failed.

    Examples:
        >>> result = paragon.upscale_file("photo.jpg", "large.png", scale=4)
        >>> result.state, result.size
        ('written', (640, 480))

    """
    return _upscale(
        source,
        target,
        models_for(model, wanted := wanted_size(scale, size)),
        wanted,
        UpscaleOptions().changed(**options),
        compression=compression,
        overwrite=overwrite,
        max_pixels=max_pixels,
    )


def upscale_video(
    source: str | Path,
    target: str | Path,
    *,
    model: Model | str | Path = AUTO,
    scale: float | None = None,
    size: OutputSize | None = None,
    temporal: float = 0.0,
    encoding: VideoEncoding = VideoEncoding(),  # noqa: B008 - it is frozen
    start: float = 0.0,
    duration: float | None = None,
    keep_damaged: bool = False,
    deinterlace: Deinterlace = "auto",
    progress: VideoProgress | None = None,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[UpscaleKeywords],
) -> jobs.JobResult:
    """Upscale a video from file to file, with its times, sound, subtitles, chapters and colours.

    Does what ``paragon upscale`` does. The target appears whole or not at all, and it is skipped where it is done
    already. Memory does not depend on the length of the video.

    Args:
        source: the file to read: a video, or an animation that shall become one.
        target: the file to write, which ends in .mp4, .mkv, .mov, .m4v or .webm, or for an animation in .gif, .webp,
            .apng or .avif; or a folder, for the same name in it. Never the source.
        model: a loaded model, the name of one, or the path of a checkpoint. "auto" is the bundled model that suits the
            size best; without ``scale`` and ``size``, realtime-2x. For compressed video, see realtime-video-2x.
        scale: how many times as wide and high, such as 3 or 1.5; by default the model's scale.
        size: any other size, instead of ``scale``; that of the video as it is viewed.
        temporal: 0 (none) to 0.9, smooths the detail over time.
        encoding: what the result is encoded with.
        start: seconds from the source's own start; frames before are left out.
        duration: seconds after ``start``; frames from then on are left out.
        keep_damaged: take what is there of a truncated source, with a note.
        deinterlace: "auto" makes whole frames of those that say they are interlaced, and leaves all others as they are;
            "bob" makes two of every frame, one from each field; "off" upscales frames as they are.
        progress: called in the calling thread after each frame, with the frames that are done and, as far as the source
            tells, all; an exception that it raises ends the work.
        overwrite: write the target even if it is done already, and replace whatever else has its name.
        max_pixels: larger frames are refused.
        **options: the fields of `UpscaleOptions`, such as ``backend``, ``precision``, ``tile`` or ``padding``.

    Returns:
        Whether the target was written or skipped, its size and number of frames, and what could not be kept.

    Raises:
        InputError: an option is out of range, the target would replace the source, or the source is no video.
        MediaError: the source cannot be read, or the target cannot be written.
        JobError: the target exists and is something else.
        UnsupportedFormatError: of source or target.
        UnsupportedSizeError: the frames have too many pixels.
        CheckpointError: the model cannot be loaded.
        BackendUnavailableError: the backend, device, precision or encoder does not work here.
        OutOfMemoryError: a frame does not fit, even in small tiles.
        InferenceError: the runtime failed.

    Examples:
        >>> result = paragon.upscale_video("video.mkv", "video_2x.mp4", temporal=0.2)
        >>> result.state, result.size, result.frames
        ('written', (128, 96), 8)

    """
    check_strength(temporal)
    return _upscale(
        source,
        target,
        models_for(model, wanted := wanted_size(scale, size)),
        wanted,
        UpscaleOptions().changed(**options),
        temporal=temporal,
        encoding=encoding,
        time_range=TimeRange(start=start, duration=duration),
        keep_damaged=keep_damaged,
        deinterlace=deinterlace,
        progress=progress,
        video_only=True,
        overwrite=overwrite,
        max_pixels=max_pixels,
    )


def _upscale(
    source: str | Path,
    target: str | Path,
    models: Mapping[int, Model],
    size: OutputSize | None,
    options: UpscaleOptions,
    *,
    compression: ImageCompression = ImageCompression(),  # noqa: B008 - it is frozen
    temporal: float = 0.0,
    encoding: VideoEncoding = VideoEncoding(),  # noqa: B008 - likewise
    time_range: TimeRange = TimeRange(),  # noqa: B008 - likewise
    keep_damaged: bool = False,
    deinterlace: Deinterlace = "auto",
    progress: VideoProgress | None = None,
    video_only: bool = False,
    overwrite: bool,
    max_pixels: int,
) -> jobs.JobResult:
    """Run one job and raise its error."""
    job = _job(source, target)
    if video_only and not job.is_video:
        raise InputError(f"{job.source} is not a video", hint="upscale_file takes images and animations too")
    with Upscalers(models, size, options) as upscalers:

        def image(array: npt.NDArray[np.generic], size: OutputSize | None = None) -> npt.NDArray[np.generic]:
            return upscalers.for_image((array.shape[1], array.shape[0]), size)(array, size=size)

        def video(source: Path, target: Path) -> VideoResult:
            from paragon_core.media.video import targets  # noqa: PLC0415 - images do without them
            from paragon_core.media.video.pipeline import FrameOptions  # noqa: PLC0415 - likewise

            return targets.upscale_to_file(
                source,
                target,
                upscalers.for_video(source, encoding, keep_damaged=keep_damaged),
                FrameOptions(
                    size=size,
                    temporal=temporal,
                    time_range=time_range,
                    keep_damaged=keep_damaged,
                    deinterlace=deinterlace,
                ),
                encoding=encoding,
                compression=compression,
                progress=progress or _ignore,
            )

        (result,) = jobs.run(
            [job],
            image,
            scale=next(iter(models)),
            size=size,
            compression=compression,
            video=video,
            at_once=1,
            overwrite=overwrite,
            max_pixels=max_pixels,
            time_range=time_range,
            keep_damaged=keep_damaged,
        )
    if result.error is not None:
        raise result.error
    return result


def _job(source: str | Path, target: str | Path) -> Job:
    """Return what is to be done with one file."""
    path = Path(source)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise unreadable(path, error) from error
    if is_folder:
        raise InputError(f"{path} is a folder", hint="name one file; the command line takes folders: paragon upscale")
    (job,) = jobs.plan([path], target, suffix="")
    return job


def _ignore(_done: int, _total: int | None) -> None:
    """Show no progress."""
