"""MUNet: a discriminator that rates for every pixel how real it looks, with upstream's names for every tensor.

A U-Net of spectrally normalised convolutions (T. Miyato et al., "Spectral normalization for generative adversarial
networks", 2018) whose way up upscales with the fixed kernels of ParagonSR2's base path (spec §11)::

    skips = in_conv(x), then L times: leaky(4x4 convolution, stride 2)
    x     = two 3x3 convolutions of the smallest map
    x     = for every skip, upwards: leaky(fusion([post(upscale(x)), skip]))
    y     = out_conv(x)

Upstream's initialisation overwrites those fixed kernels with random numbers. Here fresh weights hold the true ones;
loaded weights keep whatever the file has, because the other weights were trained around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from paragon_core.errors import InputError, UnsupportedArchitectureError, UnsupportedSizeError, WeightError
from paragon_core.models.checkpoint import read_checkpoint
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.network.blocks import IMAGE_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from paragon_core.models.spec import Variant

_SLOPE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class MUNetSize:
    """How large a MUNet is; upstream calls the fields ``num_feat`` and ``ch_mult``."""

    channels: int
    """At full resolution."""
    multiples: tuple[int, ...]
    """Channels after each halving, as multiples of ``channels``."""

    def __post_init__(self) -> None:
        """Refuse sizes without channels or without a level.

        Raises:
            InputError: naming both.

        """
        if min(self.channels, len(self.multiples), *self.multiples) < 1:
            msg = f"a MUNet of {self.channels} channels times {self.multiples} is impossible"
            raise InputError(msg, hint="all values start at 1, and there must be a level")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every level, from full resolution down."""
        return (self.channels, *(self.channels * multiple for multiple in self.multiples))

    @property
    def smallest_side(self) -> int:
        """Pixels that an image needs on both sides, so that one is left at the bottom."""
        return int(2 ** len(self.multiples))


_SMALL = MUNetSize(channels=32, multiples=(1, 2, 2))
_LARGE = MUNetSize(channels=64, multiples=(1, 2, 4, 8))

#: The size that upstream recommends against each generator.
SIZES: Final[dict[Variant, MUNetSize]] = {"realtime": _SMALL, "stream": _SMALL, "photo": _LARGE, "pro": _LARGE}


class MUNet(nn.Module):
    """A MUNet. Takes RGB [B, 3, H, W] of any size from ``size.smallest_side`` and returns logits [B, 1, H, W]."""

    def __init__(self, size: MUNetSize) -> None:
        """Build it with fresh weights, drawn from torch's generator."""
        super().__init__()
        self.size = size
        widths = size.widths
        self.in_conv = nn.Conv2d(IMAGE_CHANNELS, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            _activated(nn.Conv2d(upper, lower, 4, stride=2, padding=1, bias=False)) for upper, lower in pairwise(widths)
        )
        self.mid_conv = nn.Sequential(
            *(layer for _ in range(2) for layer in _activated(_conv3(widths[-1], widths[-1])))
        )
        self.up_blocks = nn.ModuleList(_UpBlock(lower, upper) for lower, upper in pairwise(reversed(widths)))
        self.out_conv = spectral_norm(nn.Conv2d(widths[0], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Judge ``x`` [B, 3, H, W]: logits [B, 1, H, W], not bounded, larger where it looks more real.

        In training mode every call makes one power iteration for each layer's norm and keeps it.

        Raises:
            UnsupportedSizeError: if a side is below ``size.smallest_side``.

        """
        if min(x.shape[2:]) < self.size.smallest_side:
            msg = f"an image of {x.shape[3]}x{x.shape[2]} pixels is too small for this discriminator"
            raise UnsupportedSizeError(msg, hint=f"it takes {self.size.smallest_side} pixels on both sides")
        skips = [self.in_conv(x)]
        for block in self.down_blocks:
            skips.append(block(skips[-1]))
        x = self.mid_conv(skips.pop())
        for block in self.up_blocks:
            x = block(x, skips.pop())
        logits: Tensor = self.out_conv(x)
        return logits

    def to_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return every tensor under upstream's key as float32 copies: what a checkpoint holds."""
        return {key: tensor.detach().cpu().float().numpy().copy() for key, tensor in self.state_dict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.floating]]) -> Self:
        """Build the MUNet that a checkpoint holds, fixed kernels included, in evaluation mode.

        Raises:
            UnsupportedArchitectureError: when it is another network.
            WeightError: when an array has the wrong shape or values that are not finite.

        """
        network = cls(_size_of(arrays))
        expected = network.state_dict()
        if expected.keys() != arrays.keys():
            raise _not_a_munet(
                missing=tuple(key for key in expected if key not in arrays),
                unexpected=tuple(key for key in arrays if key not in expected),
            )
        for key, tensor in expected.items():
            if arrays[key].shape != tensor.shape or not np.isfinite(arrays[key]).all():
                msg = f"{key} does not hold {'x'.join(map(str, tensor.shape))} finite values"
                raise WeightError(msg, hint="the file is damaged, or it belongs to another discriminator")
        network.load_state_dict({key: torch.from_numpy(np.array(arrays[key], np.float32)) for key in expected})
        return network.eval()


