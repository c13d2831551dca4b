"""Images that sessions read where they are: the same pixels in any pieces, with progress, limits and interrupts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.backends import BACKENDS, ImageInPlace, InPlaceSession, Piece, Session
from paragon_core.backends.native import NativeBackend, NativeSession
from paragon_core.errors import InferenceError, OutOfMemoryError
from paragon_core.upscaling.tiling import choose_piece
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL, RADIUS, random_image, random_model, spec
from tests.upscalers import CHANNELS, DTYPES, same, totals

if TYPE_CHECKING:
    from paragon_core.backends import SessionOptions
    from paragon_core.backends.cancellation import Cancellation
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

pytestmark = pytest.mark.native


class Watched(NativeBackend):
    """The native kernel, with less memory than there is if need be."""

    name = "watched"

    def __init__(self, largest_area: float = float("inf")) -> None:
        self.largest_area = largest_area
        self.opened: list[GraphSpec] = []
        self.pieces: list[Piece] = []

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> NativeSession:
        self.opened.append(spec)
        return WatchedSession(self, super().open(model, spec, options))


class WatchedSession(NativeSession):
    def __init__(self, backend: Watched, session: NativeSession) -> None:
        vars(self).update(vars(session))
        self.backend = backend

    def upscale(self, image: ImageInPlace, piece: Piece, cancellation: Cancellation | None = None) -> None:
        self.backend.pieces.append(piece)
        if (piece.right - piece.left) * (piece.bottom - piece.top) > self.backend.largest_area:
            raise OutOfMemoryError("the session ran out of memory", hint="take less")
        super().upscale(image, piece, cancellation)


@pytest.mark.parametrize("padding", ["zero", "edge", "symmetric", "wrap"])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_are_those_of_other_runtimes(dtype: str, channels: tuple[int, ...], padding: Any) -> None:
    image = random_image(31, 47, *channels, dtype=dtype)
    results = []
    for backend in ("native", "onnxruntime"):
        with Upscaler(MODEL, backend=backend, precision="fp32", padding=padding, streams=2) as upscaler:
            results.append(upscaler(image).astype(np.float64 if dtype == "float16" else dtype))
    if dtype == "float16":  # a step of float16 is more than errors in fp32
        assert np.abs(results[0] - results[1]).max() <= 2**-11
    else:
        assert same(*results)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", ["realtime", "stream"])
def test_any_options_give_the_same_bytes(variant: Any, dtype: str) -> None:
    model = random_model(spec(variant, scale=3))
    image = random_image(90, 70, 4, dtype=dtype)
    ways: list[dict[str, Any]] = [
        {"tile": "off", "streams": 1},
        {"streams": 1},
        {"streams": 3},
        {"streams": 16},
        {"streams": 4, "concurrency": 4},
        {"tile": (50, 64), "streams": 2},
        {"tile_area": 2000},
        {"max_memory": 1},
    ]
    results = []
    for way in ways:
        with Upscaler(model, backend="native", **way) as upscaler:
            results.append(upscaler(image))
    assert all(np.array_equal(result, results[0]) for result in results)
    with Upscaler(model, backend="native", reuse=True, streams=2) as upscaler:
        batches = upscaler(image)  # of 16 bits go through the network as floats
    assert np.array_equal(batches, results[0]) if dtype != "uint16" else same(batches, results[0])


def test_one_session_serves_all_sizes_and_frames() -> None:
    backend = Watched()
    planes = [random_image(30, 40, dtype="float32") for _ in range(3)]
    out = [np.zeros((60, 80), np.float32) for _ in planes]
    with Upscaler(MODEL, backend=backend, streams=1) as upscaler:
        for side in (20, 30, 2100):
            upscaler(random_image(side, 10, 3, dtype="float32"))
        for _ in range(3):
            upscaler.upscale_planes(planes, out)
    assert len(backend.opened) == 1
    assert max(piece.bottom - piece.top for piece in backend.pieces) <= 1088


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("clip", [False, True])
def test_planes_of_any_layout(dtype: str, *, clip: bool) -> None:
    large = random_image(60, 80, 4, dtype=dtype)
    image = [np.moveaxis(large, 2, 0)[index, ::-2, ::2] for index in (2, 1, 0)]
    detail = [plane[::-1] for plane in image]
    frames = np.zeros((60, 80, 4), dtype)
    views = [frames[..., 1:], np.moveaxis(np.zeros((3, 60, 80), dtype), 0, 2), np.zeros((60, 160, 3), dtype)[:, ::2]]
    with Upscaler(MODEL, backend="native", streams=2, clip=clip) as upscaler:
        for view in views:
            upscaler.upscale_planes(image, list(np.moveaxis(view, 2, 0)), detail=detail)
    assert all(np.array_equal(view, views[0]) for view in views)
    assert not frames[..., 0].any()
    assert views[0].any()
    assert ((views[0] < 0).any() or (views[0] > 1).any()) != clip


def test_progress_counts_pieces() -> None:
    for streams, tile, pieces in ((1, "auto", 1), (3, "auto", 3), (2, (60, 60), 4)):
        kinds: Any = tile
        with Upscaler(MODEL, backend="native", streams=streams, tile=kinds, padding="zero") as upscaler:
            _, calls = totals(upscaler, random_image(200, 50, 3))
            assert calls[-1] == (pieces, pieces)
            assert upscaler.tiles_computed == pieces
            _, calls = totals(upscaler, random_image(200, 50, 4))
            assert calls[-1][0] == calls[-1][1] >= 2 * pieces
            assert calls == sorted(calls)


def test_pieces_shrink_until_they_fit() -> None:
    image = random_image(100, 130, 4)
    with Upscaler(MODEL, backend="native") as roomy:
        expected = roomy(image)
    with Upscaler(MODEL, backend=Watched(largest_area=2000)) as upscaler:
        result, calls = totals(upscaler, image)
    assert np.array_equal(result, expected)
    assert calls[-1][0] == calls[-1][1] > 1
    with Upscaler(MODEL, backend=Watched(largest_area=10)) as upscaler, pytest.raises(OutOfMemoryError):
        upscaler(image)


def test_little_memory_means_lower_pieces() -> None:
    heights = []
    for limit in (None, 2**19, 1):
        backend = Watched()
        with Upscaler(random_model(spec("stream", blocks=4)), backend=backend, streams=1, max_memory=limit) as upscaler:
            upscaler(random_image(800, 30, 3))
        heights.append(max(piece.bottom - piece.top for piece in backend.pieces))
    assert heights[0] > heights[1] >= heights[2]


def test_memory_is_asked_for_as_the_kernel_needs_it() -> None:
    asked: list[int] = []
    with Upscaler(MODEL, backend="native", streams=2, reserve_memory=asked.append) as upscaler:
        upscaler(random_image(300, 400, 3))
    assert len(asked) == 1
    assert 0 < asked[0] < 32 * 2**20


def test_an_interrupt_ends_one_large_piece_soon() -> None:
    pressed: list[float] = []

    def interrupt() -> None:
        if time.perf_counter() > begun + 0.3:
            pressed.append(time.perf_counter())
            raise KeyboardInterrupt

    model = random_model(spec("stream", channels=32, blocks=6))
    with Upscaler(model, backend="native", tile="off", streams=1, interrupt=interrupt) as upscaler:
        begun = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            upscaler(np.zeros((2000, 2000, 3), np.uint8))
    assert time.perf_counter() - pressed[0] < 0.5


def test_released_memory_is_taken_again() -> None:
    backend = Watched()
    image = random_image(16, 20, 4)
    with Upscaler(MODEL, backend=backend) as upscaler:
        expected = upscaler(image)
        upscaler.release()
        assert np.array_equal(upscaler(image), expected)
    assert backend.opened[2:] == backend.opened[:2]


def test_calls_from_several_threads_at_once() -> None:
    images = [random_image(40 + index, 50, 3, seed=index) for index in range(8)]
    results: dict[int, Any] = {}
    with Upscaler(MODEL, backend="native", streams=3, concurrency=2) as upscaler:

        def work(first: int) -> None:
            for index in range(first, len(images), 4):
                results[index] = upscaler(images[index])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(results[index], upscaler(image)) for index, image in enumerate(images))


def test_a_backend_that_only_claims_to_work_in_place_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = BACKENDS["onnxruntime"]
    monkeypatch.setattr(type(runtime), "in_place", True, raising=False)
    with Upscaler(MODEL, backend="onnxruntime") as upscaler, pytest.raises(InferenceError, match="in place"):
        upscaler(random_image(8, 8, 3))
    assert not issubclass(Session, InPlaceSession)


@given(
    size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    halo=st.integers(4, 30),
    streams=st.integers(1, 64),
    largest_area=st.sampled_from([float("inf"), 2e6, 1e4, 1.0]),
    largest_height=st.sampled_from([float("inf"), 1088, 200, 1]),
)
@settings(max_examples=200)
def test_pieces_keep_all_streams_busy(
    size: tuple[int, int], halo: int, streams: int, largest_area: float, largest_height: float
) -> None:
    width, height = choose_piece(
        size, halo=halo, streams=streams, largest_area=largest_area, largest_height=largest_height
    )
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    assert height <= max(largest_height, 2 * halo + 1)
    assert width * height <= max(largest_area, (6 * halo + 1) ** 2)
    if largest_area == float("inf") and size[0] >= 100 * halo and size[1] >= 100 * halo * streams:
        assert width == size[0]
    if streams == 1 and size[1] <= largest_height and largest_area == float("inf"):
        assert (width, height) == size


def test_pieces_are_below_each_other_until_they_would_be_low() -> None:
    def piece(size: tuple[int, int], streams: int) -> tuple[int, int]:
        return choose_piece(size, halo=RADIUS, streams=streams, largest_area=float("inf"), largest_height=1088)

    assert piece((640, 360), 1) == (640, 360)
    assert piece((640, 360), 2) == (640, 186)
    assert piece((640, 360), 4) == (640, 99)
    assert piece((3840, 2160), 1) == (3840, 1086)
    assert piece((3840, 2160), 3)[0] == 3840
    width, height = piece((640, 100), 8)
    assert (width < 640, height < 100) == (True, True)
