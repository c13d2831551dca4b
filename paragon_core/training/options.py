"""Options of a training run: how long, how fast, what counts as an error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from paragon_core.errors import InputError
from paragon_core.models.spec import PRODUCT_LIMIT

#: How gradients become steps: `paragon_core.training.soap.Soap` or torch's AdamW.
Optimiser = Literal["soap", "adamw"]

#: torch's implementation of the window attention; both compute the same.
Attention = Literal["sdpa", "flex"]


#: Names that fields of `TrainingOptions` had before, in recipes and in the states of earlier runs.
RENAMED_FIELDS: Final = {"averaging": "ema_decay", "rim_weight": "border_weight"}


class Schedule(Protocol):
    """The options that every kind of training has."""

    @property
    def steps(self) -> int:
        """Length of the whole run."""

    @property
    def learning_rate(self) -> float:
        """Highest rate of the optimiser."""

    @property
    def warmup_share(self) -> float:
        """Share of the steps of a cycle in which the rate rises from 0."""

    @property
    def cycle_steps(self) -> int:
        """Steps in which the rate rises and falls to 0 once."""

    @property
    def validate_every(self) -> int:
        """Steps between two validations."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained."""

    steps: int
    """Length of the whole run; the rate falls to 0 at its end."""
    optimiser: Optimiser = "soap"
    """What turns gradients into steps: "soap", or "adamw" (betas 0.9 and 0.99)."""
    learning_rate: float = 1.2e-2
    """Highest rate of the optimiser. The default suits SOAP on realtime; AdamW and larger networks take less."""
    weight_decay: float = 0.0
    """Share of every weight that AdamW takes away in a step at rate 1; SOAP has none."""
    clip_norm: float = 0.0
    """Longest gradient, over all weights together; a longer one is shortened. 0 leaves them as they are."""
    warmup_share: float = 0.02
    """Share of the steps of a cycle in which the rate rises from 0."""
    cycles: int = 1
    """How often the rate rises and falls to 0; ``steps`` is a multiple of it. What gets scored and saved at the end of
    a cycle is the mean of the weights (their EMA) at the ends of all cycles so far: each end is off in a way of its
    own, and less of that is left in the mean (P. Izmailov et al., "Averaging weights leads to wider optima and better
    generalization", 2018)."""
    ema_decay: float = 0.999
    """Decay of the exponential moving average (EMA) of the weights, which is what gets scored and saved."""
    l1_weight: float = 1.0
    """Weight of the mean absolute error in the loss."""
    charbonnier_weight: float = 0.0
    """Weight of the Charbonnier error, an absolute error that is round at 0."""
    charbonnier_epsilon: float = 1e-3
    """Errors well below this count by their square; in units of 0..1."""
    ms_ssim_weight: float = 0.0
    """Weight of 1 - MS-SSIM of red, green and blue. It takes patches of at least 11 pixels in the high resolution, and
    as many of its five sizes as fit: all from 176 on. Needs torchmetrics."""
    luma_share: float = 0.7
    """Share of the absolute and Charbonnier errors that is taken on luma; MS-SSIM does not know it."""
    border_weight: float = 0.25
    """Weight in the absolute and Charbonnier errors of what is within two low-resolution pixels of a patch's edge. The
    network has to learn what to do at the edge of an image, but a patch has far more of it than an image. MS-SSIM
    compares windows, not pixels, and counts the edge like the rest."""
    limit_weight: float = 4.0
    """Weight in the absolute and Charbonnier errors of patterns without an answer (`paragon_core.training.limits`)."""
    limit_steepness: float = 3.0
    """By how much this weight grows with each `limits.MARGIN` of the error: 3 is four times the weight where it is one
    of them. A pixel that is far outside of the range is what people see, and one among thousands; at 0 errors count
    alike, and those a little outside decide."""
    layer_scale: float = 1e-5
    """Initial value of the factors in front of the residuals of photo, pro and revision v11. Upstream's 1e-5 lets
    nothing through at first."""
    product_bound: float = PRODUCT_LIMIT
    """What the products of a stream network of revision v11 are clamped to while it is trained, and afterwards: those
    of photographs stay below 5, those of one-pixel patterns grow beyond all bounds. The default is upstream's."""
    bfloat16: bool = True
    """Whether the passes run in bfloat16; weights, their EMA and the loss stay in float32."""
    attention: Attention = "sdpa"
    """How photo and pro compute their attention: "sdpa", or "flex" (NVIDIA cards; the same result by other kernels)."""
    checkpointing: bool = False
    """Whether the backward pass computes each block again instead of keeping its feature maps: the same gradients
    with less memory. Eight patches of 64 pixels in a photo-2x took 1.6 GB instead of 2.8 (bfloat16, on a processor)."""
    seed: int = 0
    """Decides the first weights and the order of the patches."""
    validate_every: int = 2000
    """Steps between two validations; the state is saved at the same time."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        if min(self.steps, self.validate_every, self.cycles) < 1 or self.steps % self.cycles:
            msg = "steps, validate_every and cycles must be at least 1, and steps a multiple of cycles"
            raise InputError(msg)
        for name in ("warmup_share", "ema_decay", "luma_share", "border_weight"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name} must lie in 0..1, not {getattr(self, name)}"
                raise InputError(msg)
        for name in ("learning_rate", "charbonnier_epsilon", "layer_scale", "product_bound"):
            if not 0 < getattr(self, name) < math.inf:
                msg = f"{name} must be a positive number, not {getattr(self, name)}"
                raise InputError(msg)
        weights = ("l1_weight", "charbonnier_weight", "ms_ssim_weight")
        for name in (*weights, "limit_weight", "limit_steepness", "weight_decay", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                msg = f"{name} must be 0 or a positive number, not {getattr(self, name)}"
                raise InputError(msg)
        if not any(getattr(self, name) for name in weights):
            msg = f"one of {', '.join(weights)} must be above 0"
            raise InputError(msg)
        if self.weight_decay and self.optimiser != "adamw":
            raise InputError("weight_decay belongs to AdamW", hint='use optimiser = "adamw", or weight_decay = 0')

    @property
    def cycle_steps(self) -> int:
        """Length of a cycle."""
        return self.steps // self.cycles

    def is_end_of_cycle(self, step: int) -> bool:
        """Return whether a cycle ends with step ``step`` (1 is the first)."""
        return step > 0 and step % self.cycle_steps == 0


def learning_rate(options: Schedule, step: int) -> float:
    """Return the rate of step ``step`` (0 is the first): in each cycle a linear rise times a cosine to 0."""
    share = step % options.cycle_steps / options.cycle_steps
    rise = min(1.0, share / options.warmup_share) if options.warmup_share else 1.0
    return options.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * share))
