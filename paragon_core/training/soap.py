"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, algorithm 3. The matrices of these
networks are at most a few hundred rows wide, so the exact form on both sides costs a fraction of a backward pass.
Written here because torch has no such optimiser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable

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
            parameters: float32 tensors with at least one axis.
            lr: rate of learning.
            betas: decay of the first and of the second moment.
            turn_every: steps between two corrections of the basis.

        """
        super().__init__(parameters, {"lr": lr, "betas": betas, "turn_every": turn_every})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; takes no closure."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    direction = _direction(parameter.grad, self.state[parameter], group)
                    parameter.sub_(direction.view_as(parameter), alpha=group["lr"])


def _direction(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """Return the step for one parameter at rate 1, and update its moments and bases."""
    first_decay, second_decay = group["betas"]
    matrix = _as_matrix(gradient)
    # A vector is a matrix of one row; a preconditioner of its length would not pay.
    sides = ("left", "right") if gradient.dim() > 1 else ()
    if not state:
        _begin(state, matrix, sides)
    state["step"] += 1
    if sides:
        state["left"].lerp_(matrix @ matrix.T, 1 - _BASIS_DECAY)
        state["right"].lerp_(matrix.T @ matrix, 1 - _BASIS_DECAY)
        if state["step"] % group["turn_every"] == 0:
            _turn(state)
        matrix = state["left_basis"].T @ matrix @ state["right_basis"]
    state["mean"].lerp_(matrix, 1 - first_decay)
    state["square"].lerp_(matrix.square(), 1 - second_decay)
    mean = state["mean"] / (1 - first_decay ** state["step"])
    root = (state["square"] / (1 - second_decay ** state["step"])).sqrt_()
    direction: Tensor = mean / root.add_(_EPSILON)
    return state["left_basis"] @ direction @ state["right_basis"].T if sides else direction


def _as_matrix(gradient: Tensor) -> Tensor:
    """Return the gradient as a matrix; pro's dictionary of tokens [1, 64, C] is one already, in an axis too many.

    As a single row it would get a basis of 64C x 64C, whose decomposition takes half a minute.
    """
    if gradient.dim() == 3 and len(gradient) == 1:  # noqa: PLR2004  (axes)
        return gradient[0]
    return gradient.flatten(1) if gradient.dim() > 1 else gradient[None]


def _begin(state: dict[str, Any], matrix: Tensor, sides: tuple[str, ...]) -> None:
    state["step"] = 0
    state["mean"] = torch.zeros_like(matrix)
    state["square"] = torch.zeros_like(matrix)
    for side in sides:
        state[side] = matrix @ matrix.T if side == "left" else matrix.T @ matrix
        state[f"{side}_basis"] = torch.linalg.eigh(state[side])[1]


def _turn(state: dict[str, Any]) -> None:
    """Bring both bases closer to the eigenvectors: one step of orthogonal iteration, largest eigenvalue first."""
    mean = state["left_basis"] @ state["mean"] @ state["right_basis"].T
    for axis, side in enumerate(("left", "right")):
        basis = state[f"{side}_basis"]
        turned = state[side] @ basis
        order = (basis * turned).sum(0).argsort(descending=True)
        state["square"] = state["square"].index_select(axis, order)
        state[f"{side}_basis"] = torch.linalg.qr(turned[:, order])[0]
    state["mean"] = state["left_basis"].T @ mean @ state["right_basis"]
