"""The codec of a video, and how its frames are stored."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

from paragon_core.errors import InputError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.pyav import pyav
from paragon_core.media.video.colour import BT709, LEFT, RGB, UNSPECIFIED, VideoColour
from paragon_core.media.video.formats import CODECS, PRESETS, EncoderPreset, VideoCodec
from paragon_core.media.video.hdr import StaticHdr

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from av import VideoStream
    from av.container import OutputContainer

__all__ = ["CODECS", "PRESETS", "EncoderPreset", "FrameFormat", "VideoCodec", "VideoEncoding"]

#: With its macroblock tree and B frames x264 (165) makes other bytes each time on a processor with AVX-512: it differs
#: with what happened to lie in memory, and no longer with `asm=AVX2`, which other processors do not have.
X264_REPEATABLE: Final = "mbtree=0"

#: The matrices of YUV made of RGB by its primaries, where that is not BT.709: BT.2020, not of constant luminance.
_MATRICES_OF_PRIMARIES: Final = {9: 9}

#: FFmpeg's names for where chroma sits.
LOCATIONS: Final = {1: "left", 2: "center", 3: "topleft", 4: "top", 5: "bottomleft", 6: "bottom"}


_NO_HDR: Final = StaticHdr()


@dataclass(frozen=True, kw_only=True)
class _Encoder:
    """An encoder of FFmpeg."""

    name: str
    """FFmpeg's name."""
    options: Mapping[str, str]
    """What makes the same bytes each time, and on machines with another number of cores."""
    crf: float | None = None
    """Constant rate factor with which little is lost; None: lossless."""
    highest_crf: float = 51
    """The worst quality that can be had."""
    presets: Mapping[EncoderPreset, str] = field(default_factory=dict)
    """Its own names for how hard it tries."""
    smallest: int = 1
    """Least width and height in pixels that it takes without harm."""
    deepest: int = 10
    """Bits that are decoded wherever the codec is."""
    locations: frozenset[int] = frozenset(LOCATIONS)
    """Where chroma may sit."""
    parameters: str = ""
    """The option that takes its own ones, static HDR among them; empty: it cannot be told."""
    hdr_names: tuple[str, str] = ("master-display", "max-cll")
    """What x264 or x265 calls the mastering display, and the brightest light."""

    def with_hdr(self, hdr: StaticHdr) -> dict[str, str]:
        """Return the options, with those that write down what HDR10 says of the whole video."""
        if not (hdr and self.parameters):
            return dict(self.options)
        told = hdr.for_svt_av1() if self.name == "libsvtav1" else hdr.for_x26x(self.hdr_names)
        texts = [self.options.get(self.parameters, ""), *(f"{name}={text}" for name, text in told.items())]
        return {**self.options, self.parameters: ":".join(text for text in texts if text)}


_X_PRESETS: Final[Mapping[EncoderPreset, str]] = {"fast": "veryfast", "medium": "medium", "slow": "slow"}

_ENCODERS: Final[Mapping[VideoCodec, _Encoder]] = {
    "h264": _Encoder(
        name="libx264",
        # Its bytes depend on the number of its threads.
        options={"x264-params": f"{X264_REPEATABLE}:threads=8"},
        crf=18,
        presets=_X_PRESETS,
        deepest=8,
        parameters="x264-params",
        hdr_names=("mastering-display", "cll"),
    ),
    "hevc": _Encoder(
        name="libx265",
        options={"x265-params": "frame-threads=2:log-level=none"},
        crf=20,
        presets=_X_PRESETS,
        parameters="x265-params",
        smallest=64,  # x265 writes beyond its memory with frames of 34 x 18, 40 x 200 or 48 x 64 pixels.
    ),
    "av1": _Encoder(
        name="libsvtav1",
        options={},
        crf=26,
        smallest=16,  # SVT-AV1 crashes with frames of 4 x 4 and 8 x 8 pixels.
        highest_crf=63,
        presets={"fast": "10", "medium": "8", "slow": "5"},
        locations=frozenset({1, 3}),
        parameters="svtav1-params",
    ),
    "ffv1": _Encoder(name="ffv1", options={"level": "3", "slices": "16", "slicecrc": "1"}, deepest=16),
}


@dataclass(frozen=True, kw_only=True)
class FrameFormat:
    """How frames are stored."""

    pixel_format: str
    """FFmpeg's name."""
    colour: VideoColour
    """How samples are written."""

    @property
    def even(self) -> bool:
        """Whether sides must be even: so they must for players, if chroma has half of them."""
        return self.colour.factors == (2, 2)


