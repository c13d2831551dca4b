from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.models.spec import preset
from paragon_core.quality.evaluate import make_pair

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.data import BORDER, PatchOptions, PatchSource
from paragon_core.training.options import TrainingOptions
from paragon_core.training.trainer import Trainer, border_weights
from paragon_core.training.validation import validate
from tests.training.short_runs import REALTIME, SHORT, trainer_on

if TYPE_CHECKING:
    from paragon_core.models.spec import Revision, Variant
    from paragon_core.training.options import Attention
    from tests.training.short_runs import Images

MS_SSIM = {"l1_weight": 0.0, "ms_ssim_weight": 1.0}


def test_two_hundred_steps_improve_what_was_not_trained_on(images: Images) -> None:
    trainer = trainer_on(images, TrainingOptions(steps=200))
    sets = {"unseen": [make_pair(str(index), images[index], 2) for index in (4, 5)]}
    before = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    losses = [trainer.advance() for _ in range(200)]
    after = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    assert sum(losses[-50:]) < 0.9 * sum(losses[:50])
    assert after.psnr_y > before.psnr_y + 0.5
    assert after.ssim > before.ssim


def test_the_start_is_already_better_than_the_fixed_base(images: Images) -> None:
    sets = {"unseen": [make_pair("", images[4], 2)]}
    trainer = trainer_on(images, SHORT)
    started = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    arrays = trainer.arrays()
    arrays["detail_gain"] = np.zeros_like(arrays["detail_gain"])
    assert started.psnr_y > validate(arrays, REALTIME, sets)["unseen"].psnr_y + 2


def test_it_goes_on_from_given_weights(images: Images) -> None:
    first = trainer_on(images, SHORT)
    for _ in range(10):
        first.advance()
    saved = first.arrays()
    taken = trainer_on(images, SHORT, start_from=saved).network.to_arrays()
    assert taken.keys() == saved.keys()
    assert all(np.allclose(taken[key], array, rtol=1e-5, atol=1e-7) for key, array in saved.items())


def test_the_ends_of_cycles_are_averaged(images: Images) -> None:
    cycle = replace(SHORT, steps=15)
    one, three = trainer_on(images, cycle), trainer_on(images, replace(SHORT, steps=45, cycles=3))
    ends, averages = [], []
    for step in range(1, 46):
        three.advance()
        if step <= 15:
            one.advance()
        if step % 15 == 0:
            ends.append(three.state()["ema"]["conv_in.weight"].clone())
            averages.append(three.arrays()["conv_in.weight"])
        assert (step % 15 == 0) == three.options.is_end_of_cycle(step)
    assert np.array_equal(averages[0], one.arrays()["conv_in.weight"])
    for number in (2, 3):
        expected = torch.stack(ends[:number]).mean(0).numpy()
        np.testing.assert_allclose(averages[number - 1], expected, rtol=0, atol=1e-6)
        assert np.abs(ends[number - 1].numpy() - expected).max() > 1e-4


def test_the_scales_must_agree(images: Images) -> None:
    source = PatchSource([images], scale=4, options=PatchOptions(low_size=8, batch_size=1))
    with pytest.raises(InputError, match="x4"):
        Trainer(REALTIME, source, SHORT)


def on_one_patch(
    images: Images,
    variant: Variant,
    revision: Revision | None = None,
    **changes: Any,
) -> Trainer:
    """Return a trainer of a small network that sees the same patch in every step."""
    spec = preset(variant, 2, revision=revision)
    spec = replace(spec, upsampler_alpha=0.0, channels=16, groups=1, blocks=2, window_size=8)
    patches = PatchOptions(low_size=24, batch_size=1, symmetries=False)
    side = 2 * (patches.low_size + 2 * BORDER)  # leaves one place for a patch
    options = replace(TrainingOptions(steps=30, learning_rate=1e-3, warmup_share=0.2), **changes)
    return Trainer(spec, PatchSource([[images[0][:side, :side]]], scale=2, options=patches), options)


@pytest.mark.parametrize(
    ("variant", "revision"),
    [("realtime", "v9"), ("realtime", "v11"), ("stream", "v9"), ("stream", "v11"), ("photo", "v9"), ("pro", "v11")],
)
@pytest.mark.parametrize("optimiser", ["soap", "adamw"])
def test_every_network_learns(images: Images, variant: Variant, revision: Revision, optimiser: str) -> None:
    trainer = on_one_patch(images, variant, revision, optimiser=optimiser)
    started = trainer.arrays()
    losses = [trainer.advance() for _ in range(30)]
    assert losses[-1] < 0.95 * losses[0]
    moved = {key for key, array in trainer.arrays().items() if not np.array_equal(array, started[key])}
    assert {key for key in started if key.startswith("body.")} <= moved


