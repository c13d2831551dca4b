"""The reference network in torch, with upstream's names for every tensor.

It spells ParagonSR2 out exactly as the checkpoints mean it (spec §1) and takes no shortcut: training runs this, and
the fused forms are tested against it. All convolutions are zero padded to "same" and have a bias unless said.

::

    base = blur(nearest(x + alpha * (soften(x) - x)))         fixed, nothing learned
    f    = conv_mid(body(conv_in(x)))                          no skip around the body
    y    = base + detail_gain * conv_out(pixel_shuffle(up.0(f)))
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from paragon_core.attention import Attend, AttentionMode, WindowAttention
from paragon_core.errors import BackendUnavailableError, InputError, UnsupportedArchitectureError, WeightError
from paragon_core.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.spec import TOKEN_DIM, TOKENS, ModelSpec, Revision, Variant

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    raise BackendUnavailableError("torch is not installed", hint="pip install torch") from error

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from paragon_core.model import Model

#: Red, green and blue; every published network has three.
IMAGE_CHANNELS = 3

#: ``detail_gain`` before training (spec §1).
INITIAL_DETAIL_GAIN: dict[Variant, float] = {"realtime": 0.05, "stream": 0.1, "photo": 0.1, "pro": 0.1}

#: Every per-channel residual scale before training (spec §1).
INITIAL_LAYER_SCALE = 1e-5

_RMS_EPSILON = 1e-6
_SQUEEZE = 16
_HALF_LIMIT = 65504.0
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
    """The path without learned weights: soften by ``alpha``, enlarge by nearest neighbour, blur (spec §1).

    Upstream calls it "Magic Kernel Sharp 2021". ``alpha`` <= 0 skips the first step, as upstream.
    """

    def __init__(self, scale: int, alpha: float) -> None:
        super().__init__()
        self.scale = scale
        self.alpha = alpha
        self.sharp = FixedFilter(SOFTENING_TAPS)
        self.blur = FixedFilter(BINOMIAL_TAPS)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge ``x`` [B, 3, H, W] to [B, 3, sH, sW]."""
        if self.alpha > 0:
            x = x + self.alpha * (self.sharp(x) - x)
        enlarged: Tensor = self.blur(functional.interpolate(x, scale_factor=float(self.scale), mode="nearest"))
        return enlarged


class LayerScale(nn.Module):
    """One learned factor a channel in front of a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x`` [B, C, H, W]."""
        return x * self.gamma


class RMSNorm(nn.Module):
    """``scale * x / sqrt(mean over channels of x^2 + 1e-6) + bias`` at every pixel (spec §1).

    For half precision the mean is taken in float32, as upstream does since v11: 300 squared overflows float16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [B, C, H, W]."""
        root = torch.sqrt(_widened(x).square().mean(1, keepdim=True) + _RMS_EPSILON).to(x.dtype)
        return self.scale * (x / root) + self.bias


def _widened(x: Tensor) -> Tensor:
    """Return ``x`` in float32 when it is in half precision, else unchanged (float64 stays float64)."""
    return x.float() if x.dtype in {torch.float16, torch.bfloat16} else x


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
        self._clamps = spec.revision == "v11"

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        mixed = self.fuse(torch.cat([self.dw1(x), self.dw3(x)], dim=1))
        first, second = self.gate(self.proj(mixed)).chunk(2, dim=1)
        if self._clamps:
            product = (_widened(first) * _widened(second)).clamp(-_HALF_LIMIT, _HALF_LIMIT).to(first.dtype)
        else:
            product = first * second
        result: Tensor = x + self.scale(self.out(product))
        return result


