"""Videos that nodes hand on, in ComfyUI's Python; clip.mp4 is one of them, in the folder of temporary files."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import folder_paths
import numpy as np
import torch
from comfy_api.latest import InputImpl, Types

from paragon_core.errors import MediaError
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.upscale import upscale_video
from paragon_core.upscaling.upscaler import Upscaler
from paragon_nodes.video_source import is_deep, opened
from tests.paragon_nodes.inside.refusals import refusal

TEMPORARY = Path(folder_paths.get_temp_directory())
CLIP = str(TEMPORARY / "clip.mp4")
SILENCE = {"waveform": torch.zeros(1, 2, 48000), "sample_rate": 48000}
IMAGES = torch.rand(6, 34, 46, 3, generator=torch.Generator().manual_seed(0))


def decoded(source: Any, kind: str) -> Any:
    with av.open(source if isinstance(source, io.BytesIO) else str(source), "r") as container:
        return np.stack([frame.to_ndarray(format=kind) for frame in container.decode(video=0)]).astype(int)


def seconds_of(stream: Any) -> float:
    return float(stream.duration * stream.time_base)


def made_of(images: Any, sound: Any = SILENCE) -> Any:
    rate = Fraction(30000 / 1001)
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=sound, frame_rate=rate))


MADE = made_of(IMAGES)
MADE.save_to(CLIP)


def images() -> list[Any]:
    with opened(MADE) as source:
        off = np.abs(decoded(source.file, "rgb48le") - 65535 * IMAGES.numpy()).max()
        with av.open(str(source.file)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            seconds = seconds_of(audio)
            return [off, str(video.average_rate), video.start_time, seconds]


def files() -> list[Any]:
    memory = InputImpl.VideoFromFile(io.BytesIO(Path(CLIP).read_bytes()))
    told = []
    for video in (InputImpl.VideoFromFile(CLIP), InputImpl.VideoFromFile(CLIP, start_time=-0.1, duration=0.05), memory):
        with opened(video) as source:
            told.append([str(source.file) == CLIP, round(source.start, 3), source.duration])
            assert len(decoded(source.file, "rgb24")) == 6
    return told


def edits() -> list[Any]:
    class Edited(InputImpl.VideoFromFile):
        def has_pending_frame_edits(self) -> bool:
            return True

    with opened(Edited(CLIP, start_time=2.5 / 29.97)) as source:
        same = np.array_equal(decoded(source.file, "yuv420p"), decoded(CLIP, "yuv420p")[3:])
        return [source.start, same]


def full_disk() -> str:
    import resource  # noqa: PLC0415 - not on Windows
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
    try:
        with opened(MADE):
            return ""
    except MediaError as error:
        return error.hint


def grey_and_transparent() -> list[Any]:
    results = []
    for channels in (1, 2, 4):
        shown = torch.rand(2, 34, 46, channels, generator=torch.Generator().manual_seed(1))
        with opened(made_of(shown)) as source:
            colours = shown[..., :3] if channels > 2 else shown[..., :1].expand(-1, -1, -1, 3)
            off = np.abs(decoded(source.file, "rgb48le") - 65535 * colours.numpy()).max()
            results.append([float(off), list(source.notes)])
    return results


def refused() -> list[Any]:
    def opening(images: Any) -> None:
        with opened(made_of(images)):
            pass

    broken = IMAGES.clone()
    broken[3, 5, 6, 1] = float("nan")
    shapes = ((0, 34, 46, 3), (2, 0, 46, 3), (2, 34, 46))
    return [refusal(opening, each) for each in ([], *map(torch.zeros, shapes), broken)]


def hdr(name: str) -> list[Any]:
    class Hdr(InputImpl.VideoFromComponents):
        def get_color_space(self) -> str:
            return name

    video, result = Hdr(MADE.get_components()), TEMPORARY / "large.mp4"
    with opened(video) as source, Upscaler("realtime-2x", backend="torch") as upscaler:
        upscale_video(source.file, result, upscaler, encoding=VideoEncoding(codec="hevc"))
    with av.open(str(result)) as container:
        context = container.streams.video[0].codec_context
        told = [context.pix_fmt, int(context.color_primaries), int(context.color_trc), int(context.colorspace)]
    result.unlink()
    return [is_deep(MADE), is_deep(video), *told]


def crop() -> list[Any]:
    class Cropped(InputImpl.VideoFromFile):
        def as_cropped(self) -> None:
            raise NotImplementedError

        def get_dimensions(self) -> tuple[int, int]:
            return 20, 10

        def save_to(self, path: Any, **_options: Any) -> None:
            made_of(IMAGES[:, :10, :20]).save_to(path)

    sizes = []
    for video in (Cropped(CLIP), InputImpl.VideoFromFile(CLIP)):
        with opened(video) as source:
            sizes.append(list(decoded(source.file, "rgb24").shape[1:3]))
    return sizes


def rare_sound() -> list[Any]:
    sound = {"waveform": torch.zeros(1, 1, 192000), "sample_rate": 192000}
    with opened(made_of(IMAGES, sound)) as source, av.open(str(source.file)) as container:
        audio = container.streams.audio[0]
        return [audio.rate, seconds_of(audio)]
