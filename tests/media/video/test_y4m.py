"""Y4m: what is written is read back, by FFmpeg too, and truncated streams are found wherever they end."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import MediaError, UnsupportedFormatError
from paragon_core.media.video.y4m import Y4mHeader, Y4mInput, Y4mWriter, chroma_name
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.pipeline import FrameOptions
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from paragon_core.media.video.y4m_output import upscale_to_y4m
from tests.media.video import videos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: What y4m calls samples, and the pixel formats of FFmpeg for them.
KINDS = {
    "420jpeg": "yuv420p",
    "420mpeg2": "yuv420p",
    "420paldv": "yuv420p",
    "420p10": "yuv420p10le",
    "420p16": "yuv420p16le",
    "422": "yuv422p",
    "422p9": "yuv422p9le",
    "422p12": "yuv422p12le",
    "444": "yuv444p",
    "444p14": "yuv444p14le",
    "411": "yuv411p",
    "mono": "gray",
    "mono10": "gray10le",
    "mono16": "gray16le",
}
SIDES = st.integers(1, 40)
RATES = st.fractions(Fraction(1, 10), 300, max_denominator=1001)


class Chunks:
    """A pipe that hands out bytes in pieces of given sizes."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._stream = BytesIO(data)
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int) -> bytes:
        self._reads += 1
        return self._stream.read(min(size, self._sizes[self._reads % len(self._sizes)]))


def written(header: Y4mHeader, frames: Sequence[Any]) -> bytes:
    stream = BytesIO()
    writer = Y4mWriter(stream, header)
    for frame in frames:
        writer.write(frame)
    return stream.getvalue()


def frames_of(data: bytes, sizes: Sequence[int] = (1 << 16,)) -> tuple[list[Any], Y4mInput]:
    source = Y4mInput(Chunks(data, sizes))
    with av.open(source, format="yuv4mpegpipe") as container:
        return list(container.decode(video=0)), source


def y4m_of(path: Path, **options: Any) -> bytes:
    stream = BytesIO()
    upscale_to_y4m(path, stream, shared_upscaler(clip=False), FrameOptions(**options))
    return stream.getvalue()


HEADERS = st.builds(
    Y4mHeader,
    width=SIDES,
    height=SIDES,
    rate=RATES,
    interlace=st.sampled_from("ptb?"),
    aspect=RATES | st.just(Fraction(0)),
    chroma=st.sampled_from(sorted(KINDS)),
    full=st.sampled_from([None, True, False]),
)


@given(HEADERS)
def test_a_header_is_read_as_it_was_written(header: Y4mHeader) -> None:
    assert Y4mHeader.parse(header.line().removesuffix(b"\n")) == header


@settings(deadline=None, max_examples=40)
@given(HEADERS, st.integers(1, 3), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_frames_are_read_by_ffmpeg_as_they_were_written(header: Y4mHeader, count: int, sizes: list[int]) -> None:
    kind = KINDS[header.chroma]
    frames = [videos.moving_frame(number, (header.width, header.height), kind) for number in range(count)]
    data = written(header, frames)
    assert len(data) == len(header.line()) + count * (len(b"FRAME\n") + header.frame_bytes)
    made, source = frames_of(data, sizes)
    assert source.missing == 0
    assert len(made) == count
    for before, after in zip(frames, made, strict=True):
        assert after.format.name == kind
        assert after.interlaced_frame == (header.interlace in {"t", "b"})
        assert int(after.color_range) == {None: 0, True: 2, False: 1}[header.full]
        pairs = zip(videos.samples_of(before), videos.samples_of(after), strict=True)
        assert all(np.array_equal(first, second) for first, second in pairs)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2000), st.integers(1, 3), st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_a_stream_that_ends_anywhere_in_a_frame_is_found(cut: int, count: int, sizes: list[int]) -> None:
    header = Y4mHeader(width=16, height=12)
    frames = [videos.moving_frame(number, (16, 12), "yuv420p") for number in range(count)]
    data = written(header, frames)
    step = len(b"FRAME\n") + header.frame_bytes
    data = data[: -min(cut, count * step)]
    inside = (len(data) - len(header.line())) % step
    source = Y4mInput(Chunks(data, sizes))
    while source.read(1000):
        pass
    wanted = 0 if not inside else header.frame_bytes if inside < len(b"FRAME\n") else step - inside
    assert source.missing == wanted


