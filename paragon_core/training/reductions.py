"""How low-resolution images come about: other people's reducers, and cameras.

A network that is trained on one reducer alone is good at undoing that one. Images that were shrunk by a box filter, for
example, are softer, and get lines that are too thin or too thick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.quality.blur import blurred
from paragon_core.quality.evaluate import KERNELS, Reducer
from paragon_core.quality.resize import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.quality.resize import Kernel

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

#: What can reduce an image besides the reducers of the scores:
#:
#: =======  ===========================================================================================================
#: area     means of squares whose grid begins at any pixel of the large image, not at its corner alone
#: camera   a lens, a Gaussian of random width, in front of a sensor that averages squares
#: =======  ===========================================================================================================
TrainingReducer = Literal[Reducer, "area", "camera"]
TRAINING_REDUCERS: Final[tuple[TrainingReducer, ...]] = (*KERNELS, "area", "camera")


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """One way to reduce an image."""

    kernel: Kernel = "cubic"
    """The antialiasing kernel."""
    down: int = 0
    """Rows of the large image above the first low-resolution pixel, less than the scale."""
    right: int = 0
    """Columns of the large image left of it."""
    blur: float = 0.0
    """Standard deviation of a Gaussian before the reduction, in pixels of the large image."""

    def prepared(self, image: Pixels) -> Pixels:
        """Return the image HxWx3 shifted and blurred; what it lacks at the far edges is its mirror image."""
        if self.down or self.right:
            padding = ((0, self.down), (0, self.right), (0, 0))
            image = np.pad(image, padding, mode="symmetric")[self.down :, self.right :]
        return blurred(image, self.blur)

    def reduce(self, image: Pixels, scale: int) -> Floats:
        """Return what `prepared` returned ``scale`` times smaller, in levels, not rounded."""
        return resize(image, image.shape[0] // scale, image.shape[1] // scale, kernel=self.kernel)


def draw_reduction(
    reducers: Sequence[TrainingReducer], scale: int, camera_blur: tuple[float, float], generator: np.random.Generator
) -> Reduction:
    """Draw one of ``reducers``, with what is random about it.

    A single reducer is not drawn: bicubic alone takes nothing from the generator.

    Args:
        reducers: one that is named twice is drawn twice as often.
        scale: how much smaller images become.
        camera_blur: range of the standard deviation of "camera", in pixels of the large image.
        generator: decides.

    """
    reducer = reducers[int(generator.integers(len(reducers)))] if len(reducers) > 1 else reducers[0]
    if reducer == "area":
        down, right = generator.integers(scale, size=2).tolist()
        return Reduction(kernel="box", down=down, right=right)
    if reducer == "camera":
        return Reduction(kernel="box", blur=generator.uniform(*camera_blur))
    return Reduction(kernel=KERNELS[reducer])
