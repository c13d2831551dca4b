"""The images on which precisions prove themselves are the hardest there are, and always the same."""

from __future__ import annotations

import numpy as np

from paragon_core.upscaling.trial_images import natural_image, trial_images


def test_the_photograph_is_fixed_and_like_one() -> None:
    image = natural_image()
    assert image.shape == (1, 3, 96, 96)
    assert image.dtype == np.float32
    assert np.array_equal(image, natural_image())
    assert image.min() >= 0.05
    assert image.max() <= 0.95
    assert image.std() > 0.1
    neighbours = np.corrcoef(image[0, 0, :, 1:].ravel(), image[0, 0, :, :-1].ravel())[0, 1]
    assert neighbours > 0.8  # white noise has 0


def test_every_image_is_fixed_and_of_one_size() -> None:
    first, second = trial_images(), trial_images()
    for name, image in first.items():
        assert image.shape == (96, 96, 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image, second[name]), name
    assert list(first)[-1] == "an image like a photograph"


def test_hard_images_are_black_and_white_and_change_from_pixel_to_pixel() -> None:
    for name in ("checkers", "one-pixel lines", "1-bit text", "dots", "1-bit noise"):
        image = trial_images()[name].astype(int)
        assert set(np.unique(image)) == {0, 255}
        assert (np.abs(np.diff(image, axis=0)) == 255).mean() > 0.1
    assert set(np.unique(trial_images()["noise"])) == set(range(256))


def test_flat_fields_have_no_more_than_eight_colours() -> None:
    colours = np.unique(trial_images()["flat fields"].reshape(-1, 3), axis=0)
    assert len(colours) == 8
