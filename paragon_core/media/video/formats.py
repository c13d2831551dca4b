"""Video formats that can be read and written: codecs, and files by their extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from paragon_core.errors import UnsupportedFormatError

if TYPE_CHECKING:
    from pathlib import Path

VideoCodec = Literal["h264", "hevc", "av1", "vp9", "prores", "ffv1"]
CODECS: Final[tuple[VideoCodec, ...]] = get_args(VideoCodec)
EncoderPreset = Literal["fast", "medium", "slow"]
PRESETS: Final[tuple[EncoderPreset, ...]] = get_args(EncoderPreset)
#: What encodes: the processor, the first hardware that works, or one kind of hardware.
EncoderKind = Literal["software", "auto", "nvenc", "qsv", "amf", "videotoolbox", "vaapi"]
ENCODERS: Final[tuple[EncoderKind, ...]] = get_args(EncoderKind)
ProResProfile = Literal["proxy", "lt", "standard", "hq", "4444", "4444xq"]
PRORES_PROFILES: Final[tuple[ProResProfile, ...]] = get_args(ProResProfile)
#: Ways to deinterlace: frames that say they are interlaced; none; two from every frame.
Deinterlace = Literal["auto", "off", "bob"]
DEINTERLACE: Final[tuple[Deinterlace, ...]] = get_args(Deinterlace)

#: Extensions of the files that can be written, with FFmpeg's names of their formats.
CONTAINERS: Final = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov", ".m4v": "mp4", ".webm": "webm"}

#: Those that are kinds of Matroska.
MATROSKA: Final = frozenset({"matroska", "webm"})

#: Every file name extension that is taken for a video when a folder is searched.
VIDEO_EXTENSIONS: Final = (
    *CONTAINERS,
    *(".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265"),
    *(".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".mjpeg", ".mjpg", ".mk3d", ".mpe", ".mpeg", ".mpg"),
    *(".mpv", ".mts", ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tp", ".trp", ".ts"),
    *(".vob", ".wmv", ".wtv", ".y4m"),
)


def is_video(path: Path) -> bool:
    """Return whether a file's name is that of a video."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def can_be_written(path: Path) -> bool:
    """Return whether a file's name is that of a video that can be written: whatever is to become it is a video."""
    return path.suffix.lower() in CONTAINERS


def container_of_name(path: Path) -> str:
    """Return FFmpeg's name of the format that a file name asks for.

    Raises:
        UnsupportedFormatError: the extension is none of `CONTAINERS`.

    """
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        msg = f"cannot write a video into {path.name}"
        names = f"use a name that ends in {', '.join(CONTAINERS)}, or for an animation .gif, .webp or .apng"
        raise UnsupportedFormatError(msg, hint=f"{names}; frames/%06d.png makes an image of each frame")
    return container
