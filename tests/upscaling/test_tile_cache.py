"""Windows that stand still are not computed again, and nobody can tell from the pixels."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.tile_cache import CachedTiles, TileCache
from paragon_core.upscaling.tiling import TilePlan, cover
from paragon_core.upscaling.upscaler import Upscaler
from tests.patience import PATIENCE
from tests.random_models import MODEL, RADIUS, random_image
from tests.upscalers import PRESENT_RUNTIMES, RUNTIMES

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]

TILE = 2 * RADIUS + 8
UPSCALERS = {
    (runtime, reuse): Upscaler(
        MODEL, backend=runtime, precision="fp32", padding="zero", tile=TILE, streams=2, reuse=reuse
    )
    for runtime in PRESENT_RUNTIMES
    for reuse in (False, True)
}


@st.composite
def sequences(draw: st.DrawFn) -> list[Pixels]:
    """Draw images of few kinds and sizes, most of which differ from the one before in a small area only."""
    images: list[Pixels] = []
    kinds = [((), "uint8"), ((3,), "uint8"), ((3,), "float32"), ((4,), "uint8"), ((), "float16")]
    image = random_image(30, 40, 3, dtype="float32")
    for _ in range(draw(st.integers(2, 7))):
        if draw(st.integers(0, 4)) == 0:
            channels, dtype = draw(st.sampled_from(kinds))
            size = draw(st.sampled_from([(30, 40), (24, 55)]))
            image = random_image(*size, *channels, dtype=dtype, seed=draw(st.integers(0, 2)))
        elif draw(st.integers(0, 4)) == 0 and images:
            image = draw(st.sampled_from(images))
        else:
            image = image.copy()
            row, column = draw(st.integers(0, 20)), draw(st.integers(0, 20))
            area = image[row : row + draw(st.integers(0, 4)), column : column + 3]
            area[...] = image.max() - area
        images.append(image)
    return images


@pytest.mark.parametrize("runtime", RUNTIMES)
@given(images=sequences())
@settings(max_examples=25)
def test_any_sequence_has_the_pixels_it_has_without(runtime: str, images: list[Pixels]) -> None:
    for image in images:
        expected = UPSCALERS[runtime, False](image)
        assert np.array_equal(UPSCALERS[runtime, True](image), expected)


def upscale(upscaler: Upscaler, planes: Pixels, detail: Pixels | None = None) -> Pixels:
    out = np.empty((len(planes), 2 * planes.shape[1], 2 * planes.shape[2]), planes.dtype)
    upscaler.upscale_planes(list(planes), list(out), detail=None if detail is None else list(detail))
    return out


@pytest.mark.parametrize("runtime", RUNTIMES)
@given(data=st.data())
@settings(max_examples=15)
def test_frames_in_any_order_in_any_threads_have_the_pixels_they_have_without(
    runtime: str, data: st.DataObject
) -> None:
    frames = [random_image(3, 30, 40, dtype="float32")]
    for number in range(5):
        frames.append(frames[-1].copy())
        frames[-1][:, 5 * number :, 10:14] = number / 5
    jobs = data.draw(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5)), min_size=4, max_size=16))
    threads = data.draw(st.integers(1, 4))

    def work(job: tuple[int, int | None], *, reuse: bool) -> Pixels:
        number, detail = job
        return upscale(UPSCALERS[runtime, reuse], frames[number], None if detail is None else frames[detail])

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda job: work(job, reuse=True), jobs))
    for job, result in zip(jobs, results, strict=True):
        assert np.array_equal(result, work(job, reuse=False))


def test_what_moves_is_computed_and_what_stands_still_is_not() -> None:
    with Upscaler(MODEL, backend="onnxruntime", padding="zero", tile=TILE, streams=2, reuse=True) as upscaler:
        frame = random_image(3, 60, 60, dtype="float32")
        upscale(upscaler, frame)
        tiles = upscaler.tiles_computed
        assert tiles == 36
        upscale(upscaler, frame)
        assert (upscaler.tiles_computed, upscaler.tiles_reused) == (tiles, tiles)
        frame = frame.copy()
        frame[:, 0, 0] = 1 - frame[:, 0, 0]  # only the tile in the corner sees it
        upscale(upscaler, frame)
        assert upscaler.tiles_computed == tiles + 1
        upscale(upscaler, frame, detail=np.ascontiguousarray(frame[:, ::-1]))
        assert upscaler.tiles_computed == 2 * tiles + 1
        upscale(upscaler, frame)  # two kinds are remembered side by side
        assert upscaler.tiles_computed == 2 * tiles + 1
    with Upscaler(MODEL, backend="onnxruntime", padding="zero", tile=TILE, streams=2) as upscaler:
        for _ in range(2):
            upscale(upscaler, frame)
        assert (upscaler.tiles_computed, upscaler.tiles_reused) == (2 * tiles, 0)


def test_tiles_are_small_by_default_where_they_are_reused() -> None:
    frame = random_image(3, 300, 400, dtype="float32")
    results, counts = [], []
    for reuse in (False, True):
        with Upscaler(MODEL, backend="onnxruntime", streams=1, clip=False, reuse=reuse) as upscaler:
            results.append(upscale(upscaler, frame))
            counts.append(upscaler.tiles_computed)
    assert counts[0] == 1
    assert counts[1] >= 12
    assert np.abs(results[0] - results[1]).max() <= 1e-5


PLAN = TilePlan(rows=cover(40, 20, halo=6), columns=cover(40, 20, halo=6))
TILES = list(PLAN)
SPEC = GraphSpec()


def test_every_bit_of_the_input_counts() -> None:
    cached = CachedTiles(SPEC, "fp32", PLAN, 10**6)
    zeros = np.zeros((1, 3, 4, 4), np.float32)
    cached.keep(TILES[0], zeros, np.ones(5))
    assert cached.find(TILES[0], zeros.copy()) is not None
    assert cached.find(TILES[0], -zeros) is None
    assert cached.find(TILES[0], zeros[:, :2]) is None
    assert cached.find(TILES[1], zeros) is None


def test_the_memory_is_bounded_and_later_tiles_replace_earlier_ones_of_the_same_place() -> None:
    cached = CachedTiles(SPEC, "fp32", PLAN, 1000)
    for value in range(50):
        for tile in TILES:
            cached.keep(tile, np.full(10, value, np.float32), np.full(90, value, np.float32))
    held = [tile for tile in TILES if cached.find(tile, np.full(10, 49, np.float32)) is not None]
    assert held == TILES[:2]  # of 400 bytes each
    cached.keep(TILES[3], np.zeros(1000), np.zeros(1))
    assert cached.find(TILES[3], np.zeros(1000)) is None


def test_what_was_remembered_is_a_copy() -> None:
    cached = CachedTiles(SPEC, "fp32", PLAN, 10**6)
    batch, output = np.zeros(4), np.zeros(4)
    cached.keep(TILES[0], batch, output)
    batch[:] = output[:] = 1
    known = cached.find(TILES[0], np.zeros(4))
    assert known is not None
    assert not known.any()


def test_nothing_is_known_of_images_of_another_size_or_session() -> None:
    memory = TileCache(10**6)
    cached = memory.of(SPEC, "fp32", PLAN)
    assert memory.of(SPEC, "fp32", PLAN) is cached
    sized = GraphSpec(size=(20, 20))
    assert memory.of(sized, "fp32", PLAN) is not cached
    assert memory.of(SPEC, "fp32", PLAN) is not cached
    cached = memory.of(SPEC, "fp32", PLAN)
    other = TilePlan(rows=PLAN.rows, columns=cover(60, 20, halo=6))
    assert memory.of(SPEC, "fp32", other) is not cached
    last = memory.of(SPEC, "fp32", other)
    for changes in ({"grey": True}, {"io": "uint8"}):
        memory.of(GraphSpec(**changes), "fp32", PLAN)
    assert memory.of(SPEC, "fp32", other) is not last  # the oldest of three kinds


def test_threads_do_not_lose_count_of_the_bytes() -> None:
    limit = 4 * 400
    cached = CachedTiles(SPEC, "fp32", PLAN, limit)
    barrier = threading.Barrier(4)

    def work(seed: int) -> None:
        barrier.wait(timeout=PATIENCE)
        for step in range(200):
            tile = TILES[(seed + step) % 4]
            cached.keep(tile, np.full(10, seed, np.float32), np.full(90, step, np.float32))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for tile in TILES[:4]:  # had some been counted twice, one of them would no longer fit
        cached.keep(tile, np.full(10, 9, np.float32), np.full(90, 9, np.float32))
        assert cached.find(tile, np.full(10, 9, np.float32)) is not None
