from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.errors import InputError
from paragon_core.graph.fuse import absorb_gain, collapse_tail
from paragon_core.graph.fused_weights import Convolution
from paragon_core.models.spec import PRODUCT_LIMIT, REVISIONS, preset

torch = pytest.importorskip("torch")

from paragon_core.network import ParagonSR2
from paragon_core.training.collapsed import CollapsedNetwork, base_kernel, cells, expand_tail, tail_reach
from tests.training.short_runs import REALTIME

if TYPE_CHECKING:
    from torch import Tensor

    from paragon_core.models.spec import ModelSpec, Variant


def specs(variant: Variant) -> list[ModelSpec]:
    """Return each revision of a variant that can be trained, in few blocks."""
    return [
        replace(preset(variant, 2, revision=revision), upsampler_alpha=0.0, groups=1, blocks=2, window_size=4)
        for revision in REVISIONS[variant]
        if revision != "v6"
    ]


def name_of(spec: ModelSpec) -> str:
    return f"{spec.variant}-{spec.revision}"


SPECS = [spec for variant in REVISIONS for spec in specs(variant)]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_any_tail_can_be_written_in_the_keys_of_upstream(scale: int) -> None:
    spec = replace(REALTIME, scale=scale)
    generator = np.random.default_rng(scale)
    tail = Convolution(
        weight=generator.normal(size=(3 * scale**2, spec.channels, 4, 4)) * tail_reach(scale).numpy(),
        bias=generator.normal(size=3 * scale**2),
    )
    written = expand_tail(tail, spec)
    up = Convolution(weight=written["up.0.weight"], bias=written["up.0.bias"])
    out = absorb_gain(Convolution(weight=written["conv_out.weight"], bias=written["conv_out.bias"]), 1.0)
    again = collapse_tail(up, out, scale)
    assert np.array_equal(again.weight, tail.weight)
    assert np.array_equal(again.bias, tail.bias)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_no_tail_reaches_further_than_said(scale: int) -> None:
    generator = np.random.default_rng(scale)
    up = Convolution(weight=generator.normal(size=(16 * scale**2, 16, 3, 3)), bias=np.zeros(16 * scale**2))
    out = Convolution(weight=generator.normal(size=(3, 16, 3, 3)), bias=np.zeros(3))
    collapsed = collapse_tail(up, out, scale).weight
    assert np.array_equal(collapsed != 0, np.broadcast_to(tail_reach(scale).numpy() != 0, collapsed.shape))


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_trained_is_what_the_written_network_makes(variant: Variant, scale: int) -> None:
    torch.manual_seed(scale)
    spec = replace(preset(variant, scale), upsampler_alpha=0.0, groups=2, blocks=2, window_size=4)
    network = CollapsedNetwork(spec)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    torch.nn.init.normal_(network.tail.bias)
    whole = ParagonSR2.from_arrays(spec, network.to_arrays())
    x = torch.rand(2, 3, 13, 11)
    with torch.no_grad():
        exact = whole(x)
        made = network.interior(x) + torch.nn.functional.conv2d(x, base_kernel(scale))
        assert (made - cells(exact, scale)).abs().max() < 1e-5
        difference = (network(x) + whole.base(x) - exact).abs()
    # Only the corners would need a mask of their own.
    difference[:, :, :: difference.shape[2] - 1, :: difference.shape[3] - 1] = 0
    assert difference.max() < 1e-5


@pytest.mark.parametrize("bound", [0.02, PRODUCT_LIMIT])
def test_products_stay_within_their_bound_in_the_written_network(bound: float) -> None:
    torch.manual_seed(0)
    spec = replace(preset("stream", 2, revision="v11"), groups=1, blocks=2)
    network = CollapsedNetwork(spec, product_bound=bound)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    written = network.to_arrays()
    whole = ParagonSR2.from_arrays(spec, written)
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        expected = cells(whole(x), 2)
        made = network.interior(x) + torch.nn.functional.conv2d(x, base_kernel(2))
        assert (made - expected).abs().max() < 1e-4 * expected.abs().max()
        network.product_bound = 2 * bound
        is_beyond = (network.interior(x) + torch.nn.functional.conv2d(x, base_kernel(2)) - expected).abs().max() > 0.01
    assert is_beyond == (bound < 1)
    again = CollapsedNetwork(spec, product_bound=bound)
    again.load_arrays(written)
    for key, array in again.to_arrays().items():
        assert np.allclose(array, written[key], rtol=1e-5, atol=1e-6), key


