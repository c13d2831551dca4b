"""The training loop: steps, validation, and a folder that an interrupted run continues from, bit for bit."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor

from paragon_core.atomic_files import prepare_folder, remove_leftovers
from paragon_core.training.interrupts import postponed_interrupt
from paragon_core.training.log import TensorBoardLog
from paragon_core.training.saving import Arrays, read_state, save_arrays, save_state, save_weights
from paragon_core.training.validation import TrainingProgress, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from paragon_core.models.spec import ModelSpec
    from paragon_core.quality.evaluate import Pair
    from paragon_core.training.options import Schedule

STATE: Final = "state.pt"


class Learner(Protocol):
    """A network in training, whatever the way: what `train` drives. Same steps, same bits."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def spec(self) -> ModelSpec:
        """The network that comes out."""

    @property
    def options(self) -> Schedule:
        """How long it is trained."""

    @property
    def device(self) -> torch.device:
        """Where it is trained, and scored."""

    @property
    def figures(self) -> Mapping[str, Tensor]:
        """What the last step found besides its loss, by name, for the log; scalars on the device, may be empty."""

    def advance(self) -> Tensor:
        """Do one step and return its loss, a scalar on the device: nothing waits for it there until it is read."""

    def arrays(self) -> Arrays:
        """Return the weights to score and to save, under upstream's keys."""

    def auxiliary_networks(self) -> Mapping[str, Arrays]:
        """Return the weights of networks that only help, by the names of their files; may be empty."""

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, apart from the images: see `save_state`."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned; raises InputError if it belongs to another run."""


def train(
    learner: Learner,
    folder: Path,
    *,
    sets: Mapping[str, Sequence[Pair]],
    report: Callable[[TrainingProgress], None],
    tick: Callable[[int], None] | None = None,
    notes: Mapping[str, str] | None = None,
    log: bool = False,
) -> None:
    """Train to the end, or to Ctrl-C, which saves first.

    ``folder`` gets ``state.pt`` (to continue from), ``last.safetensors`` and, with validation sets,
    ``best.safetensors``: highest sum of the PSNRs. Networks that helped are saved next to them. If there is a
    state already, it is continued.

    Args:
        learner: at its first step, or where it is.
        folder: made if it does not exist.
        sets: images to validate on, by name; may be empty.
        report: called after every validation.
        tick: called after every step with the number of steps done.
        notes: go into the metadata of the weights.
        log: whether ``folder/log`` gets events for TensorBoard; a continued run goes on with them.

    Raises:
        BackendUnavailableError: if there shall be a log and tensorboard is not installed.
        InputError: if the folder holds a run with other options.
        UnreadableCheckpointError: if the saved state is damaged.
        MediaError: if the folder cannot be written to; what was saved before is whole.
        KeyboardInterrupt: after Ctrl-C, when everything is saved.

    """
    prepare_folder(folder / STATE)
    remove_leftovers(folder)
    best = -math.inf
    if (folder / STATE).exists():
        saved = read_state(folder / STATE)
        best = saved.pop("best")
        learner.restore(saved)
    with ExitStack() as stack:
        board = stack.enter_context(TensorBoardLog(folder / "log", learner.options, step=learner.step)) if log else None
        interrupted = stack.enter_context(postponed_interrupt())
        while learner.step < learner.options.steps:
            started, losses = time.perf_counter(), list[Tensor]()
            for _ in range(_until_next_validation(learner)):
                losses.append(learner.advance())
                if board:
                    board.log_step(learner.step, losses[-1], learner.figures)
                if tick:
                    tick(learner.step)
                if interrupted():
                    break
            arrays = learner.arrays()  # which waits for the last step
            elapsed = time.perf_counter() - started
            progress = TrainingProgress(
                step=learner.step,
                loss=float(torch.stack(losses).double().mean()),
                rate=len(losses) / elapsed,
                scores=validate(arrays, learner.spec, sets, device=learner.device),
            )
            report(progress)
            if board:
                board.log_validation(progress, arrays, learner.spec, sets, device=learner.device)
            save_weights(folder / "last.safetensors", arrays, learner.spec, progress, notes)
            _save_auxiliary_networks(folder, learner, notes)
            total = sum(score.psnr_y for score in progress.scores.values())
            if sets and total > best:
                best = total
                save_weights(folder / "best.safetensors", arrays, learner.spec, progress, notes)
            save_state(folder / STATE, {**learner.state(), "best": best})
            if interrupted():
                raise KeyboardInterrupt


def _save_auxiliary_networks(folder: Path, learner: Learner, notes: Mapping[str, str] | None) -> None:
    for name, arrays in learner.auxiliary_networks().items():
        save_arrays(folder / f"{name}.safetensors", arrays, {**(notes or {}), "steps": str(learner.step)})


def _until_next_validation(learner: Learner) -> int:
    every = learner.options.validate_every
    return min(every - learner.step % every, learner.options.steps - learner.step)
