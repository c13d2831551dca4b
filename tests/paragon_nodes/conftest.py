"""A real ComfyUI, started once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.paragon_nodes.comfy_server import ComfyServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """Return a server, with images in its input folder: photo.png, other.png, clear.png (RGBA) and dot.png."""
    checkout = os.environ.get("COMFYUI_PATH")
    if not checkout:
        pytest.skip("needs COMFYUI_PATH, a checkout of ComfyUI")
    server = ComfyServer(tmp_path_factory.mktemp("comfyui"), Path(checkout).resolve())
    try:
        generator = np.random.default_rng(0)
        for name, (height, width, channels) in {
            "photo": (48, 64, 3),
            "other": (48, 64, 3),
            "clear": (40, 56, 4),
            "dot": (1, 1, 3),
        }.items():
            waves = np.cumsum(np.cumsum(generator.standard_normal((height, width, channels)), axis=0), axis=1)
            span = max(float(np.ptp(waves)), 1.0)
            pixels = np.uint8(255 * (waves - waves.min()) / span)
            Image.fromarray(pixels).save(server.folder / "input" / f"{name}.png")
        yield server
    finally:
        server.close()
