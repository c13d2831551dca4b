"""The codec of a video, and how its frames are stored."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from paragon_core.errors import InputError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.pyav import pyav
from paragon_core.media.video.colour import BT709, LEFT, RGB, UNSPECIFIED, VideoColour
from paragon_core.media.video.encoders import LOCATIONS, PRORES, Encoder, encoder_of, why_not, with_depth
from paragon_core.media.video.formats import (
    CODECS,
    ENCODERS,
    MATROSKA,
    PRESETS,
    EncoderKind,
    EncoderPreset,
    ProResProfile,
    VideoCodec,
)
from paragon_core.media.video.hdr import StaticHdr

if TYPE_CHECKING:
    from fractions import Fraction

    from av import VideoStream
    from av.container import OutputContainer

__all__ = ["CODECS", "PRESETS", "EncoderPreset", "FrameFormat", "VideoCodec", "VideoEncoding"]

#: The matrices of YUV made of RGB by its primaries, where that is not BT.709: BT.2020, not of constant luminance.
MATRICES_OF_PRIMARIES: Final = {9: 9}

#: Profiles of ProRes whose chroma has the resolution of luma.
_FULL_CHROMA: Final = frozenset(name for name, full in PRORES.items() if full)

_NO_HDR: Final = StaticHdr()


@dataclass(frozen=True, kw_only=True)
class FrameFormat:
    """How frames are stored."""

    pixel_format: str
    """FFmpeg's name."""
    colour: VideoColour
    """How samples are written."""
    even: bool
    """Whether sides must be even: so they must for players, if chroma has half of them."""


