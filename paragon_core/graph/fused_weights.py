"""What a fused network consists of: constants and the steps that use them.

`fuse` makes these from a checkpoint's arrays; `onnx_graph` and `torch_fused` only spell them out. All arrays are
float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from paragon_core.models.spec import ModelSpec

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """A zero-padded convolution with stride 1."""

    weight: Array
    """Shape [out, in / groups, rows, columns]."""
    bias: Array
    """Shape [out]."""
    padding: tuple[int, int] = (0, 0)
    """Zeros added on both ends of the rows axis, and of the columns axis."""
    dilation: int = 1
    """Spacing of the taps along both axes."""
    groups: int = 1
    """Channel groups; equal to the channels for a depthwise convolution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NanoWeights:
    """``x + project(act(depthwise(expand(x))))``; photo and pro use it on ``x`` divided by its RMS."""

    expand: Convolution
    """1x1, C to 2C."""
    depthwise: Convolution
    """Depthwise 3x3 on 2C."""
    project: Convolution
    """1x1, 2C to C, LayerScale included."""
    activation: Literal["gelu", "hardswish"]
    """gelu: exact GELU after the depthwise convolution; hardswish (v6): Hardswish before and after it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamWeights:
    """``t = mix_near(near(x)) + mix_far(far(x)); x + project(gate_a(expand_a(t)) * gate_b(expand_b(t)))``."""

    near: Convolution
    """Depthwise 3x3 on C."""
    far: Convolution
    """Depthwise 3x3 on C with dilation 3."""
    mix_near: Convolution
    """1x1, C to C, with the bias of the mix."""
    mix_far: Convolution
    """1x1, C to C, its bias is zero."""
    expand_a: Convolution
    """1x1, C to 2C: first factor."""
    gate_a: Convolution
    """Depthwise 3x3 on 2C: first factor."""
    expand_b: Convolution
    """1x1, C to 2C: second factor."""
    gate_b: Convolution
    """Depthwise 3x3 on 2C: second factor."""
    project: Convolution
    """1x1, 2C to C, LayerScale included."""
    product_bound: float | None
    """Since v11 the product is taken in float32 and clamped to +- this; None before: it is not clamped."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """Window attention on ``x`` divided by its RMS; adds ``project(attend(...))`` to the stream."""

    qkv_weight: Array
    """Shape [3C, C], the norm's scale included; rows are q, k, v, each head-major; q carries the 1/sqrt(C/4)."""
    qkv_bias: Array
    """Shape [3C]: raw bias of the projection; all that a padded (zero) token has."""
    token_bias: Array
    """Shape [3C]: the norm's bias seen through the projection; real tokens have it in addition."""
    project_weight: Array
    """Shape [C, C], LayerScale included."""
    project_bias: Array
    """Shape [C], LayerScale included."""
    window: int
    """Side of a window in pixels."""
    shift: int
    """How far the padded map is rolled up and left before it is cut into windows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoWeights:
    """A `NanoWeights` on the normalised map, then window attention if there is any."""

    convolutional: NanoWeights
    """First residual branch, with the norm's scale and bias included."""
    attention: Attention | None
    """Second residual branch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProWeights:
    """Four residual steps: convolutional, channel weights, window attention, token attention."""

    convolutional: NanoWeights
    """First step, on the normalised map."""
    squeeze: Array
    """Shape [C // 16, C]: from the map's mean to the hidden vector of the channel weights."""
    excite: Array
    """Shape [C, C // 16]: from GELU of the hidden vector to the logits of the channel weights."""
    channel_gain: Array
    """Shape [C]: the second step is ``x * (1 + channel_gain * sigmoid(logits))``."""
    attention: Attention | None
    """Third step."""
    token_logits: Convolution
    """1x1, C to 64, on the normalised map: scaled products of each pixel's query with the token keys."""
    token_values: Convolution
    """1x1, 64 to C: from the softmax over the tokens to the step's result, LayerScale included."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualGroup:
    """``x + blocks(x)``: v6 has a skip around each group of its body."""

    blocks: tuple[Block, ...]
    """The group's blocks in order."""


Block = NanoWeights | StreamWeights | PhotoWeights | ProWeights | ResidualGroup


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """Everything behind conv_mid as one convolution over 4x4 low-resolution cells (see `collapse_tail`)."""

    detail: Convolution
    """C to image channels * s^2, 4x4, padding 2."""
    base: Convolution
    """Image channels to image channels * s^2, 4x4, padding 2, no bias: the fixed base path."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BorderStrips:
    """What the tail adds too much in the outermost ring of output pixels (see `border_strips`)."""

    rows: Convolution
    """[first, last row of f] (2C, two groups) to 2 * image channels * s, 1x5: the strips of both rows."""
    column_up: Convolution
    """[first, last column of f] (2C, two groups) to 2C * s, 3x1: the features just outside, phase by phase."""
    column_out: Convolution
    """2C (two groups) to 2 * image channels, 3x1 on the upscaled columns: the strips of both columns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FusedWeights:
    """The fused network in float64; `onnx_graph` and `torch_fused` only spell it out."""

    spec: ModelSpec
    """The network it came from."""
    conv_in: Convolution
    """3x3, image channels to C."""
    blocks: tuple[Block, ...]
    """The body in order."""
    conv_mid: Convolution
    """3x3, C to C."""
    soften: Convolution | None
    """Depthwise 7x7 on the image before the base path, where upsampler_alpha asks for it."""
    tail: Tail
    """Detail and base path to the cells of the output."""
    border: BorderStrips
    """The exact border."""

    @property
    def image_channels(self) -> int:
        """Channels of input and output: 3, or 1 after `for_grey`."""
        return int(self.conv_in.weight.shape[1])
