"""What graphics cards compute, in every runtime: pixels next to those of the processor. README.md says how to run it.

What is marked ``slow`` is too much for a Vulkan that computes on the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.backends import cuda_driver
from paragon_core.models.model import bundled
from paragon_core.upscaling.trial_images import trial_images
from tests.gpu.cards import MODELS
from tests.gpu.photographs import EXACT, photograph, psnr, reference
from tests.random_models import overflowing_model, random_image

if TYPE_CHECKING:
    from tests.gpu.cards import Card

pytestmark = pytest.mark.gpu


def too_large(*values: Any) -> Any:
    """Return a case that is left out on the processor."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("variant", ["realtime", "stream", too_large("photo"), too_large("pro")])
def test_fp32_is_the_reference(card: Card, variant: str, *, fused: bool) -> None:
    image = random_image(65, 48, 3, dtype="float32")
    model = MODELS[variant]
    with card.upscaler(model, precision="fp32", fused=fused, clip=False) as upscaler:
        result = upscaler(image)
    expected = reference(image, model, clip=False)
    assert np.abs(result - expected).max() <= EXACT * max(1, float(np.abs(expected).max()))


@pytest.mark.parametrize("size", [(45, 61), too_large((300, 411))], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("model", ["realtime-2x", "realtime-4x"])
def test_fp16_is_close(card: Card, model: str, dtype: str, size: tuple[int, int]) -> None:
    card.needs("fp16")
    image = photograph(dtype, *size)
    with card.upscaler(model, precision="fp16") as upscaler:
        result = upscaler(image)
    expected = reference(image, model)
    assert psnr(result, expected) >= (60 if dtype == "float32" else 50)
    assert np.abs(result.astype(np.float64) - expected).max() <= (1 / 255 if dtype == "float32" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("model", list(bundled()))
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_hard_images_are_within_a_level(card: Card, model: str, precision: Any) -> None:
    """In whatever precision "auto" takes after its trials."""
    with card.upscaler(model, precision=precision) as upscaler:
        results = {title: upscaler(image) for title, image in trial_images().items()}
    for title, image in trial_images().items():
        difference = np.abs(results[title].astype(int) - reference(image, model))
        assert difference.max() <= 1, title


def test_what_overflows_in_fp16_is_computed_in_fp32(card: Card) -> None:
    card.needs("fp16")
    image = trial_images()["checkers"]
    model = overflowing_model()
    with card.upscaler(model, precision="fp16") as upscaler:
        result = upscaler(image)
    assert psnr(result, reference(image, model)) >= 30  # not a number would be black


SIZES = [(1, 1), (5, 3), (1, 70), (63, 64), too_large((5, 700)), too_large((720, 1280)), too_large((1500, 1001))]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size(card: Card, size: tuple[int, int]) -> None:
    image = photograph("uint8", *size)
    with card.upscaler("realtime-2x", precision="fp32") as upscaler:
        result = upscaler(image)
    difference = np.abs(result.astype(int) - reference(image))
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@pytest.mark.parametrize("channels", [too_large(()), (3,), too_large((4,))])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", too_large("float16"), "float32"])
def test_every_kind_of_image(card: Card, dtype: str, channels: tuple[int, ...]) -> None:
    image = random_image(35, 45, *channels, dtype=dtype)
    with card.upscaler("realtime-2x", precision="fp32") as upscaler:
        result = upscaler(image)
    peak = np.iinfo(dtype).max if dtype.startswith("uint") else 1
    allowed = 1 if dtype == "uint8" else peak * (1e-3 if dtype == "float16" else EXACT) + (dtype == "uint16")
    assert np.abs(result.astype(np.float64) - reference(image)).max() <= allowed


@pytest.mark.parametrize(("size", "tile"), [((100, 120), 64), too_large((400, 500), 200)], ids=str)
def test_tiles_are_the_whole_image(card: Card, size: tuple[int, int], tile: int) -> None:
    image = photograph("float32", *size)
    results = []
    for each in ("off", tile):
        with card.upscaler("stream-2x", precision="fp32", tile=each) as upscaler:
            results.append(upscaler(image))
            assert (upscaler.tiles_computed == 1) == (each == "off")
    assert np.abs(results[0] - results[1]).max() <= EXACT


@pytest.mark.slow
def test_a_frame_of_4k_goes_through_as_a_whole(card: Card) -> None:
    if not card.knows_memory:
        pytest.skip("nobody says how much memory is free")
    free = cuda_driver.free_memory(0)
    if free is None or free < 10 * 2**30:
        pytest.skip("needs a card with 10 GiB of free memory")
    if card.backend == "tensorrt":
        pytest.skip("its engines for all sizes end below 4K")
    with card.upscaler("realtime-2x", precision="fp32") as upscaler:
        upscaler(photograph("uint8", 2160, 3840))
        assert upscaler.tiles_computed == 1
