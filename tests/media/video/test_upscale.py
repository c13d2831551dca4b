from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import InputError, UnsupportedFormatError
from paragon_core.media.video.frames import colour_of, fill, planes_of
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import random_model, spec
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOSSLESS = VideoEncoding(codec="ffv1")
FORMATS = ["yuv420p", "yuv422p", "yuv444p10le", "gray", "gbrp10le"]


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return shared_upscaler(clip=False)


@pytest.fixture(scope="module")
def bundled() -> Iterator[Upscaler]:
    """A network that keeps smooth images smooth, so that videos can be compressed."""
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", clip=False, streams=1) as upscaler:
        yield upscaler


def needs(codec: str) -> None:
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this PyAV has no encoder for it")


def expected(frame: Any, upscaler: Upscaler, pixel_format: str) -> videos.Samples:
    """What the upscaler makes of a frame that is taken as an image."""
    planes = planes_of(frame, colour_of(frame))
    upscaled = upscaler(np.stack(planes, axis=2))
    result = av.VideoFrame(upscaled.shape[1], upscaled.shape[0], pixel_format)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    fill(result, list(np.moveaxis(upscaled, 2, 0)), colour_of(result))
    return videos.samples_of(result)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_pixels_are_those_of_the_upscaler(tmp_path: Path, upscaler: Upscaler, pixel_format: str) -> None:
    source = videos.make(
        tmp_path / "a.mkv", pixel_format=pixel_format, size=(51, 37), colorspace=0 if "gbr" in pixel_format else 9
    )
    result = upscale_video(source, tmp_path / "b.mkv", upscaler, encoding=LOSSLESS)
    made = videos.frames_of(tmp_path / "b.mkv")
    assert (result.frames, result.size) == (8, (102, 74))
    for frame, upscaled in zip(videos.frames_of(source), made, strict=True):
        assert upscaled.format.name == pixel_format
        for plane, wanted in zip(videos.samples_of(upscaled), expected(frame, upscaler, pixel_format), strict=True):
            difference = np.abs(plane.astype(int) - wanted)
            assert difference.max() <= 1  # where float32 comes to lie on the edge between two values
            assert difference.mean() < 0.001


@pytest.mark.parametrize(
    ("codec", "pixel_format", "made_format"),
    [
        ("h264", "yuv420p", "yuv420p"),
        ("h264", "yuv420p10le", "yuv420p"),
        ("h264", "gray", "yuv420p"),
        ("h264", "gbrp10le", "yuv420p"),
        ("hevc", "yuv420p", "yuv420p"),
        ("hevc", "yuv422p10le", "yuv420p10le"),
        ("av1", "yuv420p10le", "yuv420p10le"),
    ],
)
def test_what_is_compressed_is_close(
    tmp_path: Path, bundled: Upscaler, codec: Any, pixel_format: str, made_format: str
) -> None:
    needs(codec)
    rgb = pixel_format.startswith("gbr")
    source = videos.make(tmp_path / "a.mkv", pixel_format=pixel_format, colorspace=0 if rgb else 5)
    encoding = VideoEncoding(codec=codec, crf=20 if codec == "av1" else 8, preset="fast")
    upscale_video(source, tmp_path / "b.mp4", bundled, encoding=encoding)
    for frame, upscaled in zip(videos.frames_of(source), videos.frames_of(tmp_path / "b.mp4"), strict=True):
        assert upscaled.format.name == made_format
        assert (upscaled.colorspace, upscaled.color_range) == (1 if rgb else 5, 1)
        before = bundled(np.stack(planes_of(frame, colour_of(frame)), axis=2))
        after = np.stack(planes_of(upscaled, colour_of(upscaled)), axis=2)
        assert np.abs(after - before).mean() < 0.015