def read_munet(path: Path) -> MUNet:
    """Read a MUNet from a ``.safetensors`` or ``.pth`` file, in evaluation mode.

    Raises:
        CheckpointError: if the file cannot be read or holds another network.

    """
    return MUNet.from_arrays(read_checkpoint(path).arrays)


class _UpBlock(nn.Module):
    """Upscale a map to the size of a skip and mix the two."""

    def __init__(self, channels: int, skip_channels: int) -> None:
        super().__init__()
        self.magic_upsample = _MagicUpsample(channels)
        self.post_upsample_conv = spectral_norm(_conv3(channels, skip_channels))
        self.fusion_conv = _activated(_conv3(2 * skip_channels, skip_channels))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring ``x`` [B, C, H/2, W/2] (rounded down) to the shape of ``skip`` [B, C', H, W]."""
        upscaled = self.post_upsample_conv(self.magic_upsample(x, skip.shape[2:]))
        mixed: Tensor = self.fusion_conv(torch.cat([upscaled, skip], dim=1))
        return mixed


class _MagicUpsample(nn.Module):
    """The base path of ParagonSR2 with ``upsampler_alpha`` 1, for any number of channels and any size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sharpen = _FixedFilter(channels, SOFTENING_TAPS)
        self.resample_conv = _FixedFilter(channels, BINOMIAL_TAPS)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        upscaled: Tensor = self.resample_conv(functional.interpolate(self.sharpen(x), size=size, mode="nearest"))
        return upscaled


class _FixedFilter(nn.Module):
    """A separable filter that is never trained: horizontal, then vertical, each channel alone, zeros outside."""

    def __init__(self, channels: int, taps: npt.NDArray[np.float64]) -> None:
        super().__init__()
        reach = len(taps) // 2
        self.conv_h = nn.Conv2d(
            channels, channels, (1, len(taps)), padding=(0, reach), groups=channels, bias=False
        ).requires_grad_(requires_grad=False)
        self.conv_v = nn.Conv2d(
            channels, channels, (len(taps), 1), padding=(reach, 0), groups=channels, bias=False
        ).requires_grad_(requires_grad=False)
        for conv in (self.conv_h, self.conv_v):
            conv.weight.copy_(torch.from_numpy(taps).view_as(conv.weight[0]).expand_as(conv.weight))

    def forward(self, x: Tensor) -> Tensor:
        filtered: Tensor = self.conv_v(self.conv_h(x))
        return filtered


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def _activated(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(spectral_norm(conv), nn.LeakyReLU(_SLOPE))


def _size_of(arrays: Mapping[str, npt.NDArray[np.floating]]) -> MUNetSize:
    """Read the size off the shapes.

    Raises:
        UnsupportedArchitectureError: if they are not those of a MUNet.

    """
    widths: list[int] = []
    while (key := f"down_blocks.{len(widths)}.0.parametrizations.weight.original") in arrays:
        widths.append(len(np.atleast_1d(arrays[key])))
    entry = arrays.get("in_conv.weight")
    channels = len(entry) if entry is not None and entry.ndim else 0
    if not channels or not widths or any(width % channels or not width for width in widths):
        raise _not_a_munet()
    return MUNetSize(channels=channels, multiples=tuple(width // channels for width in widths))


def _not_a_munet(*, missing: tuple[str, ...] = (), unexpected: tuple[str, ...] = ()) -> UnsupportedArchitectureError:
    counts = f": {len(missing)} tensors missing, {len(unexpected)} unexpected" if missing or unexpected else ""
    first = f"the first of them is {(missing + unexpected)[0]}; " if counts else ""
    return UnsupportedArchitectureError(
        f"the weights are not those of a MUNet discriminator{counts}",
        hint=f"{first}choose a file that upstream's trainer or `paragon train` saved for the discriminator",
        missing=missing,
        unexpected=unexpected,
    )
