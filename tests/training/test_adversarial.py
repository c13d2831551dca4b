from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from paragon_core.errors import InputError, UnsupportedSizeError
from paragon_core.models.model import load

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.adversarial import AdversarialOptions, AdversarialTrainer, relativistic_loss
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.loop import train
from paragon_core.training.munet import SIZES, MUNet, MUNetSize, read_munet
from paragon_core.training.options import TrainingOptions
from paragon_core.training.perceptual import PerceptualLoss
from tests.training.short_runs import ignore, trainer_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.training.short_runs import Images

SHORT = TrainingOptions(steps=6, validate_every=3, learning_rate=1e-4)
NO_VGG = AdversarialOptions(perceptual_weight=0, discriminator_warmup=2)
WITH_VGG = AdversarialOptions(
    discriminator_warmup=2, perceptual_layers=("conv1_2",), perceptual_layer_weights=(1.0,), perceptual_weight=0.1
)


def adversary(
    images: Images,
    options: TrainingOptions = SHORT,
    adversarial: AdversarialOptions = NO_VGG,
    *,
    low_size: int = 12,
    batch_size: int = 2,
    **others: Any,
) -> AdversarialTrainer:
    """Return a trainer that fine-tunes the bundled realtime-2x on the first four images."""
    model = load("realtime-2x")
    source = PatchSource([images[:4]], scale=2, options=PatchOptions(low_size=low_size, batch_size=batch_size))
    return AdversarialTrainer(model.spec, source, options, adversarial=adversarial, start_from=model.arrays, **others)


def vgg() -> PerceptualLoss:
    """Return the first two layers of a VGG19 that has seen nothing yet."""
    torch.manual_seed(0)
    return PerceptualLoss(WITH_VGG.layer_weights)


def test_both_networks_learn(images: Images) -> None:
    options = TrainingOptions(steps=100, learning_rate=1e-3, warmup_share=0, bfloat16=False)
    # A faster discriminator swings from step to step, and then the last bit decides where it is.
    against = replace(NO_VGG, discriminator_warmup=60, adversarial_weight=0.1, discriminator_learning_rate=3e-4)
    trainer = adversary(images, options, against, low_size=20, batch_size=4)
    told_apart = []
    before = trainer.arrays()
    for step in range(options.steps):
        assert math.isfinite(trainer.advance())
        assert all(map(math.isfinite, trainer.figures.values()))
        told_apart.append(trainer.figures["told apart"])
        if step == 59:  # the end of the warm-up: until then the network rested
            assert all(np.array_equal(array, before[key]) for key, array in trainer.arrays().items())
    assert np.mean(told_apart[:5]) < 0.65
    assert np.mean(told_apart[40:60]) > 0.75  # 0.87 to 0.91 with other seeds and on other processors
    assert not np.array_equal(trainer.arrays()["conv_in.weight"], before["conv_in.weight"])


def test_the_network_learns_to_be_believed(images: Images) -> None:
    """Against a discriminator that does not learn, the made pixels come to look more real to it."""
    # At half the rate the loss falls by a fifth only, and what decides is which weights it starts from.
    options = TrainingOptions(steps=60, learning_rate=2e-3, warmup_share=0, border_weight=0, bfloat16=False)
    against = replace(NO_VGG, adversarial_weight=1.0, discriminator_learning_rate=0, discriminator_warmup=0)
    trainer = adversary(images, options, against, low_size=16)
    losses = []
    for _ in range(options.steps):
        trainer.advance()
        losses.append(trainer.figures["adversarial loss"])
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])  # 0.18 with the bundled files so far


