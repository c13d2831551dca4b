"""Sound that the new container does not hold: encoded again, without loss where that can be."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from paragon_core.media.pyav import pyav

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame, AudioResampler, AudioStream, Packet
    from av.audio.codeccontext import AudioCodecContext

#: Samples a second that Opus has.
_RATE_OF_OPUS: Final = 48000

#: Bits a second and channel of AAC and Opus.
_BITS_OF_A_CHANNEL: Final = 96_000
#: How its channels are laid out, by their number; stereo for others, but 5.1 for more than stereo has.
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
#: Samples a second that AAC can have.
_AAC_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

#: PCM of the samples that decoders return; 24 bits come in the upper part of 32.
_PCM: Final = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s24le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
_HOLD_PCM: Final = frozenset({"matroska", "mov"})
_HOLD_FLAC: Final = frozenset({"matroska"})
#: What FLAC encodes, and how many channels.
_OF_FLAC: Final = frozenset({"s16", "s32"})
_MOST_OF_FLAC: Final = 8

#: Seconds of sound that may be missing, or too much, before silence fills it or it is left out.
_GAP: Final = 0.05
#: Seconds of silence that are made at a time.
_SILENCE: Final = 1


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """What sound is encoded as."""

    encoder: str
    """FFmpeg's name."""
    rate: int
    """Samples a second."""
    layout: str
    """FFmpeg's name of its channels."""
    sample_format: str
    """FFmpeg's name of its samples."""
    note: str
    """What it becomes, in words for the user."""

    def opens(self) -> bool:
        """Return whether there is such an encoder that takes these."""
        av = pyav()
        try:
            context = av.CodecContext.create(self.encoder, "w")
            self.apply(context)
            context.open()
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def apply(self, context: AudioCodecContext) -> None:
        """Set up an encoder."""
        context.sample_rate, context.layout, context.format = self.rate, self.layout, self.sample_format
        context.time_base = Fraction(1, self.rate)
        if self.encoder in {"aac", "libopus"}:
            context.bit_rate = _BITS_OF_A_CHANNEL * context.layout.nb_channels


def format_for(stream: AudioStream, kind: str) -> SoundFormat | None:
    """Return what a stream's sound is encoded as in a container that does not hold it as it is; None: it cannot be."""
    context = stream.codec_context
    if not context.sample_rate or not context.layout.nb_channels:
        return None
    samples = context.format.name.removesuffix("p") if context.format is not None else ""
    lossless = context.codec.lossless and not context.codec.lossy
    layout, rate = context.layout.name, context.sample_rate
    if "channels" in layout:  # in no order that is known
        layout = _LAYOUTS.get(context.layout.nb_channels, layout)
    if context.name.startswith("pcm_") and kind in _HOLD_PCM and samples in _PCM:
        encoder = _PCM[samples]
        packed = {"pcm_s24le": "s32"}.get(encoder, samples)
        return SoundFormat(encoder=encoder, rate=rate, layout=layout, sample_format=packed, note="became plain PCM")
    if lossless and kind in _HOLD_FLAC and samples in _OF_FLAC and context.layout.nb_channels <= _MOST_OF_FLAC:
        note = "was encoded as FLAC, without loss"
        return SoundFormat(encoder="flac", rate=rate, layout=layout, sample_format=samples, note=note)
    return _as_opus(context) if kind == "webm" else _as_aac(context)


def _as_opus(context: AudioCodecContext) -> SoundFormat:
    channels = context.layout.nb_channels
    layout = _LAYOUTS.get(channels, "5.1" if channels > 6 else "stereo")  # noqa: PLR2004 - those of 5.1
    return SoundFormat(
        encoder="libopus", rate=_RATE_OF_OPUS, layout=layout, sample_format="flt", note="was encoded as Opus"
    )


def _as_aac(context: AudioCodecContext) -> SoundFormat:
    channels = context.layout.nb_channels
    layout = _LAYOUTS.get(channels, "5.1" if channels > 6 else "stereo")  # noqa: PLR2004 - those of 5.1
    rate = min(_AAC_RATES, key=lambda possible: abs(possible - context.sample_rate))
    note = "was encoded as AAC"
    if rate != context.sample_rate:
        note += f" with {rate} samples a second instead of {context.sample_rate}"
    if channels not in _LAYOUTS:
        note += f" with the channels of {layout} instead of {channels}"
    return SoundFormat(encoder="aac", rate=rate, layout=layout, sample_format="fltp", note=note)


class SoundEncoder:
    """Decodes the packets of a stream and encodes them; silence fills what is missing, so that nothing comes early."""

    def __init__(self, target: AudioStream, wanted: SoundFormat) -> None:
        """Begin with a stream of the new container."""
        self._target = target
        self._wanted = wanted
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._written = 0
        self._begin: float | None = None
        self._given = 0.0
        wanted.apply(target.codec_context)

    def __call__(self, packet: Packet[AudioStream] | None) -> Iterator[Packet[Any]]:
        """Yield what a packet becomes; None is the end."""
        if packet is None:
            if self._resampler is not None:
                yield from self._encoded(None)
            if self._begin is not None:
                yield from self._target.encode(None)
            return
        av = pyav()
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):  # silence takes its place
            return
        for frame in frames:
            for each in self._filled(frame):
                yield from self._encoded(each)

    def _filled(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Yield silence for what is missing before a frame, and the frame unless its time has passed."""
        seconds = frame.samples / frame.sample_rate
        if frame.pts is not None:
            time = float(frame.pts * Fraction(frame.time_base or 1))
            if self._begin is None:
                self._begin = time
            missing = time - self._begin - self._given
            if missing < -max(_GAP, seconds):
                return
            while missing > _GAP:
                length = min(missing, _SILENCE)
                silence = _silence(frame, round(length * frame.sample_rate))
                self._given += length
                missing -= length
                yield silence
        self._begin = self._begin or 0.0
        self._given += seconds
        yield frame

    def _encoded(self, frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        for resampled in self._resampled(frame):
            begin = round((self._begin or 0.0) * self._wanted.rate)
            resampled.pts, resampled.time_base = begin + self._written, Fraction(1, self._wanted.rate)
            self._written += resampled.samples
            yield from self._target.encode(resampled)

    def _resampled(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        kind = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or (kind != self._kind and frame is not None):
            if self._resampler is not None:
                yield from self._resampler.resample(None)
            wanted = self._wanted
            self._resampler = pyav().AudioResampler(format=wanted.sample_format, layout=wanted.layout, rate=wanted.rate)
            self._kind = kind
        if frame is not None:
            frame.pts = None  # they follow one another
        yield from self._resampler.resample(frame)


def _silence(like: AudioFrame, samples: int) -> AudioFrame:
    frame: AudioFrame = pyav().AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
    frame.sample_rate = like.sample_rate
    middle = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in frame.planes:
        plane.update(middle * plane.buffer_size)
    return frame
