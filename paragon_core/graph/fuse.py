r"""Exact algebra on the arrays of a network: the same function in fewer and smaller steps.

Every rewrite is a pure function whose docstring derives it; the tests hold each one, and the whole, against the plain
network in float64 to 1e-12 relative, at every pixel. What cannot be exact has no place here.

The plain network is ``out = base(x) + gain * conv_out(shuffle(up(conv_mid(body(conv_in(x))))))``. The fused one::

    x ──► conv_in ──► blocks ──► conv_mid ─► f ─┬─► 4x4 conv ──┐
    │                                           │              + ──► shuffle ──► crop ──► minus border strips ──► out
    │                                           └─► strips     │
    └─► (soften) ──────────────────────────────────► 4x4 conv ─┘
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paragon_core.graph.fused_weights import (
    Attention,
    BorderStrips,
    Convolution,
    FusedWeights,
    NanoWeights,
    PhotoWeights,
    ProWeights,
    ResidualGroup,
    StreamWeights,
    Tail,
)
from paragon_core.models.kernels import base_phases, softening_kernel
from paragon_core.models.spec import HEADS, TOKEN_DIM, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.graph.fused_weights import Array, Block
    from paragon_core.models.model import Model
    from paragon_core.models.spec import Variant

Arrays = Mapping[str, npt.NDArray[np.floating]]


def for_bytes(arrays: Arrays) -> dict[str, Array]:
    """Return the arrays of the network that maps 0..255 to 0..255 instead of 0..1 to 0..1.

    The base path is linear without a constant, so it is the same on either range. The detail path gets 1/255 in
    conv_in's weight and 255 in conv_out, whose bias is part of the output.
    """
    changed = {key: value.astype(np.float64) for key, value in arrays.items()}
    changed["conv_in.weight"] /= 255
    changed["conv_out.weight"] *= 255
    changed["conv_out.bias"] *= 255
    return changed


def for_grey(arrays: Arrays) -> dict[str, Array]:
    """Return the arrays of the network on one channel: grey repeated as R, G, B in, mean of R, G, B out.

    Equal inputs meet the sum of conv_in's three kernels; the mean of the outputs is the mean of conv_out's rows. The
    base path treats channels alike and one by one, so its mean is itself.
    """
    changed = {key: value.astype(np.float64) for key, value in arrays.items()}
    changed["conv_in.weight"] = changed["conv_in.weight"].sum(axis=1, keepdims=True)
    for key in ("conv_out.weight", "conv_out.bias"):
        changed[key] = changed[key].mean(axis=0, keepdims=True)
    return changed


def absorb_layer_scale(conv: Convolution, gamma: Array) -> Convolution:
    """Return the convolution followed by a per-channel factor: ``g * (Wx + b) = (gW)x + gb``, gamma of shape [out]."""
    return replace(conv, weight=conv.weight * gamma[:, None, None, None], bias=conv.bias * gamma)


def absorb_affine(conv: Convolution, scale: Array, bias: Array) -> Convolution:
    """Return a 1x1 convolution that also applies the affine map before it.

    ``W(s * x + t) + b = (W diag(s))x + (Wt + b)`` for scale and bias of shape [in]. A 1x1 convolution sees no padding,
    so this holds at the border too.
    """
    matrix = conv.weight[:, :, 0, 0]
    return replace(conv, weight=conv.weight * scale[None, :, None, None], bias=conv.bias + matrix @ bias)


def split_mix(conv: Convolution) -> tuple[Convolution, Convolution]:
    """Split a 1x1 convolution over concatenated maps into one for each: ``W[a; b] + c = (Wa a + c) + Wb b``."""
    half = conv.weight.shape[1] // 2
    return (
        replace(conv, weight=conv.weight[:, :half]),
        replace(conv, weight=conv.weight[:, half:], bias=np.zeros_like(conv.bias)),
    )


def split_outputs(conv: Convolution) -> tuple[Convolution, Convolution]:
    """Split a convolution whose output is cut in two along the channels into one for each half."""
    half = conv.weight.shape[0] // 2
    groups = max(conv.groups // 2, 1)
    return (
        replace(conv, weight=conv.weight[:half], bias=conv.bias[:half], groups=groups),
        replace(conv, weight=conv.weight[half:], bias=conv.bias[half:], groups=groups),
    )


def collapse_tail(up: Convolution, out: Convolution, scale: int) -> Convolution:
    """Compose ``conv_out(pixel_shuffle(up(f)))`` into one 4x4 convolution on the low-resolution grid.

    Group output rows as ``s*i + 1 + a`` with ``a = 0..s-1`` and ``i = -1..H-1``, columns likewise: cell ``i`` then
    needs, through conv_out's three taps, upscaled rows ``s*i ... s*i + s + 1``, that is phase ``(a + 1 + d) mod s`` of
    low-resolution row ``i + floor((a + 1 + d) / s)``, which through up's three taps reads rows ``i-1 ... i+2``. So one
    4x4 convolution with padding 2 gives (H+1) x (W+1) cells; after the shuffle, ``s - 1`` rows and columns are cropped
    at the top and left, one at the bottom and right (spec §8).

    Inside the image this is exact. In the outermost ring of output pixels conv_out's zero padding is replaced by
    what ``up`` would make outside the image: `border_strips` holds that difference.
    """
    channels, features = out.weight.shape[:2]
    s = scale
    up_weight = up.weight.reshape(features, s, s, -1, 3, 3)  # k, row phase, column phase, feature, rows, columns
    up_bias = up.bias.reshape(features, s, s)
    kernel = np.zeros((channels, s, s, up_weight.shape[3], 4, 4))
    bias = np.tile(out.bias[:, None, None], (1, s, s))
    for a in range(s):
        for b in range(s):
            for dy in range(3):
                for dx in range(3):
                    row, phase_row = divmod(a + dy, s)
                    column, phase_column = divmod(b + dx, s)
                    taps = out.weight[:, :, dy, dx]
                    moved = np.tensordot(taps, up_weight[:, phase_row, phase_column], axes=1)
                    kernel[:, a, b, :, row : row + 3, column : column + 3] += moved
                    bias[:, a, b] += taps @ up_bias[:, phase_row, phase_column]
    return Convolution(
        weight=kernel.reshape(channels * s * s, -1, 4, 4),
        bias=bias.reshape(-1),
        padding=(2, 2),
    )


def base_as_cells(scale: int, channels: int) -> Convolution:
    """Return the base path on the same 4x4 cells as `collapse_tail`, for ``channels`` image channels.

    Output row ``s*i + 1 + a`` is phase ``(1 + a) mod s`` of low-resolution row ``i + floor((1 + a) / s)``, whose three
    taps come from `base_phases`; zero padding is the same on both grids, so this is exact at the border too.
    """
    s = scale
    phases = base_phases(s)
    axis = np.zeros((s, 4))
    for a in range(s):
        row, phase = divmod(1 + a, s)
        axis[a, row : row + 3] += phases[phase]
    cell = np.einsum("at,bu->abtu", axis, axis)
    kernel = np.zeros((channels, s, s, channels, 4, 4))
    for channel in range(channels):
        kernel[channel, :, :, channel] = cell
    return Convolution(
        weight=kernel.reshape(channels * s * s, channels, 4, 4),
        bias=np.zeros(channels * s * s),
        padding=(2, 2),
    )


def merge_inputs(first: Convolution, second: Convolution) -> Convolution:
    """Return one convolution on concatenated inputs for the sum of two: ``Va + Wb = [V W][a; b]``."""
    weight = np.concatenate([first.weight, second.weight], axis=1)
    return replace(first, weight=weight, bias=first.bias + second.bias)


def border_strips(up: Convolution, out: Convolution, scale: int) -> BorderStrips:
    """Return what `collapse_tail` adds too much in the outermost ring of output pixels.

    Let ``U`` be the upscaled features, continued outside the image by ``up`` itself (which sees zeros there). The
    collapsed tail applies conv_out to ``U``; upstream to ``U`` set to zero outside. The difference is the sum over the
    taps that fall outside:

    * first row: ``sum_x out[-1, x] U(-1, X + x)``. ``U(-1, .)`` is row phase ``s - 1`` of the cell above the image,
      which meets only the last kernel row of ``up`` on row 0 of ``f``. Last row: mirrored. Composed along the columns
      as in `collapse_tail` (here without the shift by one), a 1x5 convolution.
    * first column: ``sum_y out[y, -1] U(Y + y, -1)``, only for rows ``Y + y`` inside the image, since the corners
      are in the rows' sums already. Two convolutions, the second with zero padding, keep just those rows.
    """
    channels, features = out.weight.shape[:2]
    s = scale
    up_weight = up.weight.reshape(features, s, s, -1, 3, 3)
    up_bias = up.bias.reshape(features, s, s)
    inner = up_weight.shape[3]

    def row_strip(tap: int, phase: int, kernel_row: int) -> tuple[Array, Array]:
        kernel = np.zeros((channels, s, inner, 1, 5))
        bias = np.zeros((channels, s))
        for b in range(s):
            for dx in range(3):
                column, phase_column = divmod(b + dx - 1, s)
                taps = out.weight[:, :, tap, dx]
                moved = np.tensordot(taps, up_weight[:, phase, phase_column, :, kernel_row], axes=1)
                kernel[:, b, :, 0, column + 1 : column + 4] += moved
                bias[:, b] += taps @ up_bias[:, phase, phase_column]
        return kernel.reshape(channels * s, inner, 1, 5), bias.reshape(-1)

    top, bottom = row_strip(0, s - 1, 2), row_strip(2, 0, 0)
    left, right = up_weight[:, :, s - 1, :, :, 2:], up_weight[:, :, 0, :, :, :1]
    return BorderStrips(
        rows=Convolution(
            weight=np.concatenate([top[0], bottom[0]]),
            bias=np.concatenate([top[1], bottom[1]]),
            padding=(0, 2),
            groups=2,
        ),
        column_up=Convolution(
            weight=np.concatenate([side.reshape(features * s, inner, 3, 1) for side in (left, right)]),
            bias=np.concatenate([up_bias[:, :, s - 1].reshape(-1), up_bias[:, :, 0].reshape(-1)]),
            padding=(1, 0),
            groups=2,
        ),
        column_out=Convolution(
            weight=np.concatenate([out.weight[:, :, :, :1], out.weight[:, :, :, 2:]]),
            bias=np.zeros(2 * channels),
            padding=(1, 0),
            groups=2,
        ),
    )


def absorb_skip(conv: Convolution) -> Convolution:
    """Return ``x + conv(x)`` as one convolution: an identity on the centre tap."""
    weight = conv.weight.copy()
    middle = weight.shape[2] // 2
    weight[:, :, middle, middle] += np.eye(weight.shape[0])
    return replace(conv, weight=weight)


def absorb_gain(conv: Convolution, gain: float) -> Convolution:
    """Return a convolution whose result is multiplied: it multiplies the bias too, as detail_gain does (spec §1)."""
    return replace(conv, weight=conv.weight * gain, bias=conv.bias * gain)


def balance_product(block: StreamWeights) -> StreamWeights:
    """Return a block of stream whose factors are as small as its projection allows.

    ``P clamp(a * b, t) = (P * u * v) clamp(a / u * b / v, t / (u * v))``, with powers of two for u and v, so that no
    bit of a product changes. Networks that were trained to use the clamp have factors of hundreds and projections of
    1e-6, which half precision would round or lose.
    """
    factors = max(
        float(np.abs(part).max()) for gate in (block.gate_a, block.gate_b) for part in (gate.weight, gate.bias)
    )
    projection = float(np.abs(block.project.weight).max())
    if not (factors > 1 and 0 < projection < 1):
        return block
    exponent = min(2 * math.floor(math.log2(factors)), -math.ceil(math.log2(projection)))
    shares = exponent // 2, exponent - exponent // 2
    bound = block.product_bound
    return replace(
        block,
        gate_a=absorb_gain(block.gate_a, 2.0 ** -shares[0]),
        gate_b=absorb_gain(block.gate_b, 2.0 ** -shares[1]),
        project=replace(block.project, weight=block.project.weight * 2.0**exponent),
        product_bound=None if bound is None else bound * 2.0**-exponent,
    )


def fuse(model: Model) -> FusedWeights:
    """Return the fused form of a model."""
    return fuse_arrays(model.spec, model.arrays)


def fuse_arrays(spec: ModelSpec, arrays: Arrays) -> FusedWeights:
    """Return the fused form of arrays under upstream's keys, on 3 channels or after `for_grey` on 1."""
    up = _convolution(arrays, "up.0", padding=1)
    out = absorb_gain(_convolution(arrays, "conv_out", padding=1), float(arrays["detail_gain"]))
    channels = out.weight.shape[0]
    soften = None
    if spec.softens:
        kernel = np.tile(softening_kernel(spec.upsampler_alpha), (channels, 1, 1, 1))
        soften = Convolution(weight=kernel, bias=np.zeros(channels), padding=(3, 3), groups=channels)
    prefixes = [f"body.{group}.blocks.{block}." for group in range(spec.groups) for block in range(spec.blocks)]
    fuse_block: dict[Variant, Callable[[ModelSpec, Arrays, str, int], Block]]
    fuse_block = {"realtime": _nano_block, "stream": _stream_block, "photo": _photo_block, "pro": _pro_block}
    blocks = tuple(fuse_block[spec.variant](spec, arrays, prefix, index) for index, prefix in enumerate(prefixes))
    conv_mid = _convolution(arrays, "conv_mid", padding=1)
    if spec.revision == "v6":
        starts = range(0, spec.block_count, spec.blocks)
        blocks = tuple(ResidualGroup(blocks=blocks[start : start + spec.blocks]) for start in starts)
        conv_mid = absorb_skip(conv_mid)
    return FusedWeights(
        spec=spec,
        conv_in=_convolution(arrays, "conv_in", padding=1),
        blocks=blocks,
        conv_mid=conv_mid,
        soften=soften,
        tail=Tail(detail=collapse_tail(up, out, spec.scale), base=base_as_cells(spec.scale, channels)),
        border=border_strips(up, out, spec.scale),
    )


