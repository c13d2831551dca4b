"""Videos as an image for each frame, and images as videos."""

from __future__ import annotations

import os
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError, JobError, MediaError, UnsupportedFormatError
from paragon_core.media.compression import ImageCompression
from paragon_core.media.images import read_image
from paragon_core.media.sequences import ImageSequence, SequencePattern
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from paragon_core.media.video.frames import colour_of, planes_of
from paragon_core.media.video.image_output import upscale_to_images
from paragon_core.media.video.observer import VideoObserver, VideoOutline, VideoPosition
from paragon_core.media.video.pipeline import FrameOptions
from paragon_core.media.video.targets import upscale_to_file
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.upscale import VideoEncoding, VideoResult, upscale_video
from paragon_core.media.video.y4m import Y4mHeader, Y4mInput
from paragon_core.media.video.y4m_output import upscale_to_y4m
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path


def pattern(path: Path) -> SequencePattern:
    found = SequencePattern.parse(path)
    assert found is not None
    return found


def images_of(source: Any, target: Path, *, temporal: float = 0.0, **options: Any) -> VideoResult:
    upscaler = shared_upscaler(clip=False)
    return upscale_to_images(source, pattern(target), upscaler, FrameOptions(temporal=temporal), **options)


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("pixel_format", "name", "dtype"),
    [
        ("yuv420p", "%04d.png", np.uint8),
        ("yuv422p10le", "%04d.png", np.uint16),
        ("yuv420p10le", "%d.tif", np.uint16),
        ("yuv420p10le", "f%d.webp", np.uint8),
        ("gray", "%04d.png", np.uint8),
        ("gray12le", "%04d.png", np.uint16),
        ("gbrp10le", "%04d.png", np.uint16),
    ],
)
def test_every_frame_becomes_an_image(tmp_path: Path, pixel_format: str, name: str, dtype: type) -> None:
    source = videos.make(tmp_path / "a.mkv", pixel_format=pixel_format, colorspace=0 if "gbr" in pixel_format else 1)
    result = images_of(source, tmp_path / "out" / name)
    assert (result.frames, result.size) == (8, (128, 96))
    found = pattern(tmp_path / "out" / name)
    assert found.numbers() == list(range(1, 9))
    assert any("10 bits for a colour became 8" in note for note in result.notes) == name.endswith("webp")
    top = np.iinfo(dtype).max
    for number, frame in enumerate(videos.frames_of(source), 1):
        image = read_image(found.path(number)).array
        assert image.dtype == dtype
        planes = planes_of(frame, colour_of(frame))
        wanted = np.clip(shared_upscaler(clip=False)(np.stack(planes, axis=2)), 0, 1) * top
        limit = top * 0.1 if name.endswith("webp") else 1
        assert np.abs(image.reshape(wanted.shape).astype(float) - wanted).max() <= limit + 0.51


def test_images_that_are_there_are_not_made_again_and_the_others_are_the_same(tmp_path: Path) -> None:
    """Smoothing, too, sees the frames whose images are there."""
    source = videos.make(tmp_path / "a.mkv", times=range(12))
    target = tmp_path / "out" / "%04d.png"
    images_of(source, target, temporal=0.5)
    whole = stored(tmp_path / "out")
    kept = (tmp_path / "out" / "0005.png").stat().st_mtime_ns
    for number in (1, 4, 7, 8, 12):
        (tmp_path / "out" / f"{number:04}.png").unlink()
    (tmp_path / "out" / "0010.png").write_bytes(whole["0010.png"][:-50])
    result = images_of(source, target, temporal=0.5)
    assert stored(tmp_path / "out") == whole
    assert (tmp_path / "out" / "0005.png").stat().st_mtime_ns == kept
    assert any(note.startswith("6 of 12 images were there already") for note in result.notes)
    again = images_of(source, target, temporal=0.5, overwrite=True)
    assert not any("there already" in note for note in again.notes)
    assert (tmp_path / "out" / "0005.png").stat().st_mtime_ns > kept
    later = max(path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()) + 10**9
    os.utime(source, ns=(later, later))
    assert not any("there already" in note for note in images_of(source, target, temporal=0.5).notes)


@pytest.mark.parametrize("name", ["b.mkv", "b.gif", "out/%d.png", "-"])
def test_progress_is_told_for_every_kind_of_target(tmp_path: Path, name: str) -> None:
    source, upscaler = videos.make(tmp_path / "a.mkv"), shared_upscaler(clip=False)
    outlines: list[VideoOutline] = []
    positions: list[VideoPosition] = []
    counts: list[tuple[int, int | None]] = []

    class Observer(VideoObserver):
        def begin(self, outline: VideoOutline) -> None:
            outlines.append(outline)

        def advance(self, position: VideoPosition) -> None:
            positions.append(position)

    told: dict[str, Any] = {"progress": lambda *count: counts.append(count), "observer": Observer()}
    if name == "-":
        upscale_to_y4m(source, BytesIO(), upscaler, **told)
    elif "%" in name:
        upscale_to_images(source, pattern(tmp_path / name), upscaler, **told)
    else:
        upscale_to_file(source, tmp_path / name, upscaler, **told)
    assert [(outline.size, outline.result_size) for outline in outlines] == [((64, 48), (128, 96))]
    assert [position.frames for position in positions] == [done for done, _ in counts] == list(range(1, 9))


