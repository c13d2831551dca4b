"""Runs that are over in seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paragon_core.models.spec import preset
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.options import TrainingOptions
from paragon_core.training.trainer import Trainer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from paragon_core.training.validation import TrainingProgress

    Images = list[npt.NDArray[np.uint8]]

REALTIME = replace(preset("realtime", 2, revision="v9"), upsampler_alpha=0.0)
SHORT = TrainingOptions(steps=40, validate_every=20)


def trainer_on(images: Images, options: TrainingOptions, **others: Any) -> Trainer:
    """Return a trainer of a realtime-2x on the first four images."""
    source = PatchSource([images[:4]], scale=2, options=PatchOptions(low_size=24, batch_size=4))
    return Trainer(REALTIME, source, options, **others)


def ignore(_: TrainingProgress) -> None:
    """Take a report."""