class ChannelAttention(nn.Module):
    """One weight in 0..1 for each channel, computed from the mean over the whole picture (spec §1)."""

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
    """A chain of blocks; upstream puts no skip around it."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)


def _block(spec: ModelSpec, index: int, attend: Attend) -> nn.Module:
    """Return block ``index``, counted over all groups."""
    match spec.variant:
        case "realtime":
            return NanoBlock(spec)
        case "stream":
            return StreamBlock(spec)
        case "photo":
            return PhotoBlock(spec, spec.shift_of_block(index), attend)
        case "pro":
            return ProBlock(spec, spec.shift_of_block(index), attend)


class ParagonSR2(nn.Module):
    """A ParagonSR2 network. Takes RGB in 0..1 as [B, 3, H, W] of any size and returns [B, 3, sH, sW], not clamped."""

    def __init__(
        self,
        spec: ModelSpec,
        *,
        attention_mode: AttentionMode = "sdpa",
        export_safe: bool = False,
        use_checkpointing: bool = False,
        detail_gain: float | None = None,
        upsampler_alpha: float | None = None,
    ) -> None:
        """Build the network with fresh weights.

        Args:
            spec: what to build.
            attention_mode: torch's implementation for the window attention; "none" leaves the branch and its tensors
                out. "flex" falls back to "sdpa" where it cannot run.
            export_safe: upstream's other word for ``attention_mode="none"``.
            use_checkpointing: compute each block again in the backward pass instead of keeping its feature maps.
            detail_gain: initial factor of the learned path; None means upstream's value for the variant.
            upsampler_alpha: replaces the one of ``spec``; None keeps it.

        Raises:
            InputError: for an unknown ``attention_mode`` or an impossible ``upsampler_alpha``.

        """
        super().__init__()
        if attention_mode not in {"sdpa", "flex", "none"}:
            msg = f"attention_mode {attention_mode!r} is not one of sdpa, flex, none"
            raise InputError(msg)
        #: What this network is, after ``attention_mode``, ``export_safe`` and ``upsampler_alpha`` were applied.
        self.spec = spec = replace(
            spec,
            attention=spec.attention and attention_mode != "none" and not export_safe,
            upsampler_alpha=spec.upsampler_alpha if upsampler_alpha is None else upsampler_alpha,
        )
        self.use_checkpointing = use_checkpointing
        gain = INITIAL_DETAIL_GAIN[spec.variant] if detail_gain is None else detail_gain
        attend = Attend(attention_mode)
        channels = spec.channels
        self.detail_gain = nn.Parameter(torch.tensor(gain, dtype=torch.get_default_dtype()))
        self.base = Base(spec.scale, spec.upsampler_alpha)
        self.conv_in = nn.Conv2d(IMAGE_CHANNELS, channels, 3, padding=1)
        self.body = nn.ModuleList(
            Group([_block(spec, group * spec.blocks + block, attend) for block in range(spec.blocks)])
            for group in range(spec.groups)
        )
        self.conv_mid = nn.Conv2d(channels, channels, 3, padding=1)
        self.up = nn.Sequential(
            nn.Conv2d(channels, channels * spec.scale**2, 3, padding=1), nn.PixelShuffle(spec.scale)
        )
        self.conv_out = nn.Conv2d(channels, IMAGE_CHANNELS, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        prev_feat: Tensor | None = None,
        *,
        feature_tap: bool = False,
        blend: float | Tensor = 0.2,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Enlarge ``x`` [B, 3, H, W] to [B, 3, sH, sW].

        Args:
            x: RGB in 0..1.
            prev_feat: features [B, C, H, W] of the frame before, for video (spec §4).
            feature_tap: also return the blended features, the ``prev_feat`` of the next frame.
            blend: share of ``prev_feat`` in the features; a scalar tensor becomes an input of an exported graph.

        """
        features = self.conv_in(x)
        if prev_feat is not None:
            features = (1 - blend) * features + blend * prev_feat
        detail = features
        for group in self.body:
            assert isinstance(group, Group)  # noqa: S101  (torch types the items of a list as Module)
            for block in group.blocks:
                if self.use_checkpointing and torch.is_grad_enabled():
                    detail = checkpoint(block, detail, use_reentrant=False)
                else:
                    detail = block(detail)
        detail = self.conv_out(self.up(self.conv_mid(detail)))
        result: Tensor = self.base(x) + self.detail_gain * detail
        return (result, features) if feature_tap else result

    def to_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return every tensor under upstream's key, in upstream's order, as float32 copies: what a checkpoint holds."""
        return {key: tensor.detach().cpu().float().numpy().copy() for key, tensor in self.state_dict().items()}

    @classmethod
    def from_arrays(
        cls,
        spec: ModelSpec,
        arrays: Mapping[str, npt.NDArray[np.floating]],
        *,
        dtype: torch.dtype = torch.float32,
        attention_mode: AttentionMode = "sdpa",
        use_checkpointing: bool = False,
    ) -> Self:
        """Build the network of ``spec`` with the weights of a checkpoint, in evaluation mode.

        Args:
            spec: what the checkpoint is.
            arrays: every tensor of spec §2 under upstream's key, the fixed kernels included.
            dtype: of the parameters; float64 for exact comparisons.
            attention_mode: see the constructor; with "none" the tensors of the branch must be absent.
            use_checkpointing: see the constructor.

        Raises:
            UnsupportedArchitectureError: when a key is missing or unexpected.
            WeightError: when an array has the wrong shape.

        """
        network = cls(spec, attention_mode=attention_mode, use_checkpointing=use_checkpointing).to(dtype)
        state = network.state_dict()
        missing = tuple(key for key in state if key not in arrays)
        unexpected = tuple(key for key in arrays if key not in state)
        if missing or unexpected:
            msg = (
                f"not the tensors of this {spec.variant} network: {len(missing)} missing, {len(unexpected)} unexpected"
            )
            hint = f"first of them: {(missing + unexpected)[0]}; load the file with paragon_core.load"
            raise UnsupportedArchitectureError(msg, hint=hint, missing=missing, unexpected=unexpected)
        for key, tensor in state.items():
            if tuple(tensor.shape) != arrays[key].shape:
                msg = f"{key} has shape {arrays[key].shape}, not {tuple(tensor.shape)}"
                raise WeightError(msg, hint="the weights belong to another network; check the scale and the width")
        network.load_state_dict({key: torch.tensor(np.asarray(arrays[key]), dtype=dtype) for key in state})
        return network.eval()

    @classmethod
    def from_model(
        cls,
        model: Model,
        *,
        dtype: torch.dtype = torch.float32,
        attention_mode: AttentionMode = "sdpa",
        use_checkpointing: bool = False,
    ) -> Self:
        """Build the network of a loaded model with its weights, in evaluation mode; see `from_arrays`."""
        return cls.from_arrays(
            model.spec, model.arrays, dtype=dtype, attention_mode=attention_mode, use_checkpointing=use_checkpointing
        )
