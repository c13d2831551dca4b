from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import MediaError
from paragon_core.media.video.time_range import TimeRange
from paragon_core.quality.viewed import rounded, view_image, view_video
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

RGB = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)


def test_rgb_of_8_bits_is_as_stored(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    viewed = view_image(tmp_path / "a.png")
    assert viewed.levels.dtype == np.uint8
    np.testing.assert_array_equal(viewed.levels, RGB)
    assert viewed.notes == ()


def test_grey_has_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(view_image(tmp_path / "a.png").levels, RGB[..., :1].repeat(3, axis=2))


def test_16_bits_keep_what_is_between_levels(tmp_path: Path) -> None:
    deep = np.arange(63, dtype=np.uint16).reshape(7, 9) * 1000
    Image.fromarray(deep).save(tmp_path / "a.png")
    levels = view_image(tmp_path / "a.png").levels
    assert levels.dtype == np.float64
    np.testing.assert_allclose(levels[..., 2], deep / 257)
    np.testing.assert_array_equal(rounded(levels), np.rint(levels))


def test_the_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(view_image(tmp_path / "a.png").levels, np.rot90(RGB, -1))


def test_transparency_is_laid_over_grey_with_a_note(tmp_path: Path) -> None:
    clear = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    clear[0, 0, 3] = 0
    Image.fromarray(clear).save(tmp_path / "a.png")
    viewed = view_image(tmp_path / "a.png")
    assert viewed.notes == ("its transparency was laid over mid-grey",)
    assert viewed.levels[0, 0].tolist() == [128, 128, 128]
    np.testing.assert_array_equal(viewed.levels[1:], RGB[1:])


def test_frames_have_numbers_times_and_levels(tmp_path: Path) -> None:
    path = videos.make(tmp_path / "a.mkv", times=range(5))
    with view_video(path) as video:
        frames = list(video.frames())
        assert video.notes == ()
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.seconds for frame in frames] == pytest.approx([index * 1001 / 24000 for index in range(5)], abs=1e-3)
    assert {frame.levels.shape for frame in frames} == {(48, 64, 3)}
    assert {frame.levels.dtype for frame in frames} == {np.dtype(np.uint8)}
    assert frames[0].levels.std() > 10


def test_frames_of_10_bits_keep_what_is_between_levels(tmp_path: Path) -> None:
    path = videos.make(tmp_path / "a.mkv", times=range(1), pixel_format="yuv420p10le")
    with view_video(path) as video:
        (frame,) = video.frames()
    assert frame.levels.dtype == np.float64
    assert np.abs(frame.levels - np.rint(frame.levels)).max() > 0.1


def test_rotated_frames_are_upright(tmp_path: Path) -> None:
    path = videos.make(tmp_path / "a.mp4", codec="libx264", times=range(2), rotation=90)
    with view_video(path) as video:
        assert next(video.frames()).levels.shape == (64, 48, 3)


def test_a_time_range_without_frames_is_an_error(tmp_path: Path) -> None:
    path = videos.make(tmp_path / "a.mkv", times=range(3))
    with view_video(path, TimeRange(start=60)) as video, pytest.raises(MediaError, match="has no frames"):
        list(video.frames())
