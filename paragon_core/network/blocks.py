"""The layers that ParagonSR2 is built from, with upstream's names for every tensor (spec §1, §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.models.spec import TOKEN_DIM, TOKENS, ModelSpec, Revision
from paragon_core.network.attention import Attend, WindowAttention

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Red, green and blue; every published network has three.
IMAGE_CHANNELS = 3

#: Every per-channel residual scale before training (spec §1).
INITIAL_LAYER_SCALE = 1e-5

_RMS_EPSILON = 1e-6
_SQUEEZE = 16
_TOKEN_DEVIATION = 0.02


class FixedFilter(nn.Module):
    """A separable filter that is never trained: horizontal, then vertical, each channel alone, zeros outside.

    The taps are in the state dict three times, as upstream has them: ``kernel`` (not used) and ``h``, ``v`` (used).
    """

    kernel: Tensor

    def __init__(self, taps: npt.NDArray[np.float64]) -> None:
        super().__init__()
        size = len(taps)
        kernel = torch.tensor(taps, dtype=torch.get_default_dtype())
        self.register_buffer("kernel", kernel)
        self.h = nn.Conv2d(
            IMAGE_CHANNELS, IMAGE_CHANNELS, (1, size), padding=(0, size // 2), groups=IMAGE_CHANNELS, bias=False
        )
        self.v = nn.Conv2d(
            IMAGE_CHANNELS, IMAGE_CHANNELS, (size, 1), padding=(size // 2, 0), groups=IMAGE_CHANNELS, bias=False
        )
        for conv in (self.h, self.v):
            conv.weight.requires_grad = False
            conv.weight.copy_(kernel.view_as(conv.weight[0]).expand_as(conv.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Filter ``x`` [B, 3, H, W]; same shape out."""
        filtered: Tensor = self.v(self.h(x))
        return filtered


class Base(nn.Module):
    """The path without learned weights: soften by ``alpha``, upscale by nearest neighbour, blur (spec §1).

    Upstream calls it "Magic Kernel Sharp 2021". ``alpha`` <= 0 skips the first step, as upstream.
    """

    def __init__(self, scale: int, alpha: float) -> None:
        super().__init__()
        self.scale = scale
        self.alpha = alpha
        self.sharp = FixedFilter(SOFTENING_TAPS)
        self.blur = FixedFilter(BINOMIAL_TAPS)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale ``x`` [B, 3, H, W] to [B, 3, sH, sW]."""
        if self.alpha > 0:
            x = x + self.alpha * (self.sharp(x) - x)
        upscaled: Tensor = self.blur(functional.interpolate(x, scale_factor=float(self.scale), mode="nearest"))
        return upscaled


class LayerScale(nn.Module):
    """One learned factor a channel in front of a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x`` [B, C, H, W]."""
        return x * self.gamma


def root_mean_square(x: Tensor) -> Tensor:
    """Return ``sqrt(mean over channels of x^2 + 1e-6)`` [B, 1, H, W] in the type of ``x`` [B, C, H, W] (spec §1).

    For half precision the mean is taken in float32, as upstream does since v11: 300 squared overflows float16.
    """
    return torch.sqrt(_widened(x).square().mean(1, keepdim=True) + _RMS_EPSILON).to(x.dtype)


def gated_product(a: Tensor, b: Tensor, *, bound: float | None) -> Tensor:
    """Return ``a * b``; with a bound, taken at least in float32 and clamped (§1)."""
    if bound is None:
        return a * b
    return (_widened(a) * _widened(b)).clamp_(-bound, bound).to(a.dtype)


def _widened(x: Tensor) -> Tensor:
    """Return ``x`` in float32 when it is in half precision, else unchanged (float64 stays float64)."""
    return x.float() if x.dtype in {torch.float16, torch.bfloat16} else x


class RMSNorm(nn.Module):
    """``scale * x / root_mean_square(x) + bias`` at every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [B, C, H, W]."""
        return self.scale * x / root_mean_square(x) + self.bias


def _residual_scale(channels: int, revision: Revision) -> nn.Module:
    """Return the LayerScale that realtime and stream have since v11; before, nothing that owns a tensor."""
    return LayerScale(channels) if revision == "v11" else nn.Identity()


class NanoBlock(nn.Module):
    """Realtime: ``x + g * conv2(GELU(dw(conv1(x))))``; revision v6 has Hardswish after conv1 and after dw instead."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(spec.channels, spec.hidden, 1)
        self.dw = nn.Conv2d(spec.hidden, spec.hidden, 3, padding=1, groups=spec.hidden)
        self.conv2 = nn.Conv2d(spec.hidden, spec.channels, 1)
        self.scale = _residual_scale(spec.channels, spec.revision)
        self._hardswish = spec.revision == "v6"

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        expanded = self.conv1(x)
        if self._hardswish:
            activated = functional.hardswish(self.dw(functional.hardswish(expanded)))
        else:
            activated = functional.gelu(self.dw(expanded))
        result: Tensor = x + self.scale(self.conv2(activated))
        return result


