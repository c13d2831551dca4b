"""A run's curves and images for TensorBoard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from paragon_core.atomic_files import unwritable
from paragon_core.errors import BackendUnavailableError, MediaError
from paragon_core.training.options import learning_rate
from paragon_core.training.pairs import CPU
from paragon_core.training.validation import reference_upscaler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from paragon_core.models.spec import ModelSpec
    from paragon_core.quality.evaluate import Pair
    from paragon_core.training.options import Schedule
    from paragon_core.training.validation import TrainingProgress

#: Steps between two points of a curve.
EVERY = 50

#: Images of each validation set that are shown, and how much of them: low-resolution pixels along each side.
_SHOWN = 2
_SIDE = 64


class TensorBoardLog:
    """Writes what `paragon_core.training.loop.train` reports; a context manager.

    ====================  ===========================================================================
    loss, and figures     mean of the last 50 steps, and whatever else the last of them found
    rate of learning      of the last step
    steps a second        between two validations
    PSNR, SSIM            of each validation set
    images                the middle of the first two of each set: the network's on the left, the original on the right
    ====================  ===========================================================================
    """

    def __init__(self, folder: Path, options: Schedule, *, step: int) -> None:
        """Open a log, or go on with one.

        Args:
            folder: where the event files go; made if it does not exist.
            options: of the run.
            step: steps done; points that an interrupted run wrote after them are dropped.

        Raises:
            BackendUnavailableError: if tensorboard is not installed.
            MediaError: if the folder cannot be written to, here and from the other methods.

        """
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional
        except ImportError as error:
            msg = f"the log needs tensorboard ({error})"
            raise BackendUnavailableError(msg, hint="pip install tensorboard") from error
        self._folder = folder
        with self._writing():
            self._writer = SummaryWriter(str(folder), purge_step=step + 1)
        self._options = options
        self._losses: list[Tensor] = []

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is still in memory and close the file."""
        try:
            with self._writing():
                self._writer.close()
        except MediaError:
            if kind is None:  # else the first error is the one to report
                raise

    def log_step(self, step: int, loss: Tensor, figures: Mapping[str, Tensor]) -> None:
        """Take note of step ``step`` (1 is the first); scalars are read every `EVERY` steps only."""
        self._losses.append(loss)
        if step % EVERY:
            return
        self._point("training/loss", float(torch.stack(self._losses).double().mean()), step)
        self._point("training/rate of learning", learning_rate(self._options, step - 1), step)
        for name, figure in figures.items():
            self._point(f"training/{name}", float(figure), step)
        self._losses.clear()

    def log_validation(
        self,
        progress: TrainingProgress,
        arrays: Mapping[str, npt.NDArray[np.floating]],
        spec: ModelSpec,
        sets: Mapping[str, Sequence[Pair]],
        *,
        device: torch.device = CPU,
    ) -> None:
        """Take note of what a validation on ``device`` found with the weights ``arrays``."""
        self._point("training/steps a second", progress.rate, progress.step)
        for name, score in progress.scores.items():
            self._point(f"{name}/PSNR", score.psnr_y, progress.step)
            self._point(f"{name}/SSIM", score.ssim, progress.step)
        upscale = reference_upscaler(arrays, spec, device=device)
        for name, pairs in sets.items():
            for pair in pairs[:_SHOWN]:
                low, high = _middle(pair)
                both = np.concatenate([upscale(low), high], axis=1)
                with self._writing():
                    self._writer.add_image(f"{name}/{pair.name}", both, progress.step, dataformats="HWC")
        with self._writing():
            self._writer.flush()

    def _point(self, name: str, value: float, step: int) -> None:
        with self._writing():
            self._writer.add_scalar(name, value, step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise errors of the disk as ours; tensorboard's thread meets them, and reports them at any later call."""
        try:
            yield
        except OSError as error:
            raise unwritable(self._folder, error) from error


def _middle(pair: Pair) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Cut the same middle out of both resolutions."""
    height, width = (min(side, _SIDE) for side in pair.low.shape[:2])
    top, left = (pair.low.shape[0] - height) // 2, (pair.low.shape[1] - width) // 2
    s = pair.scale
    low = pair.low[top : top + height, left : left + width]
    high = pair.high[s * top : s * (top + height), s * left : s * (left + width)]
    return low, high