@dataclass(frozen=True, kw_only=True)
class VideoEncoding:
    """Codec, quality and speed of encoding."""

    codec: VideoCodec | None = None
    """h264 plays everywhere and has 8 bits; hevc and av1 are smaller, slower, and keep 10 bits of deeper sources; vp9
    is for the web; prores is for programs that cut, in .mov; ffv1 is lossless, and keeps depth and subsampling, for
    programs that work on it further. None: hevc for sources of more than 8 bits, so that they and HDR stay what they
    are, else h264; vp9 in .webm."""
    crf: float | None = None
    """Constant rate factor, smaller is better: from 1 to 51, for av1 and vp9 to 63; not for prores and ffv1. None: 18
    for h264, 20 for hevc, 26 for av1, 24 for vp9. Hardware encoders get their own option for constant quality."""
    preset: EncoderPreset = "medium"
    """How hard the encoder tries: the slower, the smaller the file."""
    encoder: EncoderKind = "software"
    """What encodes. Hardware is faster and makes larger files, other ones each time; where it does not work, software
    encodes, with a note. auto is the first hardware that works."""
    profile: ProResProfile | None = None
    """That of prores. None: 4444 for sources whose chroma has the resolution of luma, else hq."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: one is out of range.

        """
        if self.codec not in {None, *CODECS} or self.preset not in PRESETS or self.encoder not in ENCODERS:
            msg = f"video cannot be encoded as {self.codec!r} with preset {self.preset!r} by {self.encoder!r}"
            choices = {"the codec": CODECS, "the preset": PRESETS, "the encoder": ENCODERS}
            raise InputError(msg, hint=", ".join(f"{name} is one of {', '.join(of)}" for name, of in choices.items()))
        if self.profile is not None and (self.codec != "prores" or self.profile not in PRORES):
            msg = f"{self.codec or 'video'} has no profile {self.profile}"
            raise InputError(msg, hint=f"profiles are for prores: {', '.join(PRORES)}")
        encoder = self._software
        if self.crf is not None and encoder.crf is None:
            kind = "is lossless" if encoder.lossless else "has profiles"
            raise InputError(f"{self.codec} {kind} and has no crf", hint="leave it out")
        if self.crf is not None and not 1 <= self.crf <= encoder.highest_crf:  # NaN compares false
            msg = f"{self.codec or 'video'} cannot be had with crf {self.crf}"
            raise InputError(msg, hint=f"it goes from 1 to {encoder.highest_crf:.0f}")

    @property
    def keeps_hdr(self) -> bool:
        """Whether the codec's encoder can be told static HDR."""
        return bool(self._encoder.parameters)

    @property
    def _software(self) -> Encoder:
        encoder = encoder_of(self.codec or "h264")
        assert encoder is not None  # noqa: S101 - there is one for each codec
        return encoder

    @property
    def _encoder(self) -> Encoder:
        return encoder_of(self.codec or "h264", self.encoder) or self._software

    def in_container(self, kind: str) -> VideoEncoding:
        """Return it with the codec that goes by itself with a container, by FFmpeg's name, if it has none yet."""
        return replace(self, codec="vp9") if self.codec is None and kind == "webm" else self

    def chosen(self, bits: int, size: tuple[int, int]) -> VideoEncoding:
        """Return it with a codec.

        Args:
            bits: of a sample of the source.
            size: width and height of the result.

        """
        if self.codec is not None:
            return self
        hevc = encoder_of("hevc")
        deep = hevc is not None and bits > self._software.depths[-1] and min(size) >= hevc.smallest
        return replace(self, codec="hevc" if hevc and deep and hevc.name in pyav().codecs_available else "h264")

    def that_works(self, size: tuple[int, int], frame_format: FrameFormat) -> tuple[VideoEncoding, tuple[str, ...]]:
        """Return it with an encoder that opens here for frames of a size, and notes on that, for the user."""
        if self.encoder == "software" or self.codec is None:
            return self, ()
        software = replace(self, encoder="software")
        kinds = [kind for kind in ENCODERS if kind not in {"software", "auto"}]
        for kind in kinds if self.encoder == "auto" else [self.encoder]:
            encoder = encoder_of(self.codec, kind)
            if encoder is None:
                why = f"{kind} has no encoder for {self.codec}"
            elif not (reason := why_not(encoder, frame_format.colour.bits, size, crf=self.crf, preset=self.preset)):
                return replace(self, encoder=kind), (f"it was encoded by {encoder.name}",)
            else:
                why = f"{encoder.name} does not work here ({reason})"
        if self.encoder == "auto":
            why = f"no hardware here encodes {self.codec} (see: paragon doctor)"
        return software, (f"{why}, and {self._software.name} encoded it",)

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
        encoder = self._software
        rgb = source.matrix == RGB
        location = LEFT if rotated or source.chroma_location not in encoder.locations else source.chroma_location
        if encoder.lossless:
            # Not every depth exists for RGB: 8 bits become 10.
            bits = encoder.bits(max(source.bits, 10 if rgb else 8))
            match = re.match("gbrp|gray|yuv4..p", planar.replace("yuvj", "yuv"))
            assert match  # noqa: S101 - there are no others
            return FrameFormat(
                pixel_format=with_depth(match[0], bits),
                colour=replace(source, bits=bits, chroma_location=location),
                even=source.factors == (2, 2),
            )
        factors = (2, 2)
        if self.codec == "prores":
            factors = (1, 1) if self._prores_profile(source.factors) in _FULL_CHROMA else (1, 2)
        colour = VideoColour(
            matrix=MATRICES_OF_PRIMARIES.get(primaries, BT709) if rgb else source.matrix,
            full=source.full and not rgb and self.codec != "prores",  # which no file tells of it
            bits=encoder.bits(10 if source.bits > 8 else 8),  # noqa: PLR2004 - between, players know nothing
            factors=factors,
            chroma_location=location,
        )
        kind = {(2, 2): "yuv420p", (1, 2): "yuv422p", (1, 1): "yuv444p"}[factors]
        even = factors != (1, 1)
        return FrameFormat(pixel_format=with_depth(kind, colour.bits), colour=colour, even=even)

    def _prores_profile(self, factors: tuple[int, int]) -> ProResProfile:
        return self.profile or ("4444" if factors == (1, 1) else "hq")

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
        options |= encoder.settings(self.crf, self.preset)
        if self.codec == "prores":
            options["profile"] = self._prores_profile(frame_format.colour.factors)
        try:
            # By any name, it says that it returns streams of all kinds.
            stream = cast("VideoStream", container.add_stream(encoder.name, rate=rate, options=options))
        except ValueError as error:
            msg = f"{container.format.name} does not hold {self.codec}"
            names = ".mov or .mkv" if self.codec == "prores" else ".mkv"
            raise UnsupportedFormatError(msg, hint=f"choose a name that ends in {names}, or another codec") from error
        context = stream.codec_context
        context.width, context.height = size
        # PyAV brings frames into the format that an encoder is set to: another order of the same samples.
        context.pix_fmt = encoder.takes.get(frame_format.colour.bits, frame_format.pixel_format)
        context.time_base = time_base
        context.colorspace = frame_format.colour.matrix
        context.color_range = 2 if frame_format.colour.full else 1
        if self.codec == "hevc" and container.format.name not in MATROSKA:
            context.codec_tag = "hvc1"  # what Apple's players ask for
        return stream
