"""A network that ComfyUI manages, on a card made of the processor, in ComfyUI's Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paragon_core.models.model import load
from paragon_core.upscaling.upscaler import Upscaler
from paragon_nodes.memory import ManagedCudaSession, ManagedTorch
from tests.backends.slow_card import SlowCard

if TYPE_CHECKING:
    from paragon_core.backends import SessionOptions
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

CPU = torch.device("cpu")


class OnCard(ManagedTorch):
    def __init__(self) -> None:
        super().__init__(CPU)
        self.card: Any = SlowCard()

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> ManagedCudaSession:
        return ManagedCudaSession(model, spec, options, CPU, self.card)


def pixels() -> list[Any]:
    """Return how far images are from those without a card, the work that was started, and which copies there were."""
    image = torch.rand(40, 50, 3).numpy()
    card = OnCard()
    found = []
    for channels in (1, 3):
        results = []
        for backend in (card, ManagedTorch(CPU)):
            with Upscaler(load("realtime-2x"), backend=backend, precision="fp32") as upscaler:
                results += [upscaler(image[..., :channels]) for _ in range(4)]
        assert all(np.array_equal(result, results[0]) for result in results[:4])
        found.append(float(np.abs(results[0] - results[-1]).max()))
    kinds = {told.partition(": ")[2] or told for told in card.card.told}
    return [
        found,
        sorted(kinds & {"run", "record", "replay", "upload", "download"}),
        sorted({kind for _, kind in card.card.buffers}),
    ]
