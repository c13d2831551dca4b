"""On a card, a network that ComfyUI manages goes the way of Paragon's own, with the same pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfyui import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_pixels_are_the_same_and_the_weights_may_be_moved(tmp_path: Path) -> None:
    errors, work, types = answer(tmp_path, "managed_card", "pixels")
    assert max(errors) <= 1e-5
    assert work == ["download", "run", "upload"]  # no CUDA graph, which would know where the weights were
    assert types == ["float32", "uint8"]


def test_images_may_stay_on_their_card(tmp_path: Path) -> None:
    errors, broken_is_refused, dtype, processor_is_refused = answer(tmp_path, "managed_card", "where_it_is")
    assert len(errors) == 4
    assert max(errors) <= 1e-5
    assert dtype == "torch.float16"
    assert broken_is_refused  # values that are not numbers, and images of the processor, go the usual way
    assert processor_is_refused


def test_results_are_written_where_they_belong(tmp_path: Path) -> None:
    assert answer(tmp_path, "managed_card", "batches") == [True, True, True, 2]
