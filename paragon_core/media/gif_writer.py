"""Writing GIF frame by frame; Pillow's own writer keeps all frames in memory.

Each frame has its own palette. Only what changed is stored, so that still parts keep their colours instead of being
dithered differently from frame to frame.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import GifImagePlugin, Image

from paragon_core.media.adapting import adapted
from paragon_core.media.changed_part import bounds
from paragon_core.media.formats import FORMATS
from paragon_core.media.gif import extensions
from paragon_core.media.png import decoded_text

if TYPE_CHECKING:
    from paragon_core.media.compression import ImageCompression
    from paragon_core.media.loaded_image import Array, LoadedImage

#: Alpha from which on a pixel is opaque: the format knows no more than that.
HALF: Final = 128

#: Notes, in words for the user.
GIF_DITHERED: Final = "GIF holds 255 colours a frame: more were dithered"
GIF_HALF: Final = "GIF holds no half-transparent pixels: each became opaque or transparent"

_KEEP, _CLEAR = 1, 2
_MOST_COLOURS: Final = 255  # one of 256 is for transparent pixels
#: Pixels from which a palette is made, evenly spread: more cost time, and change little.
_MOST_SAMPLES: Final = 1 << 18


def encode_gif(loaded: LoadedImage, _compression: ImageCompression) -> tuple[bytes, tuple[str, ...]]:
    """Encode a still image.

    Returns:
        The bytes of the file, and in words for the user what the format could not keep.

    """
    held, notes = gif_form(loaded)
    stream = io.BytesIO()
    writer = GifWriter(stream, held.size, comment=gif_comment(held), icc=held.icc, xmp=held.xmp)
    writer.add(held.array, 0)
    writer.finish()
    if loaded.format != "gif":  # whose smooth edges have more colours, and half of its opacity, by nature
        notes += (GIF_DITHERED,) if writer.dithered else ()
        notes += (GIF_HALF,) if loaded.has_half_alpha else ()
    return stream.getvalue(), notes


def gif_form(loaded: LoadedImage) -> tuple[LoadedImage, tuple[str, ...]]:
    """Return an image with pixels and metadata as GIF holds them, and in words for the user what it does not."""
    held, notes = adapted(replace(loaded, xmp=None), FORMATS["gif"])
    return replace(held, xmp=loaded.xmp), notes


def gif_comment(loaded: LoadedImage) -> bytes:
    """Return the comment for a GIF."""
    decoded = (decoded_text(chunk) for chunk in loaded.png_text)
    return b"\n".join(text[1].encode() for text in decoded if text is not None)


class GifWriter:
    """Writes the frames of a GIF one after another; it holds two of them.

    ``dithered`` is true when a frame had more colours than fit into its palette.
    """

    def __init__(
        self,
        stream: BinaryIO,
        size: tuple[int, int],
        *,
        loop: int | None = None,
        comment: bytes = b"",
        icc: bytes | None = None,
        xmp: bytes | None = None,
    ) -> None:
        """Write the header.

        Args:
            stream: binary stream, written from its position on.
            size: width and height in pixels, at most 65535.
            loop: repetitions after the first showing, 0 for endless ones; None for one showing.
            comment: text of any encoding.
            icc: ICC profile.
            xmp: XMP packet.

        """
        self._stream = stream
        width, height = size
        self._colours: Array = np.zeros((height, width, 3), np.uint8)  # before their number was reduced
        self._opaque: Array = np.zeros((height, width), bool)
        self.dithered = False
        self._began = False
        self._waiting: tuple[Array, Array, tuple[int, int], int] | None = None
        stream.write(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x70\0\0")
        stream.write(extensions(loop=loop, comment=comment, icc=icc, xmp=xmp))

    def add(self, frame: Array, delay: int) -> None:
        """Add a frame.

        Args:
            frame: HxW, HxWx2, HxWx3 or HxWx4, uint8; pixels below half opacity become transparent.
            delay: time on display in hundredths of a second, 0 to 65535.

        """
        colours, opaque = _split(frame)
        if (self._opaque & ~opaque).any():
            self._write(_CLEAR)
            self._opaque[...] = False
            changed = opaque
        else:
            self._write(_KEEP)
            changed = opaque & ~(self._opaque & (colours == self._colours).all(axis=2))
        # The first frame fills the canvas: some readers give what it leaves free the background colour.
        rows, columns = bounds(changed) if self._began else (slice(0, opaque.shape[0]), slice(0, opaque.shape[1]))
        self._began = True
        self._colours[changed] = colours[changed]
        self._opaque |= changed
        self._waiting = (colours[rows, columns].copy(), changed[rows, columns], (columns.start, rows.start), delay)

    def finish(self) -> None:
        """Write what is left."""
        self._write(_KEEP)
        self._stream.write(b";")

    def _write(self, disposal: int) -> None:
        """Write the frame that waits, now that it is known whether the next one needs a clear canvas."""
        if self._waiting is None:
            return
        colours, drawn, (left, top), delay = self._waiting
        indices, palette, dithered = _with_palette(colours, drawn)
        self.dithered |= dithered
        transparent = None if drawn.all() else len(palette) // 3
        if disposal == _CLEAR:  # all of the canvas, which a frame clears within its own box only
            transparent = len(palette) // 3
            height, width = self._opaque.shape
            canvas = np.full((height, width), transparent, np.uint8)
            canvas[top : top + indices.shape[0], left : left + indices.shape[1]] = np.where(drawn, indices, transparent)
            indices, left, top = canvas, 0, 0
        elif transparent is not None:
            indices = np.where(drawn, indices, np.uint8(transparent))
        image = Image.fromarray(np.ascontiguousarray(indices), "L")
        image.putpalette(palette + b"\0\0\0" if transparent is not None else palette)
        options = {} if transparent is None else {"transparency": transparent}
        parts = GifImagePlugin.getdata(
            image, (left, top), duration=10 * delay, disposal=disposal, include_color_table=True, **options
        )
        self._stream.writelines(parts)


def _split(frame: Array) -> tuple[Array, Array]:
    """Return HxWx3 colours and HxW booleans: whether a pixel is opaque."""
    frame = frame[..., np.newaxis] if frame.ndim == 2 else frame  # noqa: PLR2004 - axes
    has_alpha = frame.shape[2] in {2, 4}
    opaque = frame[..., -1] >= HALF if has_alpha else np.ones(frame.shape[:2], bool)
    colours = frame[..., :-1] if has_alpha else frame
    return np.broadcast_to(colours, (*frame.shape[:2], 3)), opaque


def _with_palette(colours: Array, drawn: Array) -> tuple[Array, bytes, bool]:
    """Reduce colours to at most 255: exactly where there are no more, else by median cut with error diffusion.

    Args:
        colours: HxWx3 uint8.
        drawn: HxW; the other pixels count for nothing.

    Returns:
        HxW indices, the palette in bytes of red, green and blue, and whether there were more colours.

    """
    kept = colours[drawn]
    if not kept.size:
        return np.zeros(drawn.shape, np.uint8), b"\0\0\0", False
    if Image.fromarray(kept[np.newaxis]).getcolors(_MOST_COLOURS) is not None:
        keys = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        found = np.unique(keys[drawn])
        indices = np.minimum(np.searchsorted(found, keys), len(found) - 1).astype(np.uint8)
        return indices, found.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(), False
    image = Image.fromarray(np.ascontiguousarray(colours))
    step = math.sqrt(max(image.width * image.height / _MOST_SAMPLES, 1))
    samples = image.resize((math.ceil(image.width / step), math.ceil(image.height / step)), Image.Resampling.NEAREST)
    palette = samples.quantize(_MOST_COLOURS, Image.Quantize.MEDIANCUT)
    reduced = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    table = bytes(palette.getpalette() or ())[: 3 * _MOST_COLOURS]
    return np.asarray(reduced), table, True
