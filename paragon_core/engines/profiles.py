"""For which sizes an engine is built, and which of several engines an image should use."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from paragon_core.engines.key import typed
from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Size = tuple[int, int]

#: Longest side and largest batch of an engine.
LONGEST_SIDE: Final = 2**14
LARGEST_BATCH: Final = 999

#: Number of different sizes that are worth an engine each; more share a dynamic one.
_FEW: Final = 4

#: Sources with more pixels (above 4K) are not worth an engine of their own: they are tiled.
MOST_PIXELS: Final = 4096 * 2304


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The sizes (width, height) of the network's input that an engine takes."""

    minimum: Size
    """Smallest width and smallest height."""
    optimum: Size
    """The size for which the engine is tuned."""
    maximum: Size
    """Largest width and largest height."""
    batch: int = 1
    """Images at once, exactly."""

    def __post_init__(self) -> None:
        """Refuse sizes that no engine can have.

        Raises:
            InputError: naming the size.

        """
        for smallest, best, largest in zip(self.minimum, self.optimum, self.maximum, strict=True):
            if not 1 <= smallest <= best <= largest <= LONGEST_SIDE:
                sizes = ", ".join(map(_text, (self.minimum, self.optimum, self.maximum)))
                msg = f"no engine can take the sizes {sizes}"
                raise InputError(msg, hint=f"give them in ascending order, no side longer than {LONGEST_SIDE} pixels")
        if not 1 <= self.batch <= LARGEST_BATCH:
            msg = f"a batch of {self.batch} is not possible"
            raise InputError(msg, hint=f"give a number from 1 to {LARGEST_BATCH}")

    @classmethod
    def static(cls, size: Size, *, batch: int = 1) -> Self:
        """Return the profile of one size: fastest, and the choice for video."""
        return cls(minimum=size, optimum=size, maximum=size, batch=batch)

    @property
    def is_static(self) -> bool:
        """Whether it takes one size only."""
        return self.minimum == self.maximum

    @property
    def name(self) -> str:
        """The name of the engine's files: ``1920x1080`` or ``64x64-1280x720-1932x1932``, and ``_b4`` for a batch."""
        sizes = (self.optimum,) if self.is_static else (self.minimum, self.optimum, self.maximum)
        return "-".join(map(_text, sizes)) + (f"_b{self.batch}" if self.batch > 1 else "")

    def with_margin(self, margin: int) -> Self:
        """Return the profile for images of these sizes that are continued by a margin on each side."""

        def grown(size: Size) -> Size:
            return min(size[0] + 2 * margin, LONGEST_SIDE), min(size[1] + 2 * margin, LONGEST_SIDE)

        minimum = grown(self.minimum) if self.is_static else self.minimum
        return replace(self, minimum=minimum, optimum=grown(self.optimum), maximum=grown(self.maximum))

    def covers(self, size: Size, *, batch: int = 1) -> bool:
        """Return whether an engine of this profile takes this size."""
        sides = zip(self.minimum, size, self.maximum, strict=True)
        return batch == self.batch and all(low <= side <= high for low, side, high in sides)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        sizes = {"minimum": self.minimum, "optimum": self.optimum, "maximum": self.maximum}
        return {name: list(size) for name, size in sizes.items()} | {"batch": self.batch}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `as_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.

        """
        sizes = [tuple(typed(side, int) for side in value[name]) for name in ("minimum", "optimum", "maximum")]
        if any(len(size) != 2 for size in sizes):  # noqa: PLR2004 - width and height
            msg = "a size has two sides"
            raise ValueError(msg)
        minimum, optimum, maximum = ((size[0], size[1]) for size in sizes)
        return cls(minimum=minimum, optimum=optimum, maximum=maximum, batch=typed(value["batch"], int))


#: The sizes for images of all kinds: width and height are independent, so that portraits fit as well. The largest is
#: 1920 and the margin on both sides by which networks see images continued (`border`).
IMAGES: Final = Profile(minimum=(64, 64), optimum=(1280, 720), maximum=(1932, 1932))


def choose(profiles: Iterable[Profile], size: Size, *, batch: int = 1) -> Profile | None:
    """Return the engine to use for a size: the static one, else the dynamic one tuned for the nearest size, else None.

    Near is meant in ratios, along both axes: 640x360 is as far from 1280x720 as 2560x1440 is.
    """

    def rank(profile: Profile) -> tuple[bool, float, str]:
        ratios = (math.log(side / best) for side, best in zip(size, profile.optimum, strict=True))
        return not profile.is_static, sum(map(abs, ratios)), profile.name

    return min((profile for profile in profiles if profile.covers(size, batch=batch)), key=rank, default=None)


def fitting_tile_size(size: Size, profile: Profile) -> Size:
    """Return the size of the tiles in which an engine takes an image; smaller than the image means: in tiles."""
    return min(size[0], profile.maximum[0]), min(size[1], profile.maximum[1])


def profiles_for(sizes: Iterable[Size]) -> tuple[Profile, ...]:
    """Return the profiles worth building for images or frames of these sizes, repeated as often as they come.

    A few sizes get a static engine each. More than that share one dynamic engine, tuned for the commonest size. What
    is above its maximum, or above 4K, goes through the dynamic engine in tiles.
    """
    counts = Counter(sizes)
    small = [size for size in counts if size[0] * size[1] <= MOST_PIXELS and max(size) <= LONGEST_SIDE]
    if len(small) <= _FEW:
        own = tuple(Profile.static(size) for size in sorted(small))
        return own if len(small) == len(counts) else (*own, IMAGES)
    widths, heights = zip(*counts, strict=True)
    minimum = min(IMAGES.minimum[0], *widths), min(IMAGES.minimum[1], *heights)
    common = max(sorted(counts), key=counts.__getitem__)
    return (Profile(minimum=minimum, optimum=fitting_tile_size(common, IMAGES), maximum=IMAGES.maximum),)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
