"""Random pairs of small and large patches from folders of images.

Every image is shrunk once, whole, with the same antialiased bicubic that scores rest on; a patch is then cut from
both at the same place. Images are kept in memory as bytes: a thousand tiles of 192x192 need 140 MB, and 28 MB more
for each degraded form (`paragon_core.training.degradations`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, MediaError, UnsupportedSizeError
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.training.degradations import degraded_forms
from paragon_core.training.patterns import (
    PATTERN_ANSWERS,
    PATTERN_KINDS,
    PatternAnswer,
    PatternKind,
    pattern_pair,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from paragon_core.training.degradations import Degradations, Form

Pixels = npt.NDArray[np.uint8]

#: Low-resolution pixels at the border of an image that no patch touches: there the reduction saw mirrored pixels, not
#: what was photographed (the bicubic kernel reaches two of them).
BORDER = 2

#: Largest share of patches that have no answer.
_MOST_WITHOUT_ANSWER = 0.5

_SUFFIXES = frozenset({".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """Which patches a step sees."""

    low_size: int = 64
    """Side of a low-resolution patch in pixels. Larger ones show the network less of its own zero padding."""
    batch_size: int = 9
    """Patches in a step."""
    symmetries: bool = True
    """Whether patches are flipped and rotated at random (all eight symmetries of a square)."""
    shares: tuple[float, ...] = ()
    """How often each group of images is drawn from, in any unit; empty: every image equally often."""
    pattern_share: float = 0.0
    """Share of the patches that are drawn patterns of single pixels instead (`patterns`)."""
    pattern_kinds: tuple[PatternKind, ...] = ()
    """Kinds of patterns that are drawn (`patterns.PatternKind`); one that is named twice is drawn twice as often.
    Empty: those that are usual for the answer."""
    pattern_answer: PatternAnswer = "lanczos"
    """What is to be made of a pattern: "lanczos", clipped; "hamming", which keeps its range and its mean; or "limits":
    anything that keeps both (`paragon_core.training.limits`)."""

    def __post_init__(self) -> None:
        """Refuse sizes without pixels.

        Raises:
            InputError: naming the field.

        """
        for name in ("low_size", "batch_size"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, not {getattr(self, name)}"
                raise InputError(msg)
        if not 0 <= self.pattern_share <= 1:
            msg = f"pattern_share must lie in 0..1, not {self.pattern_share}"
            raise InputError(msg)
        if not set(self.pattern_kinds) <= set(PATTERN_KINDS):
            msg = f"pattern_kinds must be some of {', '.join(PATTERN_KINDS)}, not {self.pattern_kinds}"
            raise InputError(msg)
        if self.pattern_answer not in PATTERN_ANSWERS:
            msg = f"pattern_answer must be one of {', '.join(PATTERN_ANSWERS)}, not {self.pattern_answer!r}"
            raise InputError(msg)
        if self.pattern_answer == "limits" and self.pattern_share > _MOST_WITHOUT_ANSWER:
            msg = f"pattern_share must be {_MOST_WITHOUT_ANSWER} at most, not {self.pattern_share}"
            raise InputError(msg, hint="the rest has to show what a sharp image is")
        if self.shares and not (min(self.shares) >= 0 and 0 < sum(self.shares) < math.inf):
            msg = f"shares must be finite, not negative and not all 0, not {self.shares}"
            raise InputError(msg)


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """A batch of pairs, still as bytes."""

    low: Pixels
    """[B, P, P, 3], RGB."""
    high: Pixels
    """[B, sP, sP, 3], RGB: what a perfect network would make of ``low``."""
    limited: npt.NDArray[np.bool_]
    """[B]: which of them have no answer (``high`` is 0), only limits: see `paragon_core.training.limits`."""


class PatchSource:
    """Cuts random patches from groups of images that it holds in memory."""

    def __init__(
        self,
        groups: Iterable[Iterable[Pixels]],
        *,
        scale: int,
        options: PatchOptions,
        degradations: Degradations | None = None,
    ) -> None:
        """Shrink the images, and degrade them.

        Args:
            groups: of images HxWx3, RGB; sides that are no multiple of ``scale`` are cropped. Inside a group every
                image is drawn equally often.
            scale: the upscaling factor to be learned.
            options: what a batch is made of.
            degradations: what happens to the low resolution besides; None: nothing.

        Raises:
            BackendUnavailableError: if the degradations need a package that is missing.
            UnsupportedSizeError: if an image is too small for a patch.
            InputError: if a group is empty, there is none, or there is not one share for each.

        """
        self.scale = scale
        self.options = options
        self._groups = [[_pair(image, scale, options.low_size) for image in group] for group in groups]
        if not self._groups or not all(self._groups):
            msg = "there are no images to train on"
            raise InputError(msg, hint="name folders that hold images; scripts/train-data makes some")
        shares = options.shares or tuple(len(group) for group in self._groups)
        if len(shares) != len(self._groups):
            msg = f"{len(self._groups)} groups of images have {len(shares)} shares"
            raise InputError(msg, hint="name one share for each folder, or none")
        # As `Generator.choice` makes them of shares: it would check and sum them again for every patch.
        self._bounds = (np.array(shares) / sum(shares)).cumsum()
        self._bounds /= self._bounds[-1]
        self._clean_share = degradations.clean_share if degradations else 1.0
        self._forms: list[list[list[Form]]] = []
        if degradations:
            forms = iter(degraded_forms([high for group in self._groups for _, high in group], scale, degradations))
            self._forms = [list(islice(forms, len(group))) for group in self._groups]

    def __len__(self) -> int:
        """Return the number of images."""
        return sum(map(len, self._groups))

    def draw(self, generator: np.random.Generator) -> Patches:
        """Cut one batch; the generator alone decides which, so its state is the position in the data."""
        cuts = [self._cut(generator) for _ in range(self.options.batch_size)]
        return Patches(
            low=np.stack([low for low, _, _ in cuts]),
            high=np.stack([high for _, high, _ in cuts]),
            limited=np.array([limited for _, _, limited in cuts]),
        )

    def _cut(self, generator: np.random.Generator) -> tuple[Pixels, Pixels, bool]:
        """Return a pair, and whether it has no answer."""
        # Asked for only where there are patterns: without them, runs draw the same patches as ever.
        if self.options.pattern_share and generator.random() < self.options.pattern_share:
            options = self.options
            kinds, answer = options.pattern_kinds, options.pattern_answer
            pair = pattern_pair(generator, options.low_size, self.scale, kinds=kinds, answer=answer)
            return (*pair, answer == "limits")
        group = int(self._bounds.searchsorted(generator.random(), side="right"))
        image = generator.integers(len(self._groups[group]))
        low, high = self._groups[group][image]
        if self._forms and generator.random() >= self._clean_share:
            forms = self._forms[group][image]
            form = forms[generator.integers(len(forms))]
            low, high = form.low, high[form.down :, form.right :]
        size, s = self.options.low_size, self.scale
        top = int(generator.integers(BORDER, low.shape[0] - BORDER - size + 1))
        left = int(generator.integers(BORDER, low.shape[1] - BORDER - size + 1))
        low = low[top : top + size, left : left + size]
        high = high[s * top : s * (top + size), s * left : s * (left + size)]
        symmetry = int(generator.integers(8)) if self.options.symmetries else 0
        return apply_symmetry(low, symmetry), apply_symmetry(high, symmetry), False


def apply_symmetry(image: Pixels, symmetry: int) -> Pixels:
    """Apply one of the eight symmetries of a square (0: none) to HxWx3: quarter turns, after a flip from 4 on."""
    flipped = image[:, ::-1] if symmetry >= 4 else image  # noqa: PLR2004  (the four turns come first)
    return np.rot90(flipped, symmetry % 4)


def read_images(folder: Path) -> Iterator[Pixels]:
    """Read every image in a folder as HxWx3 RGB, in the order of names; subfolders are not read.

    Raises:
        InputError: if the folder does not exist or holds no images.
        MediaError: if an image cannot be read.

    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  (only files need it)

    paths = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in _SUFFIXES]
    if not paths:
        msg = f"{folder} holds no images"
        raise InputError(msg, hint="name folders that hold images; scripts/train-data makes some")
    for path in paths:
        try:
            with Image.open(path) as image:
                yield np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            msg = f"{path} cannot be read: {error}"
            raise MediaError(msg, hint="take it out of the folder, or fetch it again") from error


def _pair(image: Pixels, scale: int, low_size: int) -> tuple[Pixels, Pixels]:
    height, width = image.shape[0] // scale, image.shape[1] // scale
    smallest = low_size + 2 * BORDER
    if min(height, width) < smallest:
        msg = f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small to train on"
        hint = f"patches of {low_size} pixels at x{scale} need {smallest * scale} pixels on both sides"
        raise UnsupportedSizeError(msg, hint=hint)
    high = np.ascontiguousarray(image[: height * scale, : width * scale])
    return round_to_uint8(resize(high, height, width)), high
