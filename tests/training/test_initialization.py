from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.models.spec import preset

torch = pytest.importorskip("torch")

from torch import nn

from paragon_core.network.blocks import NanoBlock, StreamBlock
from paragon_core.training.collapsed import CollapsedNetwork, base_kernel, tail_reach
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.initialization import scale_from_data, solve_tail
from paragon_core.training.pairs import interior_pair

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from paragon_core.models.spec import Variant

    Images = list[npt.NDArray[np.uint8]]


def started(images: Images, variant: Variant, scale: int = 2) -> tuple[CollapsedNetwork, list[tuple[Tensor, Tensor]]]:
    """Return a network whose body is initialized, and batches to solve for the tail with."""
    spec = replace(preset(variant, scale, revision="v9"), upsampler_alpha=0.0)
    source = PatchSource([images], scale=scale, options=PatchOptions(low_size=16, batch_size=8))
    draws = np.random.default_rng(0)
    batches = [interior_pair(source.draw(draws), base_kernel(scale)) for _ in range(4)]
    network = CollapsedNetwork(spec)
    scale_from_data(network, torch.cat([low for low, _ in batches]), torch.Generator().manual_seed(0))
    return network, batches


@pytest.mark.parametrize(("variant", "deviation"), [("realtime", 1.0), ("stream", 0.3)])
def test_every_activation_gets_inputs_of_a_set_size(images: Images, variant: Variant, deviation: float) -> None:
    network, batches = started(images, variant)
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, NanoBlock):
            module.dw.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        if isinstance(module, StreamBlock):  # in training, proj and gate are not called as such
            after = nn.Sequential(module.proj, module.gate)
            module.fuse.register_forward_hook(lambda _module, _inputs, output, after=after: seen.append(after(output)))
    with torch.inference_mode():
        network(torch.cat([low for low, _ in batches]))
    assert len(seen) == network.spec.block_count
    for output in seen:
        assert output.mean((0, 2, 3)).abs().max() < 1e-3
        assert (output.std((0, 2, 3)) - deviation).abs().max() < 1e-3


@pytest.mark.parametrize(("variant", "scale"), [("realtime", 2), ("realtime", 3), ("stream", 4)])
def test_no_other_tail_does_better_on_what_it_was_solved_on(images: Images, variant: Variant, scale: int) -> None:
    network, batches = started(images, variant, scale)

    def error() -> float:
        with torch.inference_mode():
            return sum(float((network.interior(low) - wanted).square().sum()) for low, wanted in batches)

    nothing = error()
    solve_tail(network, batches)
    solved = error()
    assert solved < 0.9 * nothing
    generator = torch.Generator().manual_seed(0)
    weight = network.tail.weight.detach().clone()
    for _ in range(5):
        move = torch.randn(weight.shape, generator=generator) * tail_reach(scale)
        network.tail.weight.data = weight + 0.05 * weight.std() * move
        assert error() > solved


def test_the_seed_alone_decides(images: Images) -> None:
    first, second = (started(images, "realtime")[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
