"""What JPEG and WebP make of an image: for scores on compressed images, and for training on them."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def as_jpeg(image: Pixels, quality: int, subsampling: str = "4:2:0") -> Pixels:
    """Return what is left of HxWx3 after compression as JPEG, of Pillow's quality 1..100 and chroma such as 4:2:0."""
    return _stored(image, "JPEG", quality=quality, subsampling=subsampling)


def as_webp(image: Pixels, quality: int) -> Pixels:
    """Return what is left of HxWx3 after lossy compression as WebP, of Pillow's quality 1..100."""
    return _stored(image, "WEBP", quality=quality)


def _stored(image: Pixels, kind: str, **options: int | str) -> Pixels:
    from PIL import Image  # noqa: PLC0415  (only files need it)

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    with Image.open(stream) as compressed:
        return np.asarray(compressed.convert("RGB"))
