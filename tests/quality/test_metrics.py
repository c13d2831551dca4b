"""PSNR-Y and SSIM: closed forms, the written-out definition, and scikit-image where it is installed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import InputError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.quality.metrics import Score, luma, mean_score, psnr, score, ssim

Plane = npt.NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
LEVELS = st.floats(0, 255)


def planes(seed: int, height: int = 17, width: int = 23) -> tuple[Plane, Plane]:
    """Return a smooth plane and the same with noise."""
    random = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(random.normal(0, 3, (height, width)), axis=0), axis=1)
    smooth = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    return smooth, np.clip(smooth + random.normal(0, random.uniform(1, 40), smooth.shape), 0, 255)


def ssim_as_written(a: Plane, b: Plane) -> float:
    """The paper's formulas, window by window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x, y = (plane[row : row + 11, column : column + 11] for plane in (a, b))
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            variance_x, variance_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
            covariance = (window * (x - mean_x) * (y - mean_y)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append(
                (2 * mean_x * mean_y + c1)
                * (2 * covariance + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
            )
    return float(np.mean(values))


def test_luma_has_studio_range_and_the_weights_of_bt601() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    np.testing.assert_allclose(luma(colours), [[16, 235, 81.481, 144.553, 40.966]])


@given(SEEDS)
def test_grey_and_rgb_with_equal_channels_have_the_same_luma(seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (5, 7), dtype=np.uint8)
    np.testing.assert_allclose(luma(grey), luma(grey[:, :, None].repeat(3, axis=2)))


@given(LEVELS, LEVELS)
def test_the_psnr_of_a_constant_difference_is_known(a: float, b: float) -> None:
    if abs(a - b) < 1e-6:
        return
    measured = psnr(np.full((4, 6), a), np.full((4, 6), b))
    assert measured == pytest.approx(20 * math.log10(255 / abs(a - b)))


@given(SEEDS)
def test_equal_images_have_infinite_psnr_and_an_ssim_of_one(seed: int) -> None:
    plane, _ = planes(seed)
    assert psnr(plane, plane) == math.inf
    assert ssim(plane, plane) == pytest.approx(1, abs=1e-12)


@given(SEEDS, st.integers(0, 16), st.integers(0, 22))
def test_moving_or_turning_both_images_changes_nothing(seed: int, rows: int, columns: int) -> None:
    a, b = planes(seed)
    moved = [np.roll(plane, (rows, columns), axis=(0, 1)) for plane in (a, b)]
    assert psnr(*moved) == pytest.approx(psnr(a, b))
    assert psnr(a + 10, b + 10) == pytest.approx(psnr(a, b))
    assert psnr(b, a) == psnr(a, b)
    for turn in (np.flipud, np.fliplr, np.transpose):
        assert ssim(turn(a), turn(b)) == pytest.approx(ssim(a, b))
    assert ssim(b, a) == pytest.approx(ssim(a, b))


@settings(max_examples=20)
@given(SEEDS)
def test_ssim_is_what_the_paper_writes(seed: int) -> None:
    a, b = planes(seed)
    assert ssim(a, b) == pytest.approx(ssim_as_written(a, b), abs=1e-9)
    assert ssim(a, b) < 1


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_scikit_image_agrees(seed: int) -> None:
    theirs = pytest.importorskip("skimage.metrics", reason="needs scikit-image")
    a, b = planes(seed)
    expected = theirs.structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)
    assert psnr(a, b) == pytest.approx(theirs.peak_signal_noise_ratio(b, a, data_range=255))


@given(LEVELS, LEVELS)
def test_the_ssim_of_flat_planes_is_known(a: float, b: float) -> None:
    expected = (2 * a * b + 2.55**2) / (a * a + b * b + 2.55**2)
    assert ssim(np.full((11, 12), a), np.full((11, 12), b)) == pytest.approx(expected, abs=1e-6)


@given(SEEDS, st.integers(0, 4))
def test_the_border_does_not_count(seed: int, border: int) -> None:
    random = np.random.default_rng(seed)
    image, reference = random.integers(0, 256, (2, 24, 27, 3), dtype=np.uint8)
    spoilt = random.integers(0, 256, image.shape, dtype=np.uint8)
    inside = (slice(border, 24 - border), slice(border, 27 - border))
    spoilt[inside] = image[inside]
    assert score(spoilt, reference, border=border) == score(image, reference, border=border)
    assert score(image, image, border=border).psnr_y == math.inf


def test_the_mean_is_arithmetic_and_keeps_infinity() -> None:
    mean = mean_score([Score(psnr_y=30, ssim=0.5), Score(psnr_y=40, ssim=1)])
    assert (mean.psnr_y, mean.ssim) == (35, 0.75)
    assert mean_score([Score(psnr_y=30, ssim=0.5), Score(psnr_y=math.inf, ssim=1)]).psnr_y == math.inf


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UnsupportedSizeError):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(UnsupportedSizeError):
        psnr(np.zeros((0, 4)), np.zeros((0, 4)))
    with pytest.raises(UnsupportedSizeError):
        ssim(np.zeros((10, 40)), np.zeros((10, 40)))
    with pytest.raises(UnsupportedSizeError):
        score(np.zeros((14, 14, 3)), np.zeros((14, 14, 3)), border=2)
    with pytest.raises(UnsupportedFormatError):
        luma(np.zeros((4, 4, 4)))
    with pytest.raises(InputError):
        mean_score([])
