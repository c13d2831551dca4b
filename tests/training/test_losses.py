from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from paragon_core.errors import BackendUnavailableError, InputError

torch = pytest.importorskip("torch")

from paragon_core.training.losses import (
    luma_weighted_charbonnier,
    luma_weighted_l1,
    ms_ssim_loss,
    ms_ssim_shares,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

ONES = torch.ones(6, 7)
WEIGHT = torch.rand(48, 48, generator=torch.Generator().manual_seed(1))
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": lambda made, wanted: luma_weighted_l1(made - wanted, luma_share=0.7),
    "charbonnier": lambda made, wanted: luma_weighted_charbonnier(made - wanted, WEIGHT, luma_share=0.7, epsilon=1e-3),
    "ms-ssim": ms_ssim_loss,
}


def pair(seed: int, deviation: float) -> tuple[Tensor, Tensor]:
    """Return a smooth image [1, 3, 48, 48] in 0..1 and the same with noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    wanted = torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")
    return wanted + deviation * torch.randn(wanted.shape, generator=generator), wanted


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@given(seed=st.integers(0, 2**32), deviation=st.floats(0.01, 0.5))
def test_a_loss_is_0_for_equal_images_and_positive_for_others(
    loss: Callable[[Tensor, Tensor], Tensor], seed: int, deviation: float
) -> None:
    made, wanted = pair(seed, deviation)
    assert float(loss(wanted, wanted)) == pytest.approx(0, abs=1e-6)
    assert float(loss(made, wanted)) > 1e-4


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_loss_tells_which_way_to_go(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    made, wanted = pair(0, 0.1)
    made.requires_grad = True
    before = loss(made, wanted)
    before.backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None
    with torch.no_grad():
        assert loss(made - 1e-3 * made.grad / made.grad.abs().max(), wanted) < before


@pytest.mark.parametrize(("colour", "luma"), [(0, 0.299), (1, 0.587), (2, 0.114)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_error_in_one_colour_counts_as_bt_601_says(colour: int, luma: float, share: float) -> None:
    error = torch.zeros(2, 3, 4, 5, 6)
    error[:, colour] = -0.5
    expected = 0.5 * (share * luma + (1 - share) / 3)
    assert float(luma_weighted_l1(error.flatten(1, 2), luma_share=share)) == pytest.approx(expected)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 0.5])
def test_charbonnier_is_its_formula(epsilon: float) -> None:
    generator = np.random.default_rng(0)
    error, weight = generator.normal(size=(2, 3, 6, 7)), generator.random((6, 7))
    expected = (weight * (np.sqrt(error**2 + epsilon**2) - epsilon)).mean()
    made = luma_weighted_charbonnier(torch.tensor(error), torch.tensor(weight), luma_share=0, epsilon=epsilon)
    assert float(made) == pytest.approx(expected)


def test_charbonnier_without_roundness_is_the_absolute_error() -> None:
    error = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    round_at_0 = luma_weighted_charbonnier(error, ONES, luma_share=0.7, epsilon=1e-9)
    assert float(round_at_0) == pytest.approx(float(luma_weighted_l1(error, luma_share=0.7)), rel=1e-5)


def ssim_map(made: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], k1: float) -> npt.NDArray[np.float64]:
    """Return scikit-image's map of SSIM of two planes, which are mirrored at their edges."""
    padded = [np.pad(plane, 5, mode="reflect") for plane in (made, wanted)]
    _, full = structural_similarity(  # type: ignore[no-untyped-call]
        *padded, K1=k1, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    inner: npt.NDArray[np.float64] = full[5:-5, 5:-5]
    return inner


@pytest.mark.parametrize("side", [16, 30, 48, 128, 176])
def test_ms_ssim_is_made_of_what_scikit_image_finds_at_every_size(side: int) -> None:
    generator = np.random.default_rng(side)
    wanted = generator.random((side, side)).cumsum(0).cumsum(1)
    wanted = (wanted - np.arange(side) * np.arange(side)[:, None] / 2) / side
    wanted = (wanted - wanted.min()) / np.ptp(wanted)
    made = (wanted + 0.03 * generator.normal(size=wanted.shape)).clip(0, 1)
    tensors = [torch.tensor(plane).expand(1, 3, side, side) for plane in (made, wanted)]
    expected = 1.0
    shares = ms_ssim_shares(side)
    for size, share in enumerate(shares):
        if size == len(shares) - 1:
            expected *= ssim_map(made, wanted, k1=0.01).mean() ** share
        else:
            # An enormous K1 makes the term of the levels 1: contrast and structure are left.
            expected *= ssim_map(made, wanted, k1=1e6)[5:-5, 5:-5].mean() ** share
        half = len(made) // 2
        made, wanted = (
            plane[: 2 * half, : 2 * half].reshape(half, 2, half, 2).mean((1, 3)) for plane in (made, wanted)
        )
    assert float(ms_ssim_loss(*tensors)) == pytest.approx(1 - expected, abs=1e-6)


def test_ms_ssim_looks_at_what_would_be_saved() -> None:
    made, wanted = pair(0, 0.5)
    assert float(ms_ssim_loss(made, wanted)) == pytest.approx(float(ms_ssim_loss(made.clamp(0, 1), wanted)))


@pytest.mark.parametrize(
    ("side", "sizes"), [(11, 1), (21, 1), (22, 2), (44, 3), (98, 3), (99, 4), (128, 4), (175, 4), (176, 5), (512, 5)]
)
def test_small_patches_are_compared_at_fewer_sizes(side: int, sizes: int) -> None:
    shares = ms_ssim_shares(side)
    assert len(shares) == sizes
    assert sum(shares) == pytest.approx(1)
    if side < 200:
        image = torch.rand(1, 3, side, side)
        assert float(ms_ssim_loss(image, image)) == pytest.approx(0, abs=1e-6)


def test_patches_smaller_than_a_window_are_refused() -> None:
    with pytest.raises(InputError, match="10 pixels"):
        ms_ssim_shares(10)


def test_a_missing_torchmetrics_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)  # Python's own way to make an import fail
    with pytest.raises(BackendUnavailableError) as caught:
        ms_ssim_loss(*pair(0, 0.1))
    assert "pip install torchmetrics" in caught.value.hint