def test_ten_bits_stay_ten_bits(tmp_path: Path, bundled: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv", pixel_format="yuv420p10le")
    encoding = VideoEncoding(codec="hevc", crf=1, preset="fast")
    upscale_video(source, tmp_path / "b.mkv", bundled, encoding=encoding)
    luma = videos.samples_of(videos.frames_of(tmp_path / "b.mkv")[0])[0]
    wanted = expected(videos.frames_of(source)[0], bundled, "yuv420p10le")[0].astype(int)
    assert len(set((luma % 4).flat)) == 4
    assert np.abs(luma - wanted).mean() < 1.5


def test_an_odd_video_three_times_as_large_is_continued_by_a_pixel(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", size=(35, 27), times=range(2))
    model = random_model(spec("realtime", scale=3))
    with Upscaler(model, backend="onnxruntime", precision="fp32", clip=False) as upscaler:
        result = upscale_video(source, tmp_path / "b.mp4", upscaler)
        lossless = upscale_video(source, tmp_path / "c.mkv", upscaler, encoding=VideoEncoding(codec="ffv1"))
    assert result.size == (106, 82)
    assert any("106 x 82" in note for note in result.notes)
    frame = videos.frames_of(tmp_path / "b.mp4")[0]
    assert (frame.width, frame.height) == (106, 82)
    assert lossless.size == (106, 82)


@given(steps=st.lists(st.integers(1, 5000), min_size=1, max_size=9), extension=st.sampled_from([".mp4", ".mkv"]))
@settings(max_examples=12)
def test_every_time_stamp_stays(tmp_path_factory: pytest.TempPathFactory, steps: list[int], extension: str) -> None:
    folder = tmp_path_factory.mktemp("times")
    times = [0, *np.cumsum(steps).tolist()]
    source = videos.make(
        folder / f"a{extension}",
        codec="libx264",
        times=times,
        time_base=Fraction(1, 12800 if extension == ".mp4" else 1000),
        rate=Fraction(25),
        size=(32, 24),
    )
    result = upscale_video(source, folder / f"b{extension}", shared_upscaler(clip=False))
    assert result.frames == len(times)
    assert videos.times_of(folder / f"b{extension}") == videos.times_of(source)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001), Fraction(15, 2)])
def test_the_frame_rate_stays(tmp_path: Path, upscaler: Upscaler, rate: Fraction) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264", rate=rate, time_base=1 / rate)
    upscale_video(source, tmp_path / "b.mp4", upscaler)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert Fraction(container.streams.video[0].average_rate) == rate
        assert container.streams.video[0].frames == 8


