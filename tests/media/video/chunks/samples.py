"""Videos of many kinds of streams, and what a job makes of them."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

FONT: Final = b"no font, but nobody looks" * 40
STYLES: Final = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Sans,16\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
MILLISECOND: Final = Fraction(1, 1000)


def uneven_times(frames: int, seed: int = 0) -> list[int]:
    """Return milliseconds of frames that are shown for 10 to 90 of them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    times = [0]
    while len(times) < frames:
        times.append(times[-1] + chance.choice((10, 20, 40, 90)))
    return times


def make_rich(path: Path, *, frames: int, size: tuple[int, int] = (64, 64), options: str = "keyint=12") -> Path:
    """Write a video of uneven times and 10 bits, with two sound tracks, styled subtitles, a font and chapters."""
    times = uneven_times(frames)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25, options={"x264-params": f"bframes=3:{options}"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p10le"
        video.codec_context.time_base = MILLISECOND
        sounds = [_sound(container, codec, language) for codec, language in (("aac", "eng"), ("flac", "jpn"))]
        text: Any = container.add_stream("ass")
        text.codec_context.subtitle_header, text.codec_context.time_base = STYLES.encode(), MILLISECOND
        container.add_attachment("font.ttf", "application/x-truetype-font", FONT)
        middle = times[-1] // 2
        container.set_chapters([_chapter(0, 0, middle), _chapter(1, middle, times[-1])])
        container.start_encoding()
        waiting = [_line(text, number, time) for number, time in enumerate(range(0, times[-1], 700))]
        for sound in sounds:
            for frame in videos.tone(sound, times[-1] / 1000):
                container.mux(sound.encode(frame))
        for number, time in enumerate(times):
            while waiting and waiting[0].pts <= time:
                container.mux(waiting.pop(0))
            frame = videos.moving_frame(number, size, "yuv420p10le")
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(video.encode(frame))
        for stream in (video, *sounds):
            container.mux(stream.encode(None))
    return path


def _sound(container: Any, codec: str, language: str) -> Any:
    sound = container.add_stream(codec, rate=videos.SOUND_RATE)
    sound.codec_context.layout = "stereo"
    sound.metadata["language"] = language
    return sound


def _chapter(number: int, start: int, end: int) -> Any:
    return {"id": number, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": f"Part {number}"}}


def _line(stream: Any, number: int, time: int) -> Any:
    packet: Any = av.Packet(f"{number},0,Default,,0,0,0,,line {number}".encode())
    packet.stream, packet.time_base = stream, MILLISECOND
    packet.pts = packet.dts = time
    packet.duration = 500
    return packet