def test_frames_may_have_parameters_of_their_own() -> None:
    header = Y4mHeader(width=16, height=12)
    data = written(header, [videos.moving_frame(0, (16, 12), "yuv420p")] * 2)
    made, source = frames_of(data.replace(b"FRAME\n", b"FRAME Ip X-a=b\n"))
    assert (len(made), source.missing) == (2, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "stdin is empty"),
        (b"RIFF....AVI ", "no y4m"),
        (b"YUV4MPEG2\n", "header"),
        (b"YUV4MPEG2 W16 H12 F25:1 Cyuv\n", "16 x 12 pixels of the kind yuv"),
        (b"YUV4MPEG2 W0 H12 F25:1\n", "0 x 12"),
        (b"YUV4MPEG2 Wx H12\n", "header"),
        (b"YUV4MPEG2 W16 H12 Im\n", "partly interlaced"),
        (b"YUV4MPEG2 " + b"X" * 5000, "header"),
    ],
)
def test_what_is_no_y4m_is_refused(data: bytes, words: str) -> None:
    with pytest.raises((MediaError, UnsupportedFormatError), match=words) as caught:
        Y4mInput(BytesIO(data))
    assert caught.value.hint


def test_frames_that_do_not_follow_each_other_are_refused() -> None:
    header = Y4mHeader(width=16, height=12)
    data = written(header, [videos.moving_frame(0, (16, 12), "yuv420p")] * 2)
    source = Y4mInput(BytesIO(data[:-20] + data[-10:] + b"x" * 4000))
    with pytest.raises(MediaError, match="does not begin where the one before it ends"):
        sum(len(data) for data in iter(lambda: source.read(1 << 20), b""))


def test_chroma_has_names_for_where_it_sits() -> None:
    names = [chroma_name((2, 2), 8, location) for location in range(7)]
    assert names == ["420mpeg2", "420mpeg2", "420jpeg", "420paldv", "420mpeg2", "420mpeg2", "420mpeg2"]
    assert [chroma_name(None, bits, 1) for bits in (8, 12)] == ["mono", "mono12"]
    assert chroma_name((1, 2), 10, 1) == "422p10"


@pytest.mark.parametrize(
    ("pixel_format", "chroma"),
    [
        ("yuv420p", "420mpeg2"),
        ("yuv422p10le", "422p10"),
        ("yuv444p", "444"),
        ("yuv411p", "411"),
        ("yuv410p", "444"),
        ("gray", "mono"),
        ("gray12le", "mono12"),
        ("gbrp10le", "444p10"),
    ],
)
def test_a_video_becomes_y4m_with_the_frames_of_a_lossless_file(tmp_path: Path, pixel_format: str, chroma: str) -> None:
    rgb = "gbr" in pixel_format
    source = videos.make(tmp_path / "a.nut", pixel_format=pixel_format, size=(51, 37), colorspace=0 if rgb else 6)
    data = y4m_of(source)
    header = Y4mHeader.parse(data.split(b"\n")[0])
    assert (header.width, header.height, header.chroma, header.full) == (102, 74, chroma, False)
    assert (header.rate, header.aspect, header.interlace) == (videos.RATE, Fraction(1), "p")
    made, _ = frames_of(data)
    assert len(made) == 8
    if rgb or pixel_format == "yuv410p":  # y4m holds no such samples
        return
    upscale_video(source, tmp_path / "b.mkv", shared_upscaler(clip=False), encoding=VideoEncoding(codec="ffv1"))
    for wanted, frame in zip(videos.frames_of(tmp_path / "b.mkv"), made, strict=True):
        pairs = zip(videos.samples_of(wanted), videos.samples_of(frame), strict=True)
        assert all(np.array_equal(first, second) for first, second in pairs)


