"""What nodes take for images, and how they stop, with ComfyUI's own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfyui import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_what_is_no_image_is_refused_in_words_and_a_bad_one_is_named(tmp_path: Path) -> None:
    *texts, shape = answer(tmp_path, "frames", "refused_images")
    marks = ("no images", "0x8 pixels", "(8, 9, 3)", "(1, 8, 9, 5)", "NoneType", "image 2 of 3", "the image")
    assert all(mark in text for mark, (text, _) in zip(marks, texts, strict=True)), texts
    assert all(hint for _, hint in texts)
    assert "--fp32-vae" in texts[-1][1]
    assert shape == [1, 16, 18, 1]


def test_stop_ends_a_pass_of_the_network_at_the_next_layer_in_all_threads(tmp_path: Path) -> None:
    streams, after, more, goes_on = answer(tmp_path, "frames", "stopped_passes")
    assert after <= 5 + streams
    assert more <= streams
    assert goes_on


def test_tiles_are_no_waste_and_quick_enough(tmp_path: Path) -> None:
    refused, tiles = answer(tmp_path, "frames", "tile_sizes")
    assert refused == [-8, 1, 63, 8193]
    for least, radius, area in tiles:
        assert least >= max(64, 4 * radius)
        assert least**2 <= area <= 2**21
