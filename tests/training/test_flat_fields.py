from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.models.spec import preset

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.collapsed import CollapsedNetwork
from paragon_core.training.flat_fields import settle_flat_fields
from paragon_core.training.pairs import planes
from tests.training.field_errors import field_errors
from tests.training.short_runs import SHORT, trainer_on

if TYPE_CHECKING:
    from paragon_core.models.spec import Variant
    from tests.training.short_runs import Images


def network(variant: Variant, scale: int, seed: int) -> CollapsedNetwork:
    """Return one with random weights whose learned part is some levels large."""
    spec = replace(preset(variant, scale, revision="v11" if variant == "stream" else "v9"), upsampler_alpha=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = CollapsedNetwork(replace(spec, groups=1, blocks=2))
        torch.nn.init.normal_(made.tail.weight, std=0.002)
        torch.nn.init.normal_(made.tail.bias, std=0.01)
    return made


@given(
    variant=st.sampled_from(["realtime", "stream", "photo"]),
    scale=st.sampled_from([2, 3, 4]),
    seed=st.integers(0, 99),
)
@settings(max_examples=6, deadline=None)
def test_fields_come_out_as_they_are_and_images_hardly_change(
    images: Images, variant: Variant, scale: int, seed: int
) -> None:
    made = network(variant, scale, seed)
    low = torch.cat([planes(image[None, :32, :32]) for image in images[:4]])
    with torch.inference_mode():
        wrong, before, kernel = field_errors(made), made(low), made.tail.weight.clone()
        settle_flat_fields(made, low)
        change = 255 * (made(low) - before)
    assert field_errors(made).max() < 0.1 * wrong.max() + 0.05
    assert change.square().mean().sqrt() < 5 * wrong.square().mean().sqrt()  # not at the price of everything else
    moved = made.tail.weight != kernel
    assert not (moved & (made.reach == 0)).any()


def test_what_is_saved_is_settled_and_training_goes_on_as_it_was(images: Images) -> None:
    looked_at, other = trainer_on(images, SHORT), trainer_on(images, SHORT)
    for _ in range(10):
        looked_at.advance()
        other.advance()
        settled = looked_at.arrays()
    assert all(
        torch.equal(one, two)
        for one, two in zip(looked_at.network.parameters(), other.network.parameters(), strict=True)
    )
    saved = CollapsedNetwork(looked_at.spec)
    saved.load_arrays(settled)
    assert field_errors(saved).max() < 0.4 * field_errors(looked_at.network).max()
