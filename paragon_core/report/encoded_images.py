"""Images as WebP for a page that must stay small: whole ones at the size of a screen, crops pixel for pixel."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from paragon_core.report.contents import Thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paragon_core.report.contents import Pixels, Version
    from paragon_core.report.places import Place

#: Bytes of everything in a page, and of the whole images alone. In HTML they take a third more: 2.75 MB.
ALL_BYTES: Final = 2_060_000
WHOLE_BYTES: Final = 1_250_000

#: Longest side in pixels and quality (None: lossless), the best first.
_WHOLE_STEPS: Final = (
    *((1024, None), (2560, 90), (1920, 90), (1920, 80), (1600, 80), (1280, 80)),
    *((1280, 70), (1024, 70), (800, 70), (640, 60), (480, 50)),
)
_CROP_STEPS: Final = (None, 95, 90, 80, 60)

_LARGEST_PROFILE: Final = 8192
_THUMBNAIL_SIDE: Final = 280
_THUMBNAIL_QUALITY: Final = 75


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedImage:
    """A WebP file."""

    data: bytes
    """The file."""
    size: tuple[int, int]
    """Its width and height in pixels."""

    @property
    def url(self) -> str:
        """The file as an address that holds it."""
        return data_url(self.data)


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedImages:
    """Several images, encoded alike."""

    images: tuple[EncodedImage, ...]
    """One for each that was given."""
    side: int | None
    """Longest side to which they were shrunk; None if they are as large as what they show."""
    quality: int | None
    """Quality of WebP; None: lossless."""

    @property
    def words(self) -> str:
        """How they are encoded."""
        quality = "lossless" if self.quality is None else f"WebP of quality {self.quality}"
        size = "at full size" if self.side is None else "at {} x {}".format(*self.images[0].size)
        return f"{size}, {quality}"


def data_url(webp: bytes) -> str:
    """Return a WebP file as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"


def whole(versions: Sequence[Version], *, most_bytes: int) -> EncodedImages:
    """Encode whole images in the best way that fits, all alike; the smallest way is taken even if it does not fit.

    Args:
        versions: the images, of one size.
        most_bytes: of all files together.

    """
    height, width = versions[0].pixels.shape[:2]
    longest = max(width, height)
    steps = [(side, quality) for side, quality in _WHOLE_STEPS if quality is not None or longest <= side]
    for side, quality in steps:
        shrunk = longest > side
        size = (max(width * side // longest, 1), max(height * side // longest, 1)) if shrunk else (width, height)
        encoded = (_encoded(each.pixels, each.icc, quality=quality, size=size) for each in versions)
        images = _within(encoded, most_bytes if (side, quality) != steps[-1] else None)
        if images is not None:
            break
    return EncodedImages(images=images or (), side=side if shrunk else None, quality=quality)


def crops(versions: Sequence[Version], places: Sequence[Place], *, most_bytes: int) -> EncodedImages:
    """Encode parts of images pixel for pixel in the best way that fits, all alike.

    Args:
        versions: the images, of one size.
        places: the parts; those of the first place come first.
        most_bytes: of all files together.

    """
    for quality in _CROP_STEPS:
        encoded = (
            _encoded(
                each.pixels[place.top : place.top + place.height, place.left : place.left + place.width],
                each.icc,
                quality=quality,
                size=(place.width, place.height),
            )
            for place in places
            for each in versions
        )
        images = _within(encoded, most_bytes if quality != _CROP_STEPS[-1] else None)
        if images is not None:
            break
    return EncodedImages(images=images or (), side=None, quality=quality)


def _within(images: Iterator[EncodedImage], most_bytes: int | None) -> tuple[EncodedImage, ...] | None:
    """Return all images, or None as soon as they have more bytes than that."""
    found, left = [], most_bytes
    for each in images:
        found.append(each)
        if left is not None:
            left -= len(each.data)
            if left < 0:
                return None
    return tuple(found)


def thumbnail(name: str, pixels: Pixels) -> Thumbnail:
    """Encode a frame in small."""
    height, width = pixels.shape[:2]
    share = min(_THUMBNAIL_SIDE / max(width, height), 1.0)
    size = max(round(width * share), 1), max(round(height * share), 1)
    return Thumbnail(name=name, data=_encoded(pixels, None, quality=_THUMBNAIL_QUALITY, size=size).data, size=size)


def encode_map(pixels: Pixels) -> EncodedImage:
    """Encode a heat map, which has its final size already."""
    return _encoded(pixels, None, quality=_THUMBNAIL_QUALITY, size=(pixels.shape[1], pixels.shape[0]))


def _encoded(pixels: Pixels, icc: bytes | None, *, quality: int | None, size: tuple[int, int]) -> EncodedImage:
    image = Image.fromarray(pixels)
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = io.BytesIO()
    profile = icc if icc is not None and len(icc) <= _LARGEST_PROFILE else b""
    # Method 4 takes a third of the time of 6 and a few percent more bytes.
    image.save(stream, "WEBP", lossless=quality is None, quality=quality or 75, method=4, icc_profile=profile)
    return EncodedImage(data=stream.getvalue(), size=size)
