"""Images on which a precision has to prove itself: one like a photograph, and the hardest that users have."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.integer[Any]]

#: Sides of the trial images, and of the image that is like a photograph, in pixels.
SIDE: Final = 96

_WHITE: Final = 255
_GLYPH: Final = (7, 5)


def natural_image() -> npt.NDArray[np.float32]:
    """Return a fixed image, [1, 3, 96, 96] of 0.05..0.95, with the statistics of a photograph.

    Noise whose amplitude falls with the frequency, as in nature, and discs with soft edges.
    """
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    spectrum = np.fft.rfft2(generator.standard_normal((3, SIDE, SIDE))) / np.maximum(frequency, 1 / SIDE)
    texture = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    image = 0.5 + 0.12 * texture / texture.std()
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    for _ in range(12):
        column, row, radius = generator.uniform((0, 0, 4), (SIDE, SIDE, 20))
        colour = generator.uniform(-0.25, 0.25, (3, 1, 1))
        image += colour / (1 + np.exp(2 * (np.hypot(x - column, y - row) - radius)))
    return np.asarray(np.clip(image, 0.05, 0.95)[None], dtype=np.float32)


def trial_images() -> dict[str, npt.NDArray[np.uint8]]:
    """Return images [96, 96, 3] by name, always the same: those that networks answer most violently come first."""
    generator = np.random.default_rng(1)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    lines = (x % 2, y % 2, (x + y) % 4 == 0, (x - y) % 3 == 0)
    checkers = tuple((x // size + y // size) % 2 for size in (1, 2, 3, 4))
    dots = tuple((x % step == 0) & (y % step == 0) for step in (2, 3, 4, 8))
    patterns = {
        "checkers": _quarters(*checkers),
        "one-pixel lines": _quarters(*lines),
        "1-bit text": _text(generator),
        "dots": _quarters(*dots),
    }
    images = {name: np.repeat(plane[:, :, None] * _WHITE, 3, axis=2) for name, plane in patterns.items()}
    images |= {
        "1-bit noise": generator.integers(0, 2, (SIDE, SIDE, 3)) * _WHITE,
        "noise": generator.integers(0, _WHITE + 1, (SIDE, SIDE, 3)),
        "flat fields": _flat_fields(),
        "an image like a photograph": np.rint(natural_image()[0].transpose(1, 2, 0) * _WHITE),
    }
    return {name: image.astype(np.uint8) for name, image in images.items()}


def _quarters(*patterns: npt.NDArray[Any]) -> Plane:
    """Return an image of which each pattern fills a quarter."""
    half = SIDE // 2
    top_left, top_right, bottom_left, bottom_right = (np.asarray(pattern, dtype=int) for pattern in patterns)
    top = np.hstack((top_left[:half, :half], top_right[:half, half:]))
    bottom = np.hstack((bottom_left[half:, :half], bottom_right[half:, half:]))
    return np.vstack((top, bottom))


def _text(generator: np.random.Generator) -> Plane:
    """Return lines of letters of no alphabet, white on black above, black on white below."""
    rows, columns = SIDE // (_GLYPH[0] + 1), SIDE // (_GLYPH[1] + 1)
    glyphs = np.pad(generator.integers(0, 2, (rows, columns, *_GLYPH)), ((0, 0), (0, 0), (1, 0), (1, 0)))
    page = glyphs.transpose(0, 2, 1, 3).reshape(SIDE, SIDE)
    page[SIDE // 2 :] = 1 - page[SIDE // 2 :]
    return page


def _flat_fields() -> npt.NDArray[Any]:
    """Return fields of grey, white and the purest colours that meet at hard edges."""
    colours = np.array([[0, 128, 255, 64], [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]], dtype=object)
    fields = np.array([[np.broadcast_to(colour, 3) for colour in row] for row in colours])
    return fields.repeat(SIDE // 2, axis=0).repeat(SIDE // 4, axis=1)
