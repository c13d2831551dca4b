"""An image through a player's renderer: FFmpeg's libplacebo filter, with a user shader or the player's own scaler."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import BackendUnavailableError, InferenceError

if TYPE_CHECKING:
    from pathlib import Path

Pixels = npt.NDArray[np.uint8]

#: BT.709, full range: from RGB to Y, U and V.
_TO_YUV: Final = np.array(
    [
        [0.2126, 0.7152, 0.0722],
        [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
        [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
    ]
)
_PEAK: Final = 65535
_NEUTRAL: Final = 32768

#: What libplacebo enlarges with, where no shader does: chroma, and all without a shader.
SCALER: Final = "lanczos"


def play(image: Pixels, scale: int, shader: Path | None = None) -> Pixels:
    """Return an image as a player shows it at ``scale`` times its size, rounded.

    It is played as video in YUV of 16 bits without subsampling, since many shaders do nothing for RGB.

    Args:
        image: [h, w, 3], RGB.
        scale: how many times larger.
        shader: a user shader; None: the player's own scaler.

    Raises:
        BackendUnavailableError: there is no ffmpeg.
        InferenceError: its filter cannot work here, or refuses the shader.

    """
    height, width = image.shape[:2]
    yuv = image / 255 @ _TO_YUV.T * [_PEAK, _PEAK - 1, _PEAK - 1] + [0, _NEUTRAL, _NEUTRAL]
    planes = np.clip(np.rint(yuv), 0, _PEAK).astype("<u2").transpose(2, 0, 1)
    settings = f"w={scale * width}:h={scale * height}:upscaler={SCALER}:downscaler=none:dithering=-1:sigmoid=0"
    settings += ":disable_linear=1:peak_detect=0" + (f":custom_shader_path={shader.name}" if shader else "")
    command = [
        *("ffmpeg", "-v", "error", "-init_hw_device", "vulkan=vk", "-filter_hw_device", "vk"),
        *("-f", "rawvideo", "-pix_fmt", "yuv444p16le", "-s", f"{width}x{height}"),
        *("-colorspace", "bt709", "-color_range", "pc", "-i", "-"),
        *("-vf", f"hwupload,libplacebo={settings},hwdownload,format=yuv444p16le", "-f", "rawvideo", "-"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - a program of the user's, on a shader that the user names
            command, input=planes.tobytes(), check=False, capture_output=True, cwd=shader.parent if shader else None
        )
    except FileNotFoundError as error:
        raise BackendUnavailableError(
            "there is no ffmpeg", hint="install one that has the filter libplacebo"
        ) from error
    if done.returncode or done.stderr:
        raise InferenceError(
            f"ffmpeg cannot play {shader.name if shader else 'this'}: {done.stderr.decode(errors='replace')[:300]}",
            hint="it needs the filter libplacebo and a device with Vulkan, such as Mesa's lavapipe",
        )
    shown = np.frombuffer(done.stdout, "<u2").reshape(3, scale * height, scale * width).transpose(1, 2, 0)
    rgb = (shown - np.array([0, _NEUTRAL, _NEUTRAL])) / [_PEAK, _PEAK - 1, _PEAK - 1] @ np.linalg.inv(_TO_YUV).T
    return np.asarray(np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8))
