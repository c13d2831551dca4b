from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.quality.lossy import as_jpeg, as_webp
from paragon_core.quality.metrics import psnr

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.quality.lossy import Pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


@pytest.mark.parametrize("compress", [as_jpeg, as_webp])
def test_a_lower_quality_leaves_less_of_the_image(compress: Callable[[Pixels, int], Pixels]) -> None:
    few, many = (compress(PIXELS, quality) for quality in (20, 95))
    assert few.shape == many.shape == PIXELS.shape
    assert psnr(few, PIXELS) < psnr(many, PIXELS)


def test_full_chroma_leaves_more() -> None:
    assert psnr(as_jpeg(PIXELS, 90, "4:2:0"), PIXELS) < psnr(as_jpeg(PIXELS, 90, "4:4:4"), PIXELS)
