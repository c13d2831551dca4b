"""Fonts, covers and subtitles inside of videos."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.media.video.upscale import upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(av.container.OutputContainer, "add_attachment"), reason="of newer PyAV")

FONT = b"no font, but nobody looks" * 40
STYLES = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Sans,16\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
#: Start, end and text of lines; the first two begin at once, others overlap, one is alone.
LINES = [(300, 1200, "one"), (300, 1000, "with"), (800, 1600, "two"), (1300, 1500, "three"), (1700, 1900, "four")]


def cover() -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    packets = encoder.encode(videos.moving_frame(0, (32, 32), "yuvj420p")) + encoder.encode(None)
    return bytes(packets[0])


def make(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        text: Any = container.add_stream("ass")
        text.codec_context.subtitle_header = STYLES.encode()
        text.codec_context.time_base, text.metadata["language"] = Fraction(1, 1000), "eng"
        container.add_attachment("font.ttf", "application/x-truetype-font", FONT)
        container.add_attachment("cover.jpg", "image/jpeg", cover())
        container.start_encoding()
        for number, (start, end, line) in enumerate(LINES):
            packet: Any = av.Packet(f"{number},0,Default,,0,0,0,,{line}".encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = end - start
            container.mux(packet)
        for number in range(50):
            container.mux(video.encode(videos.moving_frame(number, (64, 48), "yuv420p")))
        container.mux(video.encode(None))
    return path


def test_attached_files_stay_in_matroska(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv")
    assert upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), start=0.2).notes == ()
    with av.open(str(tmp_path / "b.mkv")) as container:
        fonts = [stream for stream in container.streams if stream.type == "attachment"]
        assert [(each.metadata["filename"], each.mimetype, each.data) for each in fonts] == [
            ("font.ttf", "application/x-truetype-font", FONT)
        ]
        covers = [stream for stream in container.streams.video if stream.disposition & 0x400]
        assert [each.metadata["filename"] for each in covers] == ["cover.jpg"]
        assert bytes(next(container.demux(covers[0]))) == cover()


def test_mp4_has_the_cover_and_a_note_for_the_font(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv")
    notes = " ".join(upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False)).notes)
    assert "font.ttf" in notes
    assert "cover.jpg" not in notes
    upscale_video(tmp_path / "b.mp4", tmp_path / "c.mkv", shared_upscaler(clip=False), duration=0.2)
    for name in ("b.mp4", "c.mkv"):
        with av.open(str(tmp_path / name)) as container:
            (image,) = [stream for stream in container.streams.video if stream.disposition & 0x400]
            assert bytes(next(container.demux(image))) == cover()


def test_lines_of_mp4_begin_when_they_did(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv")
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    assert any("2 of them end where the next begins" in note for note in result.notes)
    with av.open(str(tmp_path / "b.mp4")) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size > 2]
        unit = packets[0].time_base * 1000
        found = [
            (round(packet.pts * unit), round((packet.pts + packet.duration) * unit), bytes(packet)[2:].decode())
            for packet in packets
        ]
    assert found == [
        (300, 800, "one\nwith"),
        (800, 1300, "two"),
        (1300, 1500, "three"),
        (1700, 1900, "four"),
    ]
