"""How much memory is assumed, and that it grows with what needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil
import pytest

from paragon_core.models.spec import preset
from paragon_core.upscaling import memory

if TYPE_CHECKING:
    from paragon_core.models.spec import Variant


def need(variant: Variant, scale: int = 2, *, stores_attention: bool = False, **changes: Any) -> int:
    spec = preset(variant, scale)
    return memory.bytes_per_pixel(type(spec)(**(vars(spec) | changes)), stores_attention=stores_attention)


def test_larger_networks_need_more() -> None:
    assert need("realtime") < need("stream") < need("photo") < need("pro")
    for variant in ("realtime", "stream", "photo", "pro"):
        assert need(variant, 2) < need(variant, 4) < need(variant, 8)
        assert need(variant) < need(variant, channels=128)


def test_attention_needs_more_where_it_is_stored() -> None:
    assert need("photo", stores_attention=True) > need("photo")
    assert need("photo", stores_attention=True, window_size=32) > need("photo", stores_attention=True, window_size=16)
    assert need("photo", stores_attention=True, attention=False) == need("photo", attention=False)


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_a_pixel_needs_at_least_its_widest_map_and_its_result(variant: Variant) -> None:
    for scale in (2, 3, 4, 8):
        spec = preset(variant, scale)
        assert need(variant, scale) >= 4 * (2 * spec.channels + 2 * 3 * scale**2)


def test_the_default_leaves_half_of_what_is_free() -> None:
    limit = memory.default_limit(preset("realtime", 2))
    assert 0 < limit <= memory.DEFAULT_LIMIT
    assert limit <= psutil.virtual_memory().total // 2
    assert memory.default_limit(preset("photo", 2)) <= psutil.virtual_memory().total // 2
