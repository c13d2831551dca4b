"""Run shaders as players do: FFmpeg's libplacebo filter on lavapipe, Mesa's Vulkan for the processor."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint16]

#: Where Vulkan's loader looks for drivers.
DRIVERS = (Path("/usr/share/vulkan/icd.d"), Path("/etc/vulkan/icd.d"))

#: The network's pixels as they are: no dithering, no other scaler, no other curve.
PLAIN = "dithering=-1:sigmoid=0:disable_linear=1:disable_builtin=1:peak_detect=0:upscaler=none:downscaler=none"


@functools.cache
def lavapipe() -> dict[str, str]:
    """Return the environment in which Vulkan is lavapipe; skip the test where FFmpeg cannot use it."""
    drivers = [str(file) for folder in DRIVERS for file in sorted(folder.glob("lvp_icd*.json"))]
    if not drivers:
        pytest.skip("needs Mesa's Vulkan for the processor (apt install mesa-vulkan-drivers)")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (apt install ffmpeg)")
    environment = os.environ | {"VK_DRIVER_FILES": drivers[0], "VK_ICD_FILENAMES": drivers[0]}  # the latter: older ones
    source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=16x16"]
    command = [*source, *filtering("libplacebo"), "-frames:v", "1", "-f", "null", "-"]
    tried = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=PATIENCE)
    if tried.returncode:
        pytest.skip(f"ffmpeg has no libplacebo filter that works: {tried.stderr.strip()[-300:]}")
    return environment


def filtering(placebo: str, pixels: str = "rgba64le") -> list[str]:
    """Return the options of ffmpeg that run a filter in Vulkan, and what it makes in that pixel format."""
    chain = f"format={pixels},hwupload,{placebo},hwdownload,format={pixels}"
    return ["-init_hw_device", "vulkan=vk:0", "-filter_hw_device", "vk", "-vf", chain]


def play(shader: Path, frames: Sequence[Pixels], scale: int) -> npt.NDArray[np.float64]:
    """Return frames as a player shows them, 0..1.

    RGB frames are [h, w, 3], those of luma [h, w]; all have one size and 16 bits.
    """
    environment = lavapipe()
    height, width, *channels = frames[0].shape
    pixels = "rgba64le" if channels else "yuv444p16le"
    command = [
        *("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}"),
        *("-color_range", "pc", "-i", "-"),
        *filtering(f"libplacebo=w={scale * width}:h={scale * height}:{PLAIN}:custom_shader_path={shader.name}", pixels),
        *("-f", "rawvideo", "-"),
    ]
    raw = b"".join(_with_alpha(frame) if channels else _with_chroma(frame) for frame in frames)
    done = subprocess.run(
        command, input=raw, env=environment, cwd=shader.parent, check=True, capture_output=True, timeout=PATIENCE
    )
    assert not done.stderr, done.stderr.decode()[:4000]
    planes: Any = np.frombuffer(done.stdout, np.uint16)
    if channels:
        planes = planes.reshape(len(frames), scale * height, scale * width, 4)
        assert (planes[..., 3] == 65535).all()
        planes = planes[..., :3]
    else:
        planes = planes.reshape(len(frames), 3, scale * height, scale * width)[:, 0]
    return np.asarray(planes / 65535)


def _with_alpha(frame: Pixels) -> bytes:
    return np.dstack([frame, np.full(frame.shape[:2], 65535, np.uint16)]).tobytes()


def _with_chroma(frame: Pixels) -> bytes:
    return frame.tobytes() + np.full((2, *frame.shape), 32768, np.uint16).tobytes()
