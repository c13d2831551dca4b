"""Videos as animations, and animations as videos."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.media.animation import read_animation
from paragon_core.media.compression import ImageCompression
from tests.media import animations
from tests.upscalers import shared_upscaler

av = pytest.importorskip("av")

import paragon_core
from paragon_core.media.video import animation_output
from paragon_core.media.video.animation_output import upscale_to_animation
from paragon_core.media.video.frames import colour_of, planes_of
from paragon_core.media.video.pipeline import FrameOptions
from paragon_core.media.video.time_range import TimeRange
from paragon_core.media.video.upscale import upscale_video
from paragon_core.media.video.y4m import Y4mHeader, Y4mInput
from paragon_core.upscaling.upscaler import Upscaler
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

EXTENSIONS = ["gif", "webp", "apng", "avif"]
TIMES = (0, 40, 80, 200, 240, 400, 440, 480)


def make(path: Path, **changes: Any) -> Path:
    return videos.make(path, times=TIMES, time_base=Fraction(1, 1000), rate=Fraction(25), **changes)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_video_becomes_an_animation_with_its_times(tmp_path: Path, extension: str) -> None:
    source, target = make(tmp_path / "a.mkv", sound=("aac",)), tmp_path / f"b.{extension}"
    # A bundled network keeps smooth frames smooth, so that they can be compressed.
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", clip=False) as upscaler:
        result = upscale_to_animation(source, target, upscaler)
        assert (result.frames, result.size) == (8, (128, 96))
        assert any("no sound" in note for note in result.notes)
        animation = read_animation(target)
        assert animation is not None
        assert [round(duration * 1000) for duration in animation.durations] == [40, 40, 120, 40, 160, 40, 40, 40]
        assert animation.plays == 0
        for frame, made in zip(videos.frames_of(source), animation.frames(), strict=True):
            planes = planes_of(frame, colour_of(frame))
            wanted = np.clip(upscaler(np.stack(planes, axis=2)), 0, 1) * 255
            assert np.abs(made[..., :3].astype(float) - wanted).mean() < (9 if extension == "gif" else 3)


@pytest.mark.parametrize("extension", EXTENSIONS[:3])
def test_an_animation_becomes_a_video_with_its_times(tmp_path: Path, extension: str) -> None:
    source = tmp_path / f"a.{extension}"
    upscaler = shared_upscaler(clip=False)
    upscale_to_animation(make(tmp_path / "a.mkv"), source, upscaler)
    result = upscale_video(source, tmp_path / "b.mkv", upscaler)
    assert (result.frames, result.size) == (8, (256, 192))
    assert [round(time * 1000) for time in videos.times_of(tmp_path / "b.mkv")] == list(TIMES)


def test_parts_smoothing_and_quality_work_with_animations(tmp_path: Path) -> None:
    source, upscaler = make(tmp_path / "a.mkv"), shared_upscaler(clip=False)
    sizes = []
    for quality in (30, 95):
        target = tmp_path / f"{quality}.webp"
        options = FrameOptions(temporal=0.2, time_range=TimeRange(start=0.2, duration=0.22))
        result = upscale_to_animation(source, target, upscaler, options, compression=ImageCompression(quality=quality))
        assert result.frames == 3
        animation = read_animation(target)
        assert animation is not None
        assert [round(duration * 1000) for duration in animation.durations] == [40, 160, 20]
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1]


def test_what_cannot_be_an_animation_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, upscaler = make(tmp_path / "a.mkv"), shared_upscaler(clip=False)
    pipe = Y4mInput(BytesIO(Y4mHeader(width=64, height=48).line()))
    with pytest.raises(InputError, match="which a pipe does not tell"):
        upscale_to_animation(pipe, tmp_path / "b.gif", upscaler)
    monkeypatch.setattr(animation_output, "MOST_FRAMES", 7)
    with pytest.raises(UnsupportedSizeError, match="it has 8 frames") as caught:
        upscale_to_animation(source, tmp_path / "b.gif", upscaler)
    assert "--start" in caught.value.hint
    assert not (tmp_path / "b.gif").exists()


def test_an_animation_does_not_replace_itself(tmp_path: Path) -> None:
    path = animations.save(tmp_path / "a.gif", animations.drawn(0, alpha=False))
    with pytest.raises(InputError, match="would replace"):
        upscale_to_animation(path, path, shared_upscaler(clip=False))


def test_one_call_does_it_and_what_is_done_is_skipped(tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.mkv"), tmp_path / "b.webp"
    options = {"backend": "onnxruntime", "precision": "fp32"}
    result = paragon_core.upscale_video(source, target, scale=1.5, **options)  # type: ignore[arg-type]
    assert (result.state, result.frames, result.size) == ("written", 8, (96, 72))
    assert paragon_core.upscale_video(source, target, scale=1.5, **options).state == "skipped"  # type: ignore[arg-type]
    target.write_bytes(target.read_bytes()[:-100])
    assert paragon_core.upscale_video(source, target, scale=1.5, **options).state == "written"  # type: ignore[arg-type]