@pytest.mark.parametrize("chroma", ["420jpeg", "420paldv", "422", "mono"])
@pytest.mark.parametrize("full", [True, False])
def test_range_aspect_rate_and_place_of_chroma_come_through(chroma: str, *, full: bool) -> None:
    header = Y4mHeader(width=16, height=12, rate=Fraction(30000, 1001), aspect=Fraction(4, 3), chroma=chroma, full=full)
    data, stream = written(header, [videos.moving_frame(0, (16, 12), KINDS[chroma])]), BytesIO()
    upscale_to_y4m(Y4mInput(BytesIO(data)), stream, shared_upscaler(clip=False))
    made = Y4mHeader.parse(stream.getvalue().split(b"\n")[0])
    assert made == replace(header, width=32, height=24)


def test_smoothing_time_ranges_and_interlacing_work_through_pipes() -> None:
    frames = [videos.moving_frame(number, (64, 48), "yuv420p") for number in range(8)]
    data = written(Y4mHeader(width=64, height=48, interlace="t"), frames)
    upscaler = shared_upscaler(clip=False)
    whole = BytesIO()
    result = upscale_to_y4m(Y4mInput(BytesIO(data)), whole, upscaler, FrameOptions(temporal=0.2))
    assert result.frames == 8
    assert any("8 interlaced frames were deinterlaced" in note for note in result.notes)
    part = BytesIO()
    options = FrameOptions(time_range=TimeRange(start=0.08, duration=0.12))
    assert upscale_to_y4m(Y4mInput(BytesIO(data)), part, upscaler, options).frames == 3
    everything = BytesIO()
    upscale_to_y4m(Y4mInput(BytesIO(data)), everything, upscaler)
    step = (len(everything.getvalue()) - everything.getvalue().index(b"\n") - 1) // 8
    body = everything.getvalue()[-8 * step :]
    assert part.getvalue()[-3 * step :] == body[2 * step : 5 * step]
    doubled = BytesIO()
    assert upscale_to_y4m(Y4mInput(BytesIO(data)), doubled, upscaler, FrameOptions(deinterlace="bob")).frames == 16
    assert Y4mHeader.parse(doubled.getvalue().split(b"\n")[0]).rate == 50


def test_a_truncated_pipe_is_an_error_unless_what_is_there_is_to_be_kept(tmp_path: Path) -> None:
    data = y4m_of(videos.make(tmp_path / "a.mkv"))[:-100]
    upscaler = shared_upscaler(clip=False)
    with pytest.raises(MediaError, match="stdin is cut off: 100 bytes are missing at its end") as caught:
        upscale_to_y4m(Y4mInput(BytesIO(data)), BytesIO(), upscaler)
    assert "--keep-damaged" in caught.value.hint
    with pytest.raises(MediaError, match="stdin is cut off"):
        upscale_video(Y4mInput(BytesIO(data)), tmp_path / "b.mkv", upscaler)
    assert not (tmp_path / "b.mkv").exists()
    result = upscale_video(Y4mInput(BytesIO(data)), tmp_path / "b.mkv", upscaler, keep_damaged=True)
    assert result.frames == 7
    assert any("100 bytes are missing" in note for note in result.notes)


def test_what_y4m_does_not_say_is_noted(tmp_path: Path) -> None:
    source = videos.make(
        tmp_path / "a.mkv", colorspace=9, transfer=16, sound=("aac",), times=(0, 1, 2, 9), pixel_format="yuv420p10le"
    )
    notes = " ".join(upscale_to_y4m(source, BytesIO(), shared_upscaler(clip=False)).notes)
    for words in ("the matrix bt2020nc", "HDR", "one frame rate", "no sound"):
        assert words in notes


@pytest.mark.parametrize("chroma", ["420jpeg", "422p12", "mono"])
def test_the_ffmpeg_program_reads_it(chroma: str) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the program ffmpeg is not installed")
    header = Y4mHeader(width=34, height=18, chroma=chroma, full=False)
    frames = [videos.moving_frame(number, (34, 18), KINDS[chroma]) for number in range(3)]
    data = written(header, frames)
    done = subprocess.run(
        [program, "-v", "error", "-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-"],
        input=data,
        capture_output=True,
        check=True,
    )
    assert not done.stderr
    assert done.stdout == b"".join(part[len(b"FRAME\n") :] for part in _parts(data, header))


def _parts(data: bytes, header: Y4mHeader) -> list[bytes]:
    step = len(b"FRAME\n") + header.frame_bytes
    body = data[len(header.line()) :]
    return [body[start : start + step] for start in range(0, len(body), step)]
