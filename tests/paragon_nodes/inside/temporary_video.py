"""Files of videos, in ComfyUI's Python."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from comfy_api.latest import InputImpl, Types

from paragon_nodes.temporary_video import TemporaryPath, new_path


def lifetime() -> list[Any]:
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
    derived = InputImpl.VideoFromFile(again.get_stream_source())  # as core makes others, that are cropped or resized
    del again
    there.append(path.exists())
    del derived
    return [*there, path.exists()]
