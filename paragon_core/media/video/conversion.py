"""From the samples of a video frame to the RGB (or grey) of 0..1 that networks take, and back.

Everything is in floating point and by the stream's own description (`VideoColour`). Both directions use the same
description, so that what the network leaves alone comes back as it was. Values beyond 0..1, which limited ranges can
hold, are not clipped on the way in. The native kernel does the work where it is there, else NumPy, with the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.errors import BackendUnavailableError
from paragon_core.media.video import array_conversion, native_conversion
from paragon_core.native import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.media.video.chroma import MakePlanes, Plane
    from paragon_core.media.video.colour import SampleArray, VideoColour
    from paragon_core.native.library import NativeLibrary


def new_planes(count: int, shape: tuple[int, int]) -> list[Plane]:
    """Return planes of a shape [height, width], with anything in them."""
    return [np.empty(shape, dtype=np.float32) for _ in range(count)]


def to_network(
    samples: Sequence[SampleArray], colour: VideoColour, make_planes: MakePlanes = new_planes
) -> list[Plane]:
    """Convert a frame to float32 planes of 0..1.

    Args:
        samples: luma [h, w] alone; luma, Cb and Cr [ceil(h / factor), ceil(w / factor)]; or R, G and B.
        colour: how to read them.
        make_planes: may return memory that was used before; it is not asked where NumPy does the work.

    Returns:
        Grey [h, w]; or R, G and B, each [h, w].

    """
    found = _library()
    if found is not None and native_conversion.takes(samples, [], colour):
        return native_conversion.to_network(found, samples, colour, make_planes)
    return array_conversion.to_network(samples, colour)


def from_network(planes: Sequence[Plane], out: Sequence[SampleArray], colour: VideoColour) -> None:
    """Write float32 planes of 0..1 as the samples of a frame, rounded to nearest.

    Args:
        planes: grey [h, w]; or R, G and B.
        out: luma [h, w]; with Cb and Cr [ceil(h / factor), ceil(w / factor)], neutral where the planes are grey; or
            R, G and B.
        colour: how to write them.

    """
    found = _library()
    if found is not None and native_conversion.takes(out, planes, colour):
        native_conversion.from_network(found, planes, out, colour)
    else:
        array_conversion.from_network(planes, out, colour)


@cache
def _library() -> NativeLibrary | None:
    """Return the native kernel's library, None where there is none."""
    try:
        return library.load()
    except BackendUnavailableError:
        return None
