"""Images and tiles of nodes, in ComfyUI's Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from comfy import model_management

from paragon_core.models.model import bundled, load
from paragon_nodes.frames import checked_images, upscale_all
from paragon_nodes.tiles import check_tile_size, least_tile, quick_area
from paragon_nodes.upscale_model import UpscaleModel
from tests.paragon_nodes.inside.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable


def refused_images() -> list[Any]:
    upscaler = UpscaleModel(load("realtime-2x"), backend="torch", precision="fp32").upscaler(0)

    def upscale(images: Any) -> Any:
        images = checked_images(images)
        size = 2 * images.shape[2], 2 * images.shape[1]
        return upscale_all(images, size, upscaler)

    broken = torch.rand(3, 8, 9, 3)
    broken[1, 2, 3, 0] = float("inf")
    shapes = ((0, 8, 9, 3), (1, 8, 0, 3), (8, 9, 3), (1, 8, 9, 5))
    refused = [*map(torch.zeros, shapes), None, broken, broken[1:2]]
    return [*(refusal(upscale, each) for each in refused), list(upscale(torch.rand(1, 8, 9, 1)).shape)]


def stopped_passes() -> list[Any]:
    model = UpscaleModel(load("stream-2x"), backend="torch", precision="fp32")
    upscaler = model.upscaler(64)
    image = np.zeros((200, 200, 3), np.float32)
    upscaler(image)
    layers: list[int] = []

    def count(_layer: object, _inputs: object) -> None:
        layers.append(1)
        if len(layers) == 5:
            model_management.interrupt_current_processing()

    session: Any = upscaler._running.sessions.get(upscaler._network, "fp32")  # noqa: SLF001 - to count its layers
    for layer in session.module.modules():
        if not list(layer.children()):
            layer.register_forward_pre_hook(count)

    def stopped(call: Callable[[], object]) -> int:
        try:
            call()
        except model_management.InterruptProcessingException:
            return len(layers)
        raise AssertionError

    streams = upscaler._running.settings.streams  # noqa: SLF001 - likewise
    after = stopped(lambda: upscaler(image))
    sticky = stopped(lambda: upscaler(image))
    layers.extend([1] * 10)
    model.upscaler(64)(image)
    return [streams, after, sticky - after, len(layers) > sticky + 10]


def tile_sizes() -> list[Any]:
    specs = [load(name).spec for name in bundled()]
    sizes: tuple[Any, ...] = (-8, 0, 1, 63, 64, 8192, 8193, None)
    refused = [size for size in sizes if refusal(check_tile_size, size)]
    return [refused, [[least_tile(spec), spec.receptive_radius, quick_area(spec)] for spec in specs]]
