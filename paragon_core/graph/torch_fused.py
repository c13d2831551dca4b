"""The fused network in torch: the steps that `fuse` found, spelled out, border included.

It computes what `network.ParagonSR2` computes with the same weights, in fewer and smaller steps, and is made for
inference only: its weights are constants, its maps are kept in channels-last memory, where torch's convolutions are
fastest and the tokens of an attention lie ready, and it works in place where it can, because a fresh map of a large
image costs more than the arithmetic on it.
"""

from __future__ import annotations

try:
    import torch
except ImportError as error:
    from paragon_core.errors import BackendUnavailableError

    raise BackendUnavailableError("torch is not installed", hint="pip install torch") from error

from typing import TYPE_CHECKING, Self

from torch import Tensor, nn
from torch.nn import functional

from paragon_core.graph.fuse import for_grey, fuse_arrays
from paragon_core.graph.fused_weights import NanoWeights, PhotoWeights, ProWeights, ResidualGroup, StreamWeights
from paragon_core.network.attention import from_windows, join_heads, split_heads, to_windows
from paragon_core.network.blocks import gated_product, root_mean_square

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from paragon_core.graph.fused_weights import Attention, Block, BorderStrips, Convolution, FusedWeights
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model


def _constant(values: npt.NDArray[np.float64]) -> nn.Parameter:
    """Return float64 weights that no optimiser touches."""
    return nn.Parameter(torch.tensor(values), requires_grad=False)


def _convolution(weights: Convolution) -> nn.Conv2d:
    """Return a convolution as a layer; a bias of zeros is left out."""
    outputs, inputs, rows, columns = weights.weight.shape
    has_bias = bool(weights.bias.any())
    layer = nn.Conv2d(
        inputs * weights.groups,
        outputs,
        (rows, columns),
        padding=weights.padding,
        dilation=weights.dilation,
        groups=weights.groups,
        bias=has_bias,
        device="meta",
    )
    layer.weight = _constant(weights.weight)
    if has_bias:
        layer.bias = _constant(weights.bias)
    return layer


def _linear(weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64] | None = None) -> nn.Linear:
    """Return a matrix [out, in] as a layer."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = _constant(weight)
    if bias is not None:
        layer.bias = _constant(bias)
    return layer


class FusedNanoBranch(nn.Module):
    """See `fused_weights.NanoWeights`; without the sum with its input."""

    def __init__(self, weights: NanoWeights) -> None:
        super().__init__()
        self.expand = _convolution(weights.expand)
        self.depthwise = _convolution(weights.depthwise)
        self.project = _convolution(weights.project)
        self._hardswish = weights.activation == "hardswish"

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        expanded = self.expand(x)
        if self._hardswish:
            inner = self.depthwise(functional.hardswish(expanded, inplace=True))
            activated = functional.hardswish(inner, inplace=True)
        else:
            activated = torch.ops.aten.gelu_(self.depthwise(expanded))
        branch: Tensor = self.project(activated)
        return branch


class FusedNanoBlock(nn.Module):
    """See `fused_weights.NanoWeights`; ``normalised`` divides the branch's input by its RMS."""

    def __init__(self, weights: NanoWeights, *, normalised: bool) -> None:
        super().__init__()
        self.branch = FusedNanoBranch(weights)
        self._normalised = normalised

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        branch: Tensor = self.branch(x / root_mean_square(x) if self._normalised else x)
        return branch.add_(x)


class FusedStreamBlock(nn.Module):
    """See `fused_weights.StreamWeights`."""

    def __init__(self, weights: StreamWeights) -> None:
        super().__init__()
        self.near = nn.Sequential(_convolution(weights.near), _convolution(weights.mix_near))
        self.far = nn.Sequential(_convolution(weights.far), _convolution(weights.mix_far))
        self.gate_a = nn.Sequential(_convolution(weights.expand_a), _convolution(weights.gate_a))
        self.gate_b = nn.Sequential(_convolution(weights.expand_b), _convolution(weights.gate_b))
        self.project = _convolution(weights.project)
        self._bound = weights.product_bound

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        mixed = self.near(x).add_(self.far(x))
        product = gated_product(self.gate_a(mixed), self.gate_b(mixed), bound=self._bound)
        branch: Tensor = self.project(product)
        return branch.add_(x)


class FusedAttention(nn.Module):
    """See `fused_weights.Attention`; with the sum with its input."""

    outside: Tensor

    def __init__(self, weights: Attention) -> None:
        super().__init__()
        self.inside = _linear(weights.qkv_weight, weights.qkv_bias + weights.token_bias)
        self.register_buffer("outside", torch.tensor(weights.qkv_bias))
        self.project = _linear(weights.project_weight, weights.project_bias)
        self._window = weights.window
        self._shift = weights.shift

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        height, width = x.shape[2:]
        window, shift = self._window, self._shift
        rows, columns = height + -height % window, width + -width % window
        qkv = self.inside((x / root_mean_square(x)).permute(0, 2, 3, 1))
        if (rows, columns) != (height, width):  # tokens outside the image: zeros before qkv, so its raw bias behind
            padded = self.outside.repeat(x.shape[0], rows, columns, 1)
            padded[:, :height, :width] = qkv
            qkv = padded
        query, key, value = split_heads(to_windows(qkv, window, shift))
        attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        joined = from_windows(self.project(join_heads(attended)), rows, columns, window, shift)
        return x + joined[:, :height, :width].permute(0, 3, 1, 2)


