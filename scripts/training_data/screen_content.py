"""Draw screen content: letters, lines and shapes with the hardest edges that an image can have.

Photographs hold no step from full black to full white within one pixel. A network of products of features goes wild on
what is harder than anything it was trained on, so a few per cent of its patches are drawings like these. This
module alone draws them, with the font that Pillow brings (Aileron, CC0): they need no credits.
"""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Colour = tuple[int, int, int]

#: Images are drawn this many times larger and then reduced: edges end up between pixels too.
_OVERSIZE = 4

#: Share of colours with every channel at 0 or 255, black and white among them more often than the rest.
_EXTREME_SHARE = 0.7
_GREY_SHARE = 0.5

_BOLD_SHARE = 0.5
_TURNED_SHARE = 0.25
_FILLED_SHARE = 0.7

_KERNELS = (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX)


def screen_content(count: int, side: int, *, seed: int = 0) -> Iterator[Image.Image]:
    """Draw images of ``side`` x ``side`` pixels, RGB; the same seed and version of Pillow draw the same ones."""
    for index in range(count):
        yield _image(np.random.default_rng((seed, index)), side)


def _image(random: np.random.Generator, side: int) -> Image.Image:
    large = Image.new("RGB", (side * _OVERSIZE, side * _OVERSIZE), _colour(random))
    shapes: tuple[Callable[[Image.Image, np.random.Generator], None], ...] = (_text, _text, _text, _lines, _shape)
    for _ in range(random.integers(4, 14)):
        shapes[random.integers(len(shapes))](large, random)
    kernel = _KERNELS[random.integers(len(_KERNELS))]
    return large.resize((side, side), kernel)


def _colour(random: np.random.Generator) -> Colour:
    if random.random() < _EXTREME_SHARE:
        levels = [255 * random.integers(2)] * 3 if random.random() < _GREY_SHARE else 255 * random.integers(2, size=3)
    else:
        levels = random.integers(256, size=3)
    return int(levels[0]), int(levels[1]), int(levels[2])


def _size(random: np.random.Generator, smallest: float, largest: float) -> float:
    """Return a length in pixels of the large drawing; small ones are as frequent as ones of twice the size."""
    return float(_OVERSIZE * smallest * (largest / smallest) ** random.random())


def _place(large: Image.Image, random: np.random.Generator) -> tuple[float, float]:
    x, y = random.random(2) * large.width
    return float(x), float(y)


def _text(large: Image.Image, random: np.random.Generator) -> None:
    """Write one to five lines, a quarter of them at an angle."""
    size = _size(random, 6, 60)
    letters = np.array(list(string.ascii_lowercase * 3 + string.ascii_uppercase + string.digits + "%&?!.,-        "))
    text = "\n".join("".join(random.choice(letters, random.integers(2, 24))) for _ in range(random.integers(1, 6)))
    mask = Image.new("L", large.size)
    bold = size / 24 * random.random() if random.random() < _BOLD_SHARE else 0
    x, y = _place(large, random)
    place = (x - large.width / 4, y - large.height / 4)
    ImageDraw.Draw(mask).text(place, text, fill=255, font=ImageFont.load_default(size), stroke_width=bold)
    if random.random() < _TURNED_SHARE:
        mask = mask.rotate(random.random() * 360, Image.Resampling.BICUBIC)
    large.paste(_colour(random), mask=mask)


def _lines(large: Image.Image, random: np.random.Generator) -> None:
    """Draw parallel lines at any angle."""
    angle = random.choice((0, math.pi / 2, 2 * math.pi * random.random()))
    x, y = _place(large, random)
    across, along = (-math.sin(angle), math.cos(angle)), (math.cos(angle), math.sin(angle))
    width, length = _size(random, 0.6, 8), _size(random, 10, 200)
    gap = width * (1.5 + 3 * random.random())
    colour = _colour(random)
    draw = ImageDraw.Draw(large)
    for line in range(random.integers(1, 12)):
        left, top = x + line * gap * across[0], y + line * gap * across[1]
        draw.line((left, top, left + length * along[0], top + length * along[1]), colour, max(1, round(width)))


def _shape(large: Image.Image, random: np.random.Generator) -> None:
    """Draw a box, an ellipse or a polygon, filled or as an outline."""
    x, y = _place(large, random)
    width, height = _size(random, 3, 120), _size(random, 3, 120)
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    outline = round(_size(random, 1, 8))
    fill = _colour(random) if random.random() < _FILLED_SHARE else None
    draw = ImageDraw.Draw(large)
    kind = random.integers(3)
    if kind == 0:
        draw.rectangle(box, fill, _colour(random), outline)
    elif kind == 1:
        draw.ellipse(box, fill, _colour(random), outline)
    else:
        corners = random.random((random.integers(3, 8), 2)) * (width, height) + box[:2]
        draw.polygon([(float(a), float(b)) for a, b in corners], _colour(random))
