"""Averages of a network's weights: the exponential moving average (EMA), and the mean of the ends of cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class ExponentialMovingAverage:
    """Follows the weights of a network; scored and saved instead of them, because it is better and steadier."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            network: whose state dict is followed; floating point only.
            decay: share of the average that each step keeps, 0..1.

        """
        self._followed = network.state_dict(keep_vars=True)
        self._decay = decay
        self.tensors = {key: tensor.detach().clone() for key, tensor in self._followed.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step ``step`` (1 is the first)."""
        # A short memory at first: the average must not remember the initial weights.
        decay = min(self._decay, step / (step + 9))
        followed = [self._followed[key] for key in self.tensors]
        # All tensors in one call: on a GPU, a launch or two instead of one for each.
        torch._foreach_lerp_(list(self.tensors.values()), followed, 1 - decay)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the ``tensors`` of an earlier average."""
        for key, average in self.tensors.items():
            average.copy_(tensors[key])


class MeanOfEnds:
    """The mean of the weights at the ends of cycles (`TrainingOptions.cycles`)."""

    def __init__(self, like: Mapping[str, Tensor]) -> None:
        """Begin without any; ``like`` gives the shapes."""
        self.tensors = {key: torch.zeros_like(tensor) for key, tensor in like.items()}

    @torch.no_grad()
    def update(self, tensors: Mapping[str, Tensor], number: int) -> None:
        """Take in the weights at the end of cycle ``number`` (1 is the first)."""
        torch._foreach_lerp_(list(self.tensors.values()), [tensors[key] for key in self.tensors], 1 / number)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the ``tensors`` of an earlier mean."""
        for key, mean in self.tensors.items():
            mean.copy_(tensors[key])
