"""What nodes take for images, and how they stop, with ComfyUI's own modules."""

from __future__ import annotations

import math
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


def test_networks_of_others_are_refused_with_the_node_that_takes_them(tmp_path: Path) -> None:
    for text, hint in answer(tmp_path, "frames", "networks_of_others"):
        assert "no ParagonSR2 network" in text
        assert "Upscale Image (using Model)" in hint


def test_stop_ends_a_pass_of_the_network_in_all_threads(tmp_path: Path) -> None:
    whole, after, sticky, shape = answer(tmp_path, "frames", "stopped_passes")
    assert 5 <= after < whole * 3 / 4
    assert sticky < whole * 3 / 4
    assert shape == [1200, 2000, 3]


def test_tiles_are_no_waste_and_quick_enough(tmp_path: Path) -> None:
    refused, tiles = answer(tmp_path, "frames", "tile_sizes")
    assert refused == [-8, 1, 63, 8193]
    for least, radius, area in tiles:
        if radius is None:  # sees the whole image, so it is not cut for the sake of progress
            assert math.isinf(area)
            continue
        assert least >= max(64, 4 * radius)
        assert least**2 <= area <= 2**21
