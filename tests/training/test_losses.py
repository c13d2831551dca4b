from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from paragon_core.training.losses import luma_weighted_l1  # noqa: E402


@pytest.mark.parametrize(("colour", "luma"), [(0, 0.299), (1, 0.587), (2, 0.114)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_error_in_one_colour_counts_as_bt_601_says(colour: int, luma: float, share: float) -> None:
    error = torch.zeros(2, 3, 4, 5, 6)
    error[:, colour] = -0.5
    expected = 0.5 * (share * luma + (1 - share) / 3)
    assert float(luma_weighted_l1(error.flatten(1, 2), luma_share=share)) == pytest.approx(expected)
