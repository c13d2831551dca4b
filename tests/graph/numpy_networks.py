"""Networks spelled out in NumPy: the plain form as spec §1 has it, and the fused form as `fuse` describes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.graph.fuse import merge_inputs
from paragon_core.graph.fused_weights import Convolution, NanoWeights, PhotoWeights, ResidualGroup, StreamWeights
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from paragon_core.graph.fused_weights import Array, Block, BorderStrips, FusedWeights
    from paragon_core.models.spec import ModelSpec

_erf = np.vectorize(math.erf, otypes=[np.float64])


def convolve(x: Array, conv: Convolution) -> Array:
    """Apply a convolution to ``x`` [channels, rows, columns], tap by tap."""
    outputs, inputs, rows, columns = conv.weight.shape
    (top, left), step, groups = conv.padding, conv.dilation, conv.groups
    padded = np.pad(x, ((0, 0), (top, top), (left, left)))
    height, width = padded.shape[1] - step * (rows - 1), padded.shape[2] - step * (columns - 1)
    padded = padded.reshape(groups, inputs, *padded.shape[1:])
    weight = conv.weight.reshape(groups, outputs // groups, inputs, rows, columns)
    result = np.zeros((groups, outputs // groups, height, width))
    for row in range(rows):
        for column in range(columns):
            seen = padded[:, :, row * step : row * step + height, column * step : column * step + width]
            result += np.einsum("goi,gihw->gohw", weight[..., row, column], seen)
    return np.asarray(result.reshape(outputs, height, width) + conv.bias[:, None, None])


def shuffle(x: Array, scale: int) -> Array:
    """Upscale [channels * scale^2, rows, columns] as PixelShuffle does (spec §1)."""
    _, height, width = x.shape
    cells = x.reshape(-1, scale, scale, height, width).transpose(0, 3, 1, 4, 2)
    return cells.reshape(-1, height * scale, width * scale)


def in_cells(x: Array, conv: Convolution, scale: int) -> Array:
    """Apply a convolution to 4x4 cells and crop what lies outside the image (spec §8)."""
    upscaled = shuffle(convolve(x, conv), scale)
    return upscaled[:, scale - 1 : -1, scale - 1 : -1]


def without_strips(image: Array, features: Array, strips: BorderStrips, scale: int) -> Array:
    """Subtract the border strips, as `fuse.BorderStrips` describes them."""
    channels, height, width = image.shape
    rows = convolve(np.concatenate([features[:, :1], features[:, -1:]]), strips.rows)
    rows = rows.reshape(2, channels, scale, -1).swapaxes(2, 3).reshape(2, channels, width)
    outside = convolve(np.concatenate([features[:, :, :1], features[:, :, -1:]]), strips.column_up)
    outside = outside.reshape(-1, scale, features.shape[1]).swapaxes(1, 2).reshape(-1, height, 1)
    columns = convolve(outside, strips.column_out).reshape(2, channels, height)
    result = image.copy()
    result[:, 0] -= rows[0]
    result[:, -1] -= rows[1]
    result[:, :, 0] -= columns[0]
    result[:, :, -1] -= columns[1]
    return result


def base_step_by_step(x: Array, scale: int, alpha: float = 0.0) -> Array:
    """Upscale ``x`` [channels, rows, columns] as upstream's base path does (spec §1)."""
    channels = x.shape[0]
    if alpha > 0:
        x = x + alpha * (_separable(x, SOFTENING_TAPS, channels) - x)
    return _separable(x.repeat(scale, axis=1).repeat(scale, axis=2), BINOMIAL_TAPS, channels)


def _separable(x: Array, taps: Array, channels: int) -> Array:
    around, zeros = len(taps) // 2, np.zeros(channels)
    along = np.tile(taps, (channels, 1, 1, 1))
    rows = Convolution(weight=along, bias=zeros, padding=(0, around), groups=channels)
    columns = Convolution(weight=along.swapaxes(2, 3), bias=zeros, padding=(around, 0), groups=channels)
    return convolve(convolve(x, rows), columns)


def gelu(x: Array) -> Array:
    return np.asarray(x * (1 + _erf(x / math.sqrt(2))) / 2)


def hardswish(x: Array) -> Array:
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


def over_rms(x: Array) -> Array:
    return np.asarray(x / np.sqrt((x * x).mean(axis=0) + 1e-6))