def test_what_colours_mean_and_the_shape_of_pixels_stay(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(
        tmp_path / "a.mp4",
        codec="libx264",
        colorspace=9,
        color_range=2,
        primaries=9,
        transfer=16,
        aspect=Fraction(16, 15),
    )
    for extension in (".mp4", ".mkv"):
        upscale_video(source, tmp_path / f"b{extension}", upscaler)
        with av.open(str(tmp_path / f"b{extension}")) as container:
            stream = container.streams.video[0]
            frame = next(container.decode(video=0))
            assert (frame.colorspace, frame.color_range) == (9, 2)
            assert (stream.codec_context.color_primaries, stream.codec_context.color_trc) == (9, 16)
            assert Fraction(stream.sample_aspect_ratio) == Fraction(16, 15)


def test_a_small_video_that_does_not_say_its_matrix_says_it_when_it_is_large(
    tmp_path: Path, upscaler: Upscaler
) -> None:
    source = videos.make(tmp_path / "a.mkv", colorspace=2, primaries=2, transfer=2, color_range=0)
    upscale_video(source, tmp_path / "b.mp4", upscaler)
    assert videos.frames_of(tmp_path / "b.mp4")[0].colorspace == 6


@pytest.mark.skipif(not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="of newer PyAV")
@pytest.mark.parametrize(("rotation", "aspect"), [(90, Fraction(4, 3)), (-90, Fraction(0)), (180, Fraction(4, 3))])
def test_videos_of_phones_are_turned(tmp_path: Path, bundled: Upscaler, rotation: int, aspect: Fraction) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264", rotation=rotation, aspect=aspect)
    result = upscale_video(source, tmp_path / "b.mkv", bundled, encoding=LOSSLESS)
    made = videos.frames_of(tmp_path / "b.mkv")[0]
    assert not made.rotation
    assert result.size == ((128, 96) if rotation == 180 else (96, 128)) == (made.width, made.height)
    first = videos.frames_of(source)[0]
    assert first.rotation
    upright = np.rot90(np.stack(planes_of(first, colour_of(first)), axis=2), k=first.rotation // 90)
    wanted = bundled(np.ascontiguousarray(upright))
    for plane, of_video in zip(np.moveaxis(wanted, 2, 0), planes_of(made, colour_of(made)), strict=True):
        assert np.abs(plane - of_video).mean() < 0.01


def test_an_excerpt_has_the_frames_of_its_time_and_begins_at_zero(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(
        tmp_path / "a.mp4",
        codec="libx264",
        rate=Fraction(25),
        time_base=Fraction(1, 25),
        times=range(50),
        sound=("aac",),
        options={"g": "10"},
    )
    result = upscale_video(source, tmp_path / "b.mkv", upscaler, encoding=LOSSLESS, start=0.6, duration=0.8)
    assert result.frames == 20
    assert videos.times_of(tmp_path / "b.mkv") == [Fraction(n, 25) for n in range(20)]
    first = videos.frames_of(source)[15]
    np.testing.assert_array_equal(
        videos.samples_of(videos.frames_of(tmp_path / "b.mkv")[0])[0], expected(first, upscaler, "yuv420p")[0]
    )
    inside = [data for time, data in videos.packets_of(source, "audio") if 0.6 <= time < 1.4]
    copied = videos.packets_of(tmp_path / "b.mkv", "audio")
    assert [data for _, data in copied] == inside
    assert 0 <= copied[0][0] < 0.03


@pytest.mark.parametrize("options", [{"start": -1.0}, {"duration": 0.0}, {"start": float("nan")}, {"temporal": 0.95}])
def test_what_is_out_of_range_is_refused(tmp_path: Path, upscaler: Upscaler, options: Any) -> None:
    source = videos.make(tmp_path / "a.mkv")
    with pytest.raises(InputError) as caught:
        upscale_video(source, tmp_path / "b.mkv", upscaler, **options)
    assert caught.value.hint
    assert not (tmp_path / "b.mkv").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"codec": "h265"},
        {"preset": "best"},
        {"crf": 0},
        {"crf": 52},
        {"codec": "ffv1", "crf": 20},
        {"crf": float("nan")},
    ],
)
def test_encodings_that_cannot_be_had_are_refused(options: Any) -> None:
    with pytest.raises(InputError) as caught:
        VideoEncoding(**options)
    assert caught.value.hint


