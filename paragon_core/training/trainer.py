"""Training to be close to the wanted pixels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paragon_core.errors import InputError
from paragon_core.training.average import MovingAverage
from paragon_core.training.collapsed import CollapsedNetwork, base_kernel
from paragon_core.training.losses import luma_weighted_l1
from paragon_core.training.options import TrainingOptions, learning_rate
from paragon_core.training.pairs import interior_pair, whole_pair
from paragon_core.training.saving import Arrays, refuse_other, to_text
from paragon_core.training.soap import Soap
from paragon_core.training.start import scale_from_data, solve_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from paragon_core.spec import ModelSpec
    from paragon_core.training.data import PatchSource

#: Batches that the start looks at.
_START_BATCHES = 8


class Trainer:
    """A network in training. Two trainers that did the same steps hold the same bits."""

    def __init__(
        self,
        spec: ModelSpec,
        source: PatchSource,
        options: TrainingOptions,
        *,
        start_from: Mapping[str, npt.NDArray[np.floating]] | None = None,
    ) -> None:
        """Make the first weights.

        Args:
            spec: the network; ``upsampler_alpha`` must be 0.
            source: where patches come from, at the scale of ``spec``.
            options: how it is trained.
            start_from: the weights of a network to go on from, under upstream's keys; None starts afresh.

        Raises:
            InputError: if the scales differ or the network cannot be trained this way.
            CheckpointError: if ``start_from`` does not fit ``spec``.

        """
        if source.scale != spec.scale:
            msg = f"the patches are for x{source.scale}, the network is for x{spec.scale}"
            raise InputError(msg)
        self.spec = spec
        self.options = options
        self.source = source
        self.step = 0
        self._draws = np.random.default_rng(options.seed)
        self._base = base_kernel(spec.scale)
        side = spec.scale * source.options.low_size
        self._weight = torch.full((side, side), options.rim_weight)
        self._weight[2 * spec.scale : -2 * spec.scale, 2 * spec.scale : -2 * spec.scale] = 1
        self.network = CollapsedNetwork(spec)
        if start_from is None:
            self._start()
        else:
            self.network.load_arrays(start_from)
        keep_channels_innermost(self.network)
        self._average = MovingAverage(self.network, options.averaging)
        self._optimiser = Soap(self.network.parameters(), lr=options.learning_rate)

    def advance(self) -> float:
        """Do one step and return its loss, for pixels in 0..1."""
        patches = self.source.draw(self._draws)
        low, wanted = whole_pair(patches, self._base)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.options, self.step)
        self._optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.options.bfloat16):
            detail = self.network(low)
        error = (detail.float() - wanted) * self._weight
        loss = luma_weighted_l1(error, luma_share=self.options.luma_share)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.step += 1
        self._average.update(self.step)
        return float(loss.detach())

    def arrays(self) -> Arrays:
        """Return the averaged weights of the whole network under upstream's keys."""
        averaged = CollapsedNetwork(self.spec)
        averaged.load_state_dict(self._average.tensors)
        return averaged.to_arrays()

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, apart from the pictures."""
        return {
            "step": self.step,
            "options": to_text(self.options),
            "spec": to_text(self.spec),
            "network": self.network.state_dict(),
            "average": self._average.tensors,
            "optimiser": self._optimiser.state_dict(),
            "draws": json.dumps(self._draws.bit_generator.state),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            InputError: if it belongs to another network or to other options.

        """
        refuse_other("spec", state["spec"], self.spec)
        refuse_other("options", state["options"], self.options)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self._average.restore(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._draws.bit_generator.state = json.loads(state["draws"])

    def _start(self) -> None:
        generator = torch.Generator().manual_seed(self.options.seed)
        drawn = [self.source.draw(self._draws) for _ in range(_START_BATCHES)]
        batches = [interior_pair(patches, self._base) for patches in drawn]
        scale_from_data(self.network, torch.cat([low for low, _ in batches]), generator)
        solve_tail(self.network, batches)


def keep_channels_innermost(network: torch.nn.Module) -> None:
    """Lay the kernels out like the patches: convolutions of few channels are then twice as fast."""
    for parameter in network.parameters():
        if parameter.dim() == 4:  # noqa: PLR2004  (a kernel)
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
