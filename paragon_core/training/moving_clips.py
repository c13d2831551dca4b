"""Short clips out of single images, for a video encoder to compress.

An image pans and zooms, so that frames are predicted from one another; in one frame the movement passes through the
image's own place, and there what the encoder left of it can be compared with the image, pixel by pixel. Clips lie
side by side in one video, each moving its own way: encoding two dozen at a time costs little more than encoding one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from paragon_core.quality.resize import Kernel, resize

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

#: Frames in a clip, and the first one that may be kept; those before it show the encoder where things come from.
FRAMES = 8
FIRST_KEPT = 2

#: Greatest pan in pixels of the large image a frame, and greatest zoom a frame.
_PAN = 4.0
_ZOOM = 0.006

#: Share of the clips without movement.
_STILL = 0.3

#: Pillow's names of the kernels.
_RESAMPLING: Final[dict[Kernel, Image.Resampling]] = {
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
}

#: Side of H.264's macroblocks: clips that lie side by side must not share one.
_MACROBLOCK = 16


def moving_clip(
    image: Pixels, scale: int, kept: int, generator: np.random.Generator, kernel: Kernel = "cubic"
) -> list[Floats]:
    """Reduce an image along a random movement of constant speed.

    Args:
        image: HxWx3, sides multiples of ``scale``. What comes in from outside is its mirror image.
        scale: how much smaller the frames are.
        kept: index of the frame that shows the image itself.
        generator: decides the movement.
        kernel: what reduces the image; the scores' protocol says "cubic".

    Returns:
        `FRAMES` frames (H / scale)x(W / scale)x3, in levels of 0..255.

    """
    height, width, _ = image.shape
    still = generator.random() < _STILL
    down, right = (0.0 if still else speed for speed in generator.uniform(-_PAN, _PAN, 2))
    zoom = 0.0 if still else generator.uniform(-_ZOOM, _ZOOM)
    own = resize(image, height // scale, width // scale, kernel=kernel)
    if still:
        return [own] * FRAMES
    margin = math.ceil(FRAMES * (_PAN + _ZOOM * max(height, width) / 2))
    wide = Image.fromarray(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric"))
    frames: list[Floats] = []
    for time in range(-kept, FRAMES - kept):
        grown = (1 + zoom * time) / 2
        row, column = margin + height / 2 + down * time, margin + width / 2 + right * time
        box = (column - grown * width, row - grown * height, column + grown * width, row + grown * height)
        frame = wide.resize((width // scale, height // scale), _RESAMPLING[kernel], box=box)
        frames.append(np.asarray(frame, dtype=np.float64))
    frames[kept] = own
    return frames


def join_in_grid(clips: Sequence[Sequence[Pixels]]) -> list[Pixels]:
    """Lay clips of one size into a grid, each frame next to the other clips' frames of that time.

    Every clip begins at a macroblock of its own; the gap to the next one continues its edge.
    """
    height, width, _ = clips[0][0].shape
    rows, columns, cell_height, cell_width = _grid(height, width, len(clips))
    padding = ((0, cell_height - height), (0, cell_width - width), (0, 0))
    video = []
    for frames in zip(*clips, strict=True):
        cells = np.zeros((rows * columns, cell_height, cell_width, 3), np.uint8)
        cells[: len(clips)] = [np.pad(frame, padding, mode="edge") for frame in frames]
        grid = cells.reshape(rows, columns, cell_height, cell_width, 3).swapaxes(1, 2)
        video.append(grid.reshape(rows * cell_height, columns * cell_width, 3))
    return video


def split_grid(frame: Pixels, height: int, width: int, count: int) -> list[Pixels]:
    """Cut a frame of `join_in_grid` into the ``count`` frames of ``height`` x ``width`` that it was made of."""
    rows, columns, cell_height, cell_width = _grid(height, width, count)
    cells = frame.reshape(rows, cell_height, columns, cell_width, 3).swapaxes(1, 2)
    cells = cells.reshape(rows * columns, cell_height, cell_width, 3)
    return [cell[:height, :width].copy() for cell in cells[:count]]


def _grid(height: int, width: int, count: int) -> tuple[int, int, int, int]:
    """Return rows, columns, and height and width of a cell, for a frame that is about a square."""
    cell_height, cell_width = (-(-side // _MACROBLOCK) * _MACROBLOCK for side in (height, width))
    columns = max(1, round(math.sqrt(count * cell_height / cell_width)))
    return -(-count // columns), columns, cell_height, cell_width