def test_containers_that_cannot_be_written_are_refused(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mkv")
    for name, encoding in [("b.avi", VideoEncoding()), ("b", VideoEncoding())]:
        with pytest.raises(UnsupportedFormatError) as caught:
            upscale_video(source, tmp_path / name, upscaler, encoding=encoding)
        assert ".mkv" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize(
    ("codec", "extension"), [("h264", ".mp4"), ("h264", ".mkv"), ("hevc", ".mp4"), ("av1", ".mp4"), ("ffv1", ".mkv")]
)
def test_the_same_video_gives_the_same_bytes(tmp_path: Path, upscaler: Upscaler, codec: Any, extension: str) -> None:
    needs(codec)
    source = videos.make(tmp_path / "a.mkv", size=(96, 64), times=range(12), sound=("aac",))
    for name in "bc":
        upscale_video(
            source, tmp_path / f"{name}{extension}", upscaler, encoding=VideoEncoding(codec=codec, preset="fast")
        )
    assert (tmp_path / f"b{extension}").read_bytes() == (tmp_path / f"c{extension}").read_bytes()


def test_several_frames_at_once_are_the_same_frames(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(20))
    made = []
    for at_once in (1, 4):
        with Upscaler(
            random_model(spec("realtime")), backend="onnxruntime", clip=False, concurrency=at_once
        ) as upscaler:
            upscale_video(source, tmp_path / "b.mkv", upscaler, temporal=0.3, encoding=LOSSLESS)
        made.append(
            [plane.tolist() for frame in videos.frames_of(tmp_path / "b.mkv") for plane in videos.samples_of(frame)]
        )
    assert made[0] == made[1]


def test_progress_counts_to_the_number_of_frames(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264")
    calls: list[tuple[int, int | None]] = []
    upscale_video(source, tmp_path / "b.mp4", upscaler, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 8) for done in range(1, 9)]


def test_an_open_file_can_be_the_source(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264")
    with source.open("rb") as stream:
        assert upscale_video(stream, tmp_path / "b.mp4", upscaler).frames == 8
    upscale_video(source, tmp_path / "c.mp4", upscaler)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()


@pytest.mark.parametrize("temporal", [0.2, 0.6])
def test_details_are_smoothed_as_by_the_vapoursynth_filter(tmp_path: Path, upscaler: Upscaler, temporal: float) -> None:
    vs = pytest.importorskip("vapoursynth")
    from vs_paragon import smoothing  # noqa: PLC0415 - needs VapourSynth

    source = videos.make(tmp_path / "a.mkv", pixel_format="yuv444p", size=(48, 32), times=range(12), darker_from=5)
    upscale_video(source, tmp_path / "b.mkv", upscaler, temporal=temporal, encoding=LOSSLESS)
    frames = videos.frames_of(source)
    images = [planes_of(frame, colour_of(frame)) for frame in frames]

    def put(n: int, f: Any) -> Any:
        result = f.copy()
        for index, plane in enumerate(images[n]):
            np.asarray(result[index])[...] = plane
        return result

    blank = vs.core.std.BlankClip(format=vs.RGBS, width=48, height=32, length=12)
    smoothed = smoothing.smoothed(blank.std.ModifyFrame(blank, put), temporal)
    for number, made in enumerate(videos.frames_of(tmp_path / "b.mkv")):
        detail = [np.asarray(smoothed.get_frame(number)[index]) for index in range(3)]
        out = [np.empty((64, 96), np.float32) for _ in range(3)]
        upscaler.upscale_planes(images[number], out, detail=detail)
        wanted = av.VideoFrame(96, 64, "yuv444p")
        wanted.colorspace = 1
        fill(wanted, out, colour_of(wanted))
        for plane, other in zip(videos.samples_of(made), videos.samples_of(wanted), strict=True):
            assert np.abs(plane.astype(int) - other).max() <= 1


def test_matroska_that_does_not_say_how_wide_pixels_are_is_told(tmp_path: Path, upscaler: Upscaler) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264", aspect=Fraction(4, 3))
    for name, encoding, told in [("b.mkv", LOSSLESS, True), ("b.mkv", VideoEncoding(), False)]:
        notes = upscale_video(source, tmp_path / name, upscaler, encoding=encoding).notes
        assert any("4/3" in note for note in notes) == told


@pytest.mark.parametrize("clear", [(), (2, 3), (0, 1, 2, 3)])
def test_transparency_is_noted_where_there_is_some(tmp_path: Path, upscaler: Upscaler, clear: tuple[int, ...]) -> None:
    frames = [Image.new("RGBA", (64, 48), (number, 40, 90, 255)) for number in range(4)]
    for number in clear:
        frames[number].putpixel((5, 5), (0, 0, 0, 0))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    result = upscale_video(tmp_path / "a.gif", tmp_path / "a.mp4", upscaler)
    assert ("its transparency was left out" in result.notes) == bool(clear)
