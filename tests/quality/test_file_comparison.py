from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.media.video.time_range import TimeRange
from paragon_core.quality.comparison import Comparison, compare
from paragon_core.quality.file_comparison import (
    VideoComparison,
    collected,
    compare_images,
    compare_pair,
    compare_videos,
    find_pairs,
)
from paragon_core.quality.viewed import view_video
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(tmp_path: Path, ours: tuple[str, ...], theirs: tuple[str, ...]) -> dict[str, str]:
    first, second = touch(tmp_path / "a", *ours), touch(tmp_path / "b", *theirs)
    return {pair.name: pair.second.relative_to(second).as_posix() for pair in find_pairs(first, second).pairs}


def test_pairs_have_one_name_in_any_folder(tmp_path: Path) -> None:
    ours = ("b.png", "a.png", "deep/er/c.PNG", "v.mkv", "note.txt")
    assert names(tmp_path, ours, ours) == {each: each for each in ("a.png", "b.png", "deep/er/c.PNG", "v.mkv")}


def test_extensions_may_differ_where_that_leaves_no_doubt(tmp_path: Path) -> None:
    found = names(tmp_path, ("a.png", "b.png", "c.png", "c.jpg"), ("a.webp", "b.webp", "b.jpg", "c.tif", "d.png"))
    assert found == {"a.png": "a.webp"}
    pairs = find_pairs(tmp_path / "a", tmp_path / "b")
    assert pairs.only_first == ("b.png", "c.jpg", "c.png")
    assert pairs.only_second == ("b.jpg", "b.webp", "c.tif", "d.png")


def test_the_same_name_goes_before_the_same_stem(tmp_path: Path) -> None:
    found = names(tmp_path, ("a.png", "a.jpg"), ("a.png", "a.webp"))
    assert found == {"a.png": "a.png", "a.jpg": "a.webp"}


def test_folders_without_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no image or video in .*a has the name of one in .*b"):
        names(tmp_path, ("a.png",), ("b.png",))


def test_images_of_two_sizes_are_named(tmp_path: Path) -> None:
    for name, size in (("a.png", (12, 12)), ("b.png", (24, 24))):
        Image.new("RGB", size).save(tmp_path / name)
    with pytest.raises(UnsupportedSizeError, match=r"a\.png and .*b\.png cannot be compared: one image has 12x12"):
        compare_images(tmp_path / "a.png", tmp_path / "b.png")


def test_notes_name_their_file(tmp_path: Path) -> None:
    Image.new("RGB", (12, 12)).save(tmp_path / "a.png")
    Image.new("RGBA", (12, 12)).save(tmp_path / "b.png")
    comparison, notes = compare_images(tmp_path / "a.png", tmp_path / "b.png")
    assert comparison.max_difference == 128
    assert notes == (f"{tmp_path / 'b.png'}: its transparency was laid over mid-grey",)


def test_videos_frame_by_frame(tmp_path: Path) -> None:
    first = videos.make(tmp_path / "a.mkv")
    second = videos.make(tmp_path / "b.mkv", darker_from=5)
    found = collected(compare_videos(first, second))
    assert [each.index for each in found.frames] == list(range(8))
    with view_video(first) as one, view_video(second) as other:
        expected = [compare(a.levels, b.levels) for a, b in zip(one.frames(), other.frames(), strict=True)]
    assert [each.comparison for each in found.frames] == expected
    lowest = min(expected, key=lambda each: each.psnr_y)
    assert found.lowest.comparison == lowest
    assert found.lowest.index == expected.index(lowest) >= 5
    assert found.mean.max_difference == max(each.max_difference for each in expected)


def test_a_video_that_ends_earlier_is_an_error(tmp_path: Path) -> None:
    long, short = videos.make(tmp_path / "a.mkv"), videos.make(tmp_path / "b.mkv", times=range(6))
    with pytest.raises(InputError, match=r"b\.mkv has 6 frames, and .*a\.mkv has more"):
        collected(compare_videos(long, short))
    with pytest.raises(InputError, match=r"b\.mkv has 6 frames, and .*a\.mkv has more"):
        collected(compare_videos(short, long))
    both = collected(compare_videos(long, short, time_range=TimeRange(duration=0.2)))
    assert len(both.frames) == 5


def test_pairs_of_either_kind(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        videos.make(tmp_path / folder / "v.mkv", times=range(2))
        Image.fromarray(np.eye(12, dtype=np.uint8)).save(tmp_path / folder / "p.png")
    image, video = (compare_pair(pair)[0] for pair in find_pairs(tmp_path / "a", tmp_path / "b").pairs)
    assert isinstance(image, Comparison)
    assert image.max_difference == 0
    assert isinstance(video, VideoComparison)
    assert len(video.frames) == 2
