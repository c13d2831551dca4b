"""Videos that are damaged, cut off or none, and work that is interrupted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psutil
import pytest

from paragon_core.errors import InputError, MediaError, UnsupportedSizeError
from paragon_core.media.video.decoding import FrameDecoder
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from tests.fresh_python import PROGRAMS, run
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.media.video.formats import VideoCodec


def upscale(source: Path, target: Path, **options: Any) -> Any:
    return upscale_video(source, target, shared_upscaler(clip=False), **options)


def whole(folder: Path, name: str, **changes: Any) -> bytes:
    """Bytes of a video with its index in front."""
    videos.make(folder / "first.mkv", times=range(40), codec="libx264", sound=("aac",), **changes)
    upscale(folder / "first.mkv", folder / name)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_video_that_is_cut_off_is_refused(tmp_path: Path, extension: str, share: float) -> None:
    data = whole(tmp_path, f"whole{extension}")
    source = tmp_path / f"a{extension}"
    source.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match=f"a{extension} is .*cut off") as caught:
        upscale(source, tmp_path / "b.mp4")
    assert "again" in caught.value.hint
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50, bytes(5000)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.mp4") as caught:
        upscale(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert caught.value.hint


def test_missing_files_folders_and_sound_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "sound.mka"), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    for name, words in [("none.mp4", "exist"), ("folder.mp4", "folder"), ("sound.mka", "no video stream")]:
        with pytest.raises(MediaError, match=words) as caught:
            upscale(tmp_path / name, tmp_path / "b.mp4")
        assert caught.value.hint


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path: Path) -> None:
    data = bytearray(whole(tmp_path, "whole.mp4"))
    with av.open(str(tmp_path / "whole.mp4")) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for place, size in places[20:22]:
        data[place + 5 : place + size] = np.random.default_rng(0).bytes(size - 5)
    (tmp_path / "a.mp4").write_bytes(data)
    result = upscale(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert 30 <= result.frames <= 40
    assert any("damaged" in note for note in result.notes)


def test_a_video_that_ends_early_is_told(tmp_path: Path) -> None:
    """Where the structure of a Matroska file is damaged, the rest of it may be out of reach, for players as well."""
    data = bytearray(videos.make(tmp_path / "a.mkv", codec="libx264", times=range(100)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(byte ^ 0xFF for byte in data[middle : middle + 400])
    (tmp_path / "a.mkv").write_bytes(data)
    result = upscale(tmp_path / "a.mkv", tmp_path / "b.mp4")
    assert 0 < result.frames <= 100
    assert result.frames > 70 or any("before the time" in note for note in result.notes)


def test_frames_that_change_their_size_are_scaled(tmp_path: Path) -> None:
    small = videos.make(tmp_path / "small.ts", codec="libx264", time_base=1 / videos.RATE)
    large = videos.make(tmp_path / "large.ts", codec="libx264", size=(96, 64))
    (tmp_path / "a.ts").write_bytes(small.read_bytes() + large.read_bytes())
    result = upscale(tmp_path / "a.ts", tmp_path / "b.mp4")
    assert result.frames == 16
    assert any("8 of them were scaled to 64 x 48" in note for note in result.notes)
    frames = videos.frames_of(tmp_path / "b.mp4")
    assert {(frame.width, frame.height) for frame in frames} == {(128, 96)}
    means = [np.mean(videos.samples_of(frame)[0]) for frame in (frames[2], frames[-2])]
    assert abs(means[0] - means[1]) < 8


@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_what_is_there_of_a_truncated_file_can_be_kept(tmp_path: Path, extension: str) -> None:
    data = whole(tmp_path, f"whole{extension}")
    source = tmp_path / f"a{extension}"
    source.write_bytes(data[: int(len(data) * 0.6)])
    with pytest.raises(MediaError) as caught:
        upscale(source, tmp_path / "b.mp4")
    assert "--keep-damaged" in caught.value.hint
    result = upscale(source, tmp_path / "b.mp4", keep_damaged=True)
    assert 5 < result.frames < 40
    assert any("cut off" in note for note in result.notes)
    assert len(videos.frames_of(tmp_path / "b.mp4")) == result.frames
    assert not any("cut off" in note for note in upscale(tmp_path / f"whole{extension}", tmp_path / "c.mp4").notes)


def test_packets_that_cannot_be_decoded_are_passed_over(tmp_path: Path) -> None:
    videos.make(tmp_path / "whole.mov", codec="png", pixel_format="rgb24", sound=("aac",))
    with av.open(str(tmp_path / "whole.mov")) as before, av.open(str(tmp_path / "a.mov"), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in before.streams}
        for number, packet in enumerate(packet for packet in before.demux() if packet.size):
            index, times = packet.stream.index, (packet.pts, packet.dts, packet.time_base)
            broken = packet if number % 5 else av.Packet(b"no image at all")
            broken.stream, (broken.pts, broken.dts, broken.time_base) = streams[index], times
            container.mux(broken)
    result = upscale(tmp_path / "a.mov", tmp_path / "b.mp4")
    assert 4 <= result.frames < 8
    assert any("passed over" in note for note in result.notes)


@pytest.mark.parametrize(("times", "damaged"), [(1, 0), (2, 1)])
def test_a_decoder_that_is_busy_is_asked_again(tmp_path: Path, times: int, damaged: int) -> None:
    class Busy:
        """No decoder here is, but some of FFmpeg's are."""

        def __init__(self, packet: Any) -> None:
            self.packet, self.size, self.pts, self.dts, self.duration = packet, packet.size, packet.pts, packet.dts, 1
            self.left = times

        def decode(self) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise av.error.BlockingIOError(11, "Resource temporarily unavailable")
            return self.packet.decode()

    with av.open(str(videos.make(tmp_path / "a.mkv", sound=()))) as container:
        stream = container.streams.video[0]
        decoder = FrameDecoder("a.mkv", stream, rate=videos.RATE)
        packets = [packet for packet in container.demux(stream) if packet.size]
        found = [frame.pts for packet in packets for frame in decoder.frames(cast("Any", Busy(packet)))]
    assert len(found) == (1 - damaged) * len(packets)
    assert decoder.damaged == damaged * len(packets)


