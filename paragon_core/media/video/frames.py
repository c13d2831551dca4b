"""PyAV's frames as arrays: which samples they hold, and how these are to be read."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.video.colour import (
    FLOAT,
    LEFT,
    MATRICES,
    RGB,
    UNSPECIFIED,
    SampleArray,
    VideoColour,
    guess_matrix,
)
from paragon_core.media.video.conversion import from_network, new_planes, to_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av import VideoFormat, VideoFrame
    from av.sidedata.sidedata import SideData

    from paragon_core.media.video.chroma import MakePlanes, Plane


_FULL_RANGE: Final = 2
_RESERVED_MATRIX: Final = 3
#: Depths that FFmpeg has planar formats for.
_DEPTHS: Final = (8, 9, 10, 12, 14, 16)
#: How FFmpeg names luma samples for each chroma sample, down and across.
_SUBSAMPLINGS: Final = {(1, 1): "444", (1, 2): "422", (2, 2): "420", (1, 4): "411", (4, 4): "410", (2, 1): "440"}
_ANY_WIDTH: Final = 64
_ORDER: Final = "le" if sys.byteorder == "little" else "be"
_SUFFIXES: Final = {8: "", FLOAT: f"f32{_ORDER}", **{bits: f"{bits}{_ORDER}" for bits in _DEPTHS[1:]}}


def planes_of(frame: VideoFrame, colour: VideoColour, make_planes: MakePlanes = new_planes) -> list[Plane]:
    """Return a frame as float32 planes of 0..1: R, G and B, or grey. Transparency is left out.

    Args:
        frame: PyAV's.
        colour: how to read it.
        make_planes: see `to_network`.

    """
    wanted = planar_format(frame.format)
    if frame.format.name != wanted:
        frame = frame.reformat(format=wanted)  # another order of the same samples
    return to_network(_samples(frame), colour, make_planes)


def fill(frame: VideoFrame, planes: Sequence[Plane], colour: VideoColour) -> None:
    """Write float32 planes of 0..1 into a frame of a planar format; a larger frame continues them to its edge."""
    samples = _samples(frame)
    height, width = samples[0].shape
    missing = ((0, height - planes[0].shape[0]), (0, width - planes[0].shape[1]))
    if missing != ((0, 0), (0, 0)):
        planes = [np.pad(plane, missing, mode="edge") for plane in planes]
    from_network(planes, samples, colour)


def digest(frame: VideoFrame) -> str:
    """Return the SHA-256 of a frame's time stamp and of the samples that are read, as hex digits."""
    wanted = planar_format(frame.format)
    total = hashlib.sha256(f"{frame.pts} {wanted} {frame.width}x{frame.height}".encode())
    for plane in _samples(frame if frame.format.name == wanted else frame.reformat(format=wanted)):
        total.update(plane.tobytes())
    return total.hexdigest()


def planar_format(video_format: VideoFormat) -> str:
    """Return the format with a plane for each component, in this machine's byte order, that holds the same samples."""
    bits = _bits(video_format)
    suffix = _SUFFIXES[bits]
    if _is_rgb(video_format):
        return f"gbrp{suffix}"
    if sum(not part.is_alpha for part in video_format.components) == 1:
        return f"gray{suffix}"
    if video_format.name.startswith("yuvj"):
        return str(video_format.name)
    return f"yuv{_SUBSAMPLINGS[_factors(video_format)]}p{suffix}"


def is_transparent(frame: VideoFrame) -> bool:
    """Return whether a frame lets something through; alpha in which all is opaque does not count."""
    if not any(part.is_alpha for part in frame.format.components):
        return False
    opaque = 255
    return bool((frame.to_ndarray(format="rgba")[..., 3] < opaque).any())


def colour_of(frame: VideoFrame) -> VideoColour:
    """Return how the samples of a frame are to be read.

    A missing matrix goes by the frame's size, a missing range is limited for YUV and grey and full for RGB, a missing
    place of chroma is left, as in the VapourSynth filter with ``guess_matrix``.

    Raises:
        UnsupportedFormatError: its matrix is none that can be converted.

    """
    rgb = _is_rgb(frame.format)
    matrix = RGB if rgb else int(frame.colorspace)
    if not rgb and matrix in {RGB, UNSPECIFIED, _RESERVED_MATRIX}:
        matrix = guess_matrix(frame.width, frame.height)
    if matrix not in MATRICES:
        msg = f"the video's colours have a matrix that is not supported (number {matrix} of H.273)"
        raise UnsupportedFormatError(msg, hint="convert it to BT.709 or BT.2020 (not constant luminance) first")
    return VideoColour(
        matrix=matrix,
        full=rgb or frame.format.name.startswith("yuvj") or int(frame.color_range) == _FULL_RANGE,
        bits=_bits(frame.format),
        factors=(1, 1) if rgb else _factors(frame.format),
        chroma_location=int(getattr(frame, "chroma_location", 0)) or LEFT,  # PyAV has it from 19 on
    )


def side_data(frame: VideoFrame) -> dict[str, SideData]:
    """Return what comes with a frame, by FFmpeg's names; PyAV's own mapping differs between 18 and 19."""
    found: Any = frame.side_data  # its stub says a TypedDict of one key, and it is a sequence
    parts = (found[index] for index in range(len(found)))
    return {part.type.name: part for part in parts}


def _samples(frame: VideoFrame) -> list[SampleArray]:
    """Return the planes of a frame in a planar format as arrays over its own memory: R, G and B in this order."""
    bits = _bits(frame.format)
    dtype = np.dtype(np.float32 if bits == FLOAT else np.uint8 if bits == _DEPTHS[0] else np.uint16)
    arrays = []
    for plane in frame.planes:
        row = plane.line_size // dtype.itemsize
        # A cast, because planes are buffers, which NumPy has no type for.
        rows = np.frombuffer(cast("bytes", plane), dtype=dtype, count=row * plane.height).reshape(plane.height, row)
        arrays.append(rows[:, : plane.width])
    return [arrays[2], arrays[0], arrays[1]] if frame.format.is_rgb else arrays


def _bits(video_format: VideoFormat) -> int:
    if "f16" in video_format.name or "f32" in video_format.name:
        return FLOAT
    bits = max(part.bits for part in video_format.components if not part.is_alpha)
    return next(depth for depth in _DEPTHS if depth >= bits)


def _factors(video_format: VideoFormat) -> tuple[int, int]:
    """Return how many luma samples a chroma sample stands for, down and across."""
    across, down = video_format.chroma_width(_ANY_WIDTH), video_format.chroma_height(_ANY_WIDTH)
    return _ANY_WIDTH // down, _ANY_WIDTH // across


def _is_rgb(video_format: VideoFormat) -> bool:
    return bool(video_format.is_rgb or video_format.has_palette)
