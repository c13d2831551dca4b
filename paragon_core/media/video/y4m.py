"""Y4m (YUV4MPEG2): uncompressed frames one after another, as programs hand them to each other through pipes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from paragon_core.errors import MediaError, UnsupportedFormatError
from paragon_core.media.video.frames import samples_of

if TYPE_CHECKING:
    from av import VideoFrame

    from paragon_core.media.video.colour import SampleArray

_MAGIC: Final = b"YUV4MPEG2"
_FRAME: Final = b"FRAME"

#: Characters of a line: FFmpeg, VapourSynth and mjpegtools write far fewer.
_LONGEST_LINE: Final = 1024

#: Luma samples for each chroma sample, down and across, and bits, by what y4m calls them; mono has no chroma.
_SUBSAMPLINGS: Final = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "411": (1, 4), "mono": None}
_CHROMA: Final = re.compile(r"(420|422|444|411)(?:p(9|10|12|14|16)|jpeg|mpeg2|paldv)?|(mono)(9|10|12|16)?|(444)alpha")

#: Names of 4:2:0 of 8 bits by where chroma sits, as FFmpeg counts.
_SITED: Final = {1: "420mpeg2", 2: "420jpeg", 3: "420paldv"}

#: Aspects and rates that are not known.
_UNKNOWN: Final = Fraction(0)


@dataclass(frozen=True, kw_only=True)
class Y4mHeader:
    """What the first line of y4m says."""

    width: int
    """Width of a frame in pixels."""
    height: int
    """Height of a frame in pixels."""
    rate: Fraction = Fraction(25)
    """Frames a second; 0 where it is not known."""
    interlace: str = "p"
    """p: progressive; t, b: interlaced, top or bottom field first; m: mixed; ?: unknown."""
    aspect: Fraction = _UNKNOWN
    """Width of a pixel by its height; 0 where it is not known."""
    chroma: str = "420jpeg"
    """Name of the pixel format, such as 420jpeg, 422p10 or mono."""
    full: bool | None = None
    """Whether the range of samples is full; None where that is not said."""

    @classmethod
    def parse(cls, line: bytes) -> Y4mHeader:
        """Read a first line, without the line break.

        Raises:
            UnsupportedFormatError: it is none, or names pixels of a kind that is not known.

        """
        kind, *fields = line.split(b" ")
        if kind != _MAGIC:
            msg = "stdin is no y4m video (YUV4MPEG2)"
            hint = "pipe y4m into it: ffmpeg -i IN -f yuv4mpegpipe -, or vspipe -c y4m"
            raise UnsupportedFormatError(msg, hint=hint)
        try:
            found = {field[:1].decode("ascii"): field[1:].decode("ascii") for field in fields if field[:1] != b"X"}
            extra = [field[1:].decode("ascii") for field in fields if field[:1] == b"X"]
            ranges = {name.partition("=")[2] for name in extra if name.startswith("COLORRANGE=")}
            header = cls(
                width=int(found["W"]),
                height=int(found["H"]),
                rate=_ratio(found.get("F", "0:0")),
                interlace=found.get("I", "?") or "?",
                aspect=_ratio(found.get("A", "0:0")),
                chroma=found.get("C", "420jpeg"),
                full=None if not ranges else "FULL" in ranges,
            )
        except (KeyError, ValueError) as error:  # the latter: numbers, and texts that are not ASCII
            msg = "the header of the y4m video cannot be read"
            raise UnsupportedFormatError(msg, hint="write it again, with FFmpeg or vspipe") from error
        if header.width < 1 or header.height < 1 or not _CHROMA.fullmatch(header.chroma):
            msg = f"y4m of {header.width} x {header.height} pixels of the kind {header.chroma} cannot be read"
            raise UnsupportedFormatError(msg, hint="convert it to 420, 422, 444 or mono with 8 to 16 bits")
        if header.interlace == "m":
            msg = "y4m whose frames are partly interlaced and partly not cannot be read"
            raise UnsupportedFormatError(msg, hint="deinterlace it in the program before, or give the video itself")
        return header

    def line(self) -> bytes:
        """Return the first line, with the line break."""
        kind = _MAGIC.decode()
        text = f"{kind} W{self.width} H{self.height} F{_text(self.rate)} I{self.interlace} A{_text(self.aspect)}"
        text += f" C{self.chroma} XYSCSS={self.chroma.upper()}"
        if self.full is not None:
            text += f" XCOLORRANGE={'FULL' if self.full else 'LIMITED'}"
        return text.encode("ascii") + b"\n"

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        match = _CHROMA.fullmatch(self.chroma)
        return int((match and (match[2] or match[4])) or 8)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame, without the line before it."""
        factors = _SUBSAMPLINGS["mono" if self.chroma.startswith("mono") else self.chroma[:3]]
        samples = self.width * self.height * (2 if self.chroma.endswith("alpha") else 1)
        if factors is not None:
            samples += 2 * -(-self.width // factors[1]) * -(-self.height // factors[0])
        return samples * (2 if self.bits > 8 else 1)  # noqa: PLR2004 - bits of a byte


def chroma_name(factors: tuple[int, int] | None, bits: int, location: int) -> str:
    """Return what y4m calls samples.

    Args:
        factors: luma samples for each chroma sample, down and across; None for grey.
        bits: of a sample.
        location: where chroma of 4:2:0 sits, as FFmpeg counts.

    """
    kind = next(name for name, each in _SUBSAMPLINGS.items() if each == factors)
    if bits > 8:  # noqa: PLR2004 - bits of a byte
        return f"{kind}{'' if kind == 'mono' else 'p'}{bits}"
    return _SITED.get(location, "420mpeg2") if kind == "420" else kind


def _ratio(text: str) -> Fraction:
    above, _, below = text.partition(":")
    return Fraction(int(above), int(below)) if int(below) else _UNKNOWN


def _text(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}" if ratio else "0:0"


class Readable(Protocol):
    """What bytes can be read from, such as a pipe."""

    def read(self, size: int, /) -> bytes:
        """Return bytes up to this number; fewer, if no more are there yet, and none at the end."""
        ...


class Writable(Protocol):
    """What bytes can be written to, such as a pipe; all of them at once."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Write bytes."""
        ...

    def flush(self) -> object:
        """Hand on what was written."""
        ...


class Y4mInput:
    """A pipe with y4m, which FFmpeg reads through it; counts frames, so that a truncated one is found.

    FFmpeg itself takes a truncated frame for the end.
    """

    name = "stdin"

    def __init__(self, stream: Readable) -> None:
        """Read the first line.

        Raises:
            MediaError: nothing comes.
            UnsupportedFormatError: it is no y4m.

        """
        self._stream = stream
        head = bytearray()
        while not head.endswith(b"\n") and len(head) < _LONGEST_LINE:
            byte = stream.read(1)
            if not byte:
                break
            head += byte
            if not _MAGIC.startswith(head[: len(_MAGIC)]):
                break
        if not head:
            raise MediaError("stdin is empty", hint="pipe a y4m video into it, such as from ffmpeg or vspipe")
        self.header = Y4mHeader.parse(bytes(head).removesuffix(b"\n"))
        self._waiting = bytes(head)
        self._line = b""
        self._left = 0

    @property
    def missing(self) -> int:
        """Bytes that the last frame lacks, once all were read."""
        return self._left if self._left or not self._line else self.header.frame_bytes

    def read(self, size: int) -> bytes:
        """Return bytes up to this number."""
        if self._waiting:
            data, self._waiting = self._waiting[:size], self._waiting[size:]
            return data
        data = self._stream.read(size)
        self._follow(memoryview(data))
        return data

    def _follow(self, data: memoryview) -> None:
        """Keep track of where in a frame the stream is."""
        while data:
            if self._left:
                step = min(self._left, len(data))
                self._left -= step
            else:
                step = bytes(data[:_LONGEST_LINE]).find(b"\n") + 1 or len(data)
                self._line += bytes(data[: min(step, _LONGEST_LINE)])
                if not (self._line.startswith(_FRAME) or _FRAME.startswith(self._line)) or step > _LONGEST_LINE:
                    msg = "the y4m video is damaged: a frame does not begin where the one before it ends"
                    raise MediaError(msg, hint="write it again, with FFmpeg or vspipe")
                if self._line.endswith(b"\n"):
                    self._left, self._line = self.header.frame_bytes, b""
            data = data[step:]


class Y4mWriter:
    """Writes y4m."""

    def __init__(self, stream: Writable, header: Y4mHeader) -> None:
        """Write the first line."""
        self._stream = stream
        stream.write(header.line())

    def write(self, frame: VideoFrame) -> None:
        """Write a frame of the header's size and a planar pixel format, and hand it on at once."""
        self._stream.write(_FRAME + b"\n")
        for plane in samples_of(frame):
            self._stream.write(_bytes_of(plane))
        self._stream.flush()


def _bytes_of(plane: SampleArray) -> memoryview:
    little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).data.cast("B")
