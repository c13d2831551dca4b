"""Frames through a Python function, several at a time.

`std.ModifyFrame` calls its function for one frame after the other, which leaves all but one core idle where the time
goes into a runtime that lets go of Python's lock. The plugin has a filter of its own for that; without the plugin, two
standard filters do the same with more words and longer error texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vapoursynth as vs

from vs_paragon.messages import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def modify_frames(
    template: vs.VideoNode,
    clips: Sequence[vs.VideoNode],
    function: Callable[[int, list[vs.VideoFrame]], vs.VideoFrame],
    *,
    offsets: Sequence[int] = (),
) -> vs.VideoNode:
    """Return a clip whose frames a Python function makes from frames of other clips.

    Args:
        template: Gives the format, the size, the length and the frame rate. Its frames are never asked for.
        clips: At least one; the same clip may stand here more than once.
        function: Is called as `function(n, frames)`, on up to `core.num_threads` threads at once, and returns a
            frame of the template's format and size. It must not ask for frames itself. Whatever it raises becomes the
            frame's error as `vs_paragon.messages.describe` words it.
        offsets: One for each clip, or none for zeros. `frames[i]` is the frame `n - offsets[i]` of `clips[i]`,
            or the nearest one that this clip has.

    Raises:
        vapoursynth.Error: The template has no fixed format or size, or there are more or fewer offsets than clips.
    """
    plugin: Any = getattr(vs.core, "paragon", None)
    if not hasattr(plugin, "ModifyFrames"):
        return _with_standard_filters(template, clips, function, offsets)

    def answer(n: int, f: vs.VideoFrame | list[vs.VideoFrame]) -> dict[str, vs.VideoFrame | str]:
        try:
            return {"val": function(n, f if isinstance(f, list) else [f])}
        except Exception as error:  # noqa: BLE001 - describe() separates expected errors from all others
            return {"error": describe(error)}

    clip: vs.VideoNode = plugin.ModifyFrames(template, list(clips), answer, list(offsets) or None)
    return clip


def _with_standard_filters(
    template: vs.VideoNode,
    clips: Sequence[vs.VideoNode],
    function: Callable[[int, list[vs.VideoFrame]], vs.VideoFrame],
    offsets: Sequence[int],
) -> vs.VideoNode:
    """Do the same without the plugin. VapourSynth puts a traceback around the errors."""
    if offsets and len(offsets) != len(clips):
        raise vs.Error("paragon.ModifyFrames: offsets must be as many as clips")
    shifted = [_shifted(clip, offset) for clip, offset in zip(clips, offsets or [0] * len(clips), strict=True)]

    def answer(n: int, f: vs.VideoFrame | list[vs.VideoFrame]) -> vs.VideoFrame:
        try:
            return function(n, f if isinstance(f, list) else [f])
        except Exception as error:  # noqa: BLE001 - describe() separates expected errors from all others
            raise vs.Error(describe(error)) from None

    def fresh(n: int) -> vs.VideoNode:  # noqa: ARG001 - VapourSynth passes it by name
        return template.std.ModifyFrame(shifted, answer)

    # FrameEval lets its function go before the frame is made: a fresh ModifyFrame each time means that none waits.
    return template.std.FrameEval(fresh)


def _shifted(clip: vs.VideoNode, offset: int) -> vs.VideoNode:
    """Return a clip whose frame n is the other's n - offset; before the first frame stands the first."""
    if offset > 0:
        return clip.std.DuplicateFrames([0] * offset)
    return clip.std.Trim(first=min(-offset, clip.num_frames - 1))
