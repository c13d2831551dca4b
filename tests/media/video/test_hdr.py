"""HDR: depth, what HDR10 says of a whole video, and Dolby Vision."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.hdr import is_layer_of_profile_5
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.video.formats import VideoCodec

DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"


def hdr10(path: Path, parameters: str) -> Path:
    return videos.make(
        path,
        codec="libx265",
        pixel_format="yuv420p10le",
        colorspace=9,
        primaries=9,
        transfer=16,
        options={"x265-params": f"log-level=none:repeat-headers=1:{parameters}", "preset": "ultrafast"},
    )


def side_data_of(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        found: dict[str, Any] = {}
        for frame in container.decode(video=0):
            found |= {part.type.name: bytes(part) for part in (frame.side_data[i] for i in range(len(frame.side_data)))}
        return found


def display_of(data: bytes) -> list[float]:
    numbers = struct.unpack_from("@20i", data)
    return [numbers[at] / numbers[at + 1] for at in range(0, 20, 2)]


@pytest.mark.parametrize("codec", [None, "hevc", "av1", "h264"])
@pytest.mark.parametrize("parameters", [f"master-display={DISPLAY}:max-cll=1000,400", "max-cll=800,200"])
def test_what_hdr10_says_of_the_whole_is_kept(tmp_path: Path, codec: VideoCodec | None, parameters: str) -> None:
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV comes without SVT-AV1")
    source = hdr10(tmp_path / "a.mkv", parameters)
    encoding = VideoEncoding(codec=codec, preset="fast")
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False), encoding=encoding)
    assert ("became 8" in " ".join(result.notes)) == (codec == "h264")
    before, after = side_data_of(source), side_data_of(tmp_path / "b.mp4")
    assert after["CONTENT_LIGHT_LEVEL"] == before["CONTENT_LIGHT_LEVEL"]
    if "master" in parameters:
        wanted = display_of(before["MASTERING_DISPLAY_METADATA"])
        assert display_of(after["MASTERING_DISPLAY_METADATA"]) == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.video[0].codec_context
        assert (stream.color_primaries, stream.color_trc, stream.colorspace) == (9, 16, 9)
        assert stream.format.components[0].bits == (8 if codec == "h264" else 10)


def test_what_cannot_be_told_is_noted(tmp_path: Path) -> None:
    source = hdr10(tmp_path / "a.mkv", "max-cll=1000,400")
    result = upscale_video(
        source, tmp_path / "b.mkv", shared_upscaler(clip=False), encoding=VideoEncoding(codec="ffv1")
    )
    assert any("HDR10" in note for note in result.notes)


@pytest.mark.parametrize(("pixel_format", "wanted"), [("yuv420p", "h264"), ("yuv420p10le", "hevc")])
def test_the_codec_goes_by_the_depth(tmp_path: Path, pixel_format: str, wanted: str) -> None:
    source = videos.make(tmp_path / "a.mkv", pixel_format=pixel_format)
    assert upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False)).notes == ()
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.name == wanted


def with_dolby_vision(path: Path, *, profile: int, compatibility: int) -> Path:
    """Add the box that says so to a video of HEVC in MP4, whose index stands at the end."""
    data = path.read_bytes()
    record = struct.pack(">BBBBB", 1, 0, profile << 1, 0b00001101, compatibility << 4) + bytes(19)
    box = struct.pack(">I4s", 8 + len(record), b"dvcC" if profile < 8 else b"dvvC") + record
    place = data.index(b"hvcC") - 4
    place += int.from_bytes(data[place : place + 4], "big")
    result = bytearray(data[:place] + box + data[place:])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"):
        at = data.rindex(name, 0, place) - 4 if name != b"moov" else data.rindex(name) - 4
        result[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(box)).to_bytes(4, "big")
    path.write_bytes(result)
    return path


@pytest.mark.skipif(not hasattr(av.codec.CodecContext, "coded_side_data"), reason="of newer PyAV")
@pytest.mark.parametrize(("profile", "compatibility", "refused"), [(5, 0, True), (8, 1, False), (7, 6, False)])
def test_dolby_vision_that_others_cannot_show_is_refused(
    tmp_path: Path, profile: int, compatibility: int, *, refused: bool
) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.codec_tag = 64, 48, "yuv420p10le", "hvc1"
        for number in range(3):
            container.mux(stream.encode(videos.moving_frame(number, (64, 48), "yuv420p10le")))
        container.mux(stream.encode(None))
    source = with_dolby_vision(tmp_path / "a.mp4", profile=profile, compatibility=compatibility)
    if not refused:
        result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
        assert any("Dolby Vision" in note for note in result.notes)
        return
    with pytest.raises(UnsupportedFormatError, match="Dolby Vision") as caught:
        upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False))
    assert "HDR10" in caught.value.hint


@pytest.mark.parametrize(("profile", "full"), [(0, 1), (0, 0), (1, 0), (1, 1)])
def test_a_layer_tells_its_profile(profile: int, full: int) -> None:
    header = bytearray(64)
    header[4], header[10] = profile, full
    data = struct.pack("@N", 24) + bytes(24 - struct.calcsize("@N")) + bytes(header)
    assert is_layer_of_profile_5(data) == (profile == 0 and full == 1)
