"""What H.264 makes of a clip, through PyAV and x264: for scores on compressed video, and for training on it.

RGB becomes BT.709 in studio range with 4:2:0 chroma, sited left as H.264 assumes (ITU-T H.264, E.2.1), and the stream
says so. The conversions are done here, in floating point: swscale's fast ones would leave traces of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.media.pyav import pyav
from paragon_core.media.video.encoders import X264_REPEATABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]

Preset = Literal["superfast", "veryfast", "faster", "fast", "medium", "slow"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

#: Highest constant rate factor of x264 at 8 bits; 0 would be lossless, in a profile that not every decoder knows.
HIGHEST_CRF = 51

#: Code of BT.709 for primaries, transfer and matrix, and of the studio range in FFmpeg (ITU-T H.273, tables 2 to 4).
_BT709 = 1
_STUDIO_RANGE = 1

#: BT.709 (ITU-R BT.709-6, 3.2 and 3.4): luma weights of R and B, and the spans and offsets of 8 bits.
_RED, _BLUE = 0.2126, 0.0722
_GREEN = 1 - _RED - _BLUE
_LUMA_SPAN, _CHROMA_SPAN = 219 / 255, 224 / 255
_BLACK, _NEUTRAL = 16, 128


def compress(frames: Sequence[Pixels], *, crf: float, preset: Preset = "medium") -> list[Pixels]:
    """Encode a clip with x264 and decode it again.

    Frames refer to one another (P and B), so what is static gets better and what moves carries old errors along. The
    same clip always gives the same pixels.

    Args:
        frames: of one size, HxWx3, RGB; odd sides are continued by a pixel while they are encoded.
        crf: constant rate factor, 1 (hardly visible) to 51; 23 is x264's own choice.
        preset: how hard x264 tries.

    Returns:
        As many frames, of the same size.

    Raises:
        BackendUnavailableError: if PyAV or its x264 is missing.
        InputError: for another factor or preset.
        UnsupportedSizeError: if there are no frames or they differ in size.

    """
    if preset not in PRESETS or not 1 <= crf <= HIGHEST_CRF:
        msg = f"H.264 cannot be had with crf {crf} and preset {preset!r}"
        raise InputError(msg, hint=f"crf goes from 1 to {HIGHEST_CRF}, preset is one of {', '.join(PRESETS)}")
    if len({frame.shape for frame in frames}) != 1:
        msg = "a clip needs at least one frame, and all of one size"
        raise UnsupportedSizeError(msg)
    height, width, _ = frames[0].shape
    even = [np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") for frame in frames]
    decoded = _decode(_encode([to_yuv420(frame) for frame in even], crf=crf, preset=preset))
    return [to_rgb(planes)[:height, :width] for planes in decoded]


def to_yuv420(image: Pixels) -> Pixels:
    """Convert RGB to BT.709 planes in studio range, 4:2:0 with chroma on the left.

    Args:
        image: HxWx3, both sides even.

    Returns:
        Shape (1.5 H, W), as FFmpeg lays yuv420p out: luma, then Cb and Cr with a quarter of the samples each.

    """
    height, width, _ = image.shape
    red, green, blue = np.moveaxis(image.astype(np.float32), 2, 0)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    chroma = [(blue - luma) / (2 - 2 * _BLUE), (red - luma) / (2 - 2 * _RED)]
    planes = [_BLACK + _LUMA_SPAN * luma, *(_NEUTRAL + _CHROMA_SPAN * _quartered(each) for each in chroma)]
    return np.concatenate([_rounded(plane).ravel() for plane in planes]).reshape(height * 3 // 2, width)


def to_rgb(planes: Pixels) -> Pixels:
    """Convert BT.709 planes in studio range to RGB; chroma is interpolated linearly.

    Args:
        planes: shape (1.5 H, W), as :func:`to_yuv420` returns them.

    Returns:
        HxWx3.

    """
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    values = planes.astype(np.float32).reshape(-1)
    luma = (values[: height * width].reshape(height, width) - _BLACK) / _LUMA_SPAN
    both = values[height * width :].reshape(2, height // 2, width // 2)
    cb, cr = ((_upscaled(plane) - _NEUTRAL) / _CHROMA_SPAN for plane in both)
    red = luma + (2 - 2 * _RED) * cr
    blue = luma + (2 - 2 * _BLUE) * cb
    green = (luma - _RED * red - _BLUE * blue) / _GREEN
    return _rounded(np.stack([red, green, blue], axis=2))


def _quartered(plane: Floats) -> Floats:
    """Reduce chroma to half of both sides: samples sit on every other column, and between two rows."""
    left = np.concatenate([plane[:, :1], plane[:, 1:-1:2]], axis=1)
    across = 0.5 * plane[:, ::2] + 0.25 * (left + plane[:, 1::2])
    return 0.5 * (across[::2] + across[1::2])


def _upscaled(plane: Floats) -> Floats:
    """Interpolate chroma at every pixel, from samples that sit as `_quartered` says."""
    height, width = plane.shape
    right = np.concatenate([plane[:, 1:], plane[:, -1:]], axis=1)
    across = np.stack([plane, 0.5 * (plane + right)], axis=2).reshape(height, 2 * width)
    above = np.concatenate([across[:1], across[:-1]])
    below = np.concatenate([across[1:], across[-1:]])
    return np.stack([0.75 * across + 0.25 * above, 0.75 * across + 0.25 * below], axis=1).reshape(2 * height, -1)


def _rounded(values: Floats) -> Pixels:
    rounded: Pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _encode(clip: Sequence[Pixels], *, crf: float, preset: Preset) -> list[Any]:
    av = pyav("libx264")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = clip[0].shape[0] * 2 // 3, clip[0].shape[1]
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = 24
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": preset, "x264-params": X264_REPEATABLE}
    encoder.color_range = _STUDIO_RANGE
    encoder.color_primaries = encoder.color_trc = encoder.colorspace = _BT709
    packets: list[Any] = []
    for index, planes in enumerate(clip):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return packets


def _decode(packets: Sequence[Any]) -> list[Pixels]:
    decoder = pyav("libx264").CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [np.asarray(frame.to_ndarray()) for frame in frames]
