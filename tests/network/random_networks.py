"""random networks and images for the tests of everything that runs a network in torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st

from paragon_core.models.spec import REVISIONS, SCALES, ModelSpec, Variant, preset

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from paragon_core.network import ParagonSR2


@st.composite
def specs(draw: DrawFn, *, local: bool = False) -> ModelSpec:
    """Small networks of every kind; ``local`` leaves out those that see the whole image."""
    variants: list[Variant] = ["realtime", "stream", "photo"] if local else ["realtime", "stream", "photo", "pro"]
    variant = draw(st.sampled_from(variants))
    return ModelSpec(
        variant=variant,
        revision=draw(st.sampled_from(REVISIONS[variant])),
        scale=draw(st.sampled_from(SCALES)),
        channels=16 if variant == "pro" else draw(st.sampled_from([4, 8, 12])),
        groups=draw(st.integers(1, 2)),
        blocks=draw(st.integers(1, 3)),
        attention=not local and variant in {"photo", "pro"} and draw(st.booleans()),
        window_size=draw(st.integers(1, 5)),
        upsampler_alpha=draw(st.sampled_from([0.0, 0.3, -0.2])),
    )


def randomised(network: ParagonSR2, seed: int = 0) -> ParagonSR2:
    """Give every trainable tensor values that matter, so that a mistake anywhere changes the image."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.named_parameters():
        if tensor.requires_grad:
            noise = torch.randn(tensor.shape, generator=generator)
            fan_in = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 16
            middle = 0.6 if name.endswith(("gamma", "norm.scale", "detail_gain")) else 0.0
            tensor.data = (middle + noise / fan_in**0.5).to(tensor.dtype)
    return network.eval()


def random_image(height: int, width: int, *, batch: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return noise in 0..1."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand((batch, 3, height, width), generator=generator, dtype=dtype)


def attentive(**changes: Any) -> ModelSpec:
    """Return a small photo network with attention."""
    return replace(preset("photo", 2), channels=16, groups=1, blocks=2, window_size=4, **changes)
