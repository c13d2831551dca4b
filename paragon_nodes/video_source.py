"""What is read of a video: its own file, or one in which its frames are as they are."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import torch
from comfy_api.input import VideoInput
from comfy_api.input_impl import VideoFromFile

from paragon_core.atomic_files import unwritable
from paragon_core.errors import UnsupportedFormatError, UnsupportedSizeError
from paragon_core.media.pyav import pyav
from paragon_nodes.frames import check_numbers
from paragon_nodes.interrupts import check_interrupt
from paragon_nodes.temporary_video import new_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1"}

#: Samples a second that AAC can have, and what others are resampled to.
_AAC_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_USUAL_RATE: Final = 48000

#: Bits of the depth that h264 holds everywhere.
_BYTE: Final = 8

#: Numbers of H.273 for primaries and transfer, by core's names of colour spaces that are not sRGB.
_HDR: Final = {"HDR": (9, 18), "HDR PQ": (9, 16)}

_RGB_MATRIX: Final = 0

_RGB: Final = 3


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """A file, and the part of it that is wanted."""

    file: Path | BinaryIO
    start: float = 0.0
    """Seconds from the beginning."""
    duration: float | None = None
    """Seconds; None for all that is left."""
    notes: tuple[str, ...] = ()
    """What it lacks of the video, in words for the user."""


@contextmanager
def opened(video: Any) -> Iterator[VideoSource]:  # noqa: ANN401 - ComfyUI's VideoInput
    """Give access to the frames of a video, until the context ends.

    Raises:
        UnsupportedSizeError: it has no frames.
        UnsupportedFormatError: its frames are no images.
        InputError: a frame has values that are not numbers.
        MediaError: that needs a file in ComfyUI's temporary folder, which cannot be written.

    """
    only_frames = type(video).get_stream_source is VideoInput.get_stream_source  # that one would compress them
    if not (only_frames or _is_edited(video)):
        file = video.get_stream_source()
        start, duration = video.get_active_trim_window()
        yield VideoSource(file=Path(file) if isinstance(file, str) else file, start=start, duration=duration or None)
        return
    path = new_path(".mov")
    try:
        yield VideoSource(file=path, notes=_write(path, video, only_frames=only_frames))
    finally:
        path.unlink(missing_ok=True)


def is_deep(video: Any) -> bool:  # noqa: ANN401 - ComfyUI's VideoInput
    """Return whether a video has more than 8 bits, as HDR has; what cannot be read has not."""
    try:
        return int(video.get_bit_depth()) > _BYTE or _colour_space(video) in _HDR
    except Exception:  # noqa: BLE001 - whoever reads it next says what is wrong
        return False


def _is_edited(video: Any) -> bool:  # noqa: ANN401 - ComfyUI's VideoInput
    """Return whether a video's frames are cropped or resized, which its file does not know."""
    if hasattr(video, "has_pending_frame_edits"):
        return bool(video.has_pending_frame_edits())
    if not hasattr(video, "as_cropped"):
        return False
    # Versions that crop without telling: the size is that of the cut, which is never as large as the whole.
    try:
        return bool(video.get_dimensions() != VideoFromFile(video.get_stream_source()).get_dimensions())
    except Exception:  # noqa: BLE001 - whoever reads it next says what is wrong
        return False


def _colour_space(video: Any) -> str:  # noqa: ANN401 - ComfyUI's VideoInput
    return str(video.get_color_space()) if hasattr(video, "get_color_space") else "sRGB"


def _write(path: Path, video: Any, *, only_frames: bool) -> tuple[str, ...]:  # noqa: ANN401 - ComfyUI's VideoInput
    """Write a file, and return what it lacks."""
    try:
        if only_frames:
            return _write_as_is(path, video.get_components(), _colour_space(video))
        video.save_to(str(path), crf=0)
    except OSError as error:
        raise unwritable(path, error) from error
    return ()


def _write_as_is(path: Path, components: Any, colour_space: str) -> tuple[str, ...]:  # noqa: ANN401 - VideoComponents
    """Write frames [B, H, W, C] of 0..1 in 16 bits, not compressed, and sound as core's Save Video does."""
    av = pyav()
    frames = components.images
    height, width, channels = _checked_shape(frames)
    rate = Fraction(components.frame_rate).limit_denominator(1001)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=rate)
        stream.height, stream.width = height, width
        stream.pix_fmt = "rgb48be"
        if colour_space in _HDR:
            context = stream.codec_context
            context.color_primaries, context.color_trc = _HDR[colour_space]
            context.colorspace = _RGB_MATRIX  # without it the container keeps none of them
        if components.audio:
            # Before the frames, which would wait for it in memory.
            _write_sound(container, components.audio, seconds=len(frames) / rate)
        for index, frame in enumerate(frames):
            check_interrupt()
            check_numbers(frame, f"frame {index + 1} of {len(frames)}")
            levels = (_rgb(frame).float().cpu() * 65535).round().clamp(0, 65535).to(torch.int32).numpy()
            written = av.VideoFrame.from_ndarray(levels.astype("uint16"), format="rgb48le")
            container.mux(stream.encode(written.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    return () if channels % 2 else ("its transparency was left out",)


def _write_sound(container: Any, audio: Any, *, seconds: Fraction) -> None:  # noqa: ANN401 - PyAV's, ComfyUI's
    """Write the sound, as long as the frames are."""
    av = pyav()
    hertz = int(audio["sample_rate"])
    sound = audio["waveform"][0]
    sound = (sound if len(sound) in _LAYOUTS else sound[:2])[:, : math.ceil(seconds * hertz)]
    if not sound.shape[1]:
        return
    layout, rate = _LAYOUTS[len(sound)], hertz if hertz in _AAC_RATES else _USUAL_RATE
    samples = av.AudioFrame.from_ndarray(sound.float().cpu().contiguous().numpy(), format="fltp", layout=layout)
    samples.sample_rate, samples.pts = hertz, 0
    track = container.add_stream("aac", rate=rate, layout=layout)
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    for part in (*resampler.resample(samples), *resampler.resample(None)):
        container.mux(track.encode(part))
    container.mux(track.encode(None))


def _checked_shape(frames: Any) -> tuple[int, int, int]:  # noqa: ANN401 - a tensor, or a list of them
    """Return height, width and channels of frames.

    Raises:
        UnsupportedSizeError: there are none, or they have no pixels.
        UnsupportedFormatError: they are no images.

    """
    if not len(frames):
        raise UnsupportedSizeError("the video has no frames", hint="see what is connected to Create Video")
    shape = tuple(frames[0].shape)
    if len(shape) != _RGB or not 1 <= shape[2] <= _RGB + 1:
        raise UnsupportedFormatError(
            f"the frames of the video have the shape {shape}, and are no images",
            hint="connect an output of type IMAGE to Create Video",
        )
    if 0 in shape:
        raise UnsupportedSizeError(
            f"the frames of the video have {shape[1]}x{shape[0]} pixels", hint="see what is connected to Create Video"
        )
    return shape


def _rgb(frame: torch.Tensor) -> torch.Tensor:
    """Return [h, w, 1 to 4], grey or RGB with or without alpha, as [h, w, 3]."""
    return frame[:, :, :_RGB] if frame.shape[2] >= _RGB else frame[:, :, :1].expand(-1, -1, _RGB)
