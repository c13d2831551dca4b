"""How long the files of videos are there, with ComfyUI's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfyui import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_a_file_is_there_as_long_as_a_video_made_of_it(tmp_path: Path) -> None:
    assert answer(tmp_path, "temporary_video", "lifetime") == [True, 6, True, False]
