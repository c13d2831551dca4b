"""Training to be close to the wanted pixels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from paragon_core.errors import InputError
from paragon_core.models.detect import recognise
from paragon_core.network.attention import require_flex
from paragon_core.network.blocks import LayerScale
from paragon_core.training.averages import ExponentialMovingAverage, MeanOfEnds
from paragon_core.training.collapsed import CollapsedNetwork, base_kernel
from paragon_core.training.flat_fields import settle_flat_fields
from paragon_core.training.initialization import scale_from_data, solve_tail
from paragon_core.training.limits import limit_weights
from paragon_core.training.losses import luma_weighted_charbonnier, luma_weighted_l1, ms_ssim_loss
from paragon_core.training.options import TrainingOptions, learning_rate
from paragon_core.training.pairs import CPU, Batch, interior_pair, planes, whole_batch
from paragon_core.training.prefetch import PatchQueue
from paragon_core.training.saving import Arrays, refuse_other, to_text
from paragon_core.training.soap import Soap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from paragon_core.models.spec import ModelSpec
    from paragon_core.training.data import PatchSource

#: Batches that a least-squares solution looks at.
_SOLVED_BATCHES = 8


class Trainer:
    """A network in training. Two trainers that did the same steps hold the same bits."""

    def __init__(
        self,
        spec: ModelSpec,
        source: PatchSource,
        options: TrainingOptions,
        *,
        start_from: Mapping[str, npt.NDArray[np.floating]] | None = None,
        device: torch.device = CPU,
    ) -> None:
        """Make the first weights.

        Args:
            spec: the network; ``upsampler_alpha`` must be 0.
            source: where patches come from, at the scale of ``spec``.
            options: how it is trained.
            start_from: the weights of a network to go on from, under upstream's keys; None starts afresh. One of
                another scale gives all but its tail, which is then solved for.
            device: what computes; the first weights are made on the processor and are the same everywhere.

        Raises:
            BackendUnavailableError: if torchmetrics or flex attention is asked for and not to be had.
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
        #: What the last step found besides its loss: the length of the gradient, where it is clipped.
        self.figures: dict[str, Tensor] = {}
        self._patches = PatchQueue(source, np.random.default_rng(options.seed))
        self.device = device
        side = spec.scale * source.options.low_size
        if options.attention == "flex" and spec.attention:
            require_flex(device, torch.bfloat16 if options.bfloat16 else torch.float32)
        if options.ms_ssim_weight:
            ms_ssim_loss(*torch.zeros(2, 1, 3, side, side))  # says now what would stop the first step
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)  # for the weights that `_init_weights` leaves as torch draws them
            self.network = CollapsedNetwork(
                spec,
                attention=options.attention,
                checkpointing=options.checkpointing,
                product_bound=options.product_bound,
            )
        if start_from is None:
            self._init_weights()
        elif (scale := recognise(start_from)[0].scale) == spec.scale:
            self.network.load_arrays(start_from)
        else:
            self.network.load_body(start_from, scale)
            solve_tail(self.network, self._first_batches())
        self.network.to(device)
        keep_channels_innermost(self.network)
        self._base = base_kernel(spec.scale).to(device)
        self._examples = self._draw_examples().to(device)
        self._weight = border_weights(side, 2 * spec.scale, options.border_weight).to(device)
        self._ema = ExponentialMovingAverage(self.network, options.ema_decay)
        self._mean = MeanOfEnds(self._ema.tensors)
        self._optimiser = make_optimiser(self.network.parameters(), options)

    def advance(self) -> Tensor:
        """Do one step and return its loss, for pixels in 0..1; on a GPU, without waiting for it."""
        batch = self._draw()
        detail = self._detail(batch.low)
        loss = self._loss(batch, detail, batch.wanted(detail))
        self._descend(loss)
        self._finish_step()
        return loss.detach()

    def arrays(self) -> Arrays:
        """Return averaged weights of the whole network under upstream's keys, with flat fields settled."""
        average = self._mean if self.options.is_end_of_cycle(self.step) else self._ema
        network = CollapsedNetwork(self.spec, product_bound=self.options.product_bound).to(self.device)
        network.load_state_dict(average.tensors)
        settle_flat_fields(network, self._examples)
        return network.to_arrays()

    def auxiliary_networks(self) -> dict[str, Arrays]:
        """Return nothing: no other network helps."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, apart from the images."""
        return {
            "step": self.step,
            "options": to_text(self.options),
            "spec": to_text(self.spec),
            "network": self.network.state_dict(),
            "ema": self._ema.tensors,
            "mean": self._mean.tensors,
            "optimiser": self._optimiser.state_dict(),
            "draws": json.dumps(self._patches.state),
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
        ema = state["ema"] if "ema" in state else state["average"]  # its name in older states
        self._ema.restore(ema)
        self._mean.restore(state.get("mean", ema))  # older states are of runs of one cycle
        self._optimiser.load_state_dict(state["optimiser"])
        self._patches.restore(json.loads(state["draws"]))

    def _draw(self) -> Batch:
        """Return the patches of a step."""
        return whole_batch(self._patches.take(), self._base)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.bfloat16)

    def _detail(self, low: Tensor) -> Tensor:
        """Return the learned part of the output, float32."""
        with self._autocast():
            detail: Tensor = self.network(low)
        return detail.float()

    def _loss(self, batch: Batch, detail: Tensor, wanted: Tensor) -> Tensor:
        """Return the weighted sum of the losses, which is 0 where ``detail`` is what is ``wanted``."""
        options, error, loss = self.options, detail - wanted, torch.zeros((), device=self.device)
        weight = self._weight
        if len(batch.limited):
            weight = weight.repeat(*error.shape[:2], 1, 1)
            # At the edge as well: there, too, nothing may run away.
            steep = limit_weights(error[batch.limited], options.limit_steepness)
            weight[batch.limited] = options.limit_weight * steep
        if options.l1_weight:
            loss = loss + options.l1_weight * luma_weighted_l1(error * weight, luma_share=options.luma_share)
        if options.charbonnier_weight:
            loss = loss + options.charbonnier_weight * luma_weighted_charbonnier(
                error, weight, luma_share=options.luma_share, epsilon=options.charbonnier_epsilon
            )
        if options.ms_ssim_weight:
            loss = loss + options.ms_ssim_weight * ms_ssim_loss(batch.base + detail, batch.base + wanted)
        return loss

    def _descend(self, loss: Tensor) -> None:
        """Move the weights to where ``loss`` is smaller."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.options, self.step)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.options.clip_norm:
            length = nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
            self.figures["length of the gradient"] = length
        self._optimiser.step()

    def _finish_step(self) -> None:
        self.step += 1
        self._ema.update(self.step)
        if self.options.is_end_of_cycle(self.step):
            self._mean.update(self._ema.tensors, self.step // self.options.cycle_steps)

    def _init_weights(self) -> None:
        generator = torch.Generator().manual_seed(self.options.seed)
        for module in self.network.modules():
            if isinstance(module, LayerScale):
                nn.init.constant_(module.gamma, self.options.layer_scale)
        batches = self._first_batches()
        scale_from_data(self.network, torch.cat([low for low, _ in batches]), generator)
        solve_tail(self.network, batches)

    def _draw_examples(self) -> Tensor:
        """Return real images [B, 3, P, P] for `settle_flat_fields`; the steps draw from a generator of their own."""
        generator, examples = np.random.default_rng(self.options.seed), list[Tensor]()
        while len(examples) < _SOLVED_BATCHES:
            patches = self.source.draw(generator)
            examples.append(planes(patches.low[~patches.limited]))
        return torch.cat(examples)

    def _first_batches(self) -> list[tuple[Tensor, Tensor]]:
        base, batches = base_kernel(self.spec.scale), list[tuple[Tensor, Tensor]]()
        while len(batches) < _SOLVED_BATCHES:
            patches = self._patches.take()
            if not patches.limited.all():
                batches.append(interior_pair(patches, base))
        return batches


def make_optimiser(parameters: Iterable[Tensor], options: TrainingOptions) -> torch.optim.Optimizer:
    """Return the optimiser that the options name, over ``parameters``."""
    if options.optimiser == "adamw":
        return torch.optim.AdamW(
            parameters, lr=options.learning_rate, betas=(0.9, 0.99), weight_decay=options.weight_decay
        )
    return Soap(parameters, lr=options.learning_rate)


def border_weights(side: int, border: int, weight: float) -> Tensor:
    """Return [side, side]: ``weight`` within ``border`` pixels of the edge, 1 elsewhere."""
    weights = torch.full((side, side), weight)
    weights[border:-border, border:-border] = 1
    return weights


def keep_channels_innermost(network: nn.Module) -> None:
    """Lay the kernels out like the patches: convolutions of few channels are then twice as fast."""
    for parameter in network.parameters():
        if parameter.dim() == 4:  # noqa: PLR2004  (a kernel)
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
