"""A network in torch, and the samples that go into it and come out of it, on whatever device they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor

from paragon_core.errors import InferenceError
from paragon_core.graph.fuse import for_bytes, for_grey, fuse_arrays
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.network import ParagonSR2
from paragon_core.network.float32 import whole_float32

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.backends.base import Precision
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

DTYPES: Final[dict[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}

_PEAKS: Final = {torch.uint8: 255, torch.uint16: 65535}


class TorchNetwork:
    """A network on a device, in the form that a spec asks for, but with floats in and out."""

    def __init__(
        self, model: Model, spec: GraphSpec, *, precision: Precision, device: torch.device, levels: bool = False
    ) -> None:
        """Build it.

        Args:
            model: the checkpoint.
            spec: layer by layer or fused, grey or not, with a separate detail input or not.
            precision: of the features.
            device: where it is.
            levels: whether values are 0..255 instead of 0..1 (fused only): bytes need no division and no multiplication
                then.

        """
        dtype = DTYPES[precision]
        self.module = _module(model, spec, dtype, device, levels=levels)
        self._dtype = torch.float32 if spec.fused else dtype
        self._averages_grey = spec.grey and not spec.fused
        self._separate_detail = spec.separate_detail

    def __call__(self, image: Tensor) -> Tensor:
        """Return [b, channels, sh, sw] of float32, of any strides, from [b, channels, h, w] of float32."""
        return apply(
            self.module,
            image.to(self._dtype),
            separate_detail=self._separate_detail,
            averages_grey=self._averages_grey,
        )


def apply(module: Callable[..., Any], image: Tensor, *, separate_detail: bool, averages_grey: bool = False) -> Tensor:
    """Return what a module makes of a batch, in float32.

    Args:
        module: a fused network or the author's.
        image: [b, channels, h, w] of the type that it takes; with ``separate_detail``, the channels that its detail
            path sees follow those of the image.
        separate_detail: whether it has two inputs.
        averages_grey: whether the module knows only RGB, and one channel is to be repeated and averaged.

    """
    parts = image.chunk(2, dim=1) if separate_detail else (image,)
    if averages_grey:
        parts = tuple(part.expand(-1, 3, -1, -1) for part in parts)
    output: Tensor = module(parts[0], detail_input=parts[1] if separate_detail else None).to(torch.float32)
    return output.mean(1, keepdim=True) if averages_grey else output


def _module(
    model: Model, spec: GraphSpec, dtype: torch.dtype, device: torch.device, *, levels: bool
) -> torch.nn.Module:
    if not spec.fused:
        plain = ParagonSR2.from_model(model, dtype=dtype).to(device)
        return plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # not annotated
    arrays = for_grey(model.arrays) if spec.grey else model.arrays
    return FusedParagonSR2(fuse_arrays(model.spec, for_bytes(arrays) if levels else arrays), dtype=dtype, device=device)


class Work(Protocol):
    """Starts all that a device does for a tile; it need not wait until it is done."""

    def __call__(self, image: Tensor, out: Tensor, finite: Tensor, *, clip: bool) -> None:
        """Upscale samples into their place.

        Args:
            image: [1, channels, h, w] of any strides; uint8, uint16 or float32 of 0..1.
            out: the place, [1, planes, sh, sw] of any strides and the same type; float16 is possible for float32.
            finite: [1] of uint8: becomes 1 if all values are numbers, else 0.
            clip: whether floats are clipped to 0..1; integers are in any case, and float16 to what it can hold.

        """
        ...


def on_samples(network: Callable[[Tensor], Tensor], device: torch.device, *, levels: bool = False) -> Work:
    """Return a network of floats as work on samples: they are converted, checked and rounded around it.

    Args:
        network: maps [1, channels, h, w] of float32 to [1, planes, sh, sw].
        device: where it computes.
        levels: whether it takes and returns levels of bytes, not values of 0..1; samples have to be bytes then.

    """

    def work(image: Tensor, out: Tensor, finite: Tensor, *, clip: bool) -> None:
        if levels and {image.dtype, out.dtype} != {torch.uint8}:
            raise InferenceError(f"the network takes uint8, not {image.dtype}", hint="please report this")
        with whole_float32(device):
            output = network(from_samples(image, levels=levels))
            to_samples(output, out, finite, levels=levels, clip=clip)

    return work


def from_samples(samples: Tensor, *, levels: bool) -> Tensor:
    """Return samples as float32.

    Args:
        samples: of any shape; uint8, uint16 or float32 of 0..1.
        levels: whether integers keep their values; else they become values of 0..1.

    """
    if samples.dtype == torch.uint16:  # a type of which cards know little
        image = samples.view(torch.int16).to(torch.int32).bitwise_and_(0xFFFF).to(torch.float32)
    else:
        image = samples.to(torch.float32)
    peak = _PEAKS.get(samples.dtype)
    return image if peak is None or levels else image.div_(peak)


def to_samples(output: Tensor, out: Tensor, finite: Tensor, *, levels: bool, clip: bool) -> None:
    """Check, round, clip and convert a result into its place; nothing waits for a device.

    Args:
        output: of float32; its values are lost.
        out: the place, of the same shape; uint8, uint16, float16 or float32.
        finite: as for `Work`.
        levels: whether the output has the range of the integers; else it has 0..1.
        clip: as for `Work`.

    """
    lowest, highest = output.aminmax()  # which are not numbers if any value is not: one pass, and nothing overflows
    finite.copy_(torch.isfinite(lowest).logical_and_(torch.isfinite(highest)))
    values = output
    peak = _PEAKS.get(out.dtype)
    if peak is not None:
        values = (values if levels else values.mul_(peak)).round_().clamp_(0, peak)
    elif clip:
        values = values.clamp_(0, 1)
    elif out.dtype == torch.float16:
        limits = torch.finfo(torch.float16)
        values = values.clamp_(limits.min, limits.max)
    if out.dtype == torch.uint16:
        out.view(torch.int16).copy_(values.to(torch.int32))
    else:
        out.copy_(values)