class FusedProBlock(nn.Module):
    """See `fused_weights.ProWeights`."""

    channel_gain: Tensor

    def __init__(self, weights: ProWeights) -> None:
        super().__init__()
        self.convolutional = FusedNanoBlock(weights.convolutional, normalised=True)
        self.channels = nn.Sequential(_linear(weights.squeeze), nn.GELU(), _linear(weights.excite), nn.Sigmoid())
        self.register_buffer("channel_gain", torch.tensor(weights.channel_gain))
        self.attention = nn.Identity() if weights.attention is None else FusedAttention(weights.attention)
        self.token_logits = _convolution(weights.token_logits)
        self.token_values = _convolution(weights.token_values)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        x = self.convolutional(x)
        factors = 1 + self.channel_gain * self.channels(x.mean((2, 3)))
        x = self.attention(x.mul_(factors[:, :, None, None]))
        shares = torch.softmax(self.token_logits(x / root_mean_square(x)), dim=1)
        values: Tensor = self.token_values(shares)
        return values.add_(x)


class BorderCorrection(nn.Module):
    """See `fused_weights.BorderStrips`."""

    def __init__(self, weights: BorderStrips, scale: int) -> None:
        super().__init__()
        self.rows = _convolution(weights.rows)
        self.column_up = _convolution(weights.column_up)
        self.column_out = _convolution(weights.column_out)
        self._scale = scale

    def forward(self, features: Tensor, image: Tensor) -> None:
        """Take the strips that belong to ``features`` [B, C, H, W] off ``image`` [B, channels, sH, sW], in place."""
        batch, _, height, width = features.shape
        scale, channels = self._scale, image.shape[1]
        rows = self.rows(torch.cat([features[:, :, :1], features[:, :, -1:]], dim=1))
        rows = rows.reshape(batch, 2, channels, scale, width).transpose(3, 4).reshape(batch, 2, channels, scale * width)
        outside = self.column_up(torch.cat([features[..., :1], features[..., -1:]], dim=1))
        outside = outside.reshape(batch, -1, scale, height).transpose(2, 3).reshape(batch, -1, scale * height, 1)
        columns = self.column_out(outside).reshape(batch, 2, channels, scale * height)
        image[:, :, 0] -= rows[:, 0]
        image[:, :, -1] -= rows[:, 1]
        image[..., 0] -= columns[:, 0]
        image[..., -1] -= columns[:, 1]


class FusedResidualGroup(nn.Module):
    """See `fused_weights.ResidualGroup`."""

    def __init__(self, weights: ResidualGroup) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_block(block) for block in weights.blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` [B, C, H, W] to the same shape."""
        result: Tensor = self.blocks(x).add_(x)
        return result


def _block(weights: Block) -> nn.Module:
    match weights:
        case NanoWeights():
            return FusedNanoBlock(weights, normalised=False)
        case StreamWeights():
            return FusedStreamBlock(weights)
        case PhotoWeights():
            convolutional = FusedNanoBlock(weights.convolutional, normalised=True)
            if weights.attention is None:
                return convolutional
            return nn.Sequential(convolutional, FusedAttention(weights.attention))
        case ResidualGroup():
            return FusedResidualGroup(weights)
        case ProWeights():
            return FusedProBlock(weights)


class FusedParagonSR2(nn.Module):
    """The fused form of a network, for inference."""

    def __init__(
        self,
        weights: FusedWeights,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Build the network from its weights.

        Args:
            weights: of 3 channels, or of 1 after `fuse.for_grey`.
            dtype: of the features: float32, float16, bfloat16 or float64. In half precision the image, its base path
                and the result stay float32: the base is most of the image, and bfloat16 has fewer bits than a pixel.
            device: where to put it.

        """
        super().__init__()
        self.scale = weights.spec.scale
        self.conv_in = _convolution(weights.conv_in)
        self.body = nn.Sequential(*map(_block, weights.blocks))
        self.conv_mid = _convolution(weights.conv_mid)
        self.soften = nn.Identity() if weights.soften is None else _convolution(weights.soften)
        self.tail_detail = _convolution(weights.tail.detail)
        self.tail_base = _convolution(weights.tail.base)
        self.border = BorderCorrection(weights.border, weights.spec.scale)
        self.image_dtype = torch.promote_types(dtype, torch.float32)
        for child in self.children():
            of_image = child is self.soften or child is self.tail_base
            child.to(device=device, dtype=self.image_dtype if of_image else dtype)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's annotations
        self.eval()

    @classmethod
    def from_model(
        cls, model: Model, spec: GraphSpec, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Self:
        """Fuse a model into the form that a graph shall have.

        Args:
            model: the checkpoint.
            spec: whether of 1 channel; bytes, a separate detail input and sizes are a matter of the call.
            dtype: see `__init__`.
            device: see `__init__`.

        """
        arrays = for_grey(model.arrays) if spec.grey else model.arrays
        return cls(fuse_arrays(model.spec, arrays), dtype=dtype, device=device)

    def forward(
        self,
        x: Tensor,
        prev_feat: Tensor | None = None,
        feature_tap: bool = False,  # noqa: FBT001, FBT002  (as the reference network has it)
        blend: float | Tensor = 0.2,
        detail_input: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Upscale ``x`` [B, channels, H, W] to [B, channels, sH, sW]; arguments as for `network.ParagonSR2`.

        ``x`` has `image_dtype`, and so has the result, which is not clamped, and not contiguous in memory.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        seen = x if detail_input is None else detail_input.contiguous(memory_format=torch.channels_last)
        features = self.conv_in(seen.to(self.conv_in.weight.dtype))
        if prev_feat is not None:
            features = (1 - blend) * features + blend * prev_feat
        merged = self.conv_mid(self.body(features))
        cells = self.tail_base(self.soften(x)).add_(self.tail_detail(merged))
        first = self.scale - 1
        image = functional.pixel_shuffle(cells, self.scale)[:, :, first:-1, first:-1]
        self.border(merged, image)
        return (image, features) if feature_tap else image