class StreamBlock(nn.Module):
    """Stream: two depthwise views of x (plain and dilated by 3), mixed; then one half of the channels gates the other.

    Since v11 the product is taken in float32 and clamped to the range of float16.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        channels = spec.channels
        self.dw1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.dw3 = nn.Conv2d(channels, channels, 3, padding=3, dilation=3, groups=channels)
        self.fuse = nn.Conv2d(2 * channels, channels, 1)
        self.proj = nn.Conv2d(channels, 2 * spec.hidden, 1)
        self.gate = nn.Conv2d(2 * spec.hidden, 2 * spec.hidden, 3, padding=1, groups=2 * spec.hidden)
        self.out = nn.Conv2d(spec.hidden, channels, 1)
        self.scale = _residual_scale(channels, spec.revision)
        self._bound = spec.product_bound

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        mixed = self.fuse(torch.cat([self.dw1(x), self.dw3(x)], dim=1))
        first, second = self.gate(self.proj(mixed)).chunk(2, dim=1)
        result: Tensor = x + self.scale(self.out(gated_product(first, second, bound=self._bound)))
        return result


class ChannelAttention(nn.Module):
    """One weight in 0..1 for each channel, computed from the mean over the whole image (spec §1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = channels // _SQUEEZE
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False), nn.GELU(), nn.Linear(squeezed, channels, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of ``x`` [B, C, H, W]."""
        weights = torch.sigmoid(self.fc(x.mean((2, 3))))
        return x * weights[:, :, None, None]


class TokenAttention(nn.Module):
    """Every pixel attends to a learned dictionary of 64 tokens, with keys and queries of 16 channels (spec §1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token_dict = nn.Parameter(torch.randn(1, TOKENS, channels) * _TOKEN_DEVIATION)
        self.q_proj = nn.Linear(channels, TOKEN_DIM)
        self.k_proj = nn.Linear(channels, TOKEN_DIM)
        self.v_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Attend from ``x`` [B, C, H, W]; same shape out."""
        query = self.q_proj(x.permute(0, 2, 3, 1))
        key, value = self.k_proj(self.token_dict[0]), self.v_proj(self.token_dict[0])
        shares = torch.softmax(query @ key.transpose(0, 1) * TOKEN_DIM**-0.5, dim=-1)
        attended: Tensor = self.out_proj(shares @ value)
        return attended.permute(0, 3, 1, 2)


class PhotoBlock(nn.Module):
    """Photo: a normalised convolution branch, then window attention; both share one LayerScale, as upstream."""

    def __init__(self, spec: ModelSpec, shift: int, attend: Attend) -> None:
        super().__init__()
        self.norm = RMSNorm(spec.channels)
        self.conv1 = nn.Conv2d(spec.channels, spec.hidden, 1)
        self.dw = nn.Conv2d(spec.hidden, spec.hidden, 3, padding=1, groups=spec.hidden)
        self.conv2 = nn.Conv2d(spec.hidden, spec.channels, 1)
        self.scale = LayerScale(spec.channels)
        self._attention = spec.attention
        if spec.attention:
            self.attn_norm = RMSNorm(spec.channels)
            self.attn = WindowAttention(spec.channels, spec.window_size, shift, attend)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        x = x + self.scale(self.conv2(functional.gelu(self.dw(self.conv1(self.norm(x))))))
        if self._attention:
            x = x + self.scale(self.attn(self.attn_norm(x)))
        return x


class ProBlock(nn.Module):
    """Pro: convolution, channel attention, window attention and token attention, each a scaled residual."""

    def __init__(self, spec: ModelSpec, shift: int, attend: Attend) -> None:
        super().__init__()
        self.norm1 = RMSNorm(spec.channels)
        self.conv1 = nn.Conv2d(spec.channels, spec.hidden, 1)
        self.dw = nn.Conv2d(spec.hidden, spec.hidden, 3, padding=1, groups=spec.hidden)
        self.conv2 = nn.Conv2d(spec.hidden, spec.channels, 1)
        self.scale1 = LayerScale(spec.channels)
        self.channel_attn = ChannelAttention(spec.channels)
        self.scale2 = LayerScale(spec.channels)
        self._attention = spec.attention
        if spec.attention:
            self.norm3 = RMSNorm(spec.channels)
            self.window_attn = WindowAttention(spec.channels, spec.window_size, shift, attend)
            self.scale3 = LayerScale(spec.channels)
        self.norm4 = RMSNorm(spec.channels)
        self.token_ca = TokenAttention(spec.channels)
        self.scale4 = LayerScale(spec.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        x = x + self.scale1(self.conv2(functional.gelu(self.dw(self.conv1(self.norm1(x))))))
        x = x + self.scale2(self.channel_attn(x))
        if self._attention:
            x = x + self.scale3(self.window_attn(self.norm3(x)))
        result: Tensor = x + self.scale4(self.token_ca(self.norm4(x)))
        return result


class Group(nn.Module):
    """A chain of blocks; its name is part of the state dict's keys."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution [out]; one without is an AttributeError."""
    return conv.get_parameter("bias")
