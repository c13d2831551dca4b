from __future__ import annotations

import numpy as np

from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.upscaling.upscaler import Upscaler
from scripts.training_data.screen_content import screen_content

SIDE = 64


def pixels(count: int, seed: int = 0) -> list[np.ndarray]:
    return [np.asarray(image) for image in screen_content(count, SIDE, seed=seed)]


def test_a_seed_draws_the_same_images_however_many_are_asked_for() -> None:
    few, many, other = pixels(3), pixels(5), pixels(3, seed=1)
    assert all(np.array_equal(one, same) for one, same in zip(few, many, strict=False))
    assert not any(np.array_equal(one, unlike) for one, unlike in zip(few, other, strict=True))
    assert len({image.tobytes() for image in many}) == len(many)


def test_screen_content_is_rgb_of_the_size_asked_for() -> None:
    for image in pixels(4):
        assert image.shape == (SIDE, SIDE, 3)
        assert image.dtype == np.uint8


def test_edges_are_the_hardest_that_there_are() -> None:
    drawn = np.stack(pixels(20)).astype(int)
    steps = np.abs(np.diff(drawn, axis=2))
    assert steps.max() == 255
    # Reducing a larger drawing leaves in-between levels too: not every edge lies between two pixels.
    assert np.mean((steps > 32) & (steps < 224)) > np.mean(steps >= 224) > 0.001


def test_the_bundled_stream_stays_in_range_on_screen_content_that_it_never_saw() -> None:
    """Its products of features have no bound: trained on photographs alone, outputs of hundreds occur here."""
    with Upscaler("stream-2x", precision="fp32", clip=False) as upscaler:
        for image in pixels(10, seed=99):
            low = round_to_uint8(resize(image, SIDE // 2, SIDE // 2)).astype(np.float32) / 255
            upscaled = upscaler(low)
            assert -0.5 < upscaled.min() < upscaled.max() < 1.5
