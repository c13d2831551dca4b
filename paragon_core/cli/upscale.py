"""``paragon upscale``: upscale images and videos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli import chunk_options, result_options, size_options, slot_options, upscale_frames
from paragon_core.cli.job_progress import JobProgress
from paragon_core.cli.upscale_report import exit_code_of, ready, report, sum_up
from paragon_core.media.formats import WRITABLE
from paragon_core.media.video.formats import CODECS, DEINTERLACE, ENCODERS, PRESETS, PRORES_PROFILES
from paragon_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from paragon_core.cli.console import Console
    from paragon_core.cli.upscale_report import Refused
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.jobs import JobResult
    from paragon_core.media.upscalers import Upscalers
    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.models.model import Model
    from paragon_core.upscaling.options import UpscaleOptions
    from paragon_core.upscaling.output_size import OutputSize

_EXAMPLES = """\
examples:
  paragon upscale photo.jpg -o large.png
  paragon upscale photos -o large            a folder, with all folders in it
  paragon upscale "scans/*.tif" -o large --format png
  paragon upscale photo.jpg --fit 3840x2160
  paragon upscale photos --scale 1.5 --format jpeg --quality 90
  paragon upscale photo.jpg --model 2xParagonSR2_Photo_fidelity.safetensors
  paragon upscale video.gif                   an animation, with its times; also PNG, WebP and AVIF
  paragon upscale video.mkv -o video_2x.mp4 --temporal 0.2
  paragon upscale video.mkv --start 1:30 --duration 10 --overwrite    ten seconds, to see what it gives

