"""Planes in, larger planes out, wherever they lie in memory: frames of a video."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import BackendUnavailableError, InferenceError, InputError, OutOfMemoryError
from paragon_core.upscaling.planes import check_planes
from paragon_core.upscaling.upscaler import Upscaler
from tests.backends.watched_backend import Watched
from tests.patience import PATIENCE
from tests.random_models import MODEL, random_image
from tests.upscalers import PRESENT_RUNTIMES, ROUNDING, RUNTIMES, shared_upscaler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Plane = npt.NDArray[Any]

UNTOUCHED = 7


def frame(height: int, width: int, count: int = 3, dtype: str = "float32", seed: int = 0) -> list[Plane]:
    """Return planes as a frame server has them: read-only, and with rows longer than the image is wide."""
    padded = [random_image(height, width + 5, dtype=dtype, seed=count * seed + index) for index in range(count)]
    for plane in padded:
        plane.flags.writeable = False
    return [plane[:, :width] for plane in padded]


def places(planes: list[Plane]) -> list[Plane]:
    height, width = planes[0].shape
    return [np.full((2 * height, 2 * width), UNTOUCHED, dtype=plane.dtype) for plane in planes]


def upscale(upscaler: Upscaler, planes: list[Plane], detail: list[Plane] | None = None) -> list[Plane]:
    out = places(planes)
    upscaler.upscale_planes(planes, out, detail=detail)
    return out


def difference(first: list[Plane], second: list[Plane]) -> float:
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("count", [1, 3])
def test_planes_become_what_the_image_becomes(count: int, dtype: str, clip: bool, runtime: str) -> None:
    planes = frame(9, 12, count, dtype)
    upscaler = shared_upscaler(runtime, clip=clip)
    expected = upscaler(np.stack(planes, axis=2))
    result = upscale(upscaler, planes)
    assert difference(result, list(np.moveaxis(expected, 2, 0))) <= (ROUNDING if dtype == "float32" else 5e-3)
    assert bool(max(plane.max() for plane in result) <= 1) == clip


@given(data=st.data())
@settings(max_examples=40)
def test_only_the_place_is_written_and_memory_layouts_do_not_matter(data: st.DataObject) -> None:
    step = st.sampled_from([-2, -1, 1, 2])
    planes = [plane[:: data.draw(step), :: data.draw(step)] for plane in frame(16, 24)]
    planes = [plane[:6, :9] for plane in planes]
    expected = upscale(shared_upscaler(), [plane.copy() for plane in planes])
    around = [np.full((40, 60), UNTOUCHED, np.float32) for _ in planes]
    rows, columns = data.draw(step), data.draw(step)
    out = [plane[10:34:2, 4:40:2][::rows, ::columns][:12, :18] for plane in around]
    if out[0].shape != (12, 18):
        out = [plane[10:34:2, 4:40:2] for plane in around]
    shared_upscaler().upscale_planes(planes, out)
    assert difference(out, expected) == 0
    written = sum(int((plane != UNTOUCHED).sum()) for plane in around)
    assert written <= 3 * 12 * 18


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_detail_path_can_be_shown_something_else(runtime: str) -> None:
    upscaler = shared_upscaler(runtime, clip=False)
    one, other = frame(9, 12), frame(9, 12, seed=1)
    plain = [np.stack(upscale(upscaler, planes)) for planes in (one, other)]
    mixed = [np.stack(upscale(upscaler, *planes)) for planes in ((one, other), (other, one))]
    assert np.abs(np.stack(upscale(upscaler, one, one)) - plain[0]).max() <= ROUNDING
    assert np.abs(mixed[0] - plain[0]).max() > 0.01
    assert np.abs(sum(mixed) - sum(plain)).max() <= 2 * ROUNDING  # base(a) + detail(b) + base(b) + detail(a)


GOOD = frame(4, 5)
ROOM = (8, 10)


@pytest.mark.parametrize(
    ("planes", "out", "detail"),
    [
        ([], [], None),
        (GOOD[:2], places(GOOD)[:2], None),
        (GOOD, places(GOOD)[:2], None),
        (GOOD, places(GOOD), GOOD[:1]),
        (GOOD, places(GOOD), frame(4, 4)),
        ([*GOOD[:2], GOOD[2][:3]], places(GOOD), None),
        (GOOD, [np.zeros((8, 11), "f4")] * 3, None),
        (GOOD, [np.zeros(ROOM, "f2")] * 3, None),
        (frame(4, 5, dtype="uint8"), [np.zeros(ROOM, "u1")] * 3, None),
        ([plane.astype("f8") for plane in GOOD], [np.zeros(ROOM, "f8")] * 3, None),
        ([plane.astype(">f4") for plane in GOOD], [np.zeros(ROOM, ">f4")] * 3, None),
        ([plane[:, :, None] for plane in GOOD], places(GOOD), None),
        ([np.zeros((0, 5), "f4")], [np.zeros((0, 10), "f4")], None),
        (GOOD, [np.broadcast_to(np.float32(0), ROOM)] * 3, None),  # not writable
        ([plane.tolist() for plane in GOOD], places(GOOD), None),
        ([np.full((4, 5), np.nan, "f4")], places(GOOD)[:1], None),
        ([np.full((4, 5), np.inf, "f2")], [np.zeros(ROOM, "f2")], None),
        (GOOD[:1], places(GOOD)[:1], [np.full((4, 5), np.nan, "f4")]),
    ],
)
def test_what_does_not_belong_together_is_refused_and_nothing_written(planes: Any, out: Any, detail: Any) -> None:
    before = [np.array(plane) for plane in out]
    with pytest.raises(InputError) as caught:
        shared_upscaler().upscale_planes(planes, out, detail=detail)
    assert caught.value.hint
    assert all(map(np.array_equal, out, before))


def test_planes_said_to_be_finite_give_the_same_pixels_and_are_not_looked_at() -> None:
    looked_at, trusted = places(GOOD), places(GOOD)
    shared_upscaler().upscale_planes(GOOD, looked_at)
    shared_upscaler().upscale_planes(GOOD, trusted, finite=True)
    assert all(map(np.array_equal, looked_at, trusted))
    check_planes([np.full((4, 5), np.nan, "f4")], places(GOOD)[:1], (), scale=2, finite=True)


def test_a_network_that_overflows_is_reported() -> None:
    arrays = dict(MODEL.arrays)
    for key in ("conv_in.weight", "conv_mid.weight"):
        arrays[key] = arrays[key] * np.float32(1e30)
    broken = type(MODEL)(**(vars(MODEL) | {"arrays": arrays}))
    for runtime in PRESENT_RUNTIMES:
        with (
            Upscaler(broken, backend=runtime, precision="fp32") as upscaler,
            pytest.raises(InferenceError, match="not numbers"),
        ):
            upscale(upscaler, GOOD)


def test_frames_side_by_side_are_one_tile_each_in_a_session_of_their_size(
    watch: Callable[..., tuple[Watched, Upscaler]],
) -> None:
    for at_once, tiles in ((1, 4), (2, 2), (4, 1), (9, 1)):
        backend, upscaler = watch(streams=4, concurrency=at_once)
        for _ in range(3):
            upscale(upscaler, frame(120, 200))
        assert len(backend.areas) == 3 * tiles == upscaler.tiles_computed
        assert len(backend.opened) == 1
        assert backend.opened[0].size is not None


@pytest.mark.parametrize("at_once", [0, -1])
def test_fewer_than_one_at_once_is_refused(at_once: int) -> None:
    with pytest.raises(InputError, match="positive"):
        Upscaler(MODEL, backend="onnxruntime", concurrency=at_once)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_do_not_change_the_pixels(runtime: str) -> None:
    frames = [frame(20, 30, seed=seed) for seed in range(12)]
    with Upscaler(MODEL, backend=runtime, precision="fp32", streams=2, concurrency=2) as upscaler:
        expected = [upscale(upscaler, each) for each in frames]
        barrier = threading.Barrier(4)

        def work(part: int) -> list[list[Plane]]:
            barrier.wait(timeout=PATIENCE)
            return [upscale(upscaler, each) for each in frames[part::4]]

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(work, range(4)))
    for part, outputs in enumerate(results):
        assert all(difference(*pair) == 0 for pair in zip(outputs, expected[part::4], strict=True))


def test_tiles_shrink_when_memory_runs_out(watch: Callable[..., tuple[Watched, Upscaler]]) -> None:
    planes = frame(100, 130)
    _, roomy = watch()
    expected = upscale(roomy, planes)
    _, upscaler = watch(Watched(largest_area=1600))
    assert difference(upscale(upscaler, planes), expected) <= ROUNDING
    _, tiny = watch(Watched(largest_area=10))
    with pytest.raises(OutOfMemoryError):
        upscale(tiny, planes)


def test_a_closed_upscaler_says_so() -> None:
    upscaler = Upscaler(MODEL, backend="onnxruntime", streams=1)
    upscaler.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        upscale(upscaler, GOOD)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_transparency_alone_is_upscaled_as_with_its_image(dtype: str) -> None:
    alpha = random_image(12, 15, dtype=dtype)
    alpha[:, :9] = alpha.max()
    result = shared_upscaler().upscale_alpha(alpha)
    image = np.dstack([random_image(12, 15, 3, dtype=dtype), alpha])
    assert np.array_equal(result, shared_upscaler()(image)[:, :, 3])
    assert (result[:, :14] == alpha.max()).all()
    with pytest.raises(InputError):
        shared_upscaler().upscale_alpha(image)


def test_large_frames_are_not_cut_where_frames_keep_the_streams_busy() -> None:
    with Upscaler(MODEL, backend="onnxruntime", streams=2, concurrency=2) as upscaler:
        upscale(upscaler, frame(720, 1280))
        assert upscaler.tiles_computed == 1
