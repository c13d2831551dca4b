"""What a user can ask of an upscaler: one object, passed whole from every door to the session pool."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict, get_args

from paragon_core.backends.base import Precision
from paragon_core.engines import BuildProgress, ignore_progress
from paragon_core.errors import InputError
from paragon_core.upscaling.border import Padding
from paragon_core.upscaling.tiling import checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paragon_core.backends.base import Backend
    from paragon_core.upscaling.tiling import TileSize

PrecisionChoice = Precision | Literal["auto"]
PaddingChoice = Padding | Literal["auto"]

#: Keywords of `Upscaler` that had another name before 0.2.
RENAMED: Final = {
    "pictures_at_once": "concurrency",
    "building": "on_build_progress",
    "make_room": "reserve_memory",
}


@dataclass(frozen=True, kw_only=True)
class UpscaleOptions:
    """How an `Upscaler` runs a model; what is left out has sensible values.

    Raises:
        InputError: an option is out of range.

    """

    backend: str | Backend = "auto"
    """A name from `paragon_core.available_backends`, a backend of your own, or "auto" for the fastest that runs
    the network here; then the next takes over where TensorRT cannot have its engine, with a warning in the log."""
    precision: PrecisionChoice = "auto"
    """"fp32", "fp16" or "bf16"; "auto" is fp32 unless a faster precision was measured here to be the same to the
    image's depth, hard images included (`precision`). Where a reduced precision leaves the range of its numbers, fp32
    takes over for that image, with a warning in the log."""
    device: str = "auto"
    """The backend's name of a device: "cpu", "cuda:1", "mps", or what is used only when named: "webgpu" (any graphics
    card, in ONNX Runtime), "gpu" (Intel's, in OpenVINO); "auto" for the best of the others."""
    tile: TileSize = "auto"
    """"auto" (tiles chosen for speed and memory), "off" (always the whole image), or the size of a tile in
    low-resolution pixels, halo included: a number or (width, height). For networks with a receptive radius (realtime,
    stream) the pixels are the same in every case. Photo with attention and pro see the whole image: for them "auto"
    tiles only what exceeds ``max_memory``, with other pixels (6 levels of 255 at most, 0.04 on average, for the
    official photo network on an image of Set14)."""
    tile_area: float = math.inf
    """With ``tile="auto"``, the most pixels of a tile of networks with a receptive radius, however much memory there
    is: so that progress and ``interrupt`` are called often."""
    padding: PaddingChoice = "auto"
    """What the network sees beyond the border of an image: "zero" as the author's network, which darkens the outermost
    pixels of bright images; "edge" (the outermost pixels repeated); "symmetric" (the image mirrored, which scores
    best); "wrap" (the opposite side, for textures that are laid next to each other without a seam). "auto" is
    "symmetric" for networks with a receptive radius, for others "zero". Pixels further inside than the network's radius
    are the same in every case."""
    fused: bool = True
    """Whether the fused form runs; False runs the network layer by layer as upstream does."""
    clip: bool = True
    """Whether results are clipped to 0..1; False returns float images as the network makes them."""
    max_memory: int | None = None
    """Bytes that the runtime may take for its work, roughly; by default half of what is free, and at most 2 GiB for
    networks with a receptive radius. On a card with memory of its own (CUDA, ROCm), by default three quarters of what
    is free there: whole images, in tiles only what does not fit."""
    streams: int | None = None
    """Number of tiles computed at once; by default the number of physical cores, with one thread each, but 1 on a
    graphics card (2 with TensorRT); for networks that want the whole image in one tile, ``concurrency``, and the
    streams share the cores."""
    concurrency: int = 1
    """Number of calls that you make at the same time (frames of a video): they share the streams, so that fewer and
    larger tiles keep them busy. More calls than that are safe, and wait for each other."""
    reuse: bool = False
    """Whether to keep the tiles of the last image and their results: a tile whose input is the same in every bit is not
    computed again (`tile_cache`). Tiles are smaller then. Takes up to half of ``max_memory`` on top of it; what would
    go beyond is computed every time."""
    cache: Path | None = None
    """The folder of TensorRT's engines (`engines`); by default ``PARAGON_CACHE``, else the platform's."""
    on_build_progress: BuildProgress = ignore_progress
    """Called with a share from 0 to 1 and the current step while an engine is built, from any thread; an exception that
    it raises ends the build and reaches the caller."""
    reserve_memory: Callable[[int], None] | None = None
    """Called from the calling thread, before the runtime needs memory for tiles of a size, with the bytes that it needs
    for them, roughly."""
    interrupt: Callable[[], None] | None = None
    """Called from the calling thread again and again while tiles are computed; an exception that it raises ends the
    work, between two layers where the runtime can, and reaches the caller."""

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        checked(self.tile)
        smallest = min(number for number in (self.streams, self.max_memory, self.concurrency) if number is not None)
        if smallest < 1:
            given = f"streams ({self.streams}), max_memory ({self.max_memory}) and concurrency ({self.concurrency})"
            msg = f"{given} must be positive"
            raise InputError(msg, hint="leave them out for sensible values")
        if self.precision not in {"auto", *get_args(Precision)}:
            msg = f"there is no precision {self.precision!r}"
            raise InputError(msg, hint=f"choose one of auto, {', '.join(get_args(Precision))}")

    @property
    def tile_size(self) -> Literal["auto", "off"] | tuple[int, int]:
        """``tile``, a size as (width, height)."""
        return checked(self.tile)

    def changed(self, **changes: Any) -> Self:  # noqa: ANN401 - `UpscaleKeywords` types them
        """Return the options with other values; a keyword of `RENAMED` counts as its new name, with a warning."""
        for old, new in RENAMED.items():
            if old in changes:
                # The caller's line: past this method and `Upscaler.__init__`.
                warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
                changes[new] = changes.pop(old)
        return replace(self, **changes)


class UpscaleKeywords(TypedDict, total=False):
    """The fields of `UpscaleOptions` as keywords of `Upscaler`, for type checkers; the last three are `RENAMED`."""

    backend: str | Backend
    precision: PrecisionChoice
    device: str
    tile: TileSize
    tile_area: float
    padding: PaddingChoice
    fused: bool
    clip: bool
    max_memory: int | None
    streams: int | None
    concurrency: int
    reuse: bool
    cache: Path | None
    on_build_progress: BuildProgress
    reserve_memory: Callable[[int], None] | None
    interrupt: Callable[[], None] | None
    pictures_at_once: int
    building: BuildProgress
    make_room: Callable[[int], None] | None
