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
