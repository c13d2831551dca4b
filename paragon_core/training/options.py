"""What a run is told: how long, how fast, what counts as an error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from paragon_core.errors import InputError


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
        """Share of the steps in which the rate rises from 0."""

    @property
    def validate_every(self) -> int:
        """Steps between two validations."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained."""

    steps: int
    """Length of the whole run; the rate falls to 0 at its end."""
    learning_rate: float = 1.2e-2
    """Highest rate of the optimiser."""
    warmup_share: float = 0.02
    """Share of the steps in which the rate rises from 0."""
    averaging: float = 0.999
    """Decay of the moving average of the weights, which is what gets scored and saved."""
    luma_share: float = 0.7
    """Share of the loss that is taken on luma."""
    rim_weight: float = 0.25
    """Weight in the loss of what is within two low-resolution pixels of a patch's edge. The network has to learn what
    to do at the edge of a picture, but a patch has far more of it than a picture."""
    bfloat16: bool = True
    """Whether the passes run in bfloat16; weights and their average stay in float32."""
    seed: int = 0
    """Decides the first weights and the order of the patches."""
    validate_every: int = 2000
    """Steps between two validations; the state is saved at the same time."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        if self.steps < 1 or self.validate_every < 1:
            msg = "steps and validate_every must be at least 1"
            raise InputError(msg)
        for name in ("warmup_share", "averaging", "luma_share", "rim_weight"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name} must lie in 0..1, not {getattr(self, name)}"
                raise InputError(msg)
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            msg = f"learning_rate must be a positive number, not {self.learning_rate}"
            raise InputError(msg)


def learning_rate(options: Schedule, step: int) -> float:
    """Return the rate of step ``step`` (0 is the first): a linear rise, times a cosine that ends at 0."""
    share = step / options.steps
    rise = min(1.0, share / options.warmup_share) if options.warmup_share else 1.0
    return options.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * share))
