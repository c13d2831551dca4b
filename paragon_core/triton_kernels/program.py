"""A network as a few launches of Triton kernels: head, blocks, middle, tail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from paragon_core.errors import InputError, OutOfMemoryError
from paragon_core.triton_kernels import kernels
from paragon_core.triton_kernels.packing import PackedGroup, PackedHardswish, PackedNano, PackedStream, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.graph.fused_weights import Array, FusedWeights
    from paragon_core.triton_kernels.packing import PackedBlock, PackedConvolution

#: From features [batch, height, width, C], and those at the start of their group or None, to features.
Step = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]

_PEAKS: Final = {torch.uint8: 255, torch.uint16: 65535, torch.float32: 1}
_MOST_SAMPLES: Final = 2**31


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What one program of a kernel computes, and how many threads share it."""

    rows: int
    """Rows of pixels, a power of two."""
    columns: int
    """Columns of pixels, a power of two; 16 pixels at least in all."""
    warps: int
    """Groups of 32 threads."""


#: Tiles by the width of the feature maps: none needs more registers than there are. Which are fastest, nobody measured.
TILES: Final = {16: Tile(rows=2, columns=32, warps=2), 32: Tile(rows=2, columns=32, warps=4)}


class Program:
    """A network on a device; safe to use from threads and on any stream, as nothing changes after it was made."""

    def __init__(self, weights: FusedWeights, device: torch.device | str, *, tile: Tile | None = None) -> None:
        """Copy the weights to the device.

        Args:
            weights: of 3 channels, or of 1 after `fuse.for_grey`.
            device: of CUDA; or the CPU where Triton interprets its kernels (TRITON_INTERPRET=1), for tests.
            tile: what a program of a kernel computes; by default what `TILES` says.

        Raises:
            InputError: there are no kernels for such a network (`packing.obstacle`).

        """
        self._device = torch.device(device)
        packed = pack(weights)
        self._packed = packed
        self._tile = tile or TILES[packed.width]
        self._head = self._convolution(packed.head)
        self._blocks = [self._block(block) for block in packed.blocks]
        self._middle = self._convolution(packed.middle)
        self._soften = None if packed.soften is None else self._float(packed.soften)
        self._tail = self._half(packed.tail.detail), self._float(packed.tail.bias), self._half(packed.tail.base)

    def upscale(self, image: torch.Tensor, out: torch.Tensor, finite: torch.Tensor, *, clip: bool = False) -> None:
        """Upscale images into their place; nothing waits for the device, and all of it can become a CUDA graph.

        Args:
            image: on the device, [batch, planes, height, width] of any strides: uint8, uint16 or float32 of 0..1; or
                with twice the planes, of which the base path sees the first half, and the detail path the second.
            out: the place, [batch, planes, scale * height, scale * width] of any strides and the same type; float16
                is possible for float32. Integers are rounded half to even and clipped.
            finite: uint8 of one element: becomes 1, or 0 if there are values that are no numbers or infinite.
            clip: whether floats are clipped to 0..1; float16 is in any case to what it can hold.

        Raises:
            InputError: there are no kernels for these types or shapes.
            OutOfMemoryError: an image has more samples than 32 bits count.

        """
        self._check(image, out)
        planes = self._packed.planes
        of_base, seen = image[:, :planes], image[:, -planes:]
        peak = _PEAKS[image.dtype]
        with torch.cuda.device(self._device) if self._device.type == "cuda" else contextlib.nullcontext():
            finite.fill_(1)
            features = self._features(seen, peak)
            for block in self._blocks:
                features = block(features, None)
            features = self._run(kernels.convolution, features, *self._middle)
            if self._soften is not None:
                of_base = self._softened(of_base, self._soften)
            self._finish(features, of_base, out, finite, peak, clip=clip)

    def _check(self, image: torch.Tensor, out: torch.Tensor) -> None:
        """Refuse what the kernels would misread."""
        planes, scale = self._packed.planes, self._packed.scale
        count, given, height, width = image.shape
        types = {image.dtype} | ({torch.float16} if image.dtype == torch.float32 else set())
        fits = given in {planes, 2 * planes} and out.shape == (count, planes, scale * height, scale * width)
        if image.dtype not in _PEAKS or out.dtype not in types or not fits:
            forms = " and ".join(f"{array.dtype} of {tuple(array.shape)}" for array in (image, out))
            raise InputError(f"the Triton kernels do not take {forms}", hint="please report this")
        if out[0].numel() >= _MOST_SAMPLES:
            msg = f"an image of {width}x{height} pixels is too large for the Triton kernels"
            raise OutOfMemoryError(msg, hint="use smaller tiles")

    def _features(self, image: torch.Tensor, peak: int) -> torch.Tensor:
        count, planes, height, width = image.shape
        out = self._map(count, height, width)
        self._launch(
            kernels.head,
            (image, *self._head, out),
            out.shape,
            {"PLANES": planes, "PEAK": peak, "K": self._packed.head.weight.shape[1], "C": self._packed.width},
            strides=image.stride(),
        )
        return out

    def _softened(self, image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        count, planes, height, width = image.shape
        out = torch.empty(image.shape, dtype=torch.float32, device=self._device)
        self._launch(
            kernels.soften,
            (image, weight, out),
            (count, height, width),
            {"PLANES": planes},
            parts=planes,
            strides=image.stride(),
        )
        return out

    def _finish(
        self,
        features: torch.Tensor,
        image: torch.Tensor,
        out: torch.Tensor,
        finite: torch.Tensor,
        peak: int,
        *,
        clip: bool,
    ) -> None:
        tail = self._packed.tail
        columns = tail.bias.shape[1]
        count, height, width, _ = features.shape
        self._launch(
            kernels.tail,
            (features, image, *self._tail, out, finite),
            (count, height, width),
            {
                "PLANES": self._packed.planes,
                "SCALE": self._packed.scale,
                "PEAK": peak,
                "CLIP": clip,
                "N": columns,
                "CHUNK": tail.chunk,
                "K": tail.base.shape[0],
                "C": self._packed.width,
            },
            parts=columns // tail.chunk,
            margin=1,
            strides=(*image.stride(), *out.stride()),
        )

    def _block(self, block: PackedBlock) -> Step:
        """Return a block as what runs it, its weights on the device."""
        match block:
            case PackedNano():
                return self._nano(block)
            case PackedHardswish():
                return self._hardswish(block)
            case PackedStream():
                return self._stream(block)
            case PackedGroup():
                return self._group(block)

    def _nano(self, block: PackedNano) -> Step:
        weights = *self._convolution(block.dense), self._float(block.edge), *self._convolution(block.project)

        def step(features: torch.Tensor, group: torch.Tensor | None) -> torch.Tensor:
            del group  # only Hardswish has groups
            return self._run(kernels.nano, features, *weights)

        return step

    def _hardswish(self, block: PackedHardswish) -> Step:
        inner = self._float(block.depthwise), self._float(block.depthwise_bias)
        weights = *self._convolution(block.expand), *inner, *self._convolution(block.project)

        def step(features: torch.Tensor, group: torch.Tensor | None) -> torch.Tensor:
            return self._run(kernels.nano_hardswish, features, group, *weights)

        return step

    def _stream(self, block: PackedStream) -> Step:
        mix = self._convolution(block.mix)
        factors = [
            (*self._convolution(factor), self._float(edge))
            for factor, edge in zip(block.factors, block.edges, strict=True)
        ]
        clamped = block.product_bound is not None
        weights = *factors[0], *factors[1], *self._convolution(block.project), block.product_bound or 0.0
        constants = {"CLAMPED": clamped, "CHUNK": self._packed.width}

        def step(features: torch.Tensor, group: torch.Tensor | None) -> torch.Tensor:
            del group  # only Hardswish has groups
            mixed = self._run(kernels.stream_mix, features, *mix)
            return self._run(kernels.stream_gate, features, mixed, *weights, constants=constants)

        return step

    def _group(self, group: PackedGroup) -> Step:
        steps = [self._block(block) for block in group.blocks]

        def step(features: torch.Tensor, _: torch.Tensor | None) -> torch.Tensor:
            start = features
            for index, inner in enumerate(steps):
                features = inner(features, start if index == len(steps) - 1 else None)
            return features

        return step

    def _run(
        self,
        kernel: Any,  # noqa: ANN401 - Triton has no types
        features: torch.Tensor,
        *others: torch.Tensor | float | None,
        constants: Mapping[str, int] | None = None,
    ) -> torch.Tensor:
        """Run a kernel that makes features of features."""
        out = torch.empty_like(features)
        self._launch(kernel, (features, *others, out), features.shape, {"C": self._packed.width, **(constants or {})})
        return out

    def _launch(
        self,
        kernel: Any,  # noqa: ANN401 - Triton has no types
        arguments: tuple[torch.Tensor | float | None, ...],
        size: tuple[int, ...],
        constants: Mapping[str, int],
        *,
        parts: int = 1,
        margin: int = 0,
        strides: tuple[int, ...] = (),
    ) -> None:
        """Start a kernel for images [batch, height, width]; ``margin`` is how many more rows and columns of cells."""
        count, height, width = size[:3]
        tile = self._tile
        down, across = -(-(height + margin) // tile.rows), -(-(width + margin) // tile.columns)
        kernel[down * across * parts, 1, count](
            *arguments,
            height,
            width,
            across,
            *strides,
            **constants,
            ROWS=tile.rows,
            COLUMNS=tile.columns,
            num_warps=tile.warps,
            num_stages=1,
        )

    def _map(self, count: int, height: int, width: int) -> torch.Tensor:
        shape = count, height, width, self._packed.width
        return torch.empty(shape, dtype=torch.float16, device=self._device)

    def _convolution(self, convolution: PackedConvolution) -> tuple[torch.Tensor, torch.Tensor]:
        return self._half(convolution.weight), self._float(convolution.bias)

    def _half(self, values: Array) -> torch.Tensor:
        return torch.tensor(values).to(self._device, torch.float16)

    def _float(self, values: Array) -> torch.Tensor:
        return torch.tensor(values).to(self._device, torch.float32)