def _array(arrays: Arrays, key: str) -> Array:
    return arrays[key].astype(np.float64)


def _convolution(
    arrays: Arrays, key: str, *, padding: int = 0, dilation: int = 1, depthwise: bool = False
) -> Convolution:
    weight = _array(arrays, f"{key}.weight")
    return Convolution(
        weight=weight,
        bias=_array(arrays, f"{key}.bias"),
        padding=(padding, padding),
        dilation=dilation,
        groups=weight.shape[0] if depthwise else 1,
    )


def _gamma(arrays: Arrays, key: str) -> Array:
    return _array(arrays, f"{key}.gamma").reshape(-1)


def _nano_block(spec: ModelSpec, arrays: Arrays, prefix: str, _: int) -> NanoWeights:
    project = _convolution(arrays, prefix + "conv2")
    if spec.revision == "v11":
        project = absorb_layer_scale(project, _gamma(arrays, prefix + "scale"))
    return NanoWeights(
        expand=_convolution(arrays, prefix + "conv1"),
        depthwise=_convolution(arrays, prefix + "dw", padding=1, depthwise=True),
        project=project,
        activation="hardswish" if spec.revision == "v6" else "gelu",
    )


def _stream_block(spec: ModelSpec, arrays: Arrays, prefix: str, _: int) -> StreamWeights:
    mix_near, mix_far = split_mix(_convolution(arrays, prefix + "fuse"))
    expand_a, expand_b = split_outputs(_convolution(arrays, prefix + "proj"))
    gate_a, gate_b = split_outputs(_convolution(arrays, prefix + "gate", padding=1, depthwise=True))
    project = _convolution(arrays, prefix + "out")
    if spec.revision == "v11":
        project = absorb_layer_scale(project, _gamma(arrays, prefix + "scale"))
    block = StreamWeights(
        near=_convolution(arrays, prefix + "dw1", padding=1, depthwise=True),
        far=_convolution(arrays, prefix + "dw3", padding=3, dilation=3, depthwise=True),
        mix_near=mix_near,
        mix_far=mix_far,
        expand_a=expand_a,
        gate_a=gate_a,
        expand_b=expand_b,
        gate_b=gate_b,
        project=project,
        product_bound=spec.product_bound,
    )
    return balance_product(block)


