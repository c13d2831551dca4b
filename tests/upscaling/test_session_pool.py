"""Sessions are opened as rarely as can be, and tiles shrink to the memory there is."""

from __future__ import annotations

import gc
import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import OutOfMemoryError
from paragon_core.upscaling import session_pool
from tests.backends.watched_backend import Watched
from tests.fresh_python import PROGRAMS, run
from tests.random_models import random_image, random_model, spec
from tests.upscalers import CHANNELS, DTYPES, RUNTIMES, same, totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.upscaling.upscaler import Upscaler


def test_a_session_is_opened_once_for_each_kind_of_image(watch: Callable[..., tuple[Watched, Upscaler]]) -> None:
    backend, upscaler = watch()
    for _ in range(3):
        for height, width in ((8, 8), (5, 9)):
            for channels in CHANNELS:
                for dtype in DTYPES:
                    upscaler(random_image(height, width, *channels, dtype=dtype))
    kinds = {(network.io, network.grey) for network in backend.opened}
    assert len(backend.opened) == len(kinds) == 4


def test_a_size_that_comes_often_gets_a_session_of_its_own(
    watch: Callable[..., tuple[Watched, Upscaler]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_pool, "_PIXELS_WORTH_COMPILING", 1000)
    backend, upscaler = watch(padding="zero")
    image = random_image(16, 20, 3)
    results = [upscaler(image) for _ in range(6)]
    assert [network.size for network in backend.opened] == [None, (20, 16)]
    assert all(same(result, results[0]) for result in results)
    for side in range(40, 50):  # each is large enough on its own
        upscaler(random_image(side, side, 3))
    gc.collect()
    assert len(backend.alive) <= 6
    opened = len(backend.opened)
    upscaler(random_image(49, 49, 3))
    assert len(backend.opened) == opened


def test_tiles_of_unequal_size_share_the_session_of_any_size(
    watch: Callable[..., tuple[Watched, Upscaler]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention's windows start at multiples of its own, so the last one may be shorter."""
    monkeypatch.setattr(session_pool, "_PIXELS_WORTH_COMPILING", 0)
    backend, upscaler = watch(model=random_model(spec("photo")), tile=76)
    _, calls = totals(upscaler, random_image(101, 90, 3))
    assert calls[-1][1] > 1
    assert len(set(backend.areas)) > 1
    assert [network.size for network in backend.opened] == [None]


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OutOfMemoryError, MemoryError])
@pytest.mark.parametrize("options", [{}, {"tile": 90}, {"tile": (100, 60), "streams": 2}])
def test_tiles_shrink_until_they_fit(
    watch: Callable[..., tuple[Watched, Upscaler]],
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    error: type[MemoryError],
) -> None:
    _, roomy = watch()
    image = random_image(100, 130, 4)
    expected = roomy(image)
    _, upscaler = watch(Watched(largest_area=1600, error=error), **options)
    with caplog.at_level(logging.WARNING, logger="paragon_core"):
        result, calls = totals(upscaler, image)
    assert same(result, expected)
    assert calls[-1][0] == calls[-1][1] > 1
    assert "out of memory with tiles" in caplog.text


def test_what_a_failed_attempt_held_is_freed_before_the_next(watch: Callable[..., tuple[Watched, Upscaler]]) -> None:
    """By reference counting alone: a cycle through the error's traceback would keep result and session for long."""
    backend, upscaler = watch(Watched(largest_area=1000))
    gc.collect()
    gc.disable()
    try:
        upscaler(random_image(100, 130, 3))
    finally:
        gc.enable()
    assert len(backend.opened) > 2
    assert set(backend.alive_at_opening) == {0}


def test_released_memory_is_taken_again_by_the_next_call(watch: Callable[..., tuple[Watched, Upscaler]]) -> None:
    backend, upscaler = watch()
    image = random_image(16, 20, 4)
    expected = upscaler(image)
    opened = len(backend.opened)
    upscaler.release()
    assert not backend.alive
    assert np.array_equal(upscaler(image), expected)
    assert backend.opened[opened:] == backend.opened[:opened]


def test_room_is_made_before_a_session_is_opened_and_for_each_size(
    watch: Callable[..., tuple[Watched, Upscaler]],
) -> None:
    backend = Watched()
    asked: list[tuple[int, int]] = []
    _, upscaler = watch(
        backend, reserve_memory=lambda needed: asked.append((needed, len(backend.opened))), padding="zero"
    )
    for side in (16, 32):
        upscaler(random_image(side, side, 3))
    assert [opened for _, opened in asked] == [0, 1]
    assert asked[1][0] == 4 * asked[0][0] > 0


@pytest.mark.parametrize(("tile", "largest_area"), [("off", 1600), ("auto", 100), (90, 100)])
@pytest.mark.parametrize("error", [OutOfMemoryError, MemoryError])
def test_when_nothing_fits_it_is_an_error_and_does_no_harm(
    watch: Callable[..., tuple[Watched, Upscaler]],
    tile: Any,
    largest_area: int,
    error: type[MemoryError],
) -> None:
    backend, upscaler = watch(Watched(largest_area=largest_area, error=error), tile=tile)
    with pytest.raises(OutOfMemoryError):
        upscaler(random_image(100, 130, 3))
    assert min(backend.areas) >= largest_area
    if tile == "off":
        assert len(backend.areas) == 1
    backend.largest_area = 10**9
    assert upscaler(random_image(100, 130, 3)).shape == (200, 260, 3)


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the address space")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_image_beyond_the_real_memory_is_upscaled_in_tiles(runtime: str) -> None:
    result = run(PROGRAMS / "tiles_beyond_the_memory.py", runtime)
    assert result.stdout == "True True\n"
