"""`paragon_core.upscale_file` and `paragon_core.upscale_video`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

import paragon_core as paragon
from paragon_core.errors import InputError, JobError, MediaError, UnsupportedSizeError
from paragon_core.media.compression import ImageCompression
from tests.docstring_examples import run_examples
from tests.media import animations
from tests.media.samples import pixels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010F] = "camera"
    Image.fromarray(pixels(0, 12, 16, 3)).resize((160, 120)).save(path, exif=exif, dpi=(300, 300))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    pytest.importorskip("av")
    from tests.media.video import videos  # noqa: PLC0415 - needs av

    return videos.make(tmp_path / "video.mkv", sound=("aac",))


@pytest.fixture(params=["upscale_file", "upscale_video"])
def function(request: pytest.FixtureRequest) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(paragon, request.param)
    return found


def test_the_example_of_files(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    run_examples(paragon.upscale_file)


def test_the_example_of_videos(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(video.parent)
    run_examples(paragon.upscale_video)


def test_an_image_keeps_its_metadata_and_has_the_pixels_of_upscale(photo: Path, tmp_path: Path) -> None:
    result = paragon.upscale_file(photo, tmp_path / "large.png")
    assert (result.state, result.size, result.notes) == ("written", (320, 240), ())
    with Image.open(photo) as source, Image.open(tmp_path / "large.png") as large:
        assert large.getexif()[0x010F] == "camera"
        np.testing.assert_array_equal(np.asarray(large), paragon.upscale(source))


def test_what_is_not_kept_is_noted(tmp_path: Path) -> None:
    Image.fromarray(pixels(0, 8, 8, dtype=np.uint16)).save(tmp_path / "a.png")
    (note,) = paragon.upscale_file(tmp_path / "a.png", tmp_path / "b.jpg").notes
    assert "8 bits" in note


def test_an_animation_and_pages_go_through_whole(tmp_path: Path) -> None:
    animations.save(tmp_path / "a.gif", animations.drawn(0, alpha=True))
    frames = paragon.upscale_file(tmp_path / "a.gif", tmp_path / "b.gif").frames
    with Image.open(tmp_path / "b.gif") as made:
        assert frames == getattr(made, "n_frames", 1) > 1
    pages = [Image.fromarray(pixels(seed, 8, size, 3)) for seed, size in enumerate((8, 20))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    size = paragon.OutputSize(width=24)  # 3x for the first page, 1.2x for the second: two models
    assert paragon.upscale_file(tmp_path / "a.tif", tmp_path / "b.tif", size=size).frames == 2
    with Image.open(tmp_path / "b.tif") as made:
        assert [page.size for page in ImageSequence.Iterator(made)] == [(24, 24), (24, 10)]


def test_a_video_becomes_what_upscale_video_makes(video: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    made = paragon.upscale_video(
        str(video), str(tmp_path / "a.mp4"), scale=2, progress=lambda *step: steps.append(step)
    )
    assert (made.frames, made.size) == (8, (128, 96))
    assert [done for done, _ in steps] == list(range(1, 9))
    paragon.upscale_file(video, tmp_path / "b.mp4", scale=2)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_part_of_a_video_in_any_size(video: Path, tmp_path: Path) -> None:
    size = paragon.OutputSize(width=96)
    result = paragon.upscale_video(video, tmp_path / "a.mkv", size=size, duration=0.2, model="realtime-video-2x")
    assert result.size == (96, 72)
    assert 0 < result.frames < 8


def test_what_is_done_is_skipped_unless_it_is_to_be_overwritten(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "large.png"
    assert paragon.upscale_file(photo, target).state == "written"
    assert paragon.upscale_file(photo, target).state == "skipped"
    assert paragon.upscale_file(photo, target, overwrite=True).state == "written"
    before = target.read_bytes()
    with pytest.raises(JobError):
        paragon.upscale_file(photo, target, scale=3)
    assert target.read_bytes() == before
    assert paragon.upscale_file(photo, target, scale=3, overwrite=True).size == (480, 360)


def test_options_reach_the_work(photo: Path, tmp_path: Path) -> None:
    small, large = tmp_path / "small.jpg", tmp_path / "large.jpg"
    paragon.upscale_file(photo, small, compression=ImageCompression(quality=20), backend="onnxruntime")
    paragon.upscale_file(photo, large)
    assert small.stat().st_size < large.stat().st_size
    with pytest.raises(UnsupportedSizeError):
        paragon.upscale_file(photo, tmp_path / "a.jpg", max_pixels=100)
    unknown: Any = {"precision": "fp64"}
    with pytest.raises(InputError, match="precision"):
        paragon.upscale_file(photo, tmp_path / "a.jpg", **unknown)


def test_a_folder_as_the_target_keeps_the_name(photo: Path, tmp_path: Path) -> None:
    assert paragon.upscale_file(photo, f"{tmp_path / 'made'}/").state == "written"
    assert (tmp_path / "made" / "photo.jpg").exists()


def test_sources_that_are_no_file_are_refused(function: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        function(tmp_path / "*.png", tmp_path / "b.png")
    with pytest.raises(InputError, match="is a folder"):
        function(tmp_path, tmp_path / "b.png")
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_never_overwritten(photo: Path) -> None:
    before = photo.read_bytes()
    with pytest.raises(InputError, match="would replace"):
        paragon.upscale_file(photo, photo, overwrite=True)
    assert photo.read_bytes() == before


def test_a_damaged_source_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError):
        paragon.upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_upscale_video_takes_no_image(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a video"):
        paragon.upscale_video(photo, tmp_path / "a.png")
    with pytest.raises(InputError, match="temporal"):
        paragon.upscale_video(photo, tmp_path / "a.mp4", temporal=2.0)
