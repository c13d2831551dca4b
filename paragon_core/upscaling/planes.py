"""What an image is to a network: a colour or grey plane, and transparency on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedFormatError, UnsupportedSizeError

if TYPE_CHECKING:
    from collections.abc import Sequence

Image = npt.NDArray[Any]

_EVEN_RADIUS: Final = 2
_DTYPES: Final = ("uint8", "uint16", "float16", "float32")


@dataclass(frozen=True, kw_only=True, eq=False)
class Planes:
    """An image taken apart."""

    colour: Image
    """Shape [height, width, 1 or 3]."""
    alpha: Image | None
    """Shape [height, width, 1], None where the image has no transparency."""


def split(image: Image) -> Planes:
    """Take an image apart without copying it.

    Accepts [h, w], [h, w, 1] (grey), [h, w, 2] (grey and alpha), [h, w, 3] (RGB) and [h, w, 4] (RGB and alpha), in
    uint8, uint16, or float16 and float32 of 0..1.

    Raises:
        UnsupportedFormatError: another data type or shape, or values that are not numbers.
        UnsupportedSizeError: no pixels.

    """
    if not isinstance(image, np.ndarray) or image.dtype.name not in _DTYPES or image.dtype.byteorder == ">":
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        msg = f"images of type {kind} are not supported"
        raise UnsupportedFormatError(msg, hint=f"give a numpy array of {', '.join(_DTYPES)} (floats in 0..1)")
    if image.ndim not in {2, 3} or (image.ndim == 3 and image.shape[2] not in {1, 2, 3, 4}):  # noqa: PLR2004 - axes
        msg = f"an image of shape {image.shape} is not supported"
        raise UnsupportedFormatError(msg, hint="give height x width, or height x width x 1, 2, 3 or 4 channels")
    if 0 in image.shape:
        msg = f"an image of {image.shape[1]}x{image.shape[0]} pixels is empty"
        raise UnsupportedSizeError(msg, hint="give at least one pixel")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise _not_numbers()
    pixels = image[:, :, None] if image.ndim == 2 else image  # noqa: PLR2004 - axes
    if pixels.shape[2] in {1, 3}:
        return Planes(colour=pixels, alpha=None)
    return Planes(colour=pixels[:, :, :-1], alpha=pixels[:, :, -1:])


def check_planes(
    planes: Sequence[Image], out: Sequence[Image], detail: Sequence[Image], *, scale: int, finite: bool = False
) -> None:
    """Check what `Upscaler.upscale_planes` was given; ``finite``: values need no look, they are numbers.

    Raises:
        UnsupportedFormatError: a data type, or values that are not numbers.
        UnsupportedSizeError: no pixels.
        InputError: planes that do not belong together.

    """
    dtypes = {plane.dtype if isinstance(plane, np.ndarray) else type(plane) for plane in (*planes, *out, *detail)}
    if len(dtypes) != 1 or dtypes.isdisjoint({np.dtype(np.float16), np.dtype(np.float32)}):
        msg = f"planes of type {', '.join(sorted({str(dtype) for dtype in dtypes})) or 'none'} are not supported"
        raise UnsupportedFormatError(msg, hint="give planes that are all float16 or all float32, of 0..1")
    shape = planes[0].shape
    if len(planes) not in {1, 3} or any(plane.shape != shape for plane in (*planes, *detail)) or len(shape) != 2:  # noqa: PLR2004 - axes
        msg = f"planes of shapes {[plane.shape for plane in (*planes, *detail)]} are not an image"
        raise InputError(msg, hint="give 1 or 3 planes, height x width, all of one size")
    if detail and len(detail) != len(planes):
        msg = f"{len(planes)} planes do not go with {len(detail)} for the detail path"
        raise InputError(msg, hint="give as many")
    if 0 in shape:
        msg = f"planes of {shape[1]}x{shape[0]} pixels are empty"
        raise UnsupportedSizeError(msg, hint="give at least one pixel")
    upscaled = (shape[0] * scale, shape[1] * scale)
    if len(out) != len(planes) or any(plane.shape != upscaled or not plane.flags.writeable for plane in out):
        msg = f"the result does not fit into planes of shapes {[plane.shape for plane in out]}"
        raise InputError(msg, hint=f"give {len(planes)} writable planes of shape {upscaled}")
    if not finite and not all(np.isfinite(plane).all() for plane in (*planes, *detail)):
        raise _not_numbers()


def check_out(out: Image | None, image: Image, size: tuple[int, int]) -> None:
    """Check the place for the result of an image, of a width and height.

    Raises:
        InputError: it has another shape or data type, or may not be written.

    """
    shape = (size[1], size[0], *image.shape[2:])
    if out is None or (out.shape == shape and out.dtype == image.dtype and out.flags.writeable):
        return
    msg = f"the result does not fit into an array of {out.dtype} and shape {out.shape}"
    raise InputError(msg, hint=f"give a writable array of {image.dtype} and shape {shape}, or leave it out")


def fill_transparent(colour: Image, alpha: Image) -> Image:
    """Return ``colour`` with colours from nearby where the image is fully transparent.

    Editors leave anything there, most often black; a network, like any resampling, would draw it into the visible
    edge as a dark fringe. The gaps are filled from a pyramid of averages of the visible pixels: each level halves the
    size, and each gap takes the finest average that exists. Visible pixels are not touched.
    """
    gaps = alpha[:, :, 0] == 0
    if not gaps.any() or gaps.all():
        return colour
    coarse = _fill_pyramid(*_halved(np.where(gaps[:, :, None], 0, colour), (~gaps)[:, :, None]))
    rows, columns = np.nonzero(gaps)
    filled = colour.copy()
    values = coarse[rows // 2, columns // 2]
    filled[rows, columns] = np.rint(values) if colour.dtype.kind == "u" else values
    return filled


def flat_areas(alpha: Image, *, wrap: bool = False) -> npt.NDArray[np.bool_]:
    """Return where a plane [h, w, 1] has one value in the 5x5 pixels around; [h, w].

    There an upscaled plane must have that value, which a network only nearly gives: an opaque area would end at 254.
    Beyond the plane is what is at its edge, or with ``wrap`` what is on its opposite side.
    """
    lowest = highest = np.pad(alpha[:, :, 0], _EVEN_RADIUS, mode="wrap" if wrap else "edge")
    for axis in (0, 1):
        length = lowest.shape[axis] - 2 * _EVEN_RADIUS
        shifted = [np.arange(start, start + length) for start in range(2 * _EVEN_RADIUS + 1)]
        lowest = np.minimum.reduce([lowest.take(places, axis) for places in shifted])
        highest = np.maximum.reduce([highest.take(places, axis) for places in shifted])
    return np.asarray(lowest == highest)


def _not_numbers() -> UnsupportedFormatError:
    msg = "the image contains values that are not numbers (NaN or infinity)"
    return UnsupportedFormatError(msg, hint="fix them first, for example with numpy.nan_to_num")


def _fill_pyramid(sums: npt.NDArray[np.float32], counts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return averages with no gaps, from sums of colours [h, w, c] and how many pixels they are of [h, w, 1]."""
    means = np.asarray(sums / np.maximum(counts, 1), dtype=np.float32)
    gaps = counts[:, :, 0] == 0
    if gaps.any() and max(gaps.shape) > 1:
        coarse = _fill_pyramid(*_halved(sums, counts))
        rows, columns = np.nonzero(gaps)
        means[rows, columns] = coarse[rows // 2, columns // 2]
    return means


def _halved(*arrays: Image) -> tuple[npt.NDArray[np.float32], ...]:
    """Sum each array [h, w, c] over blocks of 2x2; an odd last row or column stands alone."""
    return tuple(
        np.add.reduceat(
            np.add.reduceat(array, np.arange(0, array.shape[0], 2), axis=0, dtype=np.float32),
            np.arange(0, array.shape[1], 2),
            axis=1,
        )
        for array in arrays
    )
