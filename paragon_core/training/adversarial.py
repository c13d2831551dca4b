"""Fine-tuning against a discriminator: some pixels given away for texture that looks real.

A network trained to be close to every pixel answers doubt with blur, because the mean of all likely images is closest
to each of them. Here it learns against a `paragon_core.training.munet.MUNet` that is trained at the same time to tell
its images from real ones (I. Goodfellow et al., "Generative adversarial nets", 2014), while the distances of pixels
and of VGG19's responses keep it to what is in the image.

The discriminator compares: it has to give a real pixel a higher logit than the pixel that the network put in its place
(A. Jolicoeur-Martineau, "The relativistic discriminator", 2019, in its paired form). Super-resolution has the real twin
of every made pixel, so whatever depends on the subject alone cancels in the difference. The difference shall be 1, in
the sense of least squares (X. Mao et al., "Least squares generative adversarial networks", 2017): with the usual
logistic loss it grows without end, and so does the pull on the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.training.munet import SIZES, MUNet
from paragon_core.training.pairs import CPU
from paragon_core.training.perceptual import HOW_TO_GET, PerceptualLoss
from paragon_core.training.saving import refuse_other, to_text
from paragon_core.training.trainer import Trainer, keep_channels_innermost

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from paragon_core.models.spec import ModelSpec
    from paragon_core.training.data import PatchSource
    from paragon_core.training.options import TrainingOptions
    from paragon_core.training.saving import Arrays

#: Decay of the first and the second moment of the discriminator's optimiser.
_BETAS = (0.9, 0.99)

#: Low-resolution pixels along a patch's edge that are not judged: the network saw less around them than in an image.
_BORDER = 2


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions:
    """What a network is fine-tuned for besides its pixels, and how its discriminator learns."""

    perceptual_weight: float = 1.0
    """Weight of the distance in VGG19's responses; 0 needs no VGG19."""
    perceptual_layers: tuple[str, ...] = ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4")
    """Layers of VGG19 whose responses are compared, before their activations."""
    perceptual_layer_weights: tuple[float, ...] = (0.1, 0.1, 1.0, 1.0, 1.0)
    """How much each of these layers counts."""
    adversarial_weight: float = 0.01
    """Weight of the discriminator's judgement."""
    discriminator_learning_rate: float = 4e-4
    """Rate of the discriminator's Adam; it stays the same during the whole run."""
    discriminator_warmup: int = 100
    """Steps at the beginning in which only the discriminator learns; they count as steps of the run."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: naming the field and the values that it may have.

        """
        for name in ("perceptual_weight", "adversarial_weight", "discriminator_learning_rate", "discriminator_warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                msg = f"{name} must be 0 or a positive number, not {getattr(self, name)}"
                raise InputError(msg)
        if len(self.perceptual_layers) != len(self.perceptual_layer_weights):
            msg = "perceptual_layers and perceptual_layer_weights must be of the same length"
            raise InputError(msg)

    @property
    def layer_weights(self) -> dict[str, float]:
        """Weight of every layer of VGG19 that is compared."""
        return dict(zip(self.perceptual_layers, self.perceptual_layer_weights, strict=True))


class AdversarialTrainer(Trainer):
    """A trained network and its discriminator, learning against each other. Same steps, same bits."""

    def __init__(
        self,
        spec: ModelSpec,
        source: PatchSource,
        options: TrainingOptions,
        *,
        adversarial: AdversarialOptions,
        start_from: Mapping[str, npt.NDArray[np.floating]],
        perceptual: PerceptualLoss | None = None,
        discriminator: MUNet | None = None,
        device: torch.device = CPU,
    ) -> None:
        """Take up the weights.

        Args:
            spec: the network; ``upsampler_alpha`` must be 0.
            source: where patches come from, at the scale of ``spec``.
            options: how the network is trained; its losses keep it close to the pixels.
            adversarial: what it is trained for besides.
            start_from: the weights of the trained network, under upstream's keys.
            perceptual: the perceptual loss; needed unless its weight is 0.
            discriminator: one to go on with, changed in place; None makes the one that fits ``spec``.
            device: what computes.

        Raises:
            InputError: if the warm-up takes all steps, the perceptual loss is missing, or see `Trainer`.
            UnsupportedSizeError: if the patches are too small for the discriminator or the perceptual loss.
            BackendUnavailableError: see `Trainer`.
            CheckpointError: if ``start_from`` does not fit ``spec``.

        """
        if adversarial.discriminator_warmup >= options.steps:
            msg = f"discriminator_warmup takes all {options.steps} steps, and the network would learn nothing"
            raise InputError(msg)
        if adversarial.perceptual_weight and perceptual is None:
            msg = "the perceptual loss needs the weights of VGG19"
            hint = f"name the file with --perceptual-weights, or set perceptual_weight to 0; {HOW_TO_GET}"
            raise InputError(msg, hint=hint)
        super().__init__(spec, source, options, start_from=start_from, device=device)
        self.adversarial = adversarial
        self.discriminator = (discriminator or _fresh(spec, options.seed)).to(device)
        self._perceptual = perceptual.to(device) if perceptual and adversarial.perceptual_weight else None
        smallest_side = max(judge.smallest_side for judge in (self.discriminator.size, self._perceptual) if judge)
        if spec.scale * (source.options.low_size - 2 * _BORDER) < smallest_side:
            msg = f"patches of low_size {source.options.low_size} are too small to be judged"
            least = math.ceil(smallest_side / spec.scale) + 2 * _BORDER
            raise UnsupportedSizeError(msg, hint=f"low_size must be at least {least}")
        for network in filter(None, (self.discriminator, self._perceptual)):
            keep_channels_innermost(network)
        self._judging = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
        self._discriminator_optimiser = torch.optim.Adam(
            self._judging, lr=adversarial.discriminator_learning_rate, betas=_BETAS
        )

    def advance(self) -> Tensor:
        """Do one step of both and return the network's loss of pixels, in 0..1; on a GPU, without waiting for it."""
        batch = self._draw()
        learns = self.step >= self.adversarial.discriminator_warmup
        with torch.set_grad_enabled(learns):
            detail = self._detail(batch.low)
            wanted = batch.wanted(detail)
            made, real = self._inside(batch.base + detail), self._inside(batch.base + wanted)
            loss = self._loss(batch, detail, wanted)
        self._train_discriminator(real, made.detach())
        if learns:
            self._descend(loss + self._judgement(real, made))
        self._finish_step()
        return loss.detach()

    def auxiliary_networks(self) -> dict[str, Arrays]:
        """Return the discriminator's weights, under upstream's keys."""
        return {"discriminator": self.discriminator.to_arrays()}

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, apart from the images and VGG19."""
        return super().state() | {
            "adversarial": to_text(self.adversarial),
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimiser": self._discriminator_optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

        Raises:
            InputError: if it belongs to another network, to other options, or to a run without a discriminator.

        """
        if "adversarial" not in state:
            msg = "the saved run has no discriminator"
            raise InputError(msg, hint="train in another folder, and start from the weights in this one")
        refuse_other("adversarial", state["adversarial"], self.adversarial)
        super().restore(state)
        self.discriminator.load_state_dict(state["discriminator"])
        self._discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])

    def _train_discriminator(self, real: Tensor, made: Tensor) -> None:
        self.discriminator.train()
        self._set_discriminator_learning(learning=True)
        self._discriminator_optimiser.zero_grad()
        # Never in bfloat16: where image and twin differ little, the logits would come out the same.
        of_real, of_made = self.discriminator(torch.cat([real, made])).chunk(2)
        loss = relativistic_loss(of_real, of_made)
        loss.backward()  # type: ignore[no-untyped-call]
        self._discriminator_optimiser.step()
        self.figures["discriminator's loss"] = loss.detach()
        self.figures["told apart"] = (of_real > of_made).float().mean()

    def _judgement(self, real: Tensor, made: Tensor) -> Tensor:
        """Return the weighted losses of discriminator and VGG19."""
        self.discriminator.eval()
        self._set_discriminator_learning(learning=False)
        with torch.no_grad():
            of_real = self.discriminator(real)
        adversarial = relativistic_loss(self.discriminator(made), of_real)
        self.figures["adversarial loss"] = adversarial.detach()
        loss = self.adversarial.adversarial_weight * adversarial
        if self._perceptual:
            with self._autocast():
                perceptual = self._perceptual(made, real)
            self.figures["perceptual loss"] = perceptual.detach()
            loss = loss + self.adversarial.perceptual_weight * perceptual
        return loss

    def _set_discriminator_learning(self, *, learning: bool) -> None:
        for parameter in self._judging:
            parameter.requires_grad = learning

    def _inside(self, images: Tensor) -> Tensor:
        border = _BORDER * self.spec.scale
        return images[..., border:-border, border:-border]


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return half the mean of ``(better - worse - 1)^2``: 0 when each logit of ``better`` is 1 above its twin.

    Args:
        better: [B, 1, H, W], the logits that shall be higher.
        worse: same shape, of the same places.

    """
    return (better - worse - 1).square().mean() / 2


def _fresh(spec: ModelSpec, seed: int) -> MUNet:
    """Make the discriminator that fits a network; the seed alone decides its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MUNet(SIZES[spec.variant])
