"""What nodes take for images, and how they stop, with ComfyUI's own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.paragon_nodes.in_comfyui import answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_what_is_no_image_is_refused_in_words_and_a_bad_one_is_named(tmp_path: Path) -> None:
    code = """
from paragon_core.models.model import load
from paragon_nodes.frames import checked_images, upscale_all
from paragon_nodes.upscale_model import UpscaleModel
upscaler = UpscaleModel(load("realtime-2x"), backend="torch", precision="fp32").upscaler(0)
def upscale(images):
    images = checked_images(images)
    size = 2 * images.shape[2], 2 * images.shape[1]
    return upscale_all(images, size, upscaler)
broken = torch.rand(3, 8, 9, 3)
broken[1, 2, 3, 0] = float("inf")
refused = [torch.zeros(0, 8, 9, 3), torch.zeros(1, 8, 0, 3), torch.zeros(8, 9, 3), torch.zeros(1, 8, 9, 5), None,
           broken, broken[1:2]]
grey = torch.rand(1, 8, 9, 1)
print(json.dumps([*(told(upscale, each) for each in refused), list(upscale(grey).shape)]))
"""
    *texts, shape = answer(tmp_path, code)
    marks = ("no images", "0x8 pixels", "(8, 9, 3)", "(1, 8, 9, 5)", "NoneType", "image 2 of 3", "the image")
    assert all(mark in text for mark, (text, _) in zip(marks, texts, strict=True)), texts
    assert all(hint for _, hint in texts)
    assert "--fp32-vae" in texts[-1][1]
    assert shape == [1, 16, 18, 1]


def test_stop_ends_a_pass_of_the_network_at_the_next_layer_in_all_threads(tmp_path: Path) -> None:
    code = """
from comfy import model_management
from paragon_core.models.model import load
from paragon_nodes.upscale_model import UpscaleModel
model = UpscaleModel(load("stream-2x"), backend="torch", precision="fp32")
upscaler = model.upscaler(64)
image = np.zeros((200, 200, 3), np.float32)
upscaler(image)
layers = []
def count(layer, inputs):
    layers.append(1)
    if len(layers) == 5:
        model_management.interrupt_current_processing()
(session,) = [upscaler._runner.pool.get(upscaler._runner._spec, "fp32")]
for layer in session.module.modules():
    if not list(layer.children()):
        layer.register_forward_pre_hook(count)
def stopped(call):
    try:
        call()
    except model_management.InterruptProcessingException:
        return len(layers)
streams = upscaler._runner.pool.session_options.streams
after = stopped(lambda: upscaler(image))
sticky = stopped(lambda: upscaler(image))
layers.extend([1] * 10)
model.upscaler(64)(image)
print(json.dumps([streams, after, sticky - after, len(layers) > sticky + 10]))
"""
    streams, after, more, goes_on = answer(tmp_path, code)
    assert after <= 5 + streams
    assert more <= streams
    assert goes_on


def test_tiles_are_no_waste_and_quick_enough(tmp_path: Path) -> None:
    code = """
from paragon_core.models.model import bundled, load
from paragon_nodes.tiles import check_tile_size, least_tile, quick_area
specs = [load(name).spec for name in bundled()]
refused = [size for size in (-8, 0, 1, 63, 64, 8192, 8193, None) if told(check_tile_size, size)]
print(json.dumps([refused, [[least_tile(spec), spec.receptive_radius, quick_area(spec)] for spec in specs]]))
"""
    refused, tiles = answer(tmp_path, code)
    assert refused == [-8, 1, 63, 8193]
    for least, radius, area in tiles:
        assert least >= max(64, 4 * radius)
        assert least**2 <= area <= 2**21
