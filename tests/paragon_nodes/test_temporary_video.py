"""How long the files of videos are there, with ComfyUI's own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfyui import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_a_file_is_there_as_long_as_a_video_made_of_it(tmp_path: Path) -> None:
    code = """
from paragon_nodes.temporary_video import TemporaryPath, new_path
frames = torch.zeros(30, 32, 48, 3)
path = new_path(".mp4")
InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, frame_rate=Fraction(30))).save_to(str(path))
whole = InputImpl.VideoFromFile(TemporaryPath(path))
assert whole.get_dimensions() == (48, 32)
part = whole.as_trimmed(0.2, 0.5, strict_duration=False)
del whole
again = part.as_trimmed(0.1, 0.2, strict_duration=False)
del part
there = [path.exists(), len(again.get_components().images)]
derived = InputImpl.VideoFromFile(again.get_stream_source())  # as core makes others of it, that are cropped or resized
del again
there.append(path.exists())
del derived
print(json.dumps([*there, path.exists()]))
"""
    assert answer(tmp_path, code) == [True, 6, True, False]
