"""``paragon upscale`` with frames that are not in one file: images with numbers in their names, and pipes."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.cli import streams
from paragon_core.cli.exit_codes import OK, READER_GONE
from paragon_core.cli.result_options import encoding_of, label
from paragon_core.cli.size_options import wanted_size
from paragon_core.cli.upscale_report import ready
from paragon_core.errors import InputError, JobError
from paragon_core.media.formats import FORMATS, format_of_name, holds_animation
from paragon_core.media.job_plan import Job
from paragon_core.media.sequences import ImageSequence, SequencePattern

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from paragon_core.cli.console import Console
    from paragon_core.cli.job_progress import JobProgress
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.upscalers import Upscalers
    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.media.video.observer import VideoObserver
    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.pipeline import FrameOptions
    from paragon_core.media.video.upscale import VideoResult
    from paragon_core.upscaling.output_size import OutputSize
    from paragon_core.upscaling.upscaler import Upscaler

_PIPE: Final = "-"

#: Options that share work between processes.
_SHARED: Final = ("devices", "ray", "shard")
_Y4M: Final = "y4m"


@dataclass(frozen=True, kw_only=True)
class Frames:
    """A source and a target, one of which at least is not one file."""

    source: Path | ImageSequence | None
    """A file or images; None for stdin."""
    target: Path | SequencePattern | None
    """A file or images; None for stdout."""
    images: list[Job] = field(default_factory=list)
    """Jobs that do all of it, where images become images each by itself."""

    @property
    def job(self) -> Job:
        """All of it as one job, with names for people."""
        source = self.source.name if isinstance(self.source, ImageSequence) else self.source or "stdin"
        target = self.target.path_of_pattern if isinstance(self.target, SequencePattern) else self.target or "stdout"
        return Job(source=Path(source), target=Path(target))


def wanted(arguments: argparse.Namespace, size: str) -> Frames | None:
    """Return what is to be done, where it has to do with images with numbers, or with pipes; else None.

    Args:
        arguments: those of the command.
        size: the size as it appears in names, such as 2x.

    Raises:
        InputError: options do not go together.
        MediaError: there are no such images, or some are missing.
        UnsupportedFormatError: the images are to be of a format that is not written.

    """
    sequences = [_pattern_of_input(given) for given in arguments.inputs]
    out = None if arguments.output in {None, _PIPE} else SequencePattern.parse(arguments.output)
    pipes = _PIPE in {*arguments.inputs, arguments.output}
    if arguments.format == _Y4M and not pipes:
        raise InputError("y4m is for pipes", hint="give - as the source, as -o, or as both")
    if not (pipes or out or any(sequences)):
        if arguments.fps is not None:
            raise InputError("--fps is for images with numbers", hint="name them as frames/%06d.png")
        return None
    _check(arguments)
    (given,), pattern = arguments.inputs, sequences[0]
    source: Path | ImageSequence | None = None if given == _PIPE else Path(given)
    if pattern is not None:
        source = ImageSequence.of(pattern, **({} if arguments.fps is None else {"rate": arguments.fps}))
    target = out if out is not None else _target(arguments, pattern, size)
    _check_format(arguments, target)
    jobs: list[Job] = []
    if isinstance(source, ImageSequence) and isinstance(target, SequencePattern) and _each_by_itself(arguments):
        numbers = range(source.first, source.first + source.count)
        jobs = [Job(source=source.pattern.path(number), target=target.path(number)) for number in numbers]
    if isinstance(source, ImageSequence) and isinstance(target, SequencePattern) and source.pattern == target:
        msg = f"{target.path_of_pattern} would replace the images themselves"
        raise InputError(msg, hint="choose another output; sources are never overwritten")
    return Frames(source=source, target=target, images=jobs)


def _pattern_of_input(given: str) -> SequencePattern | None:
    """Return the pattern of images that a source is, unless there is a file of that name."""
    return None if given == _PIPE or _finds(Path(given).exists) else SequencePattern.parse(given)


def _finds(look: Callable[[], bool]) -> bool:
    """Return what a look at a path finds; False where it cannot be: the name is too long, or the folder closed."""
    try:
        return look()
    except OSError:
        return False


def _check(arguments: argparse.Namespace) -> None:
    if len(arguments.inputs) > 1:
        hint = "start paragon once for each of them"
        raise InputError("images with numbers, and pipes, are upscaled one source at a time", hint=hint)
    if arguments.name is not None or arguments.replace:
        given = "--replace" if arguments.replace else "--name"
        raise InputError(f"{given} is not for images with numbers, nor for pipes", hint=f"leave {given} out")


def _check_format(arguments: argparse.Namespace, target: Path | SequencePattern | None) -> None:
    """Refuse options that contradict a target, or have no effect on it."""
    from paragon_core.media.compression import ImageCompression

    image_format = None
    if isinstance(target, SequencePattern):
        image_format = format_of_name(target.path(1))
    elif target is not None and holds_animation(target):
        image_format = format_of_name(target)
    if image_format is not None and arguments.format not in {None, image_format.name}:
        name = target.path_of_pattern.name if isinstance(target, SequencePattern) else target
        msg = f"{name} is a name for {image_format.name}, but --format asks for {arguments.format}"
        raise InputError(msg, hint="leave --format away, or change the output's name")
    compression = ImageCompression(quality=arguments.quality, subsampling=arguments.subsampling)
    if compression.is_given and (image_format is None or not compression.applies_to(image_format)):
        hint = "choose JPEG, WebP, AVIF or JPEG XL for images; the quality of videos is --crf"
        raise InputError("--quality and --subsampling would have no effect", hint=hint)


def _target(arguments: argparse.Namespace, pattern: SequencePattern | None, size: str) -> Path | SequencePattern | None:
    """Return the target of a source, where it is no pattern itself."""
    if arguments.output == _PIPE:
        return None
    out = None if arguments.output is None else Path(arguments.output)
    is_file = out is not None and (_finds(out.is_file) or (bool(out.suffix) and not _finds(out.is_dir)))
    if pattern is None or is_file:
        if out is None or not is_file:
            msg = "there is no name for what comes from a pipe"
            raise InputError(msg, hint="give a file, images or a pipe: -o large.mkv, -o frames/%06d.png, -o -")
        return out
    folder = pattern.folder if out is None else out
    if out is None:
        folder = folder if folder.name not in {"", ".."} else folder.resolve()
        folder = folder.with_name(f"{folder.name}_{size}")
    before, after = pattern.before, pattern.after
    if arguments.format not in {None, _Y4M}:
        after = after.removesuffix(pattern.path(1).suffix) + FORMATS[arguments.format].extensions[0]
    return SequencePattern(folder=folder, before=before, digits=pattern.digits, after=after)


def _each_by_itself(arguments: argparse.Namespace) -> bool:
    """Return whether no image of a sequence has to do with another."""
    return not arguments.temporal and not arguments.start and arguments.duration is None


def options_of(arguments: argparse.Namespace, size: OutputSize | None) -> FrameOptions:
    """Return what is made of the frames of videos.

    Raises:
        InputError: a value is out of range.

    """
    from paragon_core.media.video.pipeline import FrameOptions
    from paragon_core.media.video.time_range import TimeRange

    return FrameOptions(
        size=size,
        temporal=arguments.temporal,
        time_range=TimeRange(start=arguments.start, duration=arguments.duration),
        keep_damaged=arguments.keep_damaged,
        deinterlace=arguments.deinterlace,
    )


def run(
    frames: Frames,
    arguments: argparse.Namespace,
    console: Console,
    upscalers: Upscalers,
    progress: JobProgress,
) -> int:
    """Upscale the frames; return the exit code.

    Args:
        frames: from `wanted`, what is not done by jobs.
        arguments: those of the command.
        console: where messages go.
        upscalers: of the models that may be used.
        progress: of `Frames.job`.

    Raises:
        ParagonError: as the functions of the core.

    """
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.images import MAX_PIXELS
    from paragon_core.media.jobs import JobResult
    from paragon_core.media.video.jobs import check_pixels, video_size
    from paragon_core.media.video.opening import name_of
    from paragon_core.media.video.y4m import Y4mInput

    if shared := [name for name in _SHARED if getattr(arguments, name) is not None]:
        msg = f"--{shared[0]} is for files and folders of files, not for images that belong together, nor for pipes"
        raise InputError(msg, hint=f"leave --{shared[0]} out")
    start = time.perf_counter()
    encoding = encoding_of(arguments)
    options = options_of(arguments, wanted_size(arguments))
    with ExitStack() as stack:
        # Before anything is loaded that might print.
        stream = stack.enter_context(streams.data_output()) if frames.target is None else None
        source: Source
        if frames.source is None:
            source = Y4mInput(stack.enter_context(streams.data_input()))
            size = source.header.width, source.header.height
        else:
            source, size = frames.source, video_size(frames.source)
        check_pixels(name_of(source), size, arguments.max_pixels or MAX_PIXELS)
        upscaler = upscalers.for_video(source, encoding, keep_damaged=options.keep_damaged)
        work = _Work(
            source=source,
            target=frames.target,
            upscaler=upscaler,
            options=options,
            encoding=encoding,
            compression=ImageCompression(quality=arguments.quality, subsampling=arguments.subsampling),
            overwrite=arguments.overwrite,
        )
        if work.is_done():
            progress.finish(JobResult(job=frames.job, state="skipped"))
            console.say(f"{frames.target} is there already (--overwrite makes it again)")
            return OK
        ready(
            console,
            models=[upscaler.model.name],
            size=label(options.size, upscaler.scale),
            backend=upscaler.backend,
            precision=upscaler.precision_of("float32"),
        )
        try:
            progress.begin(frames.job)
            result = work.do(stream, progress.video())
        except streams.ReaderGoneError:
            return READER_GONE
        finally:
            console.erase()
    seconds = time.perf_counter() - start
    result_of_job = JobResult(
        job=frames.job, state="written", size=result.size, frames=result.frames, seconds=seconds, notes=result.notes
    )
    progress.finish(result_of_job)
    for note in result.notes:
        console.insist(f"paragon: note: {name_of(source)}: {note}")
    width, height = result.size
    console.say(
        f"{frames.job.source} -> {frames.job.target} ({result.frames} frames, {width} x {height}, {seconds:.1f} s)"
    )
    return OK


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is to be done, with a network."""

    source: Source
    target: Path | SequencePattern | None
    upscaler: Upscaler
    options: FrameOptions
    encoding: VideoEncoding
    compression: ImageCompression
    overwrite: bool

    def is_done(self) -> bool:
        """Return whether the target is a file that is done.

        Raises:
            JobError: it is something else, or may be.

        """
        from paragon_core.media.video.jobs import video_is_done

        if not isinstance(self.target, Path) or self.overwrite or not self.target.exists():
            return False
        if not isinstance(self.source, Path | ImageSequence):
            msg = f"{self.target} exists, and what comes from a pipe may be another video"
            raise JobError(msg, hint="choose another output, or replace it with --overwrite")
        return video_is_done(
            self.source,
            self.target,
            scale=self.upscaler.scale,
            size=self.options.size,
            time_range=self.options.time_range,
            keep_damaged=self.options.keep_damaged,
        )

    def do(self, stream: streams.DataOutput | None, observer: VideoObserver) -> VideoResult:
        """Do it; raises what the functions of the core do."""
        from paragon_core.atomic_files import prepare_folder
        from paragon_core.media.video.image_output import upscale_to_images
        from paragon_core.media.video.targets import upscale_to_file
        from paragon_core.media.video.y4m_output import upscale_to_y4m

        if stream is not None:
            return upscale_to_y4m(self.source, stream, self.upscaler, self.options, observer=observer)
        if isinstance(self.target, SequencePattern):
            return upscale_to_images(
                self.source,
                self.target,
                self.upscaler,
                self.options,
                first=self.source.first if isinstance(self.source, ImageSequence) else 1,
                compression=self.compression,
                overwrite=self.overwrite,
                observer=observer,
            )
        assert self.target is not None  # noqa: S101 - there is a stream then
        prepare_folder(self.target)
        return upscale_to_file(
            self.source,
            self.target,
            self.upscaler,
            self.options,
            encoding=self.encoding,
            compression=self.compression,
            observer=observer,
        )
