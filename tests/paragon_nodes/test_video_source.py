"""What is read of the kinds of videos that nodes hand on, with ComfyUI's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.paragon_nodes import in_comfyui

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def answer(tmp_path: Path, function: str, *arguments: str) -> Any:
    """Return what a function that reads videos returns; it leaves no file."""
    answered = in_comfyui.answer(tmp_path, "video_source", function, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    return answered


def test_images_are_read_as_they_are(tmp_path: Path) -> None:
    off, rate, start, seconds = answer(tmp_path, "images")
    assert off <= 0.51
    assert rate == "30000/1001"
    assert start == 0
    assert seconds == pytest.approx(0.2, abs=0.03)  # cut where the images end


def test_files_are_read_in_place_with_their_trim(tmp_path: Path) -> None:
    assert answer(tmp_path, "files") == [[True, 0, None], [True, 0.1, 0.05], [False, 0, None]]


def test_pending_edits_are_carried_out_first(tmp_path: Path) -> None:
    """ComfyUI 0.33 has none; newer versions crop and resize a file's frames when they are asked for."""
    assert answer(tmp_path, "edits") == [0, True]


def test_a_full_disk_is_told_with_a_remedy(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="needs a system that can limit the size of files")
    assert "no file of that size" in answer(tmp_path, "full_disk")


def test_grey_and_transparent_images_are_read_as_colours(tmp_path: Path) -> None:
    results = answer(tmp_path, "grey_and_transparent")
    assert max(off for off, _ in results) <= 0.51
    assert [notes for _, notes in results] == [
        [],
        ["its transparency was left out"],
        ["its transparency was left out"],
    ]


def test_what_is_no_video_is_refused_in_words(tmp_path: Path) -> None:
    texts = answer(tmp_path, "refused")
    marks = ("no frames", "no frames", "46x0 pixels", "no images", "frame 4 of 6")
    assert all(mark in text for mark, (text, _) in zip(marks, texts, strict=True)), texts
    assert all(hint for _, hint in texts)


@pytest.mark.parametrize(("name", "transfer"), [("HDR", 18), ("HDR PQ", 16)])
def test_hdr_made_of_images_stays_hdr(tmp_path: Path, name: str, transfer: int) -> None:
    """ComfyUI 0.33 makes none of images; newer versions do."""
    assert answer(tmp_path, "hdr", name) == [False, True, "yuv420p10le", 9, transfer, 9]


def test_a_crop_that_a_version_does_not_tell_is_carried_out(tmp_path: Path) -> None:
    """ComfyUI 0.33 has none; a newer version crops a file's frames when they are asked for, and does not say so."""
    assert answer(tmp_path, "crop") == [[10, 20], [34, 46]]


def test_sound_of_a_rate_that_aac_has_not_is_resampled(tmp_path: Path) -> None:
    rate, seconds = answer(tmp_path, "rare_sound")
    assert rate == 48000
    assert seconds == pytest.approx(0.2, abs=0.03)
