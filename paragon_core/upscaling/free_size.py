"""The way of an image to any size: through the network as often as needed, then down to the size in floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import OutOfMemoryError
from paragon_core.upscaling.memory import lacks
from paragon_core.upscaling.output_size import Size, passes
from paragon_core.upscaling.resize import from_unit, resize_image, to_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]
    #: Runs a network once over float32 of 0..1, reporting its progress.
    RunNetwork = Callable[[npt.NDArray[np.float32], Progress | None], npt.NDArray[np.float32]]

_FLOAT_BYTES: Final = 4


def upscale_to(
    image: npt.NDArray[Any], target: Size, *, scale: int, run: RunNetwork, clip: bool, progress: Progress | None = None
) -> npt.NDArray[Any]:
    """Return an image in another size, with its data type and channels; rounded once, at the end.

    Args:
        image: as `Upscaler` takes it.
        target: width and height of the result in pixels.
        scale: that of the network.
        run: runs the network once.
        clip: whether floats are clipped to 0..1; integers always are.
        progress: called with (steps done, steps in all), where later runs weigh as much as they take.

    Raises:
        UnsupportedSizeError: a step on the way has more than 2^30 pixels.
        OutOfMemoryError: the steps on the way do not fit in memory.
        ParagonError: whatever ``run`` raises.

    """
    size = image.shape[1], image.shape[0]
    if size == target:
        return image.copy()
    count = passes(size, target, scale)
    check_memory(size, target, ratio=scale**count, values=image.size // (size[0] * size[1]))
    pixels = to_unit(image)
    weights = [scale ** (2 * number) for number in range(count)]
    for number, weight in enumerate(weights):
        pixels = run(pixels, _share(progress, sum(weights[:number]), weight, sum(weights)))
    pixels = resize_image(pixels, target)
    return from_unit(np.clip(pixels, 0, 1) if clip else pixels, image.dtype)


def check_memory(size: Size, target: Size, *, ratio: int, values: int) -> None:
    """Refuse what cannot fit in memory before any is taken.

    Args:
        size: width and height of the source in pixels.
        target: those of the result.
        ratio: how many times as wide and high as the source the network's last run makes it.
        values: floats for each pixel, all that are held at once.

    Raises:
        OutOfMemoryError: the last step and the result, in floats, take more than is free.

    """
    pixels = math.prod(size) * ratio**2 + math.prod(target)
    if lack := lacks(pixels * values * _FLOAT_BYTES):
        needed, free = (f"{size / 2**30:.1f} GiB" for size in lack)
        raise OutOfMemoryError(
            f"{size[0]}x{size[1]} pixels on their way to {target[0]}x{target[1]} take {needed}, and {free} is free",
            hint="choose a smaller size, or a model with a smaller scale",
        )


def _share(progress: Progress | None, before: int, weight: int, total: int) -> Progress | None:
    """Return a callback for a part of the work that weighs so much of the total, with so much of it before."""
    if progress is None:
        return None
    return lambda done, steps: progress(before * steps + weight * done, total * steps)