def test_why_nothing_can_be_decoded_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for number in range(3):
            for packet in stream.encode(videos.moving_frame(number, (64, 48), "rgb24")):
                broken = av.Packet(bytes(packet)[:8] + bytes(40))
                broken.stream, broken.pts, broken.dts, broken.time_base = stream, number, number, packet.time_base
                container.mux(broken)
    with pytest.raises(MediaError, match=r"no frame of .* can be decoded \(") as caught:
        upscale(tmp_path / "a.mov", tmp_path / "b.mp4")
    assert caught.value.hint


def test_interlaced_videos_that_stay_so_are_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="libx264", options={"x264-params": "tff=1"})
    notes = upscale(source, tmp_path / "b.mp4", deinterlace="off").notes
    assert any("8 interlaced frames were upscaled as they are" in note for note in notes)


def test_two_views_are_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="libx264", options={"x264-params": "frame-packing=3"})
    assert any("3D" in note for note in upscale(source, tmp_path / "b.mp4").notes)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, InputError])
@pytest.mark.parametrize("at", [1, 7])
def test_whatever_ends_the_work_leaves_the_older_target(tmp_path: Path, error: type[BaseException], at: int) -> None:
    source = videos.make(tmp_path / "a.mkv", sound=("aac",), times=range(20))
    (tmp_path / "b.mp4").write_bytes(b"older")

    def stop(done: int, _total: int | None) -> None:
        if done == at:
            raise error("enough")

    with pytest.raises(error, match="enough"):
        upscale(source, tmp_path / "b.mp4", progress=stop)
    assert (tmp_path / "b.mp4").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mp4"]
    assert upscale(source, tmp_path / "b.mp4").frames == 20


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv")
    before = source.read_bytes()
    with pytest.raises(InputError, match="replace"):
        upscale(source, source)
    with source.open("rb") as stream, pytest.raises(InputError, match="replace"):
        upscale(stream, source)  # type: ignore[arg-type]
    assert source.read_bytes() == before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv")
    with pytest.raises(MediaError, match="cannot write") as caught:
        upscale(source, tmp_path / "missing" / "b.mp4")
    assert "folder" in caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("extension", [".mp4", ".mkv"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, extension: str) -> None:
    videos.make(tmp_path / "a.mkv", size=(160, 120), times=range(30))
    result = run(PROGRAMS / "video_on_a_full_disk.py", tmp_path / "a.mkv", tmp_path / f"b{extension}")
    assert result.stdout.startswith("MediaError the disk"), result
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_without_pyav_the_pip_line_is_told(tmp_path: Path) -> None:
    result = run(
        f"""
        from pathlib import Path
        from paragon_core.errors import BackendUnavailableError
        from paragon_core.media.video.upscale import upscale_video
        try:
            upscale_video(Path("a.mp4"), Path({str(tmp_path / "b.mp4")!r}), None)
        except BackendUnavailableError as error:
            print(error.hint)
        """,
        without=["av"],
    )
    assert "pip install" in result.stdout


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="libx264", size=(192, 108), times=range(150), sound=("aac",))
    process, used = psutil.Process(), {}

    def note(done: int, _total: int | None) -> None:
        used[done] = process.memory_info().rss

    upscale(source, tmp_path / "b.mp4", progress=note)
    early, late = max(used[done] for done in range(40, 75)), max(used[done] for done in range(115, 151))
    assert late - early < 15e6  # a frame of the result has 1 MB in floating point


def test_a_video_that_the_encoder_refuses_is_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="rawvideo", pixel_format="gray", size=(1, 1))
    with pytest.raises(MediaError, match="encoded") as caught:
        upscale(source, tmp_path / "b.mkv", encoding=VideoEncoding(codec="ffv1"))
    assert "16 pixels" in caught.value.hint
    assert not (tmp_path / "b.mkv").exists()


@pytest.mark.parametrize(
    ("codec", "size"), [("hevc", (24, 24)), ("hevc", (20, 100)), ("hevc", (40, 16)), ("av1", (2, 2)), ("av1", (40, 4))]
)
def test_frames_that_would_crash_an_encoder_are_refused(
    tmp_path: Path, codec: VideoCodec, size: tuple[int, int]
) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="libx264", size=size)
    with pytest.raises(UnsupportedSizeError, match=codec) as caught:
        upscale(source, tmp_path / "b.mp4", encoding=VideoEncoding(codec=codec))
    assert "h264" in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv"]
