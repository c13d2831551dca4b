"""Averages of a network's weights: the exponential moving average (EMA), and the mean of the ends of cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class _Average:
    """What both have in common."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the ``tensors`` of an earlier average."""
        for key, average in self.tensors.items():
            average.copy_(tensors[key])

    @torch.no_grad()
    def _move(self, tensors: Mapping[str, Tensor], share: float) -> None:
        """Let ``tensors`` be that share of the average."""
        # All tensors in one call: on a GPU, a launch or two instead of one for each.
        torch._foreach_lerp_(list(self.tensors.values()), [tensors[key] for key in self.tensors], share)


class ExponentialMovingAverage(_Average):
    """Follows the weights of a network; scored and saved instead of them, because it is better and steadier."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            network: whose state dict is followed; floating point only.
            decay: share of the average that each step keeps, 0..1.

        """
        self._followed = network.state_dict(keep_vars=True)
        self._decay = decay
        super().__init__({key: tensor.detach().clone() for key, tensor in self._followed.items()})

    def update(self, step: int) -> None:
        """Take in the weights after step ``step`` (1 is the first)."""
        # A short memory at first: the average must not remember the initial weights.
        decay = min(self._decay, step / (step + 9))
        self._move(self._followed, 1 - decay)


class MeanOfEnds(_Average):
    """The mean of the weights at the ends of cycles (`TrainingOptions.cycles`)."""

    def __init__(self, like: Mapping[str, Tensor]) -> None:
        """Begin without any; ``like`` gives the shapes."""
        super().__init__({key: torch.zeros_like(tensor) for key, tensor in like.items()})

    def update(self, tensors: Mapping[str, Tensor], number: int) -> None:
        """Take in the weights at the end of cycle ``number`` (1 is the first)."""
        self._move(tensors, 1 / number)
