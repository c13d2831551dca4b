"""Images and tiles of nodes, in ComfyUI's Python."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from comfy import model_management

from paragon_core.models.model import bundled, load
from paragon_nodes.frames import checked_images, paragon_model, upscale_all
from paragon_nodes.tiles import check_tile_size, least_tile, quick_area
from paragon_nodes.upscale_model import UpscaleModel
from tests.paragon_nodes.inside.refusals import refusal


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


def networks_of_others() -> list[Any]:
    return [refusal(paragon_model, each) for each in (SimpleNamespace(model=torch.nn.Conv2d(3, 3, 1)), None)]


def stopped_passes() -> list[Any]:
    model = UpscaleModel(load("stream-2x"), backend="torch", precision="fp32")
    upscaler = model.upscaler(600)
    image = np.zeros((600, 1000, 3), np.float32)
    layers: list[int] = []
    stop_at = 0
    one_at_a_time = threading.Lock()  # or two threads would stop at the same layer, the second one for the next pass

    def count(_layer: object, _inputs: object) -> None:
        with one_at_a_time:
            layers.append(1)
            if len(layers) == stop_at:
                model_management.interrupt_current_processing()

    session: Any = upscaler._runner.pool.get(upscaler._runner._spec, "fp32")  # noqa: SLF001 - to count its layers
    for layer in session.module.modules():
        if not list(layer.children()):
            layer.register_forward_pre_hook(count)
    upscaler(image)
    whole, stop_at = len(layers), 5

    def stopped() -> int:
        layers.clear()
        try:
            upscaler(image)
        except model_management.InterruptProcessingException:
            return len(layers)
        raise AssertionError

    after, sticky = stopped(), stopped()
    stop_at = 0
    model_management.interrupt_current_processing(value=False)  # as ComfyUI does before each run
    return [whole, after, sticky, list(model.upscaler(600)(image).shape)]


def tile_sizes() -> list[Any]:
    specs = [load(name).spec for name in bundled()]
    sizes: tuple[Any, ...] = (-8, 0, 1, 63, 64, 8192, 8193, None)
    refused = [size for size in sizes if refusal(check_tile_size, size)]
    return [refused, [[least_tile(spec), spec.receptive_radius, quick_area(spec)] for spec in specs]]
