"""The network as it is trained: its linear tail as one free kernel.

Nothing non-linear is between conv_mid and the output, so ``detail_gain``, conv_out, the shuffle and ``up.0`` are
together one 4x4 convolution on the low-resolution grid (spec §8, `paragon_core.graph.fuse.collapse_tail`). Training
that kernel instead of its factors costs a third of the time and leaves out a badly conditioned product of three
factors.
Afterwards `expand_tail` writes it into upstream's keys, exactly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from paragon_core.errors import InputError
from paragon_core.graph.fuse import absorb_gain, base_as_cells, collapse_tail
from paragon_core.graph.fused_weights import Convolution
from paragon_core.models.spec import PRODUCT_LIMIT
from paragon_core.network import ParagonSR2
from paragon_core.network.blocks import IMAGE_CHANNELS, Group, StreamBlock, bias_of
from paragon_core.training.stream_block import stream_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paragon_core.models.spec import ModelSpec
    from paragon_core.network.attention import AttentionMode

Array = npt.NDArray[np.float64]

#: Low-resolution pixels that a 4x4 kernel without padding loses along each axis.
LOST = 3

#: How the keys of LayerScale end, which v11 has and v9 has not.
_RESIDUAL_SCALE = ".scale.gamma"

#: The taps of conv_out that `expand_tail` uses, and so the channels that it needs for each colour: the middle one
#: reaches most of the 4x4 kernel, each diagonal one adds a corner and the two arms next to it.
_TAPS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


class CollapsedNetwork(nn.Module):
    """A ParagonSR2 network with a collapsed tail and without its fixed base path."""

    reach: Tensor
    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    def __init__(
        self,
        spec: ModelSpec,
        *,
        attention: AttentionMode = "sdpa",
        checkpointing: bool = False,
        product_bound: float = PRODUCT_LIMIT,
    ) -> None:
        """Build it with torch's default weights and a tail of zeros: the output is the base path alone.

        Args:
            spec: what to build; photo and pro keep their attention, whose windows start at a patch's corner.
            attention: torch's implementation of it.
            checkpointing: compute each block again in the backward pass instead of keeping its feature maps.
            product_bound: what stream's products are clamped to in v11, see `product_scales`.

        Raises:
            InputError: if the network has too few channels for `expand_tail`, softens its input, or is of revision v6.

        """
        super().__init__()
        if spec.channels < IMAGE_CHANNELS * len(_TAPS):
            msg = f"a network of {spec.channels} channels is too narrow to be trained with a collapsed tail"
            raise InputError(msg, hint=f"it takes {IMAGE_CHANNELS * len(_TAPS)} channels")
        if spec.softens:
            msg = f"upsampler_alpha {spec.upsampler_alpha:g} softens the image; networks are trained with 0"
            raise InputError(msg)
        if spec.revision == "v6":
            raise InputError("networks of revision v6 are not trained", hint="train v9, which is as large")
        whole = ParagonSR2(spec, attention_mode=attention)
        self.spec = spec
        self.checkpointing = checkpointing
        self.product_bound = product_bound
        self.conv_in = whole.conv_in
        self.body = whole.body
        self.conv_mid = whole.conv_mid
        self.tail = nn.Conv2d(spec.channels, IMAGE_CHANNELS * spec.scale**2, LOST + 1)
        self.register_buffer("reach", tail_reach(spec.scale), persistent=False)
        for side, mask in edge_masks(spec.scale).items():
            self.register_buffer(side, mask, persistent=False)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(bias_of(self.tail))

    def features(self, x: Tensor) -> Tensor:
        """Return what the tail sees: [B, C, H, W] of ``x`` [B, 3, H, W]."""
        x = self.conv_in(x)
        bound = self.product_bound if self.spec.revision == "v11" else None
        for group in self.body:
            assert isinstance(group, Group)  # noqa: S101  (torch types the items of a list as Module)
            for block in group.blocks:
                run = partial(stream_block, block, bound=bound) if isinstance(block, StreamBlock) else block
                if self.checkpointing and torch.is_grad_enabled():
                    # No block draws random numbers, so there is no state of them to keep.
                    x = checkpoint(run, x, use_reentrant=False, preserve_rng_state=False)
                else:
                    x = run(x)
        features: Tensor = self.conv_mid(x)
        return features

    def interior(self, x: Tensor) -> Tensor:
        """Return the learned part of the output as cells [B, 3ss, H-3, W-3], see `cells`, of ``x`` [B, 3, H, W]."""
        return functional.conv2d(self.features(x), self.tail.weight * self.reach, self.tail.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the learned part of the output, [B, 3, sH, sW], of ``x`` [B, 3, H, W].

        It is what upstream's form makes, apart from the four corner pixels: on the outermost rows and columns
        conv_out sees zeros outside the image, so its taps that point there count for nothing.
        """
        s = self.spec.scale
        features = self.features(x)
        kernel = self.tail.weight * self.reach
        height, width = s * x.shape[2], s * x.shape[3]
        rows, columns = slice(s - 1, s - 1 + height), slice(s - 1, s - 1 + width)
        whole = self._shuffled(functional.pad(features, (2, 2, 2, 2)), kernel)[..., rows, columns]
        top = self._shuffled(functional.pad(features[:, :, :2], (2, 2, 2, 0)), kernel * self.top)
        bottom = self._shuffled(functional.pad(features[:, :, -2:], (2, 2, 0, 2)), kernel * self.bottom)
        left = self._shuffled(functional.pad(features[..., :2], (2, 0, 2, 2)), kernel * self.left)
        right = self._shuffled(functional.pad(features[..., -2:], (0, 2, 2, 2)), kernel * self.right)
        whole = torch.cat([left[..., rows, s - 1 :], whole[..., 1:-1], right[..., rows, s - 2 : s - 1]], dim=3)
        top, bottom = top[:, :, s - 1 :, columns], bottom[:, :, s - 2 : s - 1, columns]
        return torch.cat([top, whole[:, :, 1:-1], bottom], dim=2)

    def _shuffled(self, features: Tensor, kernel: Tensor) -> Tensor:
        return functional.pixel_shuffle(functional.conv2d(features, kernel, self.tail.bias), self.spec.scale)

    def to_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the whole network under upstream's keys, in upstream's order."""
        state = {key: tensor.detach().cpu().double().numpy() for key, tensor in self.state_dict().items()}
        tail = Convolution(weight=state.pop("tail.weight") * self.reach.numpy(), bias=state.pop("tail.bias"))
        arrays = ParagonSR2(self.spec).to_arrays()
        arrays.update({key: array.astype(np.float32) for key, array in state.items()})
        arrays.update({key: array.astype(np.float32) for key, array in expand_tail(tail, self.spec).items()})
        for key, factor in product_scales(self.spec, PRODUCT_LIMIT / self.product_bound).items():
            arrays[key] = (state[key] * factor).astype(np.float32)
        return arrays

    def load_arrays(self, arrays: Mapping[str, npt.NDArray[np.floating]]) -> None:
        """Take over the weights of a whole network, its tail collapsed: the start of a fine-tuning.

        One of v9 is taken as one of v11 whose residual scales are 1, with products within `product_bound` as they are.

        Raises:
            UnsupportedArchitectureError: when a key is missing or unexpected.
            WeightError: when an array has the wrong shape.

        """
        scales = product_scales(self.spec, self.product_bound / PRODUCT_LIMIT)
        if self.spec.revision == "v11" and not any(key.endswith(_RESIDUAL_SCALE) for key in arrays):
            missing = {key: np.ones_like(array) for key, array in ParagonSR2(self.spec).to_arrays().items()}
            arrays = {key: array for key, array in missing.items() if key.endswith(_RESIDUAL_SCALE)} | dict(arrays)
            scales = {}
        whole = ParagonSR2.from_arrays(self.spec, arrays, dtype=torch.float64)
        state = whole.state_dict()
        for key, factor in scales.items():
            state[key] *= factor
        up = Convolution(weight=state["up.0.weight"].numpy(), bias=state["up.0.bias"].numpy())
        out = Convolution(weight=state["conv_out.weight"].numpy(), bias=state["conv_out.bias"].numpy())
        tail = collapse_tail(up, absorb_gain(out, float(state["detail_gain"])), self.spec.scale)
        own = {key: tensor for key, tensor in state.items() if key.startswith(("conv_in.", "body.", "conv_mid."))}
        own["tail.weight"], own["tail.bias"] = torch.tensor(tail.weight), torch.tensor(tail.bias)
        self.load_state_dict(own)

    def load_body(self, arrays: Mapping[str, npt.NDArray[np.floating]], scale: int) -> None:
        """Take over all but the tail of a network like this one whose scale is ``scale``.

        Raises:
            UnsupportedArchitectureError: when a key is missing or unexpected.
            WeightError: when an array has the wrong shape.

        """
        other = CollapsedNetwork(replace(self.spec, scale=scale), product_bound=self.product_bound)
        other.load_arrays(arrays)
        body = {key: tensor for key, tensor in other.state_dict().items() if not key.startswith("tail.")}
        self.load_state_dict(body, strict=False)


def product_scales(spec: ModelSpec, factor: float) -> dict[str, float]:
    """Return what multiplies which of stream's weights so that its products are ``factor`` times as large.

    What the blocks compute stays the same, but for the place where v11 clamps products: at `PRODUCT_LIMIT`, which they
    never come near to as they are. A network whose products were kept within a bound while it was trained keeps them
    there, with products ``PRODUCT_LIMIT / bound`` times as large. Empty for networks that do not clamp.
    """
    if spec.variant != "stream" or spec.revision != "v11":
        return {}
    root = math.sqrt(factor)
    scales = {"gate.weight": root, "gate.bias": root, "out.weight": 1 / factor}
    keys = ParagonSR2(spec).state_dict()
    return {key: scale for key in keys for end, scale in scales.items() if key.endswith(f".{end}")}


def cells(high: Tensor, scale: int) -> Tensor:
    """Cut what `CollapsedNetwork` makes out of a high-resolution image.

    Cell ``i`` holds rows ``s*i + 1 ... s*i + s``, columns likewise; the cells 1 ... H-3 need no pixel from outside.

    Args:
        high: [B, 3, sH, sW].
        scale: s.

    Returns:
        [B, 3ss, H-3, W-3], channel ``colour * ss + row * s + column`` of each cell.

    """
    inner = high[..., scale + 1 : 1 - 2 * scale, scale + 1 : 1 - 2 * scale]
    return functional.pixel_unshuffle(inner, scale)


def base_kernel(scale: int) -> Tensor:
    """Return the base path as a kernel [3ss, 3, 4, 4] that makes `cells` of a low-resolution image."""
    return torch.tensor(base_as_cells(scale, IMAGE_CHANNELS).weight, dtype=torch.float32)


def tail_reach(scale: int) -> Tensor:
    """Return which weights of a collapsed tail the factors can make: 1 or 0, [3ss, 1, 4, 4].

    At scale 2 all of them. From 3 on the middle phases of a cell are too far from its neighbours to use the whole 4x4.
    """
    axis = torch.zeros(scale, LOST + 1)
    for a in range(scale):
        for tap in range(3):
            row = (a + tap) // scale
            axis[a, row : row + 3] = 1
    cell = torch.einsum("at,bu->abtu", axis, axis)
    return cell.flatten(0, 1).repeat(IMAGE_CHANNELS, 1, 1)[:, None]


def edge_masks(scale: int) -> dict[str, Tensor]:
    """Return for each side of an image which weights of a collapsed tail count on its outermost row or column.

    Those that `expand_tail` gives to a tap of conv_out that points out of the image do not: 1 or 0, [3ss, 1, 4, 4].
    """
    masks = {side: torch.zeros(scale, scale, 4, 4) for side in ("top", "bottom", "left", "right")}
    reach = tail_reach(scale).view(IMAGE_CHANNELS, scale, scale, 4, 4)[0]
    for a, b, row, column in reach.nonzero().tolist():
        down, right = _TAPS[_first_tap_that_reaches(a, b, row, column, scale)[0]]
        inside = {"top": down != -1, "bottom": down != 1, "left": right != -1, "right": right != 1}
        for side, mask in masks.items():
            mask[a, b, row, column] = inside[side]
    return {side: mask.flatten(0, 1).repeat(IMAGE_CHANNELS, 1, 1)[:, None] for side, mask in masks.items()}


def expand_tail(tail: Convolution, spec: ModelSpec) -> dict[str, Array]:
    """Write a collapsed tail as ``up.0``, ``conv_out`` and ``detail_gain``: the inverse of `collapse_tail`.

    Output row phase ``p`` reads through tap ``d`` of conv_out the upscaled row ``p + d``, which is phase
    ``(p + d) mod s`` of low-resolution row ``i + floor((p + d) / s)``; ``up.0`` reaches one row further on both sides.
    With one channel a colour and tap, every phase of ``up.0`` serves one phase of the output, so its 3x3 kernel is
    free, and the five taps together reach all that can be reached. Each weight goes to the first tap that reaches it.

    Args:
        tail: kernel [3ss, C, 4, 4], zero outside `tail_reach`, and bias [3ss].
        spec: of the network; needs at least 15 channels.

    """
    s, channels = spec.scale, spec.channels
    kernel = tail.weight.reshape(IMAGE_CHANNELS, s, s, channels, 4, 4)
    bias = tail.bias.reshape(IMAGE_CHANNELS, s, s)
    reach = tail_reach(s).numpy().reshape(IMAGE_CHANNELS, s, s, 4, 4)
    up = np.zeros((channels, s, s, channels, 3, 3))
    up_bias = np.zeros((channels, s, s))
    out = np.zeros((IMAGE_CHANNELS, channels, 3, 3))
    for colour in range(IMAGE_CHANNELS):
        first = colour * len(_TAPS)
        for tap, (down, right) in enumerate(_TAPS):
            out[colour, first + tap, down + 1, right + 1] = 1
        for a, b in np.ndindex(s, s):
            up_bias[first, (a + 1) % s, (b + 1) % s] = bias[colour, a, b]
            for row, column in np.argwhere(reach[colour, a, b]):
                channel, phase, place = _first_tap_that_reaches(a, b, row, column, s)
                up[first + channel, *phase, :, *place] += kernel[colour, a, b, :, row, column]
    return {
        "up.0.weight": up.reshape(channels * s * s, channels, 3, 3),
        "up.0.bias": up_bias.reshape(-1),
        "conv_out.weight": out,
        "conv_out.bias": np.zeros(IMAGE_CHANNELS),
        "detail_gain": np.array(1.0),
    }


def _first_tap_that_reaches(
    a: int, b: int, row: int, column: int, scale: int
) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """Return tap, phase of ``up.0`` and place in its 3x3 kernel for one weight of the cell's output (a, b)."""
    for tap, (down, right) in enumerate(_TAPS):
        # Cell i starts at output row s*i + 1, and row 0 of its 4x4 kernel is low-resolution row i - 1.
        row_offset, row_phase = divmod(a + 1 + down, scale)
        column_offset, column_phase = divmod(b + 1 + right, scale)
        place = (row - row_offset, column - column_offset)
        if place[0] in range(3) and place[1] in range(3):
            return tap, (row_phase, column_phase), place
    raise AssertionError(a, b, row, column, scale)
