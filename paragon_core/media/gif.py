"""GIF files as browsers show them: frames drawn over each other, and what the file says about itself.

Pillow unpacks the pixels of each frame. The frames are put together here, because Pillow lets a frame that asks for no
disposal inherit that of the frame before it, and clears to the background colour where browsers clear to transparent.
Source: Graphics Interchange Format, version 89a (CompuServe, 1990).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import numpy as np
from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile

from paragon_core.errors import UnsupportedSizeError

if TYPE_CHECKING:
    from paragon_core.media.loaded_image import Array

#: Frames that are read at most, so that a small file cannot keep a computer busy.
MOST_FRAMES: Final = 100_000
#: Bytes of a comment, profile or XMP packet that are kept at most.
_LONGEST_BLOCK: Final = 16 << 20

_HEADER_LENGTH = 13
_IMAGE, _EXTENSION = b",", b"!"
_GRAPHIC_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_HAS_TABLE = 0x80
_TO_TRANSPARENT, _TO_PREVIOUS = 2, 3
_ICC, _XMP, _LOOPS = b"ICCRGBG1012", b"XMP DataXMP", (b"NETSCAPE2.0", b"ANIMEXTS1.0")
#: XMP lies there without lengths; what follows it lets readers that expect lengths find the end.
_XMP_TRAILER: Final = bytes([1, *range(255, -1, -1), 0])


@dataclass(frozen=True, kw_only=True)
class GifFrame:
    """Where a frame is in the file, and how it is drawn."""

    start: int
    """Position of its descriptor in the file."""
    end: int
    """Position behind its pixels."""
    box: tuple[int, int, int, int]
    """Left, top, width and height in pixels."""
    delay: int = 0
    """Time on display in hundredths of a second."""
    disposal: int = 0
    """Its disposal: 2 clears its box, 3 restores what was there before."""
    transparent: int | None = None
    """Index of the colour that leaves the canvas as it is."""


@dataclass(frozen=True, kw_only=True)
class GifOutline:
    """A GIF file without its pixels."""

    size: tuple[int, int]
    """Width and height of the canvas in pixels."""
    palette: bytes
    """Global colours, three bytes each; empty if there are none."""
    frames: tuple[GifFrame, ...]
    """The frames."""
    loop: int | None
    """Repetitions after the first showing, 0 for endless ones; None where the file asks for none."""
    comment: bytes
    """Comments, a line each."""
    applications: dict[bytes, bytes]
    """Data of other programs, by their identifiers of 11 bytes."""


def outline(stream: BinaryIO) -> GifOutline:
    """Read everything but the pixels.

    A file that breaks off between two frames is read up to there.

    Raises:
        OSError: there is no frame, or the last one is incomplete.
        UnsupportedSizeError: there are more than `MOST_FRAMES` frames.

    """
    stream.seek(0)
    head = stream.read(_HEADER_LENGTH)
    size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    palette = stream.read(_table_length(head[10])) if len(head) == _HEADER_LENGTH else b""
    frames: list[GifFrame] = []
    comments: list[bytes] = []
    applications: dict[bytes, bytes] = {}
    control: dict[str, Any] = {}
    while (kind := stream.read(1)) in {_IMAGE, _EXTENSION}:
        if kind == _IMAGE:
            frames.append(_frame(stream, control))
            control = {}
            if len(frames) > MOST_FRAMES:
                msg = f"it has more than {MOST_FRAMES} frames"
                raise UnsupportedSizeError(msg, hint="split it into several animations first")
            continue
        label = int.from_bytes(stream.read(1), "little")
        if label == _GRAPHIC_CONTROL:
            control = _control(_blocks(stream))
        elif label == _COMMENT:
            comments.append(_blocks(stream))
        elif label == _APPLICATION:
            _add_application(stream, applications)
        else:
            _skip_blocks(stream)
    if not frames:
        msg = "there is no image in the GIF file"
        raise OSError(msg)
    left, top, width, height = frames[0].box
    loops = next((applications[name] for name in _LOOPS if name in applications), b"")
    return GifOutline(
        size=(max(size[0], left + width), max(size[1], top + height)),
        palette=palette,
        frames=tuple(frames),
        loop=int.from_bytes(loops[1:3], "little") if loops[:1] == b"\x01" else None,
        comment=b"\n".join(comments),
        applications=applications,
    )


def application(identifier: bytes, data: bytes) -> bytes:
    """Return the extension that holds data of another program; XMP without lengths, as its specification asks."""
    body = data + _XMP_TRAILER if identifier == _XMP else sub_blocks(data)
    return b"!\xff\x0b" + identifier + body


def extensions(*, loop: int | None, comment: bytes, icc: bytes | None, xmp: bytes | None) -> bytes:
    """Return the extensions in front of the first frame."""
    parts = [] if loop is None else [application(_LOOPS[0], b"\x01" + loop.to_bytes(2, "little"))]
    parts += [application(_ICC, icc)] if icc else []
    parts += [application(_XMP, xmp)] if xmp else []
    parts += [b"!\xfe" + sub_blocks(comment)] if comment else []
    return b"".join(parts)


def sub_blocks(data: bytes) -> bytes:
    """Return data in blocks of at most 255 bytes, each behind its length (section 15)."""
    parts = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


class CompositedGif(ImageFile.ImageFile):
    """A GIF file for Pillow whose frames are whole images: RGB, or RGBA where the background shows."""

    format = "GIF"
    format_description = "GIF, frames drawn over each other"

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101 - told to mypy: Pillow opens it before
        self._outline = outline(cast("BinaryIO", self.fp))
        self._size = self._outline.size
        self._mode = "RGBA"
        self.n_frames = len(self._outline.frames)
        self.is_animated = self.n_frames > 1
        self.info = {"comment": self._outline.comment, "loop": self._outline.loop}
        for key, identifier in (("icc_profile", _ICC), ("xmp", _XMP)):
            if data := self._outline.applications.get(identifier):
                self.info[key] = data
        self._wanted, self._drawn = 0, -1
        self.info["duration"] = 10 * self._outline.frames[0].delay

    def seek(self, frame: int) -> None:
        """Choose the frame that is loaded next."""
        if not 0 <= frame < self.n_frames:
            msg = "no more images in GIF file"
            raise EOFError(msg)
        self._wanted = frame
        self.info["duration"] = 10 * self._outline.frames[frame].delay

    def tell(self) -> int:
        """Return the number of the chosen frame."""
        return self._wanted

    def load(self) -> Any:  # noqa: ANN401 - as Pillow declares it
        """Draw frames up to the chosen one."""
        if self._drawn > self._wanted:
            self._drawn = -1
        while self._drawn < self._wanted:
            self._draw_next()
        return Image.Image.load(self)

    def _draw_next(self) -> None:
        if self._drawn < 0:
            width, height = self._size
            self._canvas: Array = np.zeros((height, width, 4), np.uint8)
        else:
            self._dispose(self._outline.frames[self._drawn])
        frame = self._outline.frames[self._drawn + 1]
        place = self._place(frame)
        self._before = self._canvas[place].copy() if frame.disposal == _TO_PREVIOUS else None
        if self._canvas[place].size:
            height, width = self._canvas[place].shape[:2]
            indices, colours = _unpacked(self.fp, self._outline.palette, frame)
            indices = indices[:height, :width]
            drawn = np.ones(indices.shape, bool) if frame.transparent is None else indices != frame.transparent
            self._canvas[place][drawn] = colours[indices[drawn]]
        self._drawn += 1
        opaque = bool((self._canvas[..., 3] == 255).all())  # noqa: PLR2004 - full scale
        shown = Image.fromarray(np.ascontiguousarray(self._canvas[..., :3]) if opaque else self._canvas)
        self._mode, self.im = shown.mode, shown.im

    def _dispose(self, frame: GifFrame) -> None:
        if frame.disposal == _TO_TRANSPARENT:
            self._canvas[self._place(frame)] = 0
        elif self._before is not None:
            self._canvas[self._place(frame)] = self._before

    @staticmethod
    def _place(frame: GifFrame) -> tuple[slice, slice]:
        left, top, width, height = frame.box
        return slice(top, top + height), slice(left, left + width)


def _table_length(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _HAS_TABLE else 0


def _blocks(stream: BinaryIO) -> bytes:
    parts: list[bytes] = []
    length = 0
    while (head := stream.read(1)) and head[0]:
        part = stream.read(head[0])
        length += len(part)
        if length <= _LONGEST_BLOCK:
            parts.append(part)
    return b"".join(parts)


def _skip_blocks(stream: BinaryIO) -> bool:
    """Go behind the next data; return whether its end was there."""
    while head := stream.read(1):
        if not head[0]:
            return True
        stream.seek(head[0], 1)
    return False


def _control(data: bytes) -> dict[str, Any]:
    if len(data) < 4:  # noqa: PLR2004 - flags, delay and index
        return {}
    return {
        "disposal": data[0] >> 2 & 7,
        "delay": int.from_bytes(data[1:3], "little"),
        "transparent": data[3] if data[0] & 1 else None,
    }


def _add_application(stream: BinaryIO, applications: dict[bytes, bytes]) -> None:
    identifier = stream.read(stream.read(1)[0])
    if identifier != _XMP:
        applications.setdefault(identifier, _blocks(stream))
        return
    start = stream.tell()
    _skip_blocks(stream)
    length = stream.tell() - start - len(_XMP_TRAILER)
    stream.seek(start)
    if 0 < length <= _LONGEST_BLOCK:
        applications.setdefault(identifier, stream.read(length))
    stream.seek(start + length + len(_XMP_TRAILER))


def _frame(stream: BinaryIO, control: dict[str, Any]) -> GifFrame:
    start = stream.tell() - 1
    head = stream.read(9)
    if len(head) == 9:  # noqa: PLR2004 - the descriptor behind its separator
        stream.seek(_table_length(head[8]) + 1, 1)
    if not _skip_blocks(stream):
        msg = "the GIF file is truncated"
        raise OSError(msg)
    left, top, width, height = (int.from_bytes(head[at : at + 2], "little") for at in (0, 2, 4, 6))
    return GifFrame(start=start, end=stream.tell(), box=(left, top, width, height), **control)


def _unpacked(stream: Any, palette: bytes, frame: GifFrame) -> tuple[Array, Array]:  # noqa: ANN401 - as Pillow has it
    """Return HxW indices of a frame and 256x4 colours (RGBA, uint8)."""
    stream.seek(frame.start)
    data = stream.read(frame.end - frame.start)
    _, _, width, height = frame.box
    table = data[10 : 10 + _table_length(data[9])] or palette
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    colours[: len(table) // 3, :3] = np.frombuffer(table[: len(table) // 3 * 3], np.uint8).reshape(-1, 3)
    # A file of its own, without colours, so that Pillow gives back the indices.
    side = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    flags = bytes([data[9] & ~(_HAS_TABLE | 7)])
    pixels = data[10 + _table_length(data[9]) :]
    image = GifImageFile(io.BytesIO(b"GIF89a" + side + b"\0\0\0,\0\0\0\0" + side + flags + pixels + b";"))
    image.load()
    return np.asarray(image), colours