@pytest.mark.parametrize("changes", [{"l1_weight": 0.0, "charbonnier_weight": 1.0}, MS_SSIM, {"ms_ssim_weight": 0.2}])
def test_every_loss_is_learned_from(images: Images, changes: dict[str, Any]) -> None:
    trainer = on_one_patch(images, "realtime", **changes)
    losses = [trainer.advance() for _ in range(30)]
    assert losses[-1] < 0.95 * losses[0]


def test_losses_add_up_by_their_weights(images: Images) -> None:
    weights: list[dict[str, Any]] = [
        {"l1_weight": 2.0},
        {"l1_weight": 0.0, "charbonnier_weight": 3.0},
        {"l1_weight": 0.0, "ms_ssim_weight": 0.5},
        {"l1_weight": 2.0, "charbonnier_weight": 3.0, "ms_ssim_weight": 0.5},
    ]
    first = [float(on_one_patch(images, "realtime", **each, bfloat16=False).advance()) for each in weights]
    assert sum(first[:3]) == pytest.approx(first[3], rel=1e-5)


def test_clipping_bounds_the_gradient(images: Images) -> None:
    trainer = trainer_on(images, replace(SHORT, clip_norm=1e-3))
    trainer.advance()
    gradients = [parameter.grad for parameter in trainer.network.parameters() if parameter.grad is not None]
    length = float(torch.stack([gradient.norm() for gradient in gradients]).norm())
    assert length == pytest.approx(1e-3, rel=1e-3)
    assert trainer.figures["length of the gradient"] > length


def test_checkpointing_changes_no_bit(images: Images) -> None:
    runs = [on_one_patch(images, "photo", checkpointing=again) for again in (False, True)]
    for _ in range(3):
        losses = [trainer.advance() for trainer in runs]
        assert losses[0] == losses[1]
    first, second = (trainer.arrays() for trainer in runs)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_flex_attention_is_refused_where_torch_cannot_train_it(images: Images) -> None:
    # torch 2.13 has no backward pass of it for the processor.
    with pytest.raises(BackendUnavailableError, match="flex attention cannot be trained on cpu") as caught:
        on_one_patch(images, "photo", attention="flex")
    assert "sdpa" in caught.value.hint


def test_networks_without_attention_do_not_ask_for_flex(images: Images) -> None:
    on_one_patch(images, "realtime", attention="flex").advance()


def test_patches_too_small_for_ms_ssim_are_refused_before_the_first_step(images: Images) -> None:
    source = PatchSource([images[:1]], scale=2, options=PatchOptions(low_size=5, batch_size=1))
    with pytest.raises(InputError, match="too small for MS-SSIM"):
        Trainer(REALTIME, source, replace(SHORT, ms_ssim_weight=1.0))


@pytest.mark.parametrize("scale", [3, 4])
def test_a_network_of_another_scale_gives_its_body(images: Images, scale: int) -> None:
    first = trainer_on(images, TrainingOptions(steps=200))
    for _ in range(200):
        first.advance()
    spec = replace(REALTIME, scale=scale)
    source = PatchSource([images[:4]], scale=scale, options=PatchOptions(low_size=16, batch_size=4))
    started, fresh = Trainer(spec, source, SHORT, start_from=first.arrays()), Trainer(spec, source, SHORT)
    body = {key: array for key, array in first.arrays().items() if key.startswith(("conv_in.", "body.", "conv_mid."))}
    assert all(np.array_equal(started.arrays()[key], array) for key, array in body.items())
    sets = {"unseen": [make_pair("", images[4], scale)]}
    scores = [validate(each.arrays(), spec, sets)["unseen"].psnr_y for each in (started, fresh)]
    assert scores[0] > scores[1]


def test_only_the_border_has_another_weight() -> None:
    weights = border_weights(9, 2, 0.25)
    assert (weights[2:-2, 2:-2] == 1).all()
    assert int((weights == 0.25).sum()) == 81 - 25


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("attention", ["sdpa", "flex"])
def test_cuda_finds_what_the_processor_finds(images: Images, attention: Attention) -> None:
    source = PatchSource([images[:4]], scale=2, options=PatchOptions(low_size=24, batch_size=4))
    spec = replace(preset("photo", 2), upsampler_alpha=0.0, groups=1, blocks=2)
    options = TrainingOptions(steps=10, learning_rate=1e-4, bfloat16=False)
    slow = Trainer(spec, source, options)
    fast = Trainer(spec, source, replace(options, attention=attention), device=torch.device("cuda"))
    for _ in range(3):
        assert float(fast.advance()) == pytest.approx(float(slow.advance()), rel=1e-3)
    fast.restore(slow.state() | {"options": fast.state()["options"]})
    assert float(fast.advance()) == pytest.approx(float(slow.advance()), rel=1e-3)
