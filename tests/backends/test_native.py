"""The native kernel behind the seam: what it runs, how it fails, how it is ended."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.backends import BACKENDS, InPlaceSession, SessionOptions
from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.native import NativeSession
from paragon_core.errors import BackendUnavailableError, InferenceError, NonFiniteError, OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.spec import preset
from paragon_core.native.interface import Status
from paragon_core.native.kernel import Kernel
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL, batch, random_image, random_model, spec

if TYPE_CHECKING:
    from paragon_core.models.model import Model

pytestmark = pytest.mark.native

IN_TIME = 0.5


def session(model: Model = MODEL, *, threads: int = 1, **changes: Any) -> NativeSession:
    opened = BACKENDS["native"].open(model, GraphSpec(**changes), SessionOptions(threads=threads))
    assert isinstance(opened, NativeSession)
    assert isinstance(opened, InPlaceSession)
    return opened


def loud() -> Model:
    """Return a network whose values leave the range of float32."""
    arrays = dict(MODEL.arrays)
    for key in ("conv_in.weight", "conv_mid.weight"):
        arrays[key] = arrays[key] * np.float32(1e30)
    return replace(MODEL, arrays=arrays)


@pytest.mark.parametrize("model", [random_model(spec("photo")), random_model(spec("pro"))])
def test_what_it_does_not_run_is_refused_with_a_hint(model: Model) -> None:
    with pytest.raises(BackendUnavailableError, match=model.spec.variant) as caught:
        session(model)
    assert "auto" in caught.value.hint
    with pytest.raises(BackendUnavailableError, match=model.spec.variant) as caught:
        Upscaler(model, backend="native")
    assert "auto" in caught.value.hint


def test_auto_takes_another_runtime_for_that() -> None:
    with Upscaler(random_model(spec("photo")), device="cpu", streams=1) as upscaler:
        assert upscaler.backend != "native"
    with Upscaler(MODEL, device="cpu", streams=1, fused=False) as upscaler:
        assert upscaler.backend != "native"
    with Upscaler(MODEL, device="cpu", streams=1) as upscaler:
        assert upscaler.backend == "native"
        assert upscaler.precision_of("uint8") == upscaler.precision_of("float32") == "fp32"


def test_obstacles_are_named() -> None:
    backend = BACKENDS["native"]
    for variant in ("realtime", "stream"):
        of: Any = preset(variant, 2)
        assert backend.obstacle(of, fused=True, precision="auto") == ""
        assert backend.obstacle(of, fused=True, precision="fp32") == ""
        assert "bf16" in backend.obstacle(of, fused=True, precision="bf16")
        assert "fused" in backend.obstacle(of, fused=False, precision="fp32")
    for name, other in BACKENDS.items():
        if name != "native":
            assert other.obstacle(preset("photo", 2), fused=False, precision="bf16") == ""
            assert not other.in_place


def test_separate_detail_is_the_second_half_of_the_channels() -> None:
    both = batch(2, 9, 30, channels=6)
    apart = session(separate_detail=True)
    expected = BACKENDS["onnxruntime"].open(MODEL, GraphSpec(separate_detail=True), SessionOptions()).run(both)
    assert np.abs(apart.run(both) - expected).max() <= 1e-5
    same = np.concatenate([both[:, :3]] * 2, axis=1)
    assert np.array_equal(apart.run(same), session().run(both[:, :3]))


@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_more_threads_give_the_same_bytes(io: str) -> None:
    value = batch(2, 50, 60) if io == "float32" else random_image(50, 60, 3)[None]
    assert np.array_equal(session(io=io).run(value), session(io=io, threads=3).run(value))
    small = value[:, :, :2] if io == "float32" else value[:, :2]
    assert np.array_equal(session(io=io).run(small), session(io=io, threads=8).run(small))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (19, 59), (7, 31)])
def test_values_that_are_no_numbers_are_reported(value: float, place: tuple[int, int]) -> None:
    image = batch(1, 20, 60)
    image[0, 1][place] = value
    opened = session()
    with pytest.raises(NonFiniteError, match="not numbers"):
        opened.run(image)
    assert np.isfinite(opened.run(batch(1, 20, 60))).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_an_overflow_is_reported_once(dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    with Upscaler(loud(), backend="native", streams=2) as upscaler:
        for channels in ((), (3,)):
            with pytest.raises(NonFiniteError, match="not numbers") as caught:
                upscaler(random_image(40, 40, *channels, dtype=dtype))
            assert "fp32" in caught.value.hint
    assert not caplog.records


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.OUT_OF_MEMORY, OutOfMemoryError),
        (Status.NOT_FINITE, NonFiniteError),
        (Status.CANCELLED, InferenceError),
        (Status.REFUSED, InferenceError),
    ],
)
def test_what_the_kernel_returns_becomes_an_error(
    status: Status, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kernel, "upscale", lambda *_: status)
    with pytest.raises(error) as caught:
        session().run(batch(1, 4, 4))
    assert getattr(caught.value, "hint", "")


def test_a_network_that_the_kernel_does_not_take_is_an_error() -> None:
    opened = session()
    fused: Any = opened._fused  # noqa: SLF001 - weights that do not fit
    conv_in = replace(fused.conv_in, bias=np.zeros(7))
    opened._fused = replace(fused, conv_in=conv_in)  # noqa: SLF001
    with pytest.raises(InferenceError, match="refused"):
        opened.run(batch(1, 4, 4))


def test_a_run_is_ended_within_a_fraction_of_a_second() -> None:
    opened = session(random_model(spec("stream", channels=32, blocks=6)))
    large, cancellation = batch(1, 2000, 2000), Cancellation()
    ended: list[float] = []

    def work() -> None:
        with pytest.raises(InferenceError, match="cancelled"), opened.lend(large, cancellation):
            pass
        ended.append(time.perf_counter())

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    pressed = time.perf_counter()
    cancellation.cancel()
    thread.join()
    assert ended[0] - pressed < IN_TIME
    start = time.perf_counter()
    with pytest.raises(InferenceError), opened.lend(large, cancellation):  # at once, since it is cancelled for ever
        pass
    assert time.perf_counter() - start < IN_TIME


def test_closing_during_a_run_lets_it_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = session().run(batch(1, 40, 60))
    opened = session()
    opened.run(batch(1, 4, 4))  # the network is made
    (network,) = opened._kernels.values()  # noqa: SLF001 - what is freed, and when
    alive = weakref.ref(network)
    del network
    under_way, closed = threading.Event(), threading.Event()
    upscale = Kernel.upscale

    def slow(self: Kernel, *arguments: Any) -> Status:
        under_way.set()
        assert closed.wait(10)
        return upscale(self, *arguments)

    monkeypatch.setattr(Kernel, "upscale", slow)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(opened.run, batch(1, 40, 60))
        assert under_way.wait(10)
        opened.close()
        assert alive() is not None
        closed.set()
        assert np.array_equal(result.result(), expected)
        del result
    gc.collect()
    assert alive() is None
