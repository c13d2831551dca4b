"""Upscaling a video: decoding, upscaling and encoding frame by frame, with all other streams carried over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from paragon_core.cores import usable_cores
from paragon_core.errors import InputError, MediaError
from paragon_core.media.prefetch import in_order, prefetch, result_of, threads
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.formats import container_of_name
from paragon_core.media.video.frame_upscaler import FrameUpscaler
from paragon_core.media.video.observer import VideoObserver, VideoOutline, VideoPosition
from paragon_core.media.video.opening import opened
from paragon_core.media.video.output import OutputFormat, VideoWriter, writing
from paragon_core.media.video.remux import names_of
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.free_size import check_memory
from paragon_core.upscaling.temporal import check_strength

if TYPE_CHECKING:
    from av import VideoFrame

    from paragon_core.media.video.source import Step, VideoReader
    from paragon_core.upscaling.output_size import OutputSize
    from paragon_core.upscaling.upscaler import Upscaler

__all__ = ["VideoEncoding", "VideoProgress", "VideoResult", "upscale_video"]

#: Called with the frames that are done, and how many there are in all as far as the container says.
VideoProgress = Callable[[int, int | None], None]

#: Frames in work at once, where there are cores for them: a graphics card may be done with several before one core has
#: converted the colours of another. Each takes memory.
_IN_WORK: Final = 4

#: Values of a pixel at most: red, green and blue.
_PLANES: Final = 3

#: Frames that wait before and behind the network.
_WAITING: Final = 2


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """Result of upscaling a video."""

    frames: int
    """Frames written."""
    size: tuple[int, int]
    """Width and height of the result in pixels."""
    notes: tuple[str, ...]
    """Notes on what was not kept, for the user."""
    part: str = ""
    """Which part of the work was done, in words for the user; empty where the file is complete."""


def _ignore(_done: int, _total: int | None) -> None:
    """Show no progress."""


def upscale_video(
    source: Path | BinaryIO,
    target: Path,
    upscaler: Upscaler,
    *,
    size: OutputSize | None = None,
    temporal: float = 0.0,
    encoding: VideoEncoding = VideoEncoding(),  # noqa: B008 - it is frozen
    start: float = 0.0,
    duration: float | None = None,
    keep_damaged: bool = False,
    progress: VideoProgress = _ignore,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> VideoResult:
    """Upscale a video.

    Frames keep their number and times, and the size of the first one; sound and subtitles are copied where the target's
    container holds them, and so are chapters, names, languages and attached files. Memory does not depend on the
    length. The same video, model and runtime give the same bytes.

    Args:
        source: a file, or an open one that can be read and sought.
        target: the file to write, which ends in .mp4, .mkv, .mov or .m4v; it appears whole or not at all.
        upscaler: upscales the frames, as many at once as its ``concurrency``. With ``clip=False`` what limited
            ranges hold beyond black and white passes through it.
        size: the size that frames get, instead of the model's scale: as they are shown, that is turned upright. All but
            a factor is counted in square pixels, which the result then has. Sides are even where the codec needs it.
        temporal: 0 (none) to 0.9, smooths the detail over time (`paragon_core.upscaling.temporal`).
        encoding: what the result is encoded with.
        start: seconds from the source's own start; frames before are left out, and times count from here.
        duration: seconds after ``start``; frames from then on are left out.
        keep_damaged: take what is there of a source whose end is missing, with a note.
        progress: called in the calling thread after each frame; an exception that it raises ends the work.
        observer: follows the work in more detail; its ``times`` measure the stages.

    Returns:
        What was made.

    Raises:
        InputError: an option is out of range, the target would replace the source, or the video cannot be handled.
        UnsupportedSizeError: frames of that size, or a step on the way to them, would have more than 2^30 pixels.
        MediaError: the source is no video or cut off, none of its frames can be decoded, or the target cannot be
            written.
        UnsupportedFormatError: its colours mean nothing without its Dolby Vision layer (profile 5).
        BackendUnavailableError: PyAV or the encoder is missing.
        OutOfMemoryError: a frame does not fit, even in small tiles.
        InferenceError: the runtime failed.

    """
    check_strength(temporal)
    container_of_name(target)
    _check_different(source, target)
    time_range = TimeRange(start=start, duration=duration)
    times = observer.times
    with (
        opened(source, time_range, keep_damaged=keep_damaged) as video,
        threads(1) as reader,
        times.lent("reader", 1),
    ):
        steps = prefetch(times.each("decode", video.steps()), reader, at_once=_WAITING)
        before, first = _up_to_first_frame(steps, video)
        output_format = OutputFormat.of(first, video, encoding, scale=upscaler.scale, wanted=size)
        total = video.expected_frames
        ratio = upscaler.scale**output_format.runs
        check_memory((first.width, first.height), output_format.pixels, ratio=ratio, values=_PLANES)
        at_once = max(
            upscaler.options.concurrency + 1, min(usable_cores(), _IN_WORK)
        )  # one more than the network takes
        outline = VideoOutline(
            frames=total, seconds=video.seconds, size=(first.width, first.height), result_size=output_format.size
        )
        with (
            writing(target, names_of(video)) as container,
            threads(at_once) as workers,
            threads(1) as writer,
            times.lent("workers", at_once),
            times.lent("writer", 1),
        ):
            output = VideoWriter(container, video, output_format)
            observer.begin(outline)

            def write(step: Step) -> float | None:
                """Write what comes next; return the time of its frame."""
                with times.spent("encode"):
                    output.write(step)
                return None if step.frame is None else step.frame.time or 0.0

            def finish() -> None:
                """Write what the encoder holds back."""
                with times.spent("encode"):
                    output.finish()

            with FrameUpscaler(
                upscaler,
                workers,
                temporal=temporal,
                rotation=output_format.rotation,
                runs=output_format.runs,
                size=output_format.pixels,
                blank=output_format.blank,
                colour=output_format.frame_format.colour,
                times=times,
            ) as frame_upscaler:
                upscaled = in_order(map(frame_upscaler.begin, chain(before, steps)), at_once=at_once)
                frames = 0
                for time in in_order((writer.submit(write, step) for step in upscaled), at_once=_WAITING):
                    if time is not None:
                        frames += 1
                        progress(frames, total)
                        observer.advance(VideoPosition(frames=frames, seconds=time, written=output.written))
            result_of(writer.submit(finish))
        notes = (*output.notes, *video.notes)
    return VideoResult(frames=frames, size=output_format.size, notes=notes)


def _up_to_first_frame(steps: Iterator[Step], video: VideoReader) -> tuple[list[Step], VideoFrame]:
    """Return the steps up to the first one with a frame, and that frame."""
    before = []
    for step in steps:
        before.append(step)
        if step.frame is not None:
            return before, step.frame
    msg = f"no frame of {video.name} can be decoded{video.no_frames}"
    raise MediaError(msg, hint="see whether a player shows it; if so, convert it to another format first")


def _check_different(source: Path | BinaryIO, target: Path) -> None:
    name = source if isinstance(source, Path) else getattr(source, "name", None)
    if isinstance(name, (str, Path)) and target.exists() and Path(name).exists() and target.samefile(name):
        msg = f"{target} would replace the video itself"
        raise InputError(msg, hint="choose another output; sources are never overwritten")