def test_images_of_something_else_are_not_replaced(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv")
    target = tmp_path / "out" / "%04d.png"
    (tmp_path / "out").mkdir()
    Image.new("RGB", (5, 5)).save(tmp_path / "out" / "0002.png")
    with pytest.raises(JobError, match=r"0002\.png exists and is not a frame upscaled to 2x") as caught:
        images_of(source, target)
    assert "--overwrite" in caught.value.hint
    (tmp_path / "out" / "0002.png").write_bytes(b"%PDF-1.5" + bytes(100))
    with pytest.raises(JobError, match="not an image that Paragon made"):
        images_of(source, target)
    assert images_of(source, target, overwrite=True).frames == 8
    pipe = Y4mInput(BytesIO(Y4mHeader(width=64, height=48).line() + b"FRAME\n" + bytes(64 * 48 * 3 // 2)))
    with pytest.raises(JobError, match="what comes from a pipe may be another video"):
        images_of(pipe, target)


def test_what_images_do_not_hold_is_noted(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", sound=("aac",), times=(0, 1, 2, 9))
    (tmp_path / "out").mkdir()
    Image.new("RGB", (5, 5)).save(tmp_path / "out" / "5.png")
    notes = " ".join(images_of(source, tmp_path / "out" / "%d.png").notes)
    for words in ("1 frames were not shown at even distances", "no sound", "5.png and what may follow it"):
        assert words in notes


def test_hdr_is_said_where_the_format_can(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", pixel_format="yuv420p10le", primaries=9, transfer=16, colorspace=9)
    images_of(source, tmp_path / "out" / "%d.png")
    assert (b"cICP", bytes([9, 16, 0, 1])) in read_image(tmp_path / "out" / "1.png").png_colour


@pytest.mark.parametrize("name", ["%d.dds", "%d.xyz", "%d"])
def test_formats_that_are_not_written_are_refused(tmp_path: Path, name: str) -> None:
    source = videos.make(tmp_path / "a.mkv")
    with pytest.raises(UnsupportedFormatError, match="cannot write"):
        images_of(source, tmp_path / name)
    with pytest.raises(InputError, match="chroma subsampling"):
        images_of(source, tmp_path / "%d.webp", compression=ImageCompression(subsampling="4:2:2"))


@pytest.mark.parametrize("name", ["%05d.png", "100%% 12;30 %d.jpg", "f%d.tif", "%d.bmp", "%d.tga"])
def test_images_become_a_video(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "50% of it"
    folder.mkdir()
    found = pattern(folder / name)
    arrays = []
    for number in range(7, 12):
        y, x = np.indices((48, 64))
        arrays.append(np.stack([x * 3, y * 4, 0 * x + number * 9], axis=2).astype(np.uint8))
        Image.fromarray(arrays[-1]).save(found.path(number))
    sequence = ImageSequence.of(found, Fraction(30000, 1001))
    upscaler, lossless = shared_upscaler(clip=False), VideoEncoding(codec="ffv1")
    result = upscale_video(sequence, tmp_path / "b.mkv", upscaler, encoding=lossless)
    assert (result.frames, result.size) == (5, (128, 96))
    times = videos.times_of(tmp_path / "b.mkv")
    assert [round(time * 30000 / 1001) for time in times] == list(range(5))
    for array, frame in zip(arrays, videos.frames_of(tmp_path / "b.mkv"), strict=True):
        made = np.stack(planes_of(frame, colour_of(frame)), axis=2)
        wanted = upscaler(array).astype(np.float32) / 255
        # The network of the tests makes much of what JPEG lost.
        assert np.abs(made - wanted).mean() < (0.2 if "jpg" in name else 0.003)
    part = upscale_video(sequence, tmp_path / "c.mkv", upscaler, encoding=lossless, start=0.07, duration=0.07)
    assert part.frames == 2
    whole = videos.frames_of(tmp_path / "b.mkv")
    for first, second in zip(videos.frames_of(tmp_path / "c.mkv"), whole[2:4], strict=True):
        pairs = zip(videos.samples_of(first), videos.samples_of(second), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_images_are_smoothed_as_frames_of_a_video_are(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", codec="ffv1", pixel_format="gbrp10le", colorspace=0)
    images_of(source, tmp_path / "in" / "%d.png", temporal=0.0)
    sequence = ImageSequence.of(pattern(tmp_path / "in" / "%d.png"))
    upscaler = shared_upscaler(clip=False)
    images_of(sequence, tmp_path / "out" / "%d.png", temporal=0.5, first=sequence.first)
    lossless = VideoEncoding(codec="ffv1")
    upscale_video(sequence, tmp_path / "b.mkv", upscaler, encoding=lossless, temporal=0.5)
    for number, frame in enumerate(videos.frames_of(tmp_path / "b.mkv"), 1):
        image = read_image(tmp_path / "out" / f"{number}.png").array
        made = np.stack(planes_of(frame, colour_of(frame)), axis=2)
        assert np.abs(made - image / 65535).max() < 1e-4
    part = FrameOptions(time_range=TimeRange(start=0.04, duration=0.08))
    result = upscale_to_images(sequence, pattern(tmp_path / "part" / "%d.png"), upscaler, part)
    assert result.frames == 2


def test_images_that_ffmpeg_does_not_read_and_damaged_ones_are_told(tmp_path: Path) -> None:
    (tmp_path / "1.gif").write_bytes(b"GIF89a" + bytes(20))
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    upscaler = shared_upscaler(clip=False)
    for name, error in (("%d.gif", UnsupportedFormatError), ("%d.png", MediaError)):
        sequence = ImageSequence.of(pattern(tmp_path / name))
        with pytest.raises(error) as caught:
            upscale_video(sequence, tmp_path / "b.mkv", upscaler)
        assert caught.value.hint
