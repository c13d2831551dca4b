"""What is read of a video: its own file, or one in which its pictures are as they are."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from comfy_api.input import VideoInput

from paragon_core.atomic_files import unwritable
from paragon_core.media.pyav import pyav
from paragon_nodes.temporary_video import new_path
from paragon_nodes.upscale_model import check_interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """A file, and the part of it that is wanted."""

    file: Path | BinaryIO
    start: float = 0.0
    """Seconds from the beginning."""
    duration: float | None = None
    """Seconds; None for all that is left."""


@contextmanager
def opened(video: Any) -> Iterator[VideoSource]:  # noqa: ANN401 - ComfyUI's VideoInput
    """Give access to the pictures of a video, until the context ends.

    Raises:
        MediaError: that needs a file in ComfyUI's temporary folder, which cannot be written.

    """
    only_pictures = type(video).get_stream_source is VideoInput.get_stream_source  # that one would compress them
    edited = getattr(video, "has_pending_frame_edits", bool)()  # newer than 0.33; its file is from before the edits
    if not (only_pictures or edited):
        file = video.get_stream_source()
        start, duration = video.get_active_trim_window()
        yield VideoSource(file=Path(file) if isinstance(file, str) else file, start=start, duration=duration or None)
        return
    path = new_path(".mov")
    try:
        _write(path, video, only_pictures=only_pictures)
        yield VideoSource(file=path)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, video: Any, *, only_pictures: bool) -> None:  # noqa: ANN401 - ComfyUI's VideoInput
    try:
        if only_pictures:
            _write_as_is(path, video.get_components())
        else:
            video.save_to(str(path), crf=0)
    except OSError as error:
        raise unwritable(path, error) from error


def _write_as_is(path: Path, components: Any) -> None:  # noqa: ANN401 - ComfyUI's VideoComponents
    """Write pictures [B, H, W, C] of 0..1 in 16 bits, not compressed, and sound as core's Save Video does."""
    av = pyav()
    images = components.images
    rate = Fraction(components.frame_rate).limit_denominator(1001)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=rate)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "rgb48be"
        if components.audio:
            # Before the pictures, which would wait for it in memory.
            sound = components.audio["waveform"][0]
            sound = sound if len(sound) in _LAYOUTS else sound[:2]
            hertz = int(components.audio["sample_rate"])
            sound = sound[:, : math.ceil(len(images) / rate * hertz)].float().cpu().contiguous().numpy()
            samples = av.AudioFrame.from_ndarray(sound, format="fltp", layout=_LAYOUTS[len(sound)])
            samples.sample_rate, samples.pts = hertz, 0
            track = container.add_stream("aac", rate=hertz, layout=_LAYOUTS[len(sound)])
            container.mux(track.encode(samples))
            container.mux(track.encode(None))
        for image in images:
            check_interrupt()
            levels = (image[:, :, :3].float().cpu() * 65535).round().clamp(0, 65535).to(torch.int32).numpy()
            frame = av.VideoFrame.from_ndarray(levels.astype("uint16"), format="rgb48le")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
