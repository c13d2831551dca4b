"""The frames of a video, upscaled in their order, for whatever is made of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from paragon_core.cores import usable_cores
from paragon_core.media.prefetch import in_order, prefetch, threads
from paragon_core.media.video.deinterlacing import check_deinterlace
from paragon_core.media.video.frame_upscaler import FrameUpscaler
from paragon_core.media.video.observer import VideoObserver, VideoOutline, VideoPosition
from paragon_core.media.video.opening import opened
from paragon_core.media.video.output import OutputFormat
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.upscale import up_to_first_frame
from paragon_core.upscaling.free_size import check_memory
from paragon_core.upscaling.temporal import check_strength

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av import VideoFrame

    from paragon_core.media.video.encoding import VideoEncoding
    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.media.video.opening import Source
    from paragon_core.media.video.source import VideoReader
    from paragon_core.media.video.upscale import VideoProgress
    from paragon_core.upscaling.output_size import OutputSize
    from paragon_core.upscaling.upscaler import Upscaler

#: Frames in work at once, frames that wait before the network, and the most values of a pixel.
_IN_WORK: Final = 4
_WAITING: Final = 2
_PLANES: Final = 3

_WHOLE: Final = TimeRange()


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """What is made of the frames of a video, whatever they are written into."""

    size: OutputSize | None = None
    """Size that they get, instead of the model's scale."""
    temporal: float = 0.0
    """Strength of the smoothing of detail over time, 0 to 0.9."""
    time_range: TimeRange = _WHOLE
    """The part of the video that is wanted."""
    keep_damaged: bool = False
    """Whether what is there of a truncated source is taken."""
    deinterlace: Deinterlace = "auto"
    """What is done about interlaced frames."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of range.

        """
        check_strength(self.temporal)
        check_deinterlace(self.deinterlace)


@dataclass(frozen=True, kw_only=True)
class UpscaledFrames:
    """The frames of one video, under way."""

    video: VideoReader
    """The source; its notes are complete when all frames were taken."""
    format: OutputFormat
    """What its frames become."""
    frames: Iterator[VideoFrame | None]
    """The frames in order of display; None for one that was not wanted."""
    progress: VideoProgress
    """Called after each frame."""
    observer: VideoObserver
    """Told likewise, in more detail."""

    def tell(self, frames: int, frame: VideoFrame | None, *, written: int = 0) -> None:
        """Tell how far the work is.

        Args:
            frames: number of frames that are done.
            frame: the newest one; None where that is not known.
            written: bytes of the result so far.

        """
        self.progress(frames, self.video.expected_frames)
        seconds = None if frame is None else float((frame.pts or 0) * self.video.time_base)
        self.observer.advance(VideoPosition(frames=frames, seconds=seconds, written=written))


def _ignore(_done: int, _total: int | None) -> None:
    """Show no progress."""


def _all(_index: int) -> bool:
    return True


@contextmanager
def upscaled_frames(
    source: Source,
    upscaler: Upscaler,
    encoding: VideoEncoding,
    options: FrameOptions,
    *,
    is_wanted: Callable[[int], bool] = _all,
    progress: VideoProgress = _ignore,
    observer: VideoObserver = VideoObserver(),  # noqa: B008 - it does nothing
) -> Iterator[UpscaledFrames]:
    """Upscale frames while they are taken, some in advance; what is under way ends with the block.

    Args:
        source: a file, an open one, or a pipe.
        upscaler: the network.
        encoding: says how the frames are to be stored.
        options: what is made of them.
        is_wanted: whether the n-th frame, from 0 on, is to be upscaled; asked in their order. Others are decoded, and
            those after them smoothed with them, all the same.
        progress: what is called after each frame, by `UpscaledFrames.tell`.
        observer: likewise.

    Raises:
        ParagonError: as `upscale_video`.

    """
    reading = opened(source, options.time_range, keep_damaged=options.keep_damaged, deinterlace=options.deinterlace)
    with reading as video, threads(1) as reader:
        steps = prefetch(video.steps(), reader, at_once=_WAITING)
        before, first = up_to_first_frame(steps, video)
        output = OutputFormat.of(first, video, encoding, scale=upscaler.scale, wanted=options.size)
        check_memory((first.width, first.height), output.pixels, ratio=upscaler.scale**output.runs, values=_PLANES)
        at_once = max(upscaler.options.concurrency + 1, min(usable_cores(), _IN_WORK))
        with (
            threads(at_once) as workers,
            FrameUpscaler(
                upscaler,
                workers,
                temporal=options.temporal,
                rotation=output.rotation,
                runs=output.runs,
                size=output.pixels,
                blank=output.blank,
                colour=output.frame_format.colour,
            ) as network,
        ):
            begun = (
                network.begin(step) if is_wanted(index) else network.pass_over(step)
                for index, step in enumerate(step for step in chain(before, steps) if step.frame is not None)
            )
            outline = VideoOutline(
                frames=video.expected_frames,
                seconds=video.seconds,
                size=(first.width, first.height),
                result_size=output.size,
            )
            observer.begin(outline)
            frames = (step.frame for step in in_order(begun, at_once=at_once))
            yield UpscaledFrames(video=video, format=output, frames=frames, progress=progress, observer=observer)
