"""One upscaler in many threads, interrupted, and closed."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import BackendUnavailableError
from paragon_core.upscaling.upscaler import Upscaler
from tests.patience import PATIENCE
from tests.random_models import MODEL, random_image
from tests.upscalers import CHANNELS, RUNTIMES, same, shared_upscaler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tests.backends.watched_backend import Watched

    Pixels = npt.NDArray[Any]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_many_threads_may_call_one_upscaler(runtime: str) -> None:
    kinds = list(itertools.product(("uint8", "float32"), CHANNELS, ((9, 30), (40, 11))))
    images = [
        random_image(*size, *channels, dtype=dtype, seed=index) for index, (dtype, channels, size) in enumerate(kinds)
    ]
    with Upscaler(MODEL, backend=runtime, precision="fp32", tile=20, streams=2) as upscaler:
        expected = [upscaler(image) for image in images]
    barrier = threading.Barrier(5)

    def work(part: int) -> list[Pixels]:
        barrier.wait(timeout=PATIENCE)
        return [upscaler(image) for image in images[part::5]]

    with (
        Upscaler(MODEL, backend=runtime, precision="fp32", tile=20, streams=2) as upscaler,
        ThreadPoolExecutor(5) as pool,
    ):
        results = list(pool.map(work, range(5)))
    for part, outputs in enumerate(results):
        assert all(map(np.array_equal, outputs, expected[part::5]))


class Enough(Exception):  # noqa: N818  (it is no error)
    """What a progress callback raises to stop."""


def test_an_exception_in_the_callback_ends_the_work_and_leaves_the_upscaler_usable(
    watch: Callable[..., tuple[Watched, Upscaler]],
) -> None:
    backend, upscaler = watch(tile=20)
    backend.delay = 0.02
    image = random_image(150, 150, 3)

    def stop(done: int, total: int) -> None:
        raise Enough((done, total))

    with pytest.raises(Enough) as caught:
        upscaler(image, progress=stop)
    done, total = caught.value.args[0]
    after = len(backend.areas)
    assert 0 < done <= after <= done + 2 < total
    time.sleep(0.1)
    assert len(backend.areas) == after  # nothing goes on behind the caller's back
    backend.delay = 0
    assert same(upscaler(image), shared_upscaler()(image))


def test_a_closed_upscaler_says_so() -> None:
    upscaler = Upscaler(MODEL, backend="onnxruntime", streams=1)
    upscaler(random_image(4, 4, 3))
    upscaler.close()
    upscaler.close()
    for image in (random_image(4, 4, 3), random_image(5, 5, 4, dtype="float32")):
        with pytest.raises(BackendUnavailableError, match="closed") as caught:
            upscaler(image)
        assert "Upscaler" in caught.value.hint


def test_leaving_the_context_closes_it() -> None:
    threads = threading.active_count()
    with Upscaler(MODEL, backend="onnxruntime", streams=3) as upscaler:
        upscaler(random_image(300, 300, 3))
        assert threading.active_count() > threads
    assert threading.active_count() == threads
    with pytest.raises(BackendUnavailableError, match="closed"):
        upscaler(random_image(4, 4, 3))


@pytest.mark.parametrize("where", ["callback", "thread"])
def test_closing_lets_the_calls_under_way_end(where: str, watch: Callable[..., tuple[Watched, Upscaler]]) -> None:
    backend, upscaler = watch(tile=20)
    backend.delay = 0.005
    image = random_image(150, 150, 3)
    if where == "callback":
        result = upscaler(image, progress=lambda _done, _total: upscaler.close())
    else:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(upscaler, image)
            while not backend.areas:
                time.sleep(0.001)
            upscaler.close()
            result = future.result(timeout=PATIENCE)
    assert same(result, shared_upscaler()(image))
    with pytest.raises(BackendUnavailableError, match="closed"):
        upscaler(image)
