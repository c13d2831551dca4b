"""FFmpeg's encoders: what each is told, what it takes, and whether it works here."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from paragon_core.media.pyav import pyav
from paragon_core.media.video.formats import ENCODERS, EncoderKind, EncoderPreset, ProResProfile, VideoCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paragon_core.media.video.hdr import StaticHdr

#: With its macroblock tree and B frames x264 (165) makes other bytes each time on a processor with AVX-512: it differs
#: with what happened to lie in memory, and no longer with `asm=AVX2`, which other processors do not have.
X264_REPEATABLE: Final = "mbtree=0"

#: FFmpeg's names for where chroma sits.
LOCATIONS: Final = {1: "left", 2: "center", 3: "topleft", 4: "top", 5: "bottomleft", 6: "bottom"}

#: Frames with which encoders are tried: their size, and frames a second.
_TRIED_SIZE: Final = (640, 480)
_TRIED_RATE: Final = 25

#: Lines of FFmpeg's log that a reason consists of, at most.
_REASON_LINES: Final = 2

#: What FFmpeg multiplies a quality by where its option has the unit of its Lagrange multipliers (FF_QP2LAMBDA).
_LAMBDA: Final = 118


def _as_crf(crf: float) -> dict[str, str]:
    return {"crf": f"{crf:g}"}


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder of FFmpeg."""

    name: str
    """FFmpeg's name."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What makes the same bytes each time, and on machines with another number of cores; of hardware, what makes
    quality constant."""
    crf: float | None = None
    """Constant rate factor with which little is lost; None: it has none."""
    highest_crf: float = 51
    """The worst quality that can be had."""
    quality: Callable[[float], Mapping[str, str]] = _as_crf
    """Its own options for a constant rate factor."""
    lossless: bool = False
    """Whether nothing is lost."""
    preset: str = "preset"
    """Its own option for how hard it tries."""
    presets: Mapping[EncoderPreset, str] = field(default_factory=dict)
    """Its own names for that."""
    smallest: int = 1
    """Least width and height in pixels that it takes without harm."""
    depths: Sequence[int] = (8, 10)
    """Bits for a colour that are decoded wherever the codec is."""
    takes: Mapping[int, str] = field(default_factory=dict)
    """FFmpeg's names of the pixel formats that it is given instead of planar ones, by their bits."""
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

    def settings(self, crf: float | None, preset: EncoderPreset) -> dict[str, str]:
        """Return its options for a quality, None for its default, and a preset."""
        chosen = self.crf if crf is None else crf
        options = {} if chosen is None else dict(self.quality(min(chosen, self.highest_crf)))
        if self.presets:
            options[self.preset] = self.presets[preset]
        return options

    def bits(self, wanted: int) -> int:
        """Return the depth, of those that it has here, that holds a number of bits best."""
        return next((bits for bits in self._depths_here() if bits >= wanted), self._depths_here()[-1])

    def _depths_here(self) -> Sequence[int]:
        if self.name != "libvpx-vp9":  # which is often built without more than 8 bits
            return self.depths
        return [bits for bits in self.depths if with_depth("yuv420p", bits) in _pixel_formats(self.name)] or [8]


_X_PRESETS: Final[Mapping[EncoderPreset, str]] = {"fast": "veryfast", "medium": "medium", "slow": "slow"}
_NV12: Final[Mapping[int, str]] = {8: "nv12", 10: "p010le"}

