"""Frames that hold NaN or infinity: no plugin looks for them, and the conversion to integers would make them black."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.errors import NonFiniteError, ParagonError, UnsupportedFormatError
from vs_paragon.frame_choice import choose_by_frame
from vs_paragon.frames import planes
from vs_paragon.modify_frames import modify_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    import vapoursynth as vs

_log = logging.getLogger(__name__)


def required(clip: vs.VideoNode) -> vs.VideoNode:
    """Return a float clip of a script whose frames fail if they hold NaN or infinity."""

    def error(n: int) -> ParagonError:
        return UnsupportedFormatError(
            f"frame {n} contains values that are not numbers (NaN or infinity)",
            hint="look for the filter that makes them, or fix them with std.Expr",
        )

    return _finite_or(error, clip)


def checked(clip: vs.VideoNode, *, instead: Callable[[], vs.VideoNode] | None = None) -> vs.VideoNode:
    """Return a network's float clip; frames that overflowed are taken from another clip, or else fail.

    Args:
        clip: what a plugin computes.
        instead: returns the same in fp32; called when it is first needed.

    """
    if instead is None:

        def error(n: int) -> ParagonError:
            return NonFiniteError(
                f"frame {n}: the network computed values that are not numbers, in fp32",
                hint="the checkpoint may be damaged: see paragon verify",
            )

        return _finite_or(error, clip)

    make_exact = cache(instead)

    def choose_clip(n: int, frame: vs.VideoFrame) -> vs.VideoNode:
        if _is_finite(frame):
            return clip
        _log.warning("frame %d overflowed in the reduced precision: fp32 takes over for it", n)
        return make_exact()

    return choose_by_frame(clip, clip, choose_clip)


def _finite_or(error: Callable[[int], ParagonError], clip: vs.VideoNode) -> vs.VideoNode:
    """Return a float clip; frames that hold NaN or infinity fail with the error for their number."""

    def check(n: int, inputs: list[vs.VideoFrame]) -> vs.VideoFrame:
        if not _is_finite(inputs[0]):
            raise error(n)
        return inputs[0]

    return modify_frames(clip, [clip], check)


def _is_finite(frame: vs.VideoFrame) -> bool:
    """Return whether no value is NaN or infinite; takes half a millisecond for a plane of 1280x720."""
    return all(np.isfinite(plane).all() for plane in planes(frame))
