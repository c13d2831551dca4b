"""Memory, standard output and time of graphics cards, in every runtime; README.md says how to run it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from paragon_core.backends import cuda_driver
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from tests.fresh_python import run
from tests.gpu.photographs import photograph
from tests.random_models import batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.gpu.cards import Card

pytestmark = pytest.mark.gpu

SECONDS = 2.0


def taken() -> int:
    """Return the memory of the card that is in use; that of this process where no driver says it, in bytes."""
    free = cuda_driver.free_memory(0)
    return psutil.Process().memory_info().rss if free is None else -free


@pytest.mark.parametrize("size", [(60, 80), pytest.param((720, 1280), marks=pytest.mark.slow)], ids=str)
def test_memory_is_given_back(card: Card, size: tuple[int, int]) -> None:
    def use() -> None:
        with card.upscaler("realtime-2x", precision="fp32") as upscaler:
            for _ in range(4):
                upscaler(photograph("uint8", *size))

    use()
    before = taken()
    for _ in range(5):
        use()
    assert taken() - before < 64 * 2**20


def test_nothing_is_written_to_stdout(card: Card) -> None:
    options = f"backend={card.backend!r}, device={card.device!r}, cache=Path({str(card.cache)!r})"
    code = f"""
import numpy as np
from pathlib import Path
from paragon_core import Upscaler
with Upscaler("realtime-2x", {options}) as upscaler:
    for _ in range(4):
        upscaler(np.zeros((96, 96, 3), np.uint8))
"""
    assert run(code).stdout == ""


@pytest.mark.parametrize("fixed", [False, True], ids=["any size", "one size"])
def test_the_card_tells_its_own_time(card: Card, *, fixed: bool) -> None:
    """That is less than the time on the clock: copies are not in it."""
    seconds: list[float] = []
    size = (64, 48)
    session = card.open(load("realtime-2x"), GraphSpec(size=size if fixed else None), on_device_time=seconds.append)
    for _ in range(2):
        session.run(batch(1, 48, 64))
    seconds.clear()
    start = time.perf_counter()
    for _ in range(4):
        session.run(batch(1, 48, 64))
    whole = time.perf_counter() - start
    session.close()
    assert len(seconds) == (4 if card.has_own_clock else 0)
    assert all(each > 0 for each in seconds)
    assert sum(seconds) < whole


@pytest.mark.slow
@pytest.mark.parametrize("callers", [1, 3])
@pytest.mark.parametrize("model", ["realtime-2x", "stream-2x"])
def test_speed(card: Card, model: str, callers: int, record_property: Callable[[str, object], None]) -> None:
    """Nothing is asked of it but to be told: from bytes to bytes in the processor's memory."""
    card.needs("fp16")
    loaded = load(model)
    for height, width in ((360, 640), (1080, 1920)):
        frame = photograph("uint8", height, width)
        with card.upscaler(loaded, precision="fp16", concurrency=callers, streams=callers) as upscaler:

            def frames(until: float, upscaler: Any = upscaler, frame: Any = frame) -> int:
                done = 0
                while time.perf_counter() < until:
                    upscaler(frame)
                    done += 1
                return done

            with ThreadPoolExecutor(callers) as pool:
                list(pool.map(frames, [time.perf_counter() + SECONDS / 2] * callers))
                start = time.perf_counter()
                done = sum(pool.map(frames, [start + SECONDS] * callers))
                speed = done / (time.perf_counter() - start)
        what = f"{card.backend} on {card.device}, {model} fp16 {width}x{height}, {callers} at once"
        record_property(what, round(speed, 1))
        print(f"{what}: {speed:.1f} frames per second")  # noqa: T201 - shown with -s
        assert done > 0