@dataclass(frozen=True, kw_only=True)
class VideoEncoding:
    """Codec, quality and speed of encoding."""

    codec: VideoCodec | None = None
    """h264 plays everywhere and has 8 bits; hevc and av1 are smaller, slower, and keep 10 bits of deeper sources; ffv1
    is lossless, and keeps depth and subsampling, for programs that work on it further. None: hevc for sources of more
    than 8 bits, so that they and HDR stay what they are, else h264."""
    crf: float | None = None
    """Constant rate factor, smaller is better: from 1 to 51, for av1 to 63; not for ffv1. None: 18, 20 and 26."""
    preset: EncoderPreset = "medium"
    """How hard the encoder tries: the slower, the smaller the file."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of range.

        """
        if self.codec not in {None, *CODECS} or self.preset not in PRESETS:
            msg = f"video cannot be encoded as {self.codec!r} with preset {self.preset!r}"
            raise InputError(
                msg, hint=f"the codec is one of {', '.join(CODECS)}, the preset one of {', '.join(PRESETS)}"
            )
        encoder = self._encoder
        if self.crf is not None and encoder.crf is None:
            msg = f"{self.codec} is lossless and has no crf"
            raise InputError(msg, hint="leave it out")
        if self.crf is not None and not 1 <= self.crf <= encoder.highest_crf:  # NaN compares false
            msg = f"{self.codec or 'video'} cannot be had with crf {self.crf}"
            raise InputError(msg, hint=f"it goes from 1 to {encoder.highest_crf:.0f}")

    @property
    def keeps_hdr(self) -> bool:
        """Whether the codec's encoder can be told static HDR."""
        return bool(self._encoder.parameters)

    @property
    def _encoder(self) -> _Encoder:
        return _ENCODERS[self.codec or "h264"]

    def chosen(self, bits: int, size: tuple[int, int]) -> VideoEncoding:
        """Return it with a codec.

        Args:
            bits: of a sample of the source.
            size: width and height of the result.

        """
        if self.codec is not None:
            return self
        hevc = _ENCODERS["hevc"]
        high_bit_depth = bits > _ENCODERS["h264"].deepest and min(size) >= hevc.smallest
        return replace(self, codec="hevc" if high_bit_depth and hevc.name in pyav().codecs_available else "h264")

    def frame_format(
        self, source: VideoColour, planar: str, *, rotated: bool, primaries: int = UNSPECIFIED
    ) -> FrameFormat:
        """Return how the frames of the result are stored.

        Args:
            source: how those of the source are to be read.
            planar: FFmpeg's name of the format that holds them with a plane for each component.
            rotated: whether they are rotated, and chroma does not sit where it sat.
            primaries: those of the source, by their number of H.273: RGB gets the matrix that goes with them.

        """
        encoder = self._encoder
        rgb = source.matrix == RGB
        location = LEFT if rotated or source.chroma_location not in encoder.locations else source.chroma_location
        if encoder.crf is None:
            # Not every depth exists for RGB: 8 bits become 10.
            bits = min(max(source.bits, 10 if rgb else 8), encoder.deepest)
            kind = re.match("gbrp|gray|yuv4..p", planar.replace("yuvj", "yuv"))
            assert kind  # noqa: S101 - there are no others
            return FrameFormat(
                pixel_format=_with_depth(kind[0], bits), colour=replace(source, bits=bits, chroma_location=location)
            )
        colour = VideoColour(
            matrix=_MATRICES_OF_PRIMARIES.get(primaries, BT709) if rgb else source.matrix,
            full=source.full and not rgb,
            bits=min(10 if source.bits > 8 else 8, encoder.deepest),  # noqa: PLR2004 - between, players know nothing
            factors=(2, 2),
            chroma_location=location,
        )
        return FrameFormat(pixel_format=_with_depth("yuv420p", colour.bits), colour=colour)

    def add_to(
        self,
        container: OutputContainer,
        size: tuple[int, int],
        frame_format: FrameFormat,
        *,
        rate: Fraction,
        time_base: Fraction,
        hdr: StaticHdr = _NO_HDR,
    ) -> VideoStream:
        """Add a video stream to a container that is being written.

        Raises:
            BackendUnavailableError: the encoder is missing here.
            UnsupportedSizeError: it takes no frames of that size.
            UnsupportedFormatError: the container does not hold what it makes.

        """
        encoder = self._encoder
        if min(size) < encoder.smallest:
            msg = f"{self.codec} needs frames of at least {encoder.smallest} pixels a side, not {size[0]} x {size[1]}"
            raise UnsupportedSizeError(msg, hint="choose h264 (--codec h264)")
        pyav(encoder.name)
        os.environ.setdefault("SVT_LOG", "1")  # errors only: it prints what it does to stderr
        options = {"chroma_sample_location": LOCATIONS[frame_format.colour.chroma_location], **encoder.with_hdr(hdr)}
        if encoder.crf is not None:
            options |= {
                "crf": f"{encoder.crf if self.crf is None else self.crf:g}",
                "preset": encoder.presets[self.preset],
            }
        try:
            # By any name, it says that it returns streams of all kinds.
            stream = cast("VideoStream", container.add_stream(encoder.name, rate=rate, options=options))
        except ValueError as error:
            msg = f"{container.format.name} does not hold {self.codec}"
            raise UnsupportedFormatError(msg, hint="choose a name that ends in .mkv, or another codec") from error
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt = frame_format.pixel_format
        context.time_base = time_base
        context.colorspace = frame_format.colour.matrix
        context.color_range = 2 if frame_format.colour.full else 1
        if self.codec == "hevc" and container.format.name != "matroska":
            context.codec_tag = "hvc1"  # what Apple's players ask for
        return stream


def _with_depth(kind: str, bits: int) -> str:
    """Return FFmpeg's name of a planar format with a number of bits for a component, in this machine's byte order."""
    return kind if bits == 8 else f"{kind}{bits}{'le' if sys.byteorder == 'little' else 'be'}"  # noqa: PLR2004 - bits
