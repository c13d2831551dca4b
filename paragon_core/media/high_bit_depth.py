"""Sixteen bits per channel through Pillow, which has no modes for 16-bit colour and keeps the high bytes only.

Its decoders learn from the name of a raw mode ("RGB;16B": big-endian) which byte of each sample is the high one. The
name for the opposite byte order makes them keep the low bytes instead. Decoding twice therefore gives all 16 bits,
for every compression and layout that Pillow's decoders know.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.media.tiff_reading import without_premultiplication

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

    from paragon_core.media.loaded_image import Array

_OTHER_ORDER = {"B": "L", "L": "B"}
_NATIVE_ORDER = "L" if sys.byteorder == "little" else "B"


def decode_16_bit_colour(
    image: ImageFile, load: Callable[[ImageFile], None], reopen: Callable[[], ImageFile]
) -> Array | None:
    """Decode an image with 16 bits per colour channel.

    Args:
        image: an opened file whose pixels have not been decoded.
        load: decodes its argument's pixels.
        reopen: opens the same file once more.

    Returns:
        HxWx3 or HxWx4 uint16 with alpha not premultiplied, or None when the file holds another kind of pixels.

    """
    layout, depth, order = raw_mode(image).partition(";16")
    if not depth or layout not in {"RGB", "RGBX", "RGBA", "RGBa"}:
        return None
    order = _NATIVE_ORDER if order == "N" else order
    # "RGBa" would divide by alpha while decoding, each byte on its own.
    plain = layout.upper() if layout == "RGBa" else layout
    high = _decoded(image, f"{plain};16{order}", load).astype(np.uint16) << 8
    pixels: Array = high | _decoded(reopen(), f"{plain};16{_OTHER_ORDER[order]}", load)
    if layout != "RGBa":
        return pixels
    return np.concatenate([without_premultiplication(pixels[..., :3], pixels[..., 3:]), pixels[..., 3:]], axis=2)


def decode_16_bit_grey_alpha(image: ImageFile, load: Callable[[ImageFile], None]) -> Array | None:
    """Decode a PNG with 16 bits of grey and 16 of alpha to HxWx2 uint16; None when it is something else.

    Such a pixel has four bytes, so it passes through Pillow unharmed under the name of 8-bit RGBA.
    """
    if raw_mode(image) != "LA;16B":
        return None
    return _decoded(image, "RGBA", load).view(">u2").astype(np.uint16)


def raw_mode(image: ImageFile) -> str:
    """Return how the samples of an opened file are laid out, in Pillow's words; empty when Pillow does not say."""
    arguments = image.tile[0].args if image.tile else ""
    if isinstance(arguments, tuple):
        arguments = arguments[0] if arguments else ""
    return arguments if isinstance(arguments, str) else ""


def _decoded(image: ImageFile, mode: str, load: Callable[[ImageFile], None]) -> Array:
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode) for tile in image.tile
    ]
    load(image)
    return np.asarray(image)