@pytest.mark.parametrize("with_vgg", [False, True], ids=["alone", "with VGG19"])
def test_an_interrupted_run_ends_with_the_same_bits(
    images: Images, tmp_path: Path, press_ctrl_c: Callable[..., None], *, with_vgg: bool
) -> None:
    def trainer() -> AdversarialTrainer:
        return adversary(images, SHORT, WITH_VGG if with_vgg else NO_VGG, perceptual=vgg() if with_vgg else None)

    straight = trainer()
    train(straight, tmp_path / "straight", sets={}, report=ignore)

    with pytest.raises(KeyboardInterrupt):
        train(trainer(), tmp_path / "broken", sets={}, report=press_ctrl_c)
    resumed = trainer()
    train(resumed, tmp_path / "broken", sets={}, report=ignore)
    for name in ("last", "discriminator"):
        one, other = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("straight", "broken"))
        assert all(np.array_equal(array, other[key]) for key, array in one.items()), name
    assert ("perceptual loss" in resumed.figures) is with_vgg


def test_the_discriminator_is_saved_and_taken_up(images: Images, tmp_path: Path) -> None:
    trainer = adversary(images)
    train(trainer, tmp_path, sets={}, report=ignore, notes={"recipe_sha256": "1234"})
    saved = read_munet(tmp_path / "discriminator.safetensors")
    assert saved.size == SIZES["realtime"]
    again = adversary(images, discriminator=saved)
    assert all(
        np.array_equal(array, trainer.auxiliary_networks()["discriminator"][key])
        for key, array in again.auxiliary_networks()["discriminator"].items()
    )
    assert load(tmp_path / "last.safetensors").metadata["recipe_sha256"] == "1234"


def test_the_perceptual_loss_moves_the_network(images: Images) -> None:
    with_it, without = adversary(images, adversarial=WITH_VGG, perceptual=vgg()), adversary(images)
    for trainer in (with_it, without):
        for _ in range(4):
            trainer.advance()
    assert not np.array_equal(with_it.arrays()["conv_in.weight"], without.arrays()["conv_in.weight"])


def test_another_run_is_refused(images: Images) -> None:
    with pytest.raises(InputError, match="another adversarial"):
        adversary(images).restore(adversary(images, adversarial=replace(NO_VGG, adversarial_weight=1.0)).state())
    with pytest.raises(InputError, match="no discriminator"):
        adversary(images).restore(trainer_on(images, SHORT).state())


def test_the_seed_alone_decides_the_discriminator(images: Images) -> None:
    one, other, third = (
        adversary(images, replace(SHORT, seed=seed)).discriminator.in_conv.weight for seed in (0, 0, 1)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


def test_a_pair_is_judged_by_its_difference() -> None:
    logits = torch.randn(2, 1, 4, 4)
    assert float(relativistic_loss(logits + 1, logits)) == pytest.approx(0, abs=1e-6)
    assert float(relativistic_loss(logits, logits)) == pytest.approx(0.5)
    assert float(relativistic_loss(logits, logits + 1)) == pytest.approx(2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"perceptual_weight": -1.0}, "perceptual_weight"),
        ({"adversarial_weight": math.inf}, "adversarial_weight"),
        ({"discriminator_learning_rate": math.nan}, "discriminator_learning_rate"),
        ({"discriminator_warmup": -1}, "discriminator_warmup"),
        ({"perceptual_layers": ("conv1_2",)}, "same length"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        AdversarialOptions(**change)


def test_what_cannot_be_trained_is_refused(images: Images) -> None:
    with pytest.raises(InputError, match="VGG19") as caught:
        adversary(images, adversarial=WITH_VGG)
    assert "vgg19.safetensors" in caught.value.hint
    with pytest.raises(InputError, match="takes all 6 steps"):
        adversary(images, adversarial=replace(NO_VGG, discriminator_warmup=6))
    with pytest.raises(UnsupportedSizeError, match="low_size 7") as small:
        adversary(images, low_size=7)
    assert small.value.hint == "low_size must be at least 8"
    adversary(images, low_size=8).advance()


def test_a_given_discriminator_may_have_any_size(images: Images) -> None:
    torch.manual_seed(0)
    trainer = adversary(images, low_size=6, discriminator=MUNet(MUNetSize(channels=4, multiples=(1, 2))))
    for _ in range(3):
        assert math.isfinite(trainer.advance())