def test_a_network_of_v9_becomes_one_of_v11() -> None:
    torch.manual_seed(0)
    older = ParagonSR2(replace(preset("stream", 2, revision="v9"), groups=1, blocks=2))
    newer = CollapsedNetwork(replace(older.spec, revision="v11"), product_bound=100.0)
    newer.load_arrays(older.to_arrays())
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        made = ParagonSR2.from_arrays(newer.spec, newer.to_arrays())(x)
        difference = (made - older(x)).abs()[..., 1:-1, 1:-1]  # the rewritten tail has another border
        assert difference.max() < 1e-5


def test_weights_come_back_from_the_keys_of_upstream() -> None:
    torch.manual_seed(0)
    whole = ParagonSR2(REALTIME, detail_gain=0.7)
    network = CollapsedNetwork(REALTIME)
    network.load_arrays(whole.to_arrays())
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        made = network.interior(x) + torch.nn.functional.conv2d(x, base_kernel(2))
        assert (made - cells(whole(x), 2)).abs().max() < 1e-5


def test_cells_are_pixels_of_the_image_in_their_order() -> None:
    s, height, width = 3, 7, 6
    image = torch.arange(3.0 * s * height * s * width).view(1, 3, s * height, s * width)
    made = cells(image, s)
    assert made.shape == (1, 3 * s * s, height - 3, width - 3)
    # The first cell is cell 1: its rows and columns begin at s + 1.
    assert made[0, 0, 0, 0] == image[0, 0, s + 1, s + 1]
    assert made[0, 2 * s * s + s + 2, 1, 2] == image[0, 2, 2 * s + 2, 3 * s + 3]


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_computing_blocks_again_changes_no_gradient_and_keeps_less(spec: ModelSpec) -> None:
    networks = [CollapsedNetwork(spec, checkpointing=again) for again in (False, True)]
    networks[1].load_state_dict(networks[0].state_dict())
    x = torch.rand(2, 3, 16, 16)
    kept = [0, 0]
    for index, network in enumerate(networks):
        torch.nn.init.constant_(network.tail.weight, 0.01)

        def keep(tensor: Tensor, index: int = index) -> Tensor:
            kept[index] += tensor.nbytes
            return tensor

        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", dtype=torch.bfloat16),
        ):
            made = network(x)
        made.square().mean().backward()
    assert kept[1] < 0.6 * kept[0]
    for (name, first), second in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        assert first.grad is not None, name
        assert second.grad is not None, name
        assert torch.equal(first.grad, second.grad), name


@pytest.mark.processor
@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_gradients_in_bfloat16_are_those_of_float32(variant: Variant) -> None:
    torch.manual_seed(0)
    network = CollapsedNetwork(specs(variant)[0])
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    x = torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    wanted = torch.rand(2, 3, 64, 64)
    gradients = []
    for half in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            made = network(x)
        (made.float() - wanted).square().mean().backward()
        gradients.append(
            {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
        )
    assert gradients[0].keys() == dict(network.named_parameters()).keys()
    for name, exact in gradients[0].items():
        # Biases of convolutions that another one absorbs have gradients near 0: nothing to be relative to.
        size = max(float(exact.abs().max()), 1e-5)
        assert float((gradients[1][name] - exact).abs().max()) < 0.2 * size, name


def test_a_network_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(InputError, match="too narrow"):
        CollapsedNetwork(replace(REALTIME, channels=14))


def test_a_network_that_softens_is_refused() -> None:
    with pytest.raises(InputError, match="upsampler_alpha"):
        CollapsedNetwork(replace(REALTIME, upsampler_alpha=0.3))


def test_revision_v6_is_refused() -> None:
    with pytest.raises(InputError, match="v6"):
        CollapsedNetwork(replace(REALTIME, revision="v6"))
