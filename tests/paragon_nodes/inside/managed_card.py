"""A network that ComfyUI manages, on a card made of the processor, in ComfyUI's Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from paragon_core.models.model import load
from paragon_core.upscaling.border import Border, Padding
from paragon_core.upscaling.upscaler import Upscaler
from paragon_nodes.frames import upscale_all
from paragon_nodes.memory import ManagedCudaSession, ManagedTorch
from paragon_nodes.upscale_model import UpscaleModel
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


def where_it_is() -> list[Any]:
    """Return how far an image is from the usual way where it stays on its device, what has no numbers, and a type."""
    model = UpscaleModel(load("realtime-2x"), backend="torch", precision="fp32")
    image = torch.rand(30, 41, 3)
    errors = []
    for padding in get_args(Padding):
        usual = model.upscaler(0, padding=padding)(image.numpy())
        there: Any = model.upscale_where_it_is(image, Border.of(model.paragon.spec, padding))
        errors.append(float(np.abs(there.numpy() - usual).max()))
    broken = image.clone()
    broken[3, 4, 1] = float("nan")
    border = Border.of(model.paragon.spec, "auto")
    half: Any = model.upscale_where_it_is(image.half(), border)
    return [
        errors,
        model.upscale_where_it_is(broken, border) is None,
        str(half.dtype),
        model.on_card(image, "auto") is None,
    ]


def batches() -> list[Any]:
    """Return whether a batch is written straight into its tensor, and one on a card is left there."""
    model = UpscaleModel(load("realtime-2x"), backend="torch", precision="fp32")
    images = torch.rand(2, 20, 30, 3)
    upscaler = model.upscaler(0)
    written = upscale_all(images, (60, 40), upscaler)
    same = all(np.array_equal(written[index].numpy(), upscaler(images[index].numpy())) for index in range(2))
    asked: list[tuple[int, ...]] = []

    def on_card(image: torch.Tensor) -> torch.Tensor | None:
        asked.append(tuple(image.shape))
        return torch.full((40, 60, 3), 0.5) if len(asked) == 1 else None

    mixed = upscale_all(images, (60, 40), upscaler, on_card=on_card)
    return [same, bool((mixed[0] == 0.5).all()), bool((mixed[1] == written[1]).all()), len(asked)]
