"""Bicubic and Lanczos interpolation as programs use them: OpenCV's and Pillow's."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    Pixels = npt.NDArray[np.uint8]
    Upscale = Callable[[Pixels], Pixels]

HINT = "pip install opencv-python-headless"


def pillow(scale: int) -> dict[str, Upscale]:
    """Return Pillow's interpolations by name."""
    kernels = {"bicubic": Image.Resampling.BICUBIC, "Lanczos": Image.Resampling.LANCZOS}

    def make(kernel: Image.Resampling) -> Upscale:
        return lambda image: np.array(
            Image.fromarray(image).resize((scale * image.shape[1], scale * image.shape[0]), kernel)
        )

    return {name: make(kernel) for name, kernel in kernels.items()}


def opencv(scale: int) -> dict[str, Upscale]:
    """Return OpenCV's interpolations by name, each on its caller's thread; none where it is not installed."""
    if find_spec("cv2") is None:
        return {}
    import cv2  # noqa: PLC0415 - optional

    cv2.setNumThreads(1)
    # Its Lanczos kernel is one tap wider on each side than others', its bicubic one sharper.
    kernels = {"bicubic": cv2.INTER_CUBIC, "Lanczos": cv2.INTER_LANCZOS4}

    def make(kernel: int) -> Upscale:
        def upscale(image: Pixels) -> Pixels:
            size = (scale * image.shape[1], scale * image.shape[0])
            result: Any = cv2.resize(image, size, interpolation=kernel)
            return np.asarray(result, dtype=np.uint8)

        return upscale

    return {name: make(kernel) for name, kernel in kernels.items()}


LIBRARIES: dict[str, Callable[[int], dict[str, Upscale]]] = {"opencv": opencv, "pillow": pillow}