_SOFTWARE: Final[Mapping[VideoCodec, Encoder]] = {
    "h264": Encoder(
        name="libx264",
        # Its bytes depend on the number of its threads.
        options={"x264-params": f"{X264_REPEATABLE}:threads=8"},
        crf=18,
        presets=_X_PRESETS,
        depths=(8,),
        parameters="x264-params",
        hdr_names=("mastering-display", "cll"),
    ),
    "hevc": Encoder(
        name="libx265",
        options={"x265-params": "frame-threads=2:log-level=none"},
        crf=20,
        presets=_X_PRESETS,
        parameters="x265-params",
        smallest=64,  # x265 writes beyond its memory with frames of 34 x 18, 40 x 200 or 48 x 64 pixels.
    ),
    "av1": Encoder(
        name="libsvtav1",
        crf=26,
        smallest=16,  # SVT-AV1 crashes with frames of 4 x 4 and 8 x 8 pixels.
        highest_crf=63,
        presets={"fast": "10", "medium": "8", "slow": "5"},
        locations=frozenset({1, 3}),
        parameters="svtav1-params",
    ),
    "vp9": Encoder(
        name="libvpx-vp9",
        # Threads inside rows would make other bytes each time.
        options={"b": "0", "deadline": "good", "row-mt": "0", "tile-columns": "2", "threads": "8"},
        crf=24,
        highest_crf=63,
        preset="cpu-used",
        presets={"fast": "5", "medium": "3", "slow": "1"},
    ),
    "prores": Encoder(name="prores_ks", options={"vendor": "apl0"}, depths=(10,)),
    "ffv1": Encoder(
        name="ffv1",
        options={"level": "3", "slices": "16", "slicecrc": "1"},
        lossless=True,
        depths=(8, 9, 10, 12, 14, 16),
    ),
}

#: Default constant rate factors of hardware encoders: their files are larger at the same number.
_HARDWARE_CRF: Final[Mapping[VideoCodec, float]] = {"h264": 20, "hevc": 22, "av1": 28, "vp9": 26}
_HARDWARE_HIGHEST: Final = 51

#: AMD's AV1 counts its quantiser from 0 to 255.
_AMF_AV1_STEP: Final = 4


def _as_cq(crf: float) -> dict[str, str]:
    return {"cq": f"{crf:g}"}


def _as_global_quality(crf: float) -> dict[str, str]:
    return {"global_quality": f"{round(crf)}"}


def _as_qp(crf: float) -> dict[str, str]:
    return {"qp_i": f"{round(crf)}", "qp_p": f"{round(crf)}", "qp_b": f"{round(crf)}"}


def _as_qp_of_av1(crf: float) -> dict[str, str]:
    return {name: f"{round(crf * _AMF_AV1_STEP)}" for name in ("qp_i", "qp_p")}


def _as_share(crf: float) -> dict[str, str]:
    """Return VideoToolbox's quality, of 1 to 100, the larger the better."""
    return {"flags": "+qscale", "global_quality": f"{round(100 - crf * 99 / _HARDWARE_HIGHEST) * _LAMBDA}"}


def _nvenc(name: str, codec: VideoCodec) -> Encoder:
    return Encoder(
        name=name,
        options={"rc": "vbr", "b": "0", "tune": "hq"},
        crf=_HARDWARE_CRF[codec],
        quality=_as_cq,
        presets={"fast": "p3", "medium": "p5", "slow": "p7"},
    )


def _qsv(name: str, codec: VideoCodec) -> Encoder:
    return Encoder(
        name=name,
        crf=_HARDWARE_CRF[codec],
        quality=_as_global_quality,
        presets={"fast": "veryfast", "medium": "medium", "slow": "veryslow"},
    )


def _amf(name: str, codec: VideoCodec) -> Encoder:
    return Encoder(
        name=name,
        options={"rc": "cqp"},
        crf=_HARDWARE_CRF[codec],
        quality=_as_qp_of_av1 if codec == "av1" else _as_qp,
        preset="quality",
        presets={"fast": "speed", "medium": "balanced", "slow": "quality"},
    )


def _videotoolbox(name: str, codec: VideoCodec) -> Encoder:
    return Encoder(name=name, crf=_HARDWARE_CRF[codec], quality=_as_share)


def _vaapi(name: str, codec: VideoCodec) -> Encoder:
    return Encoder(name=name, crf=_HARDWARE_CRF[codec], quality=_as_global_quality)


