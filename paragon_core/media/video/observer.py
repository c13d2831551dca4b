"""Following a video while it is upscaled, in one process or from many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paragon_core.media.video.stage_times import NOT_MEASURED

if TYPE_CHECKING:
    from paragon_core.media.video.stage_times import StageTimes
    from paragon_core.upscaling.output_size import Size


@dataclass(frozen=True, kw_only=True)
class VideoOutline:
    """What is known of a video before its first frame is upscaled."""

    frames: int | None
    """Frames of the result, as far as the container says; None where it does not."""
    seconds: float | None
    """Length of the result, likewise."""
    size: Size
    """Width and height of the source's frames, as stored."""
    result_size: Size
    """Width and height of the result's frames, as stored."""
    earlier: int = 0
    """Frames that an earlier run has finished."""
    copies: int = 1
    """How many times the disk has to hold the result before it is complete: 2 where it is joined from parts."""


@dataclass(frozen=True, kw_only=True)
class VideoPosition:
    """How far a video is."""

    frames: int
    """Frames that are written, those of an earlier run included."""
    seconds: float | None
    """Time of the newest one in the result, in seconds from its beginning; None where it is not known."""
    written: int
    """Bytes of the result so far, those of an earlier run included."""


class VideoObserver:
    """Follows one video; does nothing by itself: subclasses show or report what happens.

    Its methods are called in the thread that calls `upscale_video`; an exception that one raises ends the work.
    """

    times: StageTimes = NOT_MEASURED
    """Where the time of each stage is added up, from several threads; by default it is not measured."""

    def begin(self, outline: VideoOutline) -> None:
        """Note what is to be done; called once, before the first frame."""

    def advance(self, position: VideoPosition) -> None:
        """Note how far it is; called after each frame, or as often as it is known."""
