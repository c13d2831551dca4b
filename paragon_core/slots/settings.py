"""What every slot is told before it gets work, and what it reports about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from paragon_core.media.compression import ImageCompression
from paragon_core.media.images import MAX_PIXELS
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.time_range import TimeRange
from paragon_core.upscaling.options import UpscaleOptions
from paragon_core.upscaling.precision import BYTE_BITS, FLOAT_BITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.media.video.formats import Deinterlace
    from paragon_core.models.model import Model
    from paragon_core.upscaling.output_size import OutputSize


#: What images are computed as: those of 8 bits, and all others.
IMAGES: Final = (("uint8", BYTE_BITS), ("float32", FLOAT_BITS))

#: What most videos are computed as.
VIDEOS: Final = (("float32", BYTE_BITS),)


@dataclass(frozen=True, kw_only=True)
class SlotSettings:
    """What every unit of work has in common; it is pickled, and so are the models in it."""

    models: Mapping[int, Model]
    """By their scales, from `suitable_models`."""
    size: OutputSize | None = None
    """The size that results shall have; None for the model's scale."""
    options: UpscaleOptions = field(default_factory=UpscaleOptions)
    """How images are upscaled; without functions, which no other process could call."""
    compression: ImageCompression = field(default_factory=ImageCompression)
    """How lossy formats of images are written."""
    temporal: float = 0.0
    """Strength of the smoothing of videos, 0 to 0.9."""
    encoding: VideoEncoding = field(default_factory=VideoEncoding)
    """What videos are encoded with."""
    time_range: TimeRange = field(default_factory=TimeRange)
    """The part of each video that is wanted."""
    keep_damaged: bool = False
    """Whether to take what is there of videos that are cut off."""
    deinterlace: Deinterlace = "auto"
    """What is done about interlaced frames."""
    chunk: int | Literal["auto", "off"] = "auto"
    """Most frames of a chunk of a long video; auto for what suits the network, off to make all videos in one go."""
    restart: bool = False
    """Whether to throw away what was begun of long videos."""
    overwrite: bool = False
    """Whether to replace targets that are done."""
    max_pixels: int = MAX_PIXELS
    """Larger sources fail."""
    cores: int = 1
    """Cores of the processor for each slot."""
    kinds: tuple[tuple[str, int], ...] = IMAGES
    """Data types of the sources, and the depths that matter; slots must agree on the precision for each."""


@dataclass(frozen=True, kw_only=True)
class SlotState:
    """What the results of a slot depend on."""

    backend: str
    """The runtime."""
    precisions: tuple[str, ...]
    """The precision for each of `SlotSettings.kinds`."""
    versions: tuple[tuple[str, str], ...]
    """Those of Paragon, of the runtime, and of what encodes images and videos, by their names."""

    def differences(self, other: SlotState) -> str:
        """Return in words what another slot has that this one has not."""
        found = [
            f"{name} {theirs or 'none'} instead of {ours or 'none'}"
            for name, ours, theirs in (
                ("the runtime", self.backend, other.backend),
                ("the precision", " and ".join(self.precisions), " and ".join(other.precisions)),
                *((name, dict(self.versions).get(name, ""), version) for name, version in other.versions),
            )
            if ours != theirs
        ]
        return ", ".join(found)
