"""Which size an image or a video shall have, and how often a network must run to get there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paragon_core.errors import InputError, UnsupportedSizeError

if TYPE_CHECKING:
    from collections.abc import Iterable

Size = tuple[int, int]

#: Pixels of the largest result, or step on the way to it.
MOST_PIXELS: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class OutputSize:
    """The wanted size, given in one way; only width and height go together, and then decide both sides.

    In all other ways the proportions stay.
    """

    factor: float | None = None
    """How many times as wide and high as the source."""
    width: int | None = None
    """Width in pixels."""
    height: int | None = None
    """Height in pixels."""
    short_edge: int | None = None
    """Length of the shorter side in pixels."""
    long_edge: int | None = None
    """Length of the longer side in pixels."""
    fit: Size | None = None
    """Width and height of a box in pixels, which the result fits into and touches on two sides."""
    megapixels: float | None = None
    """Pixels of the result, in millions."""
    multiple: int = 1
    """What both sides are multiples of: the nearest ones, but never beyond ``fit``."""

    def __post_init__(self) -> None:
        """Check that there is one size and that it can be one.

        Raises:
            InputError: there is none or more than one, or a value is not positive.

        """
        given = self._given()
        if len(given) != 1 and set(given) != {"width", "height"}:
            told = " and ".join(given) or "nothing"
            raise InputError(
                f"one size is needed, and {told} was given",
                hint="give a factor, a width, a height, both of these, an edge, a box to fit into, or megapixels",
            )
        values = [self.multiple, *(self.fit or given.values())]
        if not all(math.isfinite(value) and value > 0 for value in values):
            told = ", ".join(f"{name} {value}" for name, value in given.items())
            raise InputError(
                f"a size must be positive, not {told} in multiples of {self.multiple}",
                hint="give positive numbers",
            )

    def __str__(self) -> str:
        """Return it as it can stand in a file's name: ``3x``, ``1920w``, ``3840x2160``, ``8MP``."""
        if self.factor is not None:
            return f"{self.factor:g}x"
        if self.megapixels is not None:
            return f"{self.megapixels:g}MP"
        if box := self.fit or (self.width and self.height and (self.width, self.height)):
            return f"{box[0]}x{box[1]}"
        ((name, value),) = self._given().items()
        return f"{value}{ {'width': 'w', 'height': 'h', 'short_edge': 'short', 'long_edge': 'long'}[name] }"

    def of(self, size: Size) -> Size:
        """Return the (width, height) that an image of ``size`` gets.

        Raises:
            InputError: no multiple of ``multiple`` fits into the box.
            UnsupportedSizeError: the result has more than 2^30 pixels.

        """
        # Beyond the limit whatever the other side is; floats may be infinite here.
        sides = [min(side * ratio, MOST_PIXELS + 1.0) for side, ratio in zip(size, self._ratios(size), strict=True)]
        wanted = [max(round(side / self.multiple), 1) * self.multiple for side in sides]
        if self.fit is not None:
            wanted = [
                min(side, most // self.multiple * self.multiple) for side, most in zip(wanted, self.fit, strict=True)
            ]
            if 0 in wanted:
                raise InputError(
                    f"no multiple of {self.multiple} fits into {self.fit[0]}x{self.fit[1]}",
                    hint="choose a smaller multiple, or a larger box",
                )
        if math.prod(wanted) > MOST_PIXELS:
            raise UnsupportedSizeError(
                f"{size[0]}x{size[1]} pixels would become {wanted[0]}x{wanted[1]}, and 2^30 pixels are the most",
                hint="choose a smaller size",
            )
        return wanted[0], wanted[1]

    @property
    def keeps_proportions(self) -> bool:
        """Whether the result has the proportions of the source, as far as whole pixels can."""
        return self.width is None or self.height is None

    def _given(self) -> dict[str, float]:
        names = ("factor", "width", "height", "short_edge", "long_edge", "fit", "megapixels")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _ratios(self, size: Size) -> tuple[float, float]:
        width, height = size
        if self.width is not None and self.height is not None:
            return self.width / width, self.height / height
        if self.fit is not None:
            ratio = min(self.fit[0] / width, self.fit[1] / height)
        elif self.megapixels is not None:
            ratio = math.sqrt(self.megapixels * 1e6 / (width * height))
        elif self.factor is not None:
            ratio = self.factor
        else:
            lengths = {"width": width, "height": height, "short_edge": min(size), "long_edge": max(size)}
            ((name, value),) = self._given().items()
            ratio = value / lengths[name]
        return ratio, ratio


def passes(size: Size, target: Size, scale: int) -> int:
    """Return how often a network that upscales ``scale`` times must run to get from ``size`` to ``target`` or beyond.

    0 where the image is to become smaller or to stay as it is. What is beyond the target is resized away.

    Raises:
        UnsupportedSizeError: the last step has more than 2^30 pixels.

    """
    count = _runs(needed_factor(size, target), scale)
    width, height = (side * scale**count for side in size)
    if count and width * height > MOST_PIXELS:
        raise UnsupportedSizeError(
            f"on the way to {target[0]}x{target[1]} the model makes {width}x{height} pixels",
            hint="choose a smaller size, or a model with a smaller scale",
        )
    return count


def needed_factor(size: Size, target: Size) -> float:
    """Return how many times as wide and high networks must make an image of ``size`` at least.

    Half a pixel that is missing, as rounding makes it, is not worth another run.
    """
    return max((target[0] - 0.5) / size[0], (target[1] - 0.5) / size[1])


def best_scale(factor: float, scales: Iterable[int]) -> int:
    """Return the scale by which a factor is reached with the least in excess, then in the fewest runs."""

    def cost(scale: int) -> tuple[int, int]:
        count = _runs(factor, scale)
        return scale**count, count

    return min(scales, key=cost)


def _runs(factor: float, scale: int) -> int:
    count = 0
    while scale**count < factor:
        count += 1
    return count