class Plain:
    """A network as spec §1 writes it down, for the variants without attention."""

    def __init__(self, spec: ModelSpec, arrays: Mapping[str, npt.NDArray[np.floating]]) -> None:
        self.spec = spec
        self.arrays = {key: value.astype(np.float64) for key, value in arrays.items()}

    def conv(self, x: Array, key: str, dilation: int = 1) -> Array:
        weight = self.arrays[f"{key}.weight"]
        around = dilation * (weight.shape[2] // 2)
        groups = len(x) // weight.shape[1]
        bias = self.arrays[f"{key}.bias"]
        return convolve(
            x, Convolution(weight=weight, bias=bias, padding=(around, around), dilation=dilation, groups=groups)
        )

    def block(self, x: Array, key: str) -> Array:
        if self.spec.variant == "stream":
            near, far = self.conv(x, f"{key}.dw1"), self.conv(x, f"{key}.dw3", dilation=3)
            mixed = self.conv(np.concatenate([near, far]), f"{key}.fuse")
            a, b = np.split(self.conv(self.conv(mixed, f"{key}.proj"), f"{key}.gate"), 2)
            product = a * b
            if self.spec.product_bound is not None:
                product = product.clip(-self.spec.product_bound, self.spec.product_bound)
            branch = self.conv(product, f"{key}.out")
        else:
            inner = x
            if self.spec.variant == "photo":
                inner = self.arrays[f"{key}.norm.scale"] * over_rms(x) + self.arrays[f"{key}.norm.bias"]
            expanded = self.conv(inner, f"{key}.conv1")
            if self.spec.revision == "v6":
                expanded = hardswish(self.conv(hardswish(expanded), f"{key}.dw"))
            else:
                expanded = gelu(self.conv(expanded, f"{key}.dw"))
            branch = self.conv(expanded, f"{key}.conv2")
        gamma = self.arrays.get(f"{key}.scale.gamma")
        return x + (branch if gamma is None else gamma[0] * branch)

    def __call__(self, x: Array) -> Array:
        features, skips = self.conv(x, "conv_in"), self.spec.revision == "v6"
        for group in range(self.spec.groups):
            entry = features
            for index in range(self.spec.blocks):
                features = self.block(features, f"body.{group}.blocks.{index}")
            features = features + entry if skips else features
        merged = self.conv(features, "conv_mid")
        merged = merged + features if skips else merged
        detail = self.conv(shuffle(self.conv(merged, "up.0"), self.spec.scale), "conv_out")
        base = base_step_by_step(x, self.spec.scale, self.spec.upsampler_alpha)
        return np.asarray(base + self.arrays["detail_gain"] * detail)


def run_block(x: Array, block: Block) -> Array:
    """Do what the docstrings of the blocks say."""
    if isinstance(block, ResidualGroup):
        inner = x
        for one in block.blocks:
            inner = run_block(inner, one)
        return x + inner
    if isinstance(block, StreamWeights):
        mixed = convolve(convolve(x, block.near), block.mix_near) + convolve(convolve(x, block.far), block.mix_far)
        a = convolve(convolve(mixed, block.expand_a), block.gate_a)
        product = a * convolve(convolve(mixed, block.expand_b), block.gate_b)
        if block.product_bound is not None:
            product = product.clip(-block.product_bound, block.product_bound)
        return x + convolve(product, block.project)
    nano = block.convolutional if isinstance(block, PhotoWeights) else block
    assert isinstance(nano, NanoWeights)
    expanded = convolve(over_rms(x) if nano is not block else x, nano.expand)
    if nano.activation == "hardswish":
        return x + convolve(hardswish(convolve(hardswish(expanded), nano.depthwise)), nano.project)
    return x + convolve(gelu(convolve(expanded, nano.depthwise)), nano.project)


def run(fused: FusedWeights, x: Array, detail: Array | None = None) -> Array:
    """Do what the docstring of `fuse` draws; the detail path may see something else than ``x``."""
    features, scale = convolve(x if detail is None else detail, fused.conv_in), fused.spec.scale
    for block in fused.blocks:
        features = run_block(features, block)
    features = convolve(features, fused.conv_mid)
    softened = x if fused.soften is None else convolve(x, fused.soften)
    tail = merge_inputs(fused.tail.detail, fused.tail.base)
    image = in_cells(np.concatenate([features, softened]), tail, scale)
    return without_strips(image, features, fused.border, scale)
