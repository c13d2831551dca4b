"""What a graph is to compute, in every notation: ONNX, torch, the engines made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Io = Literal["float32", "float16", "uint8"]


@dataclass(frozen=True, kw_only=True)
class GraphSpec:
    """The form of a model's graph; equal for the same options."""

    fused: bool = True
    """The fused form (`fuse`), else layer by layer as upstream."""
    io: Io = "float32"
    """``float32`` or ``float16``: [batch, channels, height, width] of 0..1, the output not clipped, as upstream;
    ``uint8``: [batch, height, width, channels] of 0..255, rounded half to even and clipped in the graph. Sessions of
    backends take ``float32`` and ``uint8``."""
    grey: bool = False
    """One channel instead of three: equal R, G and B go in, their mean comes out (`fuse.for_grey`)."""
    separate_detail: bool = False
    """Twice the channels in: the base path sees the first half, the detail path the second (`temporal`). Floats
    only."""
    size: tuple[int, int] | None = None
    """(width, height) of the input for a graph of one size, None for any size; the batch is 1 in the former."""

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return (1 if self.grey else 3) * (2 if self.separate_detail else 1)
