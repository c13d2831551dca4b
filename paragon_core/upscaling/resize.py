"""Resizing in floating point: nothing is rounded to the depth of the image on the way.

The filter is Keys' cubic (a = -0.5), as wide as the step asks for when an image becomes smaller (antialiasing), in
Pillow's arithmetic for 32-bit floats, whose weights are doubles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from paragon_core.upscaling.output_size import Size

Plane = npt.NDArray[np.float32]

#: Below this share no depth tells a pixel from a transparent one (half a step of 16 bits).
_INVISIBLE: Final = 0.5 / 65535


def resize_plane(plane: Plane, size: Size) -> Plane:
    """Return a plane [h, w] of any strides in another size (width, height); the same plane where it has that already.

    Edges may overshoot the range of the input.
    """
    if plane.shape == (size[1], size[0]):
        return plane
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def resize_image(image: npt.NDArray[np.float32], size: Size) -> npt.NDArray[np.float32]:
    """Return an image of 0..1 in another size (width, height), without clipping colours.

    Colours count as much as they are opaque, so that what transparency hides does not bleed into what is seen. Alpha
    is clipped to 0..1.

    Args:
        image: [h, w] or [h, w, 1] grey, [h, w, 2] grey and alpha, [h, w, 3] RGB, [h, w, 4] RGB and alpha.
        size: width and height of the result in pixels, at least 1.

    """
    if image.shape[:2] == (size[1], size[0]):
        return image
    if image.ndim == 2:  # noqa: PLR2004 - axes
        return resize_plane(image, size).copy()  # which can be written to
    result = np.empty((size[1], size[0], image.shape[2]), dtype=np.float32)
    colours = image.shape[2] - (image.shape[2] in {2, 4})
    alpha = image[:, :, colours] if colours < image.shape[2] else None
    if alpha is None or (alpha == 1).all():
        for channel in range(image.shape[2]):
            result[:, :, channel] = resize_plane(image[:, :, channel], size)
        return result
    resized = resize_plane(alpha, size)
    seen = resized >= _INVISIBLE
    for channel in range(colours):
        colour = image[:, :, channel]
        weighted = resize_plane(colour * alpha, size)
        result[:, :, channel] = np.divide(weighted, resized, out=resize_plane(colour, size).copy(), where=seen)
    result[:, :, colours] = np.clip(resized, 0, 1)
    return result


def to_unit(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return an image of uint8, uint16 or floats as float32, full scale being 1."""
    if image.dtype.kind == "u":
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32, copy=False)


def from_unit(image: npt.NDArray[np.float32], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return float32 as another type: integers are clipped and rounded to nearest, floats stay as they are."""
    if np.dtype(dtype).kind == "u":
        top = np.float32(np.iinfo(dtype).max)
        image = np.rint(np.clip(image, 0, 1) * top)
    return image.astype(dtype, copy=False)
