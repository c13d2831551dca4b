"""How good a network in training is: the protocol of `paragon_core.quality`, on whole images."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from paragon_core.network import ParagonSR2
from paragon_core.quality.evaluate import Pair, score_set
from paragon_core.quality.metrics import Score, mean_score
from paragon_core.training.pairs import CPU, planes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from paragon_core.models.spec import ModelSpec

#: Mean score of each validation set, by its name.
Scores = dict[str, Score]


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """What a validation found."""

    step: int
    """Steps done."""
    loss: float
    """Mean loss since the report before, for pixels in 0..1."""
    rate: float
    """Steps in a second since the report before."""
    scores: Scores
    """For each validation set the mean score of the averaged weights."""

    def to_json(self) -> str:
        """Return one line for a log."""
        return json.dumps(asdict(self))


def validate(
    arrays: Mapping[str, npt.NDArray[np.floating]],
    spec: ModelSpec,
    sets: Mapping[str, Sequence[Pair]],
    *,
    device: torch.device = CPU,
) -> Scores:
    """Score weights with the protocol of `paragon_core.quality`, as whole images through the reference network."""
    upscale = reference_upscaler(arrays, spec, device=device)
    return {
        name: mean_score([scores["model"] for scores in score_set(pairs, {"model": upscale}).values()])
        for name, pairs in sets.items()
    }


def reference_upscaler(
    arrays: Mapping[str, npt.NDArray[np.floating]], spec: ModelSpec, *, device: torch.device = CPU
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]:
    """Return a function that upscales a whole image HxWx3 through the reference network on ``device``."""
    network = ParagonSR2.from_arrays(spec, arrays).to(device)

    @torch.inference_mode()
    def upscale(low: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        upscaled = network(planes(low[None], device))[0].movedim(0, -1)
        return np.asarray((upscaled.clamp(0, 1) * 255).round().to(torch.uint8).cpu())

    return upscale
