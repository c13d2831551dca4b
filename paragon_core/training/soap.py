"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, algorithm 3. The matrices of these
networks are at most a few hundred rows wide, so the exact form on both sides costs a fraction of a backward pass.
Written here because torch has no such optimiser.

Matrices of one shape are stacked and go through every operation together: a network of equal blocks has few shapes, and
on a GPU each operation is a launch, whatever its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_EPSILON = 1e-8

#: The basis follows slower than the second moments do: it is turned only now and then.
_BASIS_DECAY = 0.99


class Soap(Optimizer):
    """SOAP over all parameters; those with more than one axis are treated as matrices [first axis, all others]."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        turn_every: int = 10,
    ) -> None:
        """Prepare the optimiser.

        Args:
            parameters: float32 tensors.
            lr: rate of learning.
            betas: decay of the first and of the second moment.
            turn_every: steps between two corrections of the basis.

        """
        super().__init__(parameters, {"lr": lr, "betas": betas, "turn_every": turn_every})
        self._stacks: list[_Stack] = []

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; takes no closure."""
        del closure
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            stacks = [stack for stack in self._stacks if stack.group is group]
            if sum(len(stack.parameters) for stack in stacks) != len(moving) or not all(
                parameter.grad is not None for stack in stacks for parameter in stack.parameters
            ):
                self._stacks = [stack for stack in self._stacks if stack.group is not group]
                stacks = [_Stack(alike, self.state, group) for alike in _alike(moving, self.state)]
                self._stacks += stacks
            for stack in stacks:
                stack.move()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; the next step stacks it again."""
        super().load_state_dict(dict(state_dict))
        self._stacks = []


class _Stack:
    """Parameters whose matrices have one shape, and their moments and bases, one behind the other.

    The optimiser's state of each parameter holds views of them, and so is what it would be for each alone.
    """

    def __init__(
        self, parameters: Sequence[Tensor], state: Mapping[Tensor, dict[str, Any]], group: dict[str, Any]
    ) -> None:
        """Stack parameters of one group that have taken as many steps, and what there is of their state."""
        self.parameters = parameters
        self.group = group
        self._states = [state[parameter] for parameter in parameters]
        # A vector is a matrix of one row; a preconditioner of its length would not pay.
        self._sides = ("left", "right") if parameters[0].dim() > 1 else ()
        if not self._states[0]:
            self._begin()
        self._tensors = {
            name: torch.stack([each[name].reshape(_as_matrix(parameters[0]).shape) for each in self._states])
            if name in {"mean", "square"}
            else torch.stack([each[name] for each in self._states])
            for name in self._states[0]
            if name != "step"
        }
        for index, each in enumerate(self._states):
            each.update({name: tensor[index] for name, tensor in self._tensors.items()})

    def move(self) -> None:
        """Take one step, and update moments and bases."""
        rate = self.group["lr"]
        directions = self._directions(self._gradients()).unbind()
        changes = [each.view_as(parameter) for each, parameter in zip(directions, self.parameters, strict=True)]
        torch._foreach_add_(list(self.parameters), changes, alpha=-rate)

    def _directions(self, matrices: Tensor) -> Tensor:
        """Return the steps at rate 1 for gradients [N, rows, columns]."""
        first_decay, second_decay = self.group["betas"]
        tensors = self._tensors
        step = self._states[0]["step"] + 1
        for each in self._states:
            each["step"] = step
        if self._sides:
            tensors["left"].lerp_(matrices @ matrices.mT, 1 - _BASIS_DECAY)
            tensors["right"].lerp_(matrices.mT @ matrices, 1 - _BASIS_DECAY)
            if step % self.group["turn_every"] == 0:
                self._turn()
            matrices = tensors["left_basis"].mT @ matrices @ tensors["right_basis"]
        tensors["mean"].lerp_(matrices, 1 - first_decay)
        tensors["square"].lerp_(matrices.square(), 1 - second_decay)
        mean = tensors["mean"] / (1 - first_decay**step)
        root = (tensors["square"] / (1 - second_decay**step)).sqrt_()
        direction: Tensor = mean / root.add_(_EPSILON)
        return tensors["left_basis"] @ direction @ tensors["right_basis"].mT if self._sides else direction

    def _gradients(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        return torch.stack([_as_matrix(gradient) for gradient in gradients])

    def _begin(self) -> None:
        matrices = self._gradients()
        begun: dict[str, Tensor] = {"mean": torch.zeros_like(matrices), "square": torch.zeros_like(matrices)}
        for side in self._sides:
            begun[side] = matrices @ matrices.mT if side == "left" else matrices.mT @ matrices
            begun[f"{side}_basis"] = torch.linalg.eigh(begun[side])[1]
        for index, each in enumerate(self._states):
            each.update({"step": 0} | {name: tensor[index] for name, tensor in begun.items()})

    def _turn(self) -> None:
        """Bring both bases closer to the eigenvectors: one step of orthogonal iteration, largest eigenvalue first."""
        tensors = self._tensors
        mean = tensors["left_basis"] @ tensors["mean"] @ tensors["right_basis"].mT
        for axis, side in ((1, "left"), (2, "right")):
            basis = tensors[f"{side}_basis"]
            turned = tensors[side] @ basis
            order = (basis * turned).sum(1).argsort(dim=1, descending=True)
            along = order[:, :, None] if axis == 1 else order[:, None]
            square = tensors["square"]
            square.copy_(square.gather(axis, along.expand_as(square)))
            basis.copy_(torch.linalg.qr(turned.gather(2, order[:, None].expand_as(turned)))[0])
        tensors["mean"].copy_(tensors["left_basis"].mT @ mean @ tensors["right_basis"])


def _alike(parameters: Sequence[Tensor], state: Mapping[Tensor, dict[str, Any]]) -> Iterable[list[Tensor]]:
    """Return the parameters in groups of one shape of matrix that have taken as many steps."""
    found: dict[object, list[Tensor]] = {}
    for parameter in parameters:
        shape = tuple(_as_matrix(parameter).shape)
        key = (shape, parameter.dim() > 1, parameter.device, state[parameter].get("step"))
        found.setdefault(key, []).append(parameter)
    return found.values()


def _as_matrix(gradient: Tensor) -> Tensor:
    """Return the gradient as a matrix; pro's dictionary of tokens [1, 64, C] is one already, in an axis too many.

    As a single row it would get a basis of 64C x 64C, whose decomposition takes half a minute.
    """
    if gradient.dim() == 3 and len(gradient) == 1:  # noqa: PLR2004  (axes)
        return gradient[0]
    return gradient.flatten(1) if gradient.dim() > 1 else gradient.reshape(1, -1)