Without -o, photo.jpg becomes photo_2x.jpg next to it, video.avi video_2x.mp4, and the folder photos photos_2x; with
--fit 3840x2160, photo_3840x2160.jpg.
Files that are done already are skipped, so that an interrupted job can simply be started again.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "upscale",
        help="upscale images and videos",
        description="Upscale images (PNG, JPEG, WebP, TIFF, AVIF, GIF, BMP, TGA; DDS and, with their extras, OpenEXR "
        "and JPEG XL) and keep profile, EXIF, alpha, depth, animations and pages; "
        "upscale videos (MP4, Matroska and what else FFmpeg reads) and keep times, sound and subtitles.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="files, folders, or patterns such as photos/*.jpg; frames/%%06d.png for images with numbers; - for y4m "
        "from a pipe",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="a file for one source, else a folder; frames/%%06d.png for an image of each frame, - for y4m into a pipe",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"a model (see: paragon models) or a checkpoint [{DEFAULT_MODEL}]",
    )
    parser.add_argument(
        "--format",
        choices=sorted([*WRITABLE, "y4m"]),
        help="format of images, or y4m for pipes. Default: that of the sources",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    options.add_model_settings(parser)
    size_options.add_to(parser)
    result_options.add_to(parser)
    options.add_padding(parser)
    _add_video(parser)
    chunk_options.add_to(parser)
    speed = parser.add_argument_group("speed and memory")
    speed.add_argument(
        "--backend", default="auto", metavar="NAME", help="runtime (see: paragon doctor) [the fastest here]"
    )
    speed.add_argument(
        "--device", default="auto", help="the runtime's name of a device, such as cpu, cuda:1 or webgpu [auto]"
    )
    speed.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "fp32", "fp16", "bf16"),
        help="arithmetic; auto takes a faster one than fp32 only where the result stays the same to the eye [auto]",
    )
    speed.add_argument(
        "--tile",
        type=options.tile_size,
        default="auto",
        metavar="SIZE",
        help="auto, off, or the size of a tile in pixels of the source, such as 512 or 512x256 [auto]",
    )
    speed.add_argument(
        "--jobs",
        type=options.count,
        metavar="N",
        help="images in memory at once: one is upscaled, others read or written [3]",
    )
    speed.add_argument(
        "--max-memory",
        type=options.byte_count,
        metavar="SIZE",
        help="memory for the network's work, such as 1500M or 2G",
    )
    speed.add_argument(
        "--max-pixels",
        type=options.count,
        metavar="N",
        help="refuse images and frames with more pixels, against small files that claim to be huge; raise it for files "
        "that you trust [178956970, as Pillow]. What does not fit in memory is refused in any case",
    )
    slot_options.add_to(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")
    parser.add_argument(
        "--json-progress",
        action="store_true",
        help="for programs: one JSON object a line on stderr instead of messages (docs/command-line.md lists them)",
    )
    parser.add_argument(
        "--json-progress-to",
        metavar="FD|FILE",
        help="the same to an open file descriptor (its number) or a file; messages stay on stderr",
    )
    options.add_debug(parser)
    parser.set_defaults(run=run)


def _add_video(parser: argparse.ArgumentParser) -> None:
    video = parser.add_argument_group("videos")
    video.add_argument(
        "--temporal",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="0 to 0.9: smooth detail over time; upstream's video mode has 0.2 [0]",
    )
    video.add_argument(
        "--codec",
        choices=("auto", *CODECS),
        default="auto",
        help="h264 plays everywhere; hevc and av1 are smaller, slower, and keep 10 bits and HDR; vp9 is for .webm, "
        "prores for .mov; ffv1 is lossless; auto is hevc for sources of more than 8 bits, else h264, vp9 in .webm "
        "[auto]",
    )
    video.add_argument(
        "--crf",
        type=float,
        metavar="N",
        help="smaller is better and larger [18 for h264, 20 for hevc, 26 for av1, 24 for vp9]",
    )
    video.add_argument(
        "--encoder",
        choices=ENCODERS,
        default="software",
        help="hardware that encodes (see: paragon doctor), auto for the first that works; where it does not work, "
        "software encodes, with a note [software]",
    )
    video.add_argument(
        "--profile", choices=PRORES_PROFILES, help="of prores [4444 for sources with full chroma, else hq]"
    )
    video.add_argument(
        "--preset", choices=PRESETS, default="medium", help="how hard the encoder tries to make files small [medium]"
    )
    video.add_argument(
        "--start",
        type=options.seconds,
        default=0.0,
        metavar="TIME",
        help="leave out what comes before, in seconds or H:MM:SS from the video's own start [0]",
    )
    video.add_argument(
        "--duration", type=options.seconds, metavar="TIME", help="upscale only this much of each video [all]"
    )
    video.add_argument(
        "--fps",
        type=options.frame_rate,
        metavar="N",
        help="frames a second of images with numbers, such as 30000/1001 [25]",
    )
    video.add_argument(
        "--deinterlace",
        choices=DEINTERLACE,
        default="auto",
        help="auto makes whole frames of those that say they are interlaced; bob makes two of every frame, one from "
        "each field; off leaves all as they are [auto]",
    )
    video.add_argument(
        "--keep-damaged", action="store_true", help="take what is there of videos that are cut off, with a note"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the command."""
    from paragon_core.media import images
    from paragon_core.media.jobs import IMAGES_AT_ONCE, plan
    from paragon_core.media.jobs import run as run_jobs
    from paragon_core.media.upscalers import Upscalers
    from paragon_core.media.video.time_range import TimeRange
    from paragon_core.upscaling.model_choice import suitable_models
    from paragon_core.upscaling.temporal import check_strength

    check_strength(arguments.temporal)
    encoding = result_options.encoding_of(arguments)
    time_range = TimeRange(start=arguments.start, duration=arguments.duration)
    size = size_options.wanted_size(arguments)
    models = suitable_models(arguments.model, size, upsampler_alpha=arguments.alpha, window_size=arguments.window_size)
    scale = next(iter(models))
    frames = upscale_frames.wanted(arguments, result_options.label(size, scale))
    if frames is not None and not frames.images:
        return _upscale_frames(frames, arguments, console, models, size)
    refused: list[Refused] = []
    passed_over: list[Path] = []
    jobs = (frames and tuple(frames.images)) or plan(
        arguments.inputs,
        arguments.output,
        suffix=f"_{result_options.label(size, scale)}",
        target_format=arguments.format,
        name=result_options.naming(arguments, size, models, encoding),
        replace=arguments.replace,
        unusable=lambda *reason: refused.append(reason),
        passed_over=passed_over.append,
    )
    chunks = chunk_options.ChunkedVideos(arguments, jobs, console)
    jobs = chunks.own_jobs
    progress = JobProgress(console, jobs, profiles=arguments.debug)
    total = len(jobs) + len(refused)
    for path, error in refused:
        console.error(error, about=str(path))
        progress.refuse(path, error)
    if not jobs:
        return _end(progress, refused, passed_over, console)
    compression = result_options.compression_of(arguments, jobs, console)

    def finish(result: JobResult) -> None:
        progress.finish(result)
        report(result, console, single=total == 1)

    if slot_options.are_given(arguments):
        asked = slot_options.settings(arguments, models, size, _options(arguments, progress), compression, encoding)
        try:
            slot_options.run(jobs, asked, arguments, console, finished=finish, begun=progress.begun)
        finally:
            code = _end(progress, refused, passed_over, console)
        return code
    with Upscalers(models, size, _options(arguments, progress)) as upscalers:

        def upscale(array: npt.NDArray[np.generic], size: OutputSize | None = None) -> npt.NDArray[np.generic]:
            upscaler = upscalers.for_image((array.shape[1], array.shape[0]), size)
            return upscaler(array, size=size, progress=progress.advance)

        video = _video_upscaler(
            arguments,
            upscalers,
            size=size,
            encoding=encoding,
            compression=compression,
            chunks=chunks,
            progress=progress,
        )
        videos_only = all(job.is_video for job in jobs)
        upscaler = upscalers.of(scale, for_frames=videos_only)
        ready(
            console,
            models=[model.name for model in models.values()],
            size=result_options.label(size, scale),
            backend=upscaler.backend,
            precision=upscaler.precision_of("float32" if videos_only else "uint8"),
        )
        try:
            run_jobs(
                jobs,
                upscale,
                scale=scale,
                size=size,
                compression=compression,
                video=video,
                begin=progress.begin,
                report=finish,
                progress=progress.within,
                at_once=arguments.jobs or IMAGES_AT_ONCE,
                overwrite=arguments.overwrite,
                max_pixels=arguments.max_pixels or images.MAX_PIXELS,
                time_range=time_range,
                keep_damaged=arguments.keep_damaged,
            )
        finally:
            code = _end(progress, refused, passed_over, console)
    return code


def _end(progress: JobProgress, refused: Sequence[Refused], passed_over: Sequence[Path], console: Console) -> int:
    """Report the results of all files together, also where an interrupt left some undone; return the exit code."""
    console.erase()
    sum_up(
        progress.results,
        refused,
        passed_over,
        console,
        total=progress.files + len(refused),
        seconds=progress.seconds,
        written=progress.written,
    )
    return exit_code_of(progress.results, refused)


def _video_upscaler(
    arguments: argparse.Namespace,
    upscalers: Upscalers,
    *,
    size: OutputSize | None,
    encoding: VideoEncoding,
    compression: ImageCompression,
    chunks: chunk_options.ChunkedVideos,
    progress: JobProgress,
) -> Callable[[Path, Path], VideoResult]:
    """Return what upscales a video from file to file."""
    from paragon_core.media.video.chunks.job import VideoSettings
    from paragon_core.media.video.targets import upscale_to_file

    options = upscale_frames.options_of(arguments, size)

    def video(source: Path, target: Path) -> VideoResult:
        upscaler = upscalers.for_video(source, encoding, keep_damaged=options.keep_damaged)
        settings = VideoSettings.of(options, encoding, chunk_frames=chunks.frames(upscaler))
        observer = progress.video()
        made = chunks.upscale(source, target, upscaler, settings, observer=observer)
        if made is not None:
            return made
        return upscale_to_file(
            source, target, upscaler, options, encoding=encoding, compression=compression, observer=observer
        )

    return video


def _upscale_frames(
    frames: upscale_frames.Frames,
    arguments: argparse.Namespace,
    console: Console,
    models: Mapping[int, Model],
    size: OutputSize | None,
) -> int:
    """Upscale what comes from pipes or images with numbers, or goes there."""
    from paragon_core.media.upscalers import Upscalers

    progress = JobProgress(console, [frames.job], profiles=arguments.debug)
    with Upscalers(models, size, _options(arguments, progress)) as upscalers:
        return upscale_frames.run(frames, arguments, console, upscalers, progress)


def _options(arguments: argparse.Namespace, progress: JobProgress) -> UpscaleOptions:
    """Return what the command line asks of an upscaler."""
    from paragon_core.upscaling.options import UpscaleOptions

    return UpscaleOptions(
        backend=arguments.backend,
        device=arguments.device,
        precision=arguments.precision,
        tile=arguments.tile,
        padding=arguments.padding,
        max_memory=arguments.max_memory,
        on_build_progress=progress.building,
    )
