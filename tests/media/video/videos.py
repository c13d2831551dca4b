"""Videos made with PyAV, and what is in videos."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Samples = list[npt.NDArray[Any]]

RATE = Fraction(24000, 1001)
SOUND_RATE = 48000


@dataclass(kw_only=True)
class VideoRecipe:
    """What a video shall be."""

    size: tuple[int, int] = (64, 48)
    codec: str = "ffv1"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    times: Sequence[int] = tuple(range(8))
    time_base: Fraction = 1 / RATE
    rate: Fraction = RATE
    colorspace: int = 1
    color_range: int = 1
    primaries: int = 1
    transfer: int = 1
    aspect: Fraction = Fraction(1)
    rotation: int = 0
    sound: Sequence[str] = ()
    subtitles: Sequence[str] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    chapters: bool = False
    darker_from: int | None = None


def make(path: Path, **changes: Any) -> Path:
    """Write a video of smooth moving colours."""
    recipe = VideoRecipe(**changes)
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(recipe.metadata)
        stream: Any = container.add_stream(recipe.codec, rate=recipe.rate, options=recipe.options)
        stream.width, stream.height = recipe.size
        stream.pix_fmt = recipe.pixel_format
        context = stream.codec_context
        context.time_base = recipe.time_base
        context.colorspace, context.color_range = recipe.colorspace, recipe.color_range
        context.color_primaries, context.color_trc = recipe.primaries, recipe.transfer
        context.sample_aspect_ratio = recipe.aspect
        stream.metadata["language"] = "ger"
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        sounds = [_add_sound(container, codec, number) for number, codec in enumerate(recipe.sound)]
        texts: list[Any] = [container.add_mux_stream(codec) for codec in recipe.subtitles]
        for text in texts:
            text.time_base = Fraction(1, 1000)
            text.metadata["language"] = "fre"
        if recipe.chapters:
            container.set_chapters(
                [
                    {
                        "id": 1,
                        "start": 0,
                        "end": 200,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": "Beginning"},
                    }
                ]
            )
        container.start_encoding()
        for text in texts:
            count = b"\0\x07" if "mov_text" in recipe.subtitles else b""
            packet: Any = av.Packet(count + b"Bonjour")
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 40
            packet.duration = 150
            container.mux(packet)
        length = float(recipe.times[-1] * recipe.time_base) + 1 / float(recipe.rate)
        for sound in sounds:
            for frame in tone(sound, length):
                container.mux(sound.encode(frame))
        for number, time in enumerate(recipe.times):
            frame = moving_frame(number, recipe.size, recipe.pixel_format)
            if recipe.darker_from is not None and number >= recipe.darker_from:
                samples_of(frame)[0][...] //= 3
            frame.pts, frame.time_base = time, recipe.time_base
            container.mux(stream.encode(frame))
        for each in [stream, *sounds]:
            container.mux(each.encode(None))
    return path


def moving_frame(number: int, size: tuple[int, int], pixel_format: str) -> Any:
    """Return a frame whose samples move with its number."""
    frame = av.VideoFrame(*size, pixel_format)
    for index, samples in enumerate(samples_of(frame)):
        y, x = np.indices(samples.shape)
        wave = np.sin((x + 3 * number) / 7 + index) + np.cos((y - number) / 9 + 2 * index)
        top = 2.0 ** frame.format.components[0].bits
        samples[...] = np.rint(top * (0.5 + (0.18 if index == 0 or frame.format.is_rgb else 0.12) * wave))
    return frame


def samples_of(frame: Any) -> Samples:
    """Return the planes of a frame as arrays over its own memory, in FFmpeg's order."""
    dtype = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    result = []
    for plane in frame.planes:
        row = plane.line_size // np.dtype(dtype).itemsize
        result.append(np.frombuffer(plane, dtype)[: row * plane.height].reshape(plane.height, row)[:, : plane.width])
    return result


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[Fraction]:
    return [frame.pts * Fraction(frame.time_base) for frame in frames_of(path)]


def packets_of(path: Path, kind: str, number: int = 0) -> list[tuple[Fraction, bytes]]:
    """Return time and bytes of the packets of a stream, the n-th of its kind."""
    with av.open(str(path)) as container:
        stream = [each for each in container.streams if each.type == kind][number]
        return [
            (packet.pts * Fraction(packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]


def _add_sound(container: Any, codec: str, number: int) -> Any:
    sound = container.add_stream(codec, rate=SOUND_RATE)
    sound.codec_context.layout = "stereo"
    sound.metadata["language"] = ("eng", "jpn")[number]
    return sound


def tone(sound: Any, seconds: float) -> list[Any]:
    context = sound.codec_context
    wave = np.sin(np.arange(int(seconds * SOUND_RATE)) / 20) * 0.3
    step = context.frame_size or 1024
    resampler = av.AudioResampler(format=context.format.name, layout="stereo", rate=SOUND_RATE)
    frames = []
    for start in range(0, len(wave) - step + 1, step):
        values = wave[start : start + step].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([values, values]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        frames += resampler.resample(frame)
    return frames