def _normalised_nano_block(arrays: Arrays, prefix: str, *, norm: str, gamma: str) -> NanoWeights:
    scale, bias = (_array(arrays, f"{prefix}{norm}.{part}").reshape(-1) for part in ("scale", "bias"))
    return NanoWeights(
        expand=absorb_affine(_convolution(arrays, prefix + "conv1"), scale, bias),
        depthwise=_convolution(arrays, prefix + "dw", padding=1, depthwise=True),
        project=absorb_layer_scale(_convolution(arrays, prefix + "conv2"), _gamma(arrays, prefix + gamma)),
        activation="gelu",
    )


def _attention(spec: ModelSpec, arrays: Arrays, names: tuple[str, str, str], index: int) -> Attention:
    """Fold norm, 1/sqrt(head size) and LayerScale into the projections.

    Tokens outside the image are zeros *behind* the norm, so they know qkv's raw bias only; the norm's bias must not
    be added to them (spec §8.2). Hence two biases: ``token_bias`` for tokens inside, ``qkv_bias`` for all.
    """
    norm, attention, gamma = names
    scale, shift = (_array(arrays, f"{norm}.{part}").reshape(-1) for part in ("scale", "bias"))
    weight, bias = _array(arrays, f"{attention}.qkv.weight"), _array(arrays, f"{attention}.qkv.bias")
    query = np.ones(3 * spec.channels)
    query[: spec.channels] = (spec.channels // HEADS) ** -0.5
    gain = _gamma(arrays, gamma)
    return Attention(
        qkv_weight=weight * scale * query[:, None],
        qkv_bias=bias * query,
        token_bias=(weight @ shift) * query,
        project_weight=_array(arrays, f"{attention}.proj.weight") * gain[:, None],
        project_bias=_array(arrays, f"{attention}.proj.bias") * gain,
        window=spec.window_size,
        shift=spec.shift_of_block(index),
    )


def _photo_block(spec: ModelSpec, arrays: Arrays, prefix: str, index: int) -> PhotoWeights:
    names = (prefix + "attn_norm", prefix + "attn", prefix + "scale")  # one LayerScale serves both branches
    return PhotoWeights(
        convolutional=_normalised_nano_block(arrays, prefix, norm="norm", gamma="scale"),
        attention=_attention(spec, arrays, names, index) if spec.attention else None,
    )


def _pro_block(spec: ModelSpec, arrays: Arrays, prefix: str, index: int) -> ProWeights:
    names = (prefix + "norm3", prefix + "window_attn", prefix + "scale3")
    logits, values = token_attention(arrays, prefix)
    return ProWeights(
        convolutional=_normalised_nano_block(arrays, prefix, norm="norm1", gamma="scale1"),
        squeeze=_array(arrays, prefix + "channel_attn.fc.0.weight"),
        excite=_array(arrays, prefix + "channel_attn.fc.2.weight"),
        channel_gain=_gamma(arrays, prefix + "scale2"),
        attention=_attention(spec, arrays, names, index) if spec.attention else None,
        token_logits=logits,
        token_values=values,
    )


def token_attention(arrays: Arrays, prefix: str) -> tuple[Convolution, Convolution]:
    """Compose pro's token attention into two 1x1 convolutions around a softmax over the 64 tokens.

    Keys ``K`` and values ``V`` come from a learned dictionary, not from the image, so they are constants:
    ``q K^T / 4 = (K Wq / 4) x + K bq / 4`` with the norm's affine map absorbed, and, as softmax weights sum to one,
    ``Wo (V^T p) + bo = (Wo V^T) p + bo``.
    """

    def linear(name: str) -> tuple[Array, Array]:
        return _array(arrays, f"{prefix}token_ca.{name}.weight"), _array(arrays, f"{prefix}token_ca.{name}.bias")

    tokens = _array(arrays, prefix + "token_ca.token_dict")[0]
    (query, query_bias), (key, key_bias), (value, value_bias), (out, out_bias) = map(
        linear, ("q_proj", "k_proj", "v_proj", "out_proj")
    )
    keys = (tokens @ key.T + key_bias) * TOKEN_DIM**-0.5
    values = tokens @ value.T + value_bias
    scale, shift = (_array(arrays, f"{prefix}norm4.{part}").reshape(-1) for part in ("scale", "bias"))
    logits = Convolution(weight=(keys @ query)[:, :, None, None], bias=keys @ query_bias)
    result = Convolution(weight=(out @ values.T)[:, :, None, None], bias=out_bias)
    return absorb_affine(logits, scale, shift), absorb_layer_scale(result, _gamma(arrays, prefix + "scale4"))
