"""Which size a picture shall have, and how it gets there."""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

from paragon_core.errors import InputError, UnsupportedSizeError

Mode = Literal["factor", "short edge", "long edge", "fit", "megapixels"]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)

#: Pixels of the largest result or step on the way to it.
MOST_PIXELS: Final = 2**30


def target_size(
    size: tuple[int, int],
    mode: Mode,
    *,
    factor: float,
    edge: int,
    box: tuple[int, int],
    megapixels: float,
    multiple: int,
) -> tuple[int, int]:
    """Return (width, height) in the proportions of ``size``, as close as whole multiples of ``multiple`` come.

    Args:
        size: width and height of the picture.
        mode: what decides: ``factor``; ``edge`` as the length of the short or the long edge; ``box``, in which the
            result fits and touches two sides; or ``megapixels`` of 10^6 pixels.
        factor: enlargement along both axes.
        edge: pixels.
        box: width and height.
        megapixels: pixels of the result, in millions.
        multiple: what both sides are multiples of: the nearest, but never beyond ``box``.

    Raises:
        InputError: nothing fits into the box.
        UnsupportedSizeError: that is more than 2^30 pixels.

    """
    width, height = size
    ratio = {
        "factor": factor,
        "short edge": edge / min(size),
        "long edge": edge / max(size),
        "fit": min(box[0] / width, box[1] / height),
        "megapixels": math.sqrt(megapixels * 1e6 / (width * height)),
    }[mode]
    wanted = tuple(max(round(side * ratio / multiple), 1) * multiple for side in size)
    if mode == "fit":
        wanted = tuple(min(side, most // multiple * multiple) for side, most in zip(wanted, box, strict=True))
        if 0 in wanted:
            raise InputError(
                f"no multiple of {multiple} fits into {box[0]}x{box[1]}", hint="choose a smaller multiple_of"
            )
    if math.prod(wanted) > MOST_PIXELS:
        raise UnsupportedSizeError(
            f"{width}x{height} pixels would become {wanted[0]}x{wanted[1]}", hint="choose a smaller size"
        )
    return wanted[0], wanted[1]


def passes(size: tuple[int, int], target: tuple[int, int], scale: int) -> int:
    """Return how often a network that enlarges ``scale`` times must run to reach ``target`` or more.

    0 where the picture is to become smaller. What is beyond the target is resized away. Half a pixel that is missing,
    as rounding makes it, is not worth another run.

    Raises:
        UnsupportedSizeError: the last step has more than 2^30 pixels.

    """
    ratio = max((target[0] - 0.5) / size[0], (target[1] - 0.5) / size[1])
    count = 0
    while scale**count < ratio:
        count += 1
    width, height = (side * scale**count for side in size)
    if width * height > MOST_PIXELS:
        raise UnsupportedSizeError(
            f"on the way to {target[0]}x{target[1]} the model makes {width}x{height} pixels",
            hint="choose a smaller size, or a model with a smaller scale",
        )
    return count
