"""Videos upscaled to any size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paragon_core.errors import InputError, OutOfMemoryError, UnsupportedSizeError
from paragon_core.media.video.frame_size import frame_size
from paragon_core.media.video.frames import colour_of, fill, planes_of
from paragon_core.media.video.upscale import VideoEncoding, upscale_video
from paragon_core.upscaling.output_size import OutputSize
from paragon_core.upscaling.resize import resize_plane
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

SIDES = st.integers(16, 2000)
SQUARE = Fraction(1)
LOSSLESS = VideoEncoding(codec="ffv1")


@given(size=st.tuples(SIDES, SIDES), factor=st.floats(0.3, 6), even=st.booleans(), across=st.integers(1, 5))
def test_a_factor_keeps_the_shape_of_pixels(size: tuple[int, int], factor: float, even: bool, across: int) -> None:
    aspect = Fraction(across, 3)
    made = frame_size(size, aspect, OutputSize(factor=factor), scale=2, even=even)
    assert made.aspect == aspect
    assert made.pixels == made.stored  # nothing is continued by a pixel where the size is free
    assert not even or made.stored[0] % 2 == made.stored[1] % 2 == 0
    for side, before in zip(made.pixels, size, strict=True):
        assert abs(side - before * factor) <= 1 + even


@given(size=st.tuples(SIDES, SIDES), box=st.tuples(SIDES, SIDES), even=st.booleans(), across=st.integers(1, 5))
def test_a_box_is_filled_as_players_show_the_video(
    size: tuple[int, int], box: tuple[int, int], even: bool, across: int
) -> None:
    assume(max(size) / min(size) < 50)
    made = frame_size(size, Fraction(across, 3), OutputSize(fit=box), scale=2, even=even)
    assert made.aspect == 1
    assert made.stored[0] <= box[0]
    assert made.stored[1] <= box[1]
    shown = Fraction(max(round(size[0] * Fraction(across, 3)), 1), size[1])  # in whole square pixels
    width, height = made.pixels
    slack = 1 + even
    assert Fraction(width - slack, height + slack) <= shown
    assert height <= slack or shown <= Fraction(width + slack, height - slack)


@given(size=st.tuples(SIDES, SIDES), scale=st.sampled_from((2, 3, 4)), even=st.booleans())
def test_the_scale_as_a_factor_is_as_without_a_size(size: tuple[int, int], scale: int, even: bool) -> None:
    plain = frame_size(size, SQUARE, None, scale=scale, even=even)
    assert frame_size(size, SQUARE, OutputSize(factor=scale), scale=scale, even=even) == plain
    assert plain.runs == 1


def test_no_even_size_in_a_box_of_one_pixel() -> None:
    with pytest.raises(InputError):
        frame_size((64, 48), SQUARE, OutputSize(fit=(1, 1)), scale=2, even=True)
    with pytest.raises(UnsupportedSizeError):
        frame_size((64, 48), SQUARE, OutputSize(factor=1e6), scale=2, even=True)


@pytest.mark.parametrize(
    ("size", "expected", "runs"),
    [
        (OutputSize(factor=1.5), (96, 72), 1),
        (OutputSize(fit=(200, 200)), (200, 150), 2),
        (OutputSize(width=99, height=41), (99, 41), 1),
        (OutputSize(height=30), (40, 30), 0),
    ],
)
def test_frames_are_those_of_the_network_resized_in_floats(
    tmp_path: Path, size: OutputSize, expected: tuple[int, int], runs: int
) -> None:
    source = videos.make(tmp_path / "a.mkv", pixel_format="yuv444p10le", times=range(3))
    upscaler = shared_upscaler(clip=False)
    result = upscale_video(source, tmp_path / "b.mkv", upscaler, size=size, encoding=LOSSLESS)
    assert result.size == expected
    assert any("without the model" in note for note in result.notes) == (runs == 0)
    for before, after in zip(videos.frames_of(source), videos.frames_of(tmp_path / "b.mkv"), strict=True):
        planes = planes_of(before, colour_of(before))
        for _ in range(runs):
            planes = list(np.moveaxis(upscaler(np.stack(planes, axis=2)), 2, 0))
        wanted = av.VideoFrame(*expected, "yuv444p10le")
        fill(wanted, [resize_plane(plane, expected) for plane in planes], colour_of(before))
        for made, plane in zip(videos.samples_of(after), videos.samples_of(wanted), strict=True):
            difference = np.abs(made.astype(int) - plane)
            assert difference.max() <= 1  # where float32 comes to lie on the edge between two values
            assert difference.mean() < 0.01


def test_the_scale_of_the_model_gives_the_same_file(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", size=(51, 37), times=range(3))
    upscaler = shared_upscaler(clip=False)
    upscale_video(source, tmp_path / "b.mkv", upscaler, temporal=0.2)
    upscale_video(source, tmp_path / "c.mkv", upscaler, temporal=0.2, size=OutputSize(factor=2))
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "c.mkv").read_bytes()


@pytest.mark.parametrize(
    ("size", "expected", "aspect"),
    [(OutputSize(height=100), (178, 100), 1), (OutputSize(factor=1.5), (96, 72), Fraction(4, 3))],
)
def test_pixels_that_are_not_square(tmp_path: Path, size: OutputSize, expected: Any, aspect: Fraction) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264", aspect=Fraction(4, 3), times=range(2))
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False), size=size)
    assert result.size == expected
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert Fraction(container.streams.video[0].sample_aspect_ratio or 1) == aspect


@pytest.mark.skipif(not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="of newer PyAV")
def test_a_turned_video_fits_the_box_as_it_is_shown(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mp4", codec="libx264", rotation=90, times=range(2))
    box = OutputSize(fit=(400, 120))
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False), size=box)
    assert result.size == (90, 120)


def test_odd_sides_become_even_and_are_told(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(2))
    result = upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False), size=OutputSize(width=101))
    assert result.size == (100, 76)
    assert any("100 x 76" in note for note in result.notes)


def test_frames_that_cannot_fit_in_memory_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = videos.make(tmp_path / "a.mkv", times=range(2))
    monkeypatch.setattr("paragon_core.upscaling.free_size.lacks", lambda needed: (needed, needed - 1))
    with pytest.raises(OutOfMemoryError):
        upscale_video(source, tmp_path / "b.mp4", shared_upscaler(clip=False), size=OutputSize(factor=300))
    assert not (tmp_path / "b.mp4").exists()