#: What each kind of hardware encodes, and what makes an encoder of it by FFmpeg's name and the codec.
_HARDWARE: Final[Mapping[EncoderKind, tuple[frozenset[VideoCodec], Callable[[str, VideoCodec], Encoder]]]] = {
    "nvenc": (frozenset({"h264", "hevc", "av1"}), _nvenc),
    "qsv": (frozenset({"h264", "hevc", "av1", "vp9"}), _qsv),
    "amf": (frozenset({"h264", "hevc", "av1"}), _amf),
    "videotoolbox": (frozenset({"h264", "hevc"}), _videotoolbox),
    "vaapi": (frozenset({"h264", "hevc", "av1", "vp9"}), _vaapi),
}


def _hardware(kind: EncoderKind, codec: VideoCodec) -> Encoder | None:
    """Return the encoder of a kind of hardware for a codec; None where there is none."""
    codecs, make = _HARDWARE[kind]
    if codec not in codecs:
        return None
    return replace(make(f"{codec}_{kind}", codec), depths=(8,) if codec == "h264" else (8, 10), takes=_NV12)


def encoder_of(codec: VideoCodec, kind: EncoderKind = "software") -> Encoder | None:
    """Return the encoder of a kind for a codec; None where there is none. ``auto`` stands for software."""
    return _SOFTWARE[codec] if kind in {"software", "auto"} else _hardware(kind, codec)


#: FFmpeg's names of ProRes' profiles, and whether chroma has the resolution of luma.
PRORES: Final[Mapping[ProResProfile, bool]] = MappingProxyType(
    {"proxy": False, "lt": False, "standard": False, "hq": False, "4444": True, "4444xq": True}
)


def why_not(
    encoder: Encoder,
    bits: int,
    size: tuple[int, int] = _TRIED_SIZE,
    *,
    crf: float | None = None,
    preset: EncoderPreset = "medium",
) -> str:
    """Return why an encoder does not work here, with frames of a size; empty where it does. The answer is kept."""
    pixel_format = encoder.takes.get(bits) or with_depth("yuv422p" if "prores" in encoder.name else "yuv420p", bits)
    options = {**encoder.options, **encoder.settings(crf, preset)}
    return _reason(encoder.name, pixel_format, size, tuple(sorted(options.items())))


@cache
def _reason(name: str, pixel_format: str, size: tuple[int, int], options: tuple[tuple[str, str], ...]) -> str:
    av = pyav()
    if name not in av.codecs_available:
        return f"PyAV comes without {name} here"
    os.environ.setdefault("SVT_LOG", "1")  # errors only: it prints what it does to stderr
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    try:
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)  # it would leave out what the encoder before has said as well
        with av.logging.Capture() as logs:
            context = av.CodecContext.create(name, "w")
            context.width, context.height = size
            context.pix_fmt = pixel_format
            context.time_base = Fraction(1, _TRIED_RATE)
            context.options = dict(options)
            context.open()
    except (av.error.FFmpegError, ValueError) as error:
        lines = [message.strip() for severity, _, message in logs if severity <= av.logging.ERROR and message.strip()]
        return "; ".join(lines[:_REASON_LINES]) or getattr(error, "strerror", None) or str(error)
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)
    return ""


@cache
def _pixel_formats(name: str) -> frozenset[str]:
    """Return FFmpeg's names of the pixel formats that an encoder takes."""
    av = pyav()
    if name not in av.codecs_available:
        return frozenset()
    return frozenset(each.name for each in av.Codec(name, "w").video_formats or ())


def encoders_here() -> list[dict[str, str]]:
    """Return every encoder with its codec, kind and FFmpeg's name, and why it does not work here; empty if it does."""
    found = []
    for kind in ENCODERS:
        for codec in _SOFTWARE if kind != "auto" else ():
            encoder = encoder_of(codec, kind)
            if encoder is not None:
                reason = why_not(encoder, encoder.depths[0])
                found.append({"codec": codec, "kind": kind, "name": encoder.name, "reason": reason})
    return found


def with_depth(kind: str, bits: int) -> str:
    """Return FFmpeg's name of a planar format with a number of bits for a component, in this machine's byte order."""
    return kind if bits == 8 else f"{kind}{bits}{'le' if sys.byteorder == 'little' else 'be'}"  # noqa: PLR2004 - bits
