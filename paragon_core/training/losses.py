"""What a step tries to make small. All of it is 0 for a perfect network and never negative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from paragon_core.errors import BackendUnavailableError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

#: BT.601 luma of R, G, B in full range.
_LUMA = (0.299, 0.587, 0.114)

#: Weights of MS-SSIM's sizes, the finest first (Z. Wang et al., "Multiscale structural similarity for image quality
#: assessment", 2003).
_MS_SSIM_SHARES: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

#: Side of SSIM's Gaussian window.
_WINDOW = 11


def luma_weighted_l1(error: Tensor, *, luma_share: float) -> Tensor:
    """Return the mean absolute error, part of it taken on luma.

    Eyes and published scores look at luma; the rest keeps the colours right.

    Args:
        error: [B, 3n, H, W], n values of red, then of green, then of blue; in units of the pixels.
        luma_share: 0 (red, green and blue count alike) to 1 (luma alone).

    Returns:
        A scalar in the same units.

    """
    return _luma_weighted(error, torch.abs, luma_share)


def luma_weighted_charbonnier(error: Tensor, weight: Tensor, *, luma_share: float, epsilon: float) -> Tensor:
    """Return the mean of ``sqrt(e^2 + epsilon^2) - epsilon``, part of it taken on luma.

    Like the absolute error, but smooth where a network is nearly right (P. Charbonnier et al., "Two deterministic
    half-quadratic regularization algorithms for computed imaging", 1994).

    Args:
        error: as for `luma_weighted_l1`.
        weight: of each pixel, [H, W], or of each value, as ``error``. (An absolute error can be multiplied by it
            beforehand; this one cannot.)
        luma_share: as for `luma_weighted_l1`.
        epsilon: errors well below it count by their square; in units of the pixels.

    """
    return _luma_weighted(error, lambda each: weight * (torch.sqrt(each.square() + epsilon**2) - epsilon), luma_share)


def ms_ssim_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return 1 - MS-SSIM of [B, 3, H, W] in 0..1, float32; values outside are clamped, as in a saved image.

    Small patches have too few pixels for all five sizes: as many are used as `ms_ssim_shares` says.

    Raises:
        BackendUnavailableError: if torchmetrics is not installed.
        InputError: if the patches are smaller than a window.

    """
    try:
        from torchmetrics.functional.image import (  # noqa: PLC0415 - optional, and takes two seconds to import
            multiscale_structural_similarity_index_measure as ms_ssim,
        )
    except ImportError as error:
        msg = f"MS-SSIM needs torchmetrics ({error})"
        raise BackendUnavailableError(msg, hint="pip install torchmetrics, or ms_ssim_weight = 0") from error
    shares = ms_ssim_shares(min(wanted.shape[2:]))
    similarity = ms_ssim(predicted.clamp(0, 1), wanted, kernel_size=_WINDOW, data_range=1.0, betas=shares)
    assert isinstance(similarity, torch.Tensor)  # noqa: S101  (a tuple only when more is asked for)
    return 1 - similarity


def ms_ssim_shares(side: int) -> tuple[float, ...]:
    """Return the weights of the sizes that MS-SSIM compares, the finest first, of patches with that side; sum 1.

    The coarsest has to be as large as the window (11 pixels), and torchmetrics wants ``11 (n - 1)^2`` for n sizes:
    1 to 5 sizes from 11, 22, 44, 99 and 176 pixels on.

    Raises:
        InputError: below 11 pixels.

    """
    fitting = [n for n in range(1, 6) if side >= _WINDOW * max(2 ** (n - 1), (n - 1) ** 2)]
    if not fitting:
        msg = f"patches of {side} pixels are too small for MS-SSIM"
        raise InputError(msg, hint=f"low_size times the scale must be at least {_WINDOW}; or use ms_ssim_weight = 0")
    shares = _MS_SSIM_SHARES[: fitting[-1]]
    return tuple(share / sum(shares) for share in shares)


def _luma_weighted(error: Tensor, penalty: Callable[[Tensor], Tensor], luma_share: float) -> Tensor:
    red, green, blue = error.chunk(3, dim=1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma_share * penalty(luma).mean() + (1 - luma_share) * penalty(error).mean()
