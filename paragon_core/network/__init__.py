"""The reference network in torch, with upstream's names for every tensor.

It spells ParagonSR2 out exactly as the checkpoints mean it (spec §1) and takes no shortcut: training runs this, and
the fused forms are tested against it. All convolutions are zero padded to "same" and have a bias unless said.

::

    base = blur(nearest(x + alpha * (soften(x) - x)))         fixed, nothing learned
    f    = conv_mid(body(conv_in(x)))                          no skip around the body
    y    = base + detail_gain * conv_out(pixel_shuffle(up.0(f)))

Revision v6 (one published realtime file) has two more skips: around each group of the body, and around conv_mid. With
them, and only with them, that file reaches the 36.69 dB on Set5 that its author's own code gives.
"""

from __future__ import annotations

try:
    import torch
except ImportError as error:
    from paragon_core.errors import BackendUnavailableError

    raise BackendUnavailableError("torch is not installed", hint="pip install torch") from error

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from paragon_core.errors import InputError, UnsupportedArchitectureError, WeightError
from paragon_core.network.attention import Attend, AttentionMode
from paragon_core.network.blocks import IMAGE_CHANNELS, Base, Group, NanoBlock, PhotoBlock, ProBlock, StreamBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from paragon_core.models.model import Model
    from paragon_core.models.spec import ModelSpec, Variant

#: ``detail_gain`` before training (spec §1).
INITIAL_DETAIL_GAIN: dict[Variant, float] = {"realtime": 0.05, "stream": 0.1, "photo": 0.1, "pro": 0.1}


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
        feature_tap: bool = False,  # noqa: FBT001, FBT002  (torch.onnx passes every argument by position)
        blend: float | Tensor = 0.2,
        detail_input: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Upscale ``x`` [B, 3, H, W] to [B, 3, sH, sW].

        Args:
            x: RGB in 0..1.
            prev_feat: features [B, C, H, W] of the frame before, for video (spec §4).
            feature_tap: also return the blended features, the ``prev_feat`` of the next frame.
            blend: share of ``prev_feat`` in the features; a scalar tensor becomes an input of an exported graph.
            detail_input: what conv_in sees instead of ``x``, of the same shape (see `temporal`).

        """
        features = self.conv_in(x if detail_input is None else detail_input)
        if prev_feat is not None:
            features = (1 - blend) * features + blend * prev_feat
        detail = features
        skips = self.spec.revision == "v6"
        for group in self.body:
            entry = detail
            assert isinstance(group, Group)  # noqa: S101  (torch types the items of a list as Module)
            for block in group.blocks:
                if self.use_checkpointing and torch.is_grad_enabled():
                    detail = checkpoint(block, detail, use_reentrant=False)
                else:
                    detail = block(detail)
            if skips:
                detail = detail + entry
        merged = self.conv_mid(detail)
        if skips:
            merged = merged + detail
        detail = self.conv_out(self.up(merged))
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
