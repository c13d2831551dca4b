"""A clip each of whose frames comes from the clip that suits the properties of a source frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    import vapoursynth as vs


def choose_by_frame(
    template: vs.VideoNode, source: vs.VideoNode, choose: Callable[[int, vs.VideoFrame], vs.VideoNode]
) -> vs.VideoNode:
    """Return a clip whose frame n is that of the clip which a function chooses.

    Args:
        template: Gives the format, the size, the length and the frame rate. Its frames are never requested.
        source: Gives the frame that the function looks at.
        choose: Is called as `choose(n, frame)` for one frame after the other, in any order, and returns a clip like
            the template; the same one again for frames of one kind, since to make one costs time and memory.
            What it raises becomes the error of that frame alone, as `vs_paragon.messages.describe` words it.

    """

    def choose_or_fail(n: int, f: vs.VideoFrame) -> vs.VideoNode:
        try:
            return choose(n, f)
        except Exception as error:  # noqa: BLE001 - modify_frames words it; from here VapourSynth would add a traceback
            return _failing(template, error.with_traceback(None))  # which would keep the frame alive

    return template.std.FrameEval(choose_or_fail, prop_src=[source])


def _failing(template: vs.VideoNode, error: Exception) -> vs.VideoNode:
    def fail(_n: int, _frames: list[vs.VideoFrame]) -> vs.VideoFrame:
        raise error

    return modify_frames(template, [template], fail)
