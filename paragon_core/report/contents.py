"""What a report is about, before any of it becomes HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.quality.comparison import Comparison, MeanComparison
    from paragon_core.report.places import Place

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Version:
    """One of the images that the reader can lay over each other."""

    name: str
    """What the reader chooses it by."""
    pixels: Pixels
    """[h, w, 3], RGB; all versions of a report have one size."""
    icc: bytes | None = None
    """Colour profile of the pixels."""
    comparison: Comparison | MeanComparison | None = None
    """How far it is from the reference, where there is one; of a video, the mean over its frames."""
    heat: npt.NDArray[np.float64] | None = None
    """[h, w]: difference from the reference in levels of 0..255, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure for every frame that was compared."""

    name: str
    """Which video it is of."""
    values: tuple[float, ...]
    """PSNR-Y of each frame in dB; infinite when it equals what it is compared with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnail:
    """A frame in small."""

    name: str
    """Which video it is of."""
    data: bytes
    """A WebP file."""
    size: tuple[int, int]
    """Its width and height in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameRow:
    """One of the frames that differ most, from every video."""

    index: int
    """Number of the frame, from 0 on."""
    seconds: float
    """When it is shown."""
    psnr_y: float
    """The lowest of the videos' figures in dB."""
    thumbnails: tuple[Thumbnail, ...]
    """It in every video."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """What was found out over the frames of videos."""

    against: str
    """What the frames are compared with, in words."""
    indices: tuple[int, ...]
    """Numbers of the frames that were compared."""
    seconds: tuple[float, ...]
    """When they are shown."""
    curves: tuple[Curve, ...]
    """The figures of each video."""
    rows: tuple[FrameRow, ...]
    """The frames that differ most, the worst first."""
    total: int
    """Number of frames of each video."""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What is known of a file."""

    role: str
    """Source, result or reference."""
    facts: Mapping[str, str]
    """Names and values."""
    text: Mapping[str, str] = field(default_factory=dict)
    """Text in the file itself (of a PNG, or the tags of a video), shortened."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """All that a report shows."""

    title: str
    """Its heading."""
    versions: tuple[Version, ...]
    """The images, the source's own first."""
    places: tuple[Place, ...]
    """Where they differ most."""
    places_by: str
    """How these places were found, in words."""
    files: tuple[FileFacts, ...]
    """What is known of the files."""
    has_reference: bool
    """Whether the last version is the reference."""
    series: Series | None = None
    """The frames of videos."""
    shown_frame: tuple[int, float] | None = None
    """Of videos: number and time of the frame that the versions show."""
    models: tuple[Mapping[str, str], ...] = ()
    """What is known of the models that were named."""
    notes: tuple[str, ...] = ()
    """Notes of whoever asked for the report."""
    remarks: tuple[str, ...] = ()
    """What could not be read or shown as the files have it."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """Where the report was made."""
