"""On a device with memory of its own, its memory decides on tiles: whole frames unless they do not fit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.backends import BackendInfo, Session
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import OutOfMemoryError
from paragon_core.models.spec import preset
from paragon_core.upscaling import memory
from paragon_core.upscaling.border import Border
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import random_image, random_model, spec

GIB = 2**30
MODEL = random_model(spec("realtime"))
LARGE = (3840, 2160)


class Card(OnnxRuntimeBackend):
    """A card that computes nothing: results are zeros."""

    name = "card"

    def __init__(self, free: int | None = 8 * GIB, largest: float = math.inf) -> None:
        self.free = free
        self.largest = largest
        self.areas: list[int] = []

    def probe(self) -> BackendInfo:
        return replace(super().probe(), accelerator="cuda", streams=3)

    def free_memory(self, device: str) -> int | None:
        del device
        return self.free

    def reduced_precisions(self, device: str) -> tuple[Any, ...]:
        del device
        return ()

    def open(self, *_: Any) -> Any:
        return OnCard(self)


class OnCard(Session):
    def __init__(self, card: Card) -> None:
        self._card = card

    def run(self, batch: Any) -> Any:
        count, height, width, channels = batch.shape
        self._card.areas.append(height * width)
        if height * width > self._card.largest:
            raise OutOfMemoryError("the card is full")
        return np.zeros((count, 2 * height, 2 * width, channels), np.uint8)

    def close(self) -> None:
        pass


def tiles(card: Card, size: tuple[int, int], **options: Any) -> int:
    with Upscaler(MODEL, backend=card, precision="fp32", **options) as upscaler:
        border = Border.of(MODEL.spec, "auto")
        return upscaler._runner.count_tiles(  # noqa: SLF001 - computing so large an image takes long
            size, io="uint8", grey=False, precision="fp32", border=border
        )


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), LARGE])
def test_whole_frames_go_to_a_card(size: tuple[int, int], concurrency: int) -> None:
    assert tiles(Card(), size, concurrency=concurrency) == 1
    assert tiles(Card(), size, concurrency=concurrency, streams=3) == 1


def test_without_memory_of_its_own_the_processors_caches_decide() -> None:
    assert tiles(Card(free=None), LARGE) > 1


def test_what_does_not_fit_on_the_card_is_cut() -> None:
    needed = memory.bytes_per_pixel(MODEL.spec, stores_attention=True) * math.prod(LARGE)
    assert tiles(Card(free=2 * needed), LARGE) == 1
    assert tiles(Card(free=needed // 2), LARGE) > 1


def test_the_users_limit_and_tiles_come_first() -> None:
    needed = memory.bytes_per_pixel(MODEL.spec, stores_attention=True) * math.prod(LARGE)
    assert tiles(Card(), LARGE, max_memory=needed // 2) > 1
    assert tiles(Card(), LARGE, tile=1024) > 1
    assert tiles(Card(), LARGE, tile_area=1e6) > 1


def test_a_card_that_turns_out_to_be_full_gets_smaller_tiles() -> None:
    card = Card(largest=100 * 100)
    with Upscaler(MODEL, backend=card, precision="fp32", padding="zero") as upscaler:
        assert upscaler(random_image(150, 200, 3)).shape == (300, 400, 3)
    assert card.areas[0] == 150 * 200
    assert card.areas[-1] <= 100 * 100


@given(free=st.integers(0, 2**40))
def test_the_limit_of_a_card_is_a_share_of_what_is_free_there(free: int) -> None:
    for variant in ("realtime", "photo"):
        limit = memory.default_limit(preset(variant, 2), on_card=free)
        assert limit <= free
        assert limit >= free // 2


def test_a_network_that_sees_the_whole_image_is_cut_only_where_the_card_is_too_small() -> None:
    model = random_model(spec("photo"))

    def count(free: int) -> int:
        with Upscaler(model, backend=Card(free=free), precision="fp32") as upscaler:
            border = Border.of(model.spec, "auto")
            return upscaler._runner.count_tiles(  # noqa: SLF001 - as above
                (1920, 1080), io="uint8", grey=False, precision="fp32", border=border
            )

    assert count(64 * GIB) == 1
    assert count(GIB) > 1
