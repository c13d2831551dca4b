"""An image in memory: its pixels as the Upscaler takes them, and what has to go back into a file with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.metadata import Metadata, orientation, with_size

if TYPE_CHECKING:
    from paragon_core.media.formats import FormatName
    from paragon_core.media.linear_light import LinearLight

Array = npt.NDArray[Any]

#: What helps where a file holds pixels of another kind.
HINT_CONVERT: Final = "convert it to an 8- or 16-bit RGB or grey image (PNG, say) with an image editor first"


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedImage(Metadata):
    """The pixels of an image file and everything around them that is kept."""

    array: Array
    """HxW (grey), HxWx2 (grey and alpha), HxWx3 (RGB) or HxWx4 (RGB and alpha); uint8, uint16, or float32 in 0..1.
    Alpha is not premultiplied. Pixels are as stored: the orientation tag has not been applied."""
    format: FormatName
    """Format of the file that was read."""
    lossless: bool
    """Whether that file held the pixels without loss."""

    linear: LinearLight | None = None
    """How the values code linear light, for an image from OpenEXR."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as stored."""
        return self.array.shape[1], self.array.shape[0]

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8: how viewers turn the stored pixels."""
        return orientation(self.exif)

    @property
    def has_alpha(self) -> bool:
        """Whether there is an alpha channel."""
        return self.array.shape[2:] in {(2,), (4,)}

    @property
    def is_grey(self) -> bool:
        """Whether there is one channel besides alpha."""
        return self.array.shape[2:] in {(), (2,)}

    @property
    def opaque(self) -> bool:
        """Whether nothing in the image lets the background through."""
        return not self.has_alpha or bool((self.array[..., -1] == full_scale(self.array)).all())

    @property
    def has_half_alpha(self) -> bool:
        """Whether a pixel is neither opaque nor transparent."""
        if not self.has_alpha:
            return False
        alpha = self.array[..., -1]
        return bool(((alpha > 0) & (alpha < full_scale(self.array))).any())

    def with_array(self, array: Array) -> LoadedImage:
        """Return the image with other pixels of the same kind; the sizes stated in EXIF follow."""
        height, width = array.shape[:2]
        exif = None if self.exif is None else with_size(self.exif, width, height)
        return replace(self, array=array, exif=exif)

    def without_alpha(self) -> LoadedImage:
        """Return the image without its alpha channel."""
        if not self.has_alpha:
            return self
        return replace(self, array=self.array[..., 0 if self.is_grey else slice(3)])


def check_unit_range(array: Array) -> None:
    """Refuse floats that are not in 0..1, of which nobody knows which is white.

    Raises:
        UnsupportedFormatError: some are not.

    """
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        msg = "it holds floating-point values outside 0..1"
        raise UnsupportedFormatError(msg, hint="scale them to 0..1, or save the image with 16-bit integers")


def full_scale(array: Array) -> int:
    """Return the value that means white, or opaque: 255, 65535, or 1 for floating point."""
    return int(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1


def with_depth(array: Array, dtype: type[np.uint8 | np.uint16]) -> Array:
    """Return the pixels in another integer depth, rounded to nearest; floating point is clipped to 0..1 first."""
    if array.dtype == dtype:
        return array
    top = full_scale(np.empty(0, dtype))
    if array.dtype.kind == "f":
        return np.rint(np.clip(array, 0, 1) * np.float32(top)).astype(dtype)
    if dtype is np.uint16:
        return array.astype(np.uint16) * np.uint16(257)
    # 65535 = 255 * 257; in 32 bits, because the rounding addend overflows 16.
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
