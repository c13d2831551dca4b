"""The hyper-parameters that distinguish one ParagonSR2 network from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from paragon_core.errors import InputError

Variant = Literal["realtime", "stream", "photo", "pro"]
Revision = Literal["v6", "v9", "v11"]

#: The scales that upstream's README offers.
SCALES = (2, 3, 4, 8)

#: Revisions that differ, for each variant. Photo is bit-identical in v9 and v11 (spec §2); pro came with v11.
REVISIONS: dict[Variant, tuple[Revision, ...]] = {
    "realtime": ("v6", "v9", "v11"),
    "stream": ("v9", "v11"),
    "photo": ("v9",),
    "pro": ("v11",),
}

#: What the products in stream's blocks are clamped to since v11: the largest value of float16 (spec §1).
PRODUCT_LIMIT = 65504.0

#: ``upsampler_alpha`` that upstream's factory functions use by default.
FACTORY_ALPHA: dict[Variant, float] = {"realtime": 0.3, "stream": 0.0, "photo": 0.4, "pro": 0.4}

#: ``window_size`` that upstream's factory functions use by default.
FACTORY_WINDOW = 16

#: Upstream uses 8 and 16. Weights of attention grow with the fourth power of this: at 64, those of one window and block
#: take 268 MB, at 1000 they would take 16 TB.
LARGEST_WINDOW = 64

#: Attention heads are hard-wired upstream.
HEADS = 4

#: Channels of the squeezed vectors in pro's token attention, and the number of its tokens.
TOKEN_DIM = 16
TOKENS = 64

_DETAIL_RADIUS_OF_BLOCK: dict[Variant, int] = {"realtime": 1, "stream": 4, "photo": 1, "pro": 1}
_BASE_RADIUS = 4
_LARGEST_ALPHA = 1000


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The hyper-parameters of one network; with the arrays of a checkpoint they determine every output pixel."""

    variant: Variant
    """Which block the body is made of."""
    revision: Revision
    """Oldest upstream version with this arithmetic: v6 Hardswish and skips, v9 plain residuals, v11 LayerScale."""
    scale: int
    """Upscaling factor along both axes: 2, 3, 4 or 8."""
    channels: int
    """Width C of the feature maps."""
    groups: int
    """Number of residual groups in the body."""
    blocks: int
    """Number of blocks in each group."""
    attention: bool = False
    """Whether the window-attention branch is present (photo and pro only)."""
    window_size: int = FACTORY_WINDOW
    """Side of an attention window in low-resolution pixels, up to 64; without attention it has no effect."""
    upsampler_alpha: float = 0.0
    """Share of the softened input in the base path, 0 = none. Not clamped, as upstream; negative acts like 0."""

    def __post_init__(self) -> None:
        """Refuse combinations that no upstream network has.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        if self.variant not in get_args(Variant):
            msg = f"variant {self.variant!r} is not one of {', '.join(get_args(Variant))}"
            raise InputError(msg)
        if self.revision not in REVISIONS[self.variant]:
            msg = f"revision {self.revision!r} of {self.variant} is not one of {', '.join(REVISIONS[self.variant])}"
            raise InputError(msg)
        if self.scale not in SCALES:
            msg = f"scale {self.scale} is not one of {', '.join(map(str, SCALES))}"
            raise InputError(msg)
        for name in ("channels", "groups", "blocks", "window_size"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, not {getattr(self, name)}"
                raise InputError(msg)
        if self.window_size > LARGEST_WINDOW:
            msg = f"window_size must be at most {LARGEST_WINDOW}, not {self.window_size}"
            raise InputError(msg, hint="upstream's networks have windows of 8 or 16 pixels")
        if self.attention and self.variant not in {"photo", "pro"}:
            msg = f"{self.variant} networks have no attention"
            raise InputError(msg)
        if self.attention and self.channels % HEADS:
            msg = f"attention needs a multiple of {HEADS} channels, not {self.channels}"
            raise InputError(msg)
        if not abs(self.upsampler_alpha) < _LARGEST_ALPHA:  # also refuses NaN
            msg = f"upsampler_alpha must be a finite number of moderate size, not {self.upsampler_alpha}"
            raise InputError(msg, hint="0 is what the official models were trained with; 0.3 and 0.4 soften")

    @property
    def hidden(self) -> int:
        """Width of the expanded feature map inside a block (upstream hard-wires an expansion of 2)."""
        return 2 * self.channels

    @property
    def block_count(self) -> int:
        """Number of blocks in the whole body."""
        return self.groups * self.blocks

    @property
    def softens(self) -> bool:
        """Whether the base path blends in the 7-tap low-pass."""
        return self.upsampler_alpha > 0

    @property
    def product_bound(self) -> float | None:
        """What the products in stream's blocks are clamped to; None where they are not."""
        return PRODUCT_LIMIT if self.variant == "stream" and self.revision == "v11" else None

    @property
    def receptive_radius(self) -> int | None:
        """How far, in low-resolution pixels, an input pixel reaches; None when it reaches the whole image.

        conv_in, conv_mid and each 3x3 depthwise convolution reach one pixel, the dilated one of stream three; the
        tail (3x3 at low resolution, then 3x3 at high resolution) two. Shifted window attention and pro's global mean
        have no bound (spec §4).
        """
        if self.attention or self.variant == "pro":
            return None
        body = self.block_count * _DETAIL_RADIUS_OF_BLOCK[self.variant]
        return max(1 + body + 1 + 2, _BASE_RADIUS)

    @property
    def size_multiple(self) -> int:
        """Sizes that are a multiple of this need no padding inside the network (1: every size)."""
        return self.window_size if self.attention else 1

    def shift_of_block(self, index: int) -> int:
        """Return how far the windows of block ``index`` (counted over all groups) are rolled."""
        return self.window_size // 2 if index % 2 else 0


def preset(variant: Variant, scale: int, *, revision: Revision | None = None) -> ModelSpec:
    """Return the network that upstream's factory function ``paragonsr2_<variant>`` builds (spec §1).

    Raises:
        InputError: for a combination that does not exist.

    """
    channels, groups, blocks = {
        "realtime": (16, 1, 3),
        "stream": (32, 2, 3),
        "photo": (64, 4, 4),
        "pro": (64, 6, 6),
    }[variant]
    return ModelSpec(
        variant=variant,
        revision=revision or REVISIONS[variant][-1],
        scale=scale,
        channels=channels,
        groups=groups,
        blocks=blocks,
        attention=variant in {"photo", "pro"},
        upsampler_alpha=FACTORY_ALPHA[variant],
    )
