"""Images to try a network on: from files, or one like a photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.images import read_image
from paragon_core.media.loaded_image import with_depth
from paragon_core.upscaling.trial_images import natural_image

if TYPE_CHECKING:
    from pathlib import Path

Pixels = npt.NDArray[np.uint8]

_LEVELS = 255


def read_rgb(path: Path) -> Pixels:
    """Read an image as [h, w, 3], without its transparency, in 8 bits, grey as three equal channels.

    Raises:
        MediaError: it cannot be read.
        InputError: it is of a kind or size that is not handled.

    """
    image = read_image(path).without_alpha()
    array = with_depth(image.array, np.uint8)
    return array.repeat(3).reshape(*array.shape, 3) if image.is_grey else array


def read_folder(folder: Path) -> list[Pixels]:
    """Read the images of a folder in the order of their names.

    Raises:
        InputError: there are none, or one is of a kind or size that is not handled.
        MediaError: one cannot be read.

    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS) if folder.is_dir() else []
    if not paths:
        msg = f"{folder} holds no images"
        raise InputError(msg, hint="name a folder of images")
    return [read_rgb(path) for path in paths]


def like_a_photograph(width: int, height: int) -> Pixels:
    """Return the image of `trial_images`, mirrored over and over to fill a size: [height, width, 3]."""
    image = np.rint(natural_image()[0].transpose(1, 2, 0) * _LEVELS).astype(np.uint8)
    missing = [(0, max(size - side, 0)) for size, side in zip((height, width), image.shape[:2], strict=True)]
    return np.pad(image, [*missing, (0, 0)], mode="symmetric")[:height, :width]


def middle(image: Pixels, side: int) -> Pixels:
    """Return the middle of an image [h, w, 3], no side of it longer than ``side``."""
    top, left = (max(length - side, 0) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def as_batch(image: Pixels) -> npt.NDArray[np.float32]:
    """Return an image [h, w, 3] as networks take it: [1, 3, h, w] of 0..1."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(_LEVELS)
