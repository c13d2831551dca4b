"""Colours by an ICC profile turned into sRGB, with LittleCMS, which Pillow brings."""

from __future__ import annotations

import io
from itertools import product
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from paragon_core.errors import UnsupportedFormatError

#: Levels by which LittleCMS rounds differently.
_TOLERANCE: Final = 1
_STEPS: Final = (0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192, 224, 240, 255)


def in_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """Return an image without alpha as RGB in sRGB.

    Raises:
        UnsupportedFormatError: the profile is damaged, or not one for such an image.

    """
    try:
        converted = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ImportError, OSError) as error:
        msg = f"its colours cannot be converted to sRGB ({error})"
        raise UnsupportedFormatError(msg, hint="convert it to sRGB with an image editor first") from error
    assert converted is not None  # noqa: S101 - told to mypy: None is for conversions in place
    return converted


def is_srgb(icc: bytes, *, grey: bool) -> bool:
    """Return whether a profile, whatever it is called, leaves colours where sRGB has them.

    Raises:
        UnsupportedFormatError: the profile is damaged.

    """
    steps = np.array(_STEPS if grey else tuple(product(_STEPS, repeat=3)), np.uint8)
    trial = Image.fromarray(steps[np.newaxis])
    found = np.asarray(in_srgb(trial, icc), np.int16)
    expected = np.asarray(trial.convert("RGB"), np.int16)
    return bool(np.abs(found - expected).max() <= _TOLERANCE)


def srgb_profile() -> bytes:
    """Return a profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
