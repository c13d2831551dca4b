from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from paragon_core.training.soap import Soap

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


def badly_scaled() -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs whose directions differ a thousandfold in size, a hidden matrix, and its outputs."""
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=generator))[0]
    inputs = torch.randn(256, 12, generator=generator) * torch.logspace(0, -3, 12) @ rotation
    hidden = torch.randn(12, 5, generator=generator)
    return inputs, hidden, inputs @ hidden


def descend(optimiser: Optimizer, weight: Tensor, steps: int) -> float:
    inputs, _, outputs = badly_scaled()
    loss = torch.tensor(0.0)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * (1 - step / steps)
        optimiser.zero_grad()
        loss = (inputs @ weight - outputs).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return float(loss.detach())


def test_it_gets_further_than_adam_where_directions_differ_in_scale() -> None:
    losses = []
    for make in (Soap, torch.optim.Adam):
        weight = torch.zeros(12, 5, requires_grad=True)
        losses.append(descend(make([weight], lr=0.1), weight, 300))
    assert losses[0] < losses[1] / 10


def test_it_continues_from_its_state_bit_for_bit() -> None:
    weights = [torch.zeros(12, 5, requires_grad=True) for _ in range(2)]
    straight, interrupted = (Soap([weight], lr=0.1) for weight in weights)
    for optimiser, weight in zip((straight, interrupted), weights, strict=True):
        descend(optimiser, weight, 25)
    resumed = Soap([weights[1]], lr=0.1)
    resumed.load_state_dict(interrupted.state_dict())
    descend(straight, weights[0], 25)
    descend(resumed, weights[1], 25)
    assert torch.equal(*weights)


def test_parameters_of_one_shape_move_as_each_would_alone() -> None:
    shapes = [(6, 4), (6, 4), (5,), (6, 2, 2, 1), (5,), ()]
    generator = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(25)]
    together, alone = ([torch.zeros(shape, requires_grad=True) for shape in shapes] for _ in range(2))
    optimisers = [Soap(together, lr=0.1), *(Soap([each], lr=0.1) for each in alone)]
    for step in gradients:
        for weights in (together, alone):
            for weight, gradient in zip(weights, step, strict=True):
                weight.grad = gradient.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_parameters_may_lack_a_gradient_at_times() -> None:
    steady, rare = (torch.zeros(6, 4, requires_grad=True) for _ in range(2))
    optimiser = Soap([steady, rare], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        steady.grad = torch.randn(6, 4, generator=generator)
        rare.grad = torch.randn(6, 4, generator=generator) if step % 3 == 0 else None
        before = rare.detach().clone()
        optimiser.step()
        assert torch.equal(before, rare) == (rare.grad is None)
    assert [optimiser.state[each]["step"] for each in (steady, rare)] == [30, 10]


@pytest.mark.parametrize("shape", [(), (7,), (4, 6), (1, 6, 4), (8, 3, 3, 3), (8, 1, 3, 3)])
def test_every_shape_of_a_network_finds_its_target(shape: tuple[int, ...]) -> None:
    target = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = torch.zeros(shape, requires_grad=True)
    optimiser = Soap([found], lr=0.1)
    for step in range(400):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 400)
        optimiser.zero_grad()
        (found - target).square().sum().backward()
        optimiser.step()
    assert (found - target).abs().max() < 0.05


def test_no_basis_is_wider_than_a_side_of_a_dictionary() -> None:
    found = torch.zeros(1, 64, 16, requires_grad=True)
    optimiser = Soap([found], lr=0.1)
    (found - 1).square().sum().backward()
    optimiser.step()
    assert max(max(each.shape) for each in optimiser.state[found].values() if isinstance(each, torch.Tensor)) == 64
