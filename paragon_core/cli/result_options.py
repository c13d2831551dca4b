"""Options of ``paragon upscale`` about the files that it writes: their compression, their names, their place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from paragon_core.cli.console import Console
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.job_plan import Job
    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.models.model import Model
    from paragon_core.upscaling.output_size import OutputSize, Size


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from paragon_core.media.compression import SUBSAMPLINGS

    result = parser.add_argument_group("files that are written")
    result.add_argument(
        "--quality",
        type=options.count,
        metavar="N",
        help="1 to 100, of JPEG, WebP, AVIF and JPEG XL [95, for AVIF 90; WebP and JPEG XL are lossless if "
        "their source is]",
    )
    result.add_argument("--subsampling", choices=SUBSAMPLINGS, help="of chroma, in JPEG and AVIF [4:4:4]")
    result.add_argument(
        "--name",
        metavar="PATTERN",
        help='name without the extension, such as "{stem}_{width}x{height}"; also {size}, such as 2x, and {model}',
    )
    result.add_argument(
        "--replace",
        action="store_true",
        help="put results in the place of their sources, if nothing is lost by it. Repeated, --scale upscales what was "
        "upscaled; other sizes leave alone what is that large already",
    )


def compression_of(arguments: argparse.Namespace, jobs: Sequence[Job], console: Console) -> ImageCompression:
    """Return how images are compressed, and print which formats take no notice of it.

    Raises:
        InputError: a value is out of range, does not go with a format, or has no effect on any file.

    """
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.formats import format_of_name

    compression = ImageCompression(quality=arguments.quality, subsampling=arguments.subsampling)
    if not compression.is_given:
        return compression
    targets = [format_of_name(job.target) for job in jobs if not job.is_video]
    unaffected = Counter(target.title for target in targets if not compression.applies_to(target))
    unaffected["video"] = len(jobs) - len(targets)
    for target in targets:
        compression.check(target)
    kinds = ", ".join(f"{count} {title}" for title, count in unaffected.items() if count)
    given = " and ".join(f"--{name}" for name in ("quality", "subsampling") if getattr(arguments, name) is not None)
    if unaffected.total() == len(jobs):
        raise InputError(
            f"{given} would have no effect: there is nothing but {kinds} to write",
            hint="choose JPEG, WebP, AVIF or JPEG XL (--format jpeg); the quality of videos is --crf",
        )
    if kinds:
        console.note(f"{given}: no effect on {kinds}")
    return compression


def naming(
    arguments: argparse.Namespace,
    size: OutputSize | None,
    models: Mapping[int, Model],
    encoding: VideoEncoding,
) -> Callable[[Path], str] | None:
    """Return what gives each source's result its name; None where nothing was asked for.

    Raises:
        InputError: the pattern is none, or names the model where each file's size decides on it.

    """
    from paragon_core.media.names import NamePattern

    if arguments.name is None:
        return None
    pattern = NamePattern(text=arguments.name)
    if "model" in pattern.fields and len(models) > 1:
        raise InputError("with this size, each file's own size decides on its model", hint="choose one with --model")
    scale, model = next(iter(models.items()))

    def name(source: Path) -> str:
        made = (
            _made_size(source, size, scale, encoding, keep_damaged=arguments.keep_damaged)
            if pattern.needs_size
            else None
        )
        return pattern.name(stem=source.stem, made=made, size=label(size, scale), model=model.name)

    return name


def label(size: OutputSize | None, scale: int) -> str:
    """Return a size as it appears in file names, such as 2x or 3840x2160."""
    return f"{scale}x" if size is None else str(size)


def _made_size(
    source: Path, size: OutputSize | None, scale: int, encoding: VideoEncoding, *, keep_damaged: bool
) -> Size:
    """Return width and height of a result as viewed."""
    from paragon_core.media.images import read_header
    from paragon_core.media.result_size import as_viewed, result_size
    from paragon_core.media.video.formats import is_video
    from paragon_core.media.video.jobs import look_ahead

    if is_video(source):
        return look_ahead(source, encoding, scale=scale, size=size, keep_damaged=keep_damaged).size
    header = read_header(source)
    made = result_size(header.size, header.orientation, scale=scale, wanted=size)
    return as_viewed(made, header.orientation)
