"""What every runtime promises at the seam, held by those that need no torch."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.errors import BackendUnavailableError, InferenceError
from paragon_core.graph.graph_spec import GraphSpec
from tests.fresh_python import PROGRAMS, run
from tests.patience import PATIENCE
from tests.random_models import batch, random_image, random_model, spec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.backends import Precision, Session

RUNTIMES = ("native", "openvino", "onnxruntime")
MODEL = random_model(spec("realtime"))


def session(runtime: str, *, streams: int = 1, **changes: Any) -> Session:
    model = changes.pop("model", MODEL)
    return BACKENDS[runtime].open(model, GraphSpec(**changes), SessionOptions(streams=streams))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_probe_says_that_it_works_and_where(runtime: str) -> None:
    info = BACKENDS[runtime].probe()
    assert (info.name, info.available) == (runtime, True)
    assert info.reason
    assert info.version[0].isdigit()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_layouts_and_types_are_those_of_the_network(io: str, grey: bool, runtime: str) -> None:
    channels = 1 if grey else 3
    for size in (None, (5, 4)):
        opened = session(runtime, io=io, grey=grey, size=size)
        value = batch(1, 4, 5, channels) if io == "float32" else random_image(4, 5, channels)[None]
        output = opened.run(value)
        assert output.dtype == value.dtype
        assert output.shape == ((1, channels, 8, 10) if io == "float32" else (1, 8, 10, channels))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_batch_is_its_images_one_by_one(runtime: str) -> None:
    models = [MODEL] if runtime == "native" else [MODEL, random_model(spec("photo")), random_model(spec("pro"))]
    for model in models:
        opened = session(runtime, model=model)
        value = batch(3, 6, 7)
        together = opened.run(value)
        for index in range(3):
            assert np.abs(opened.run(value[index : index + 1])[0] - together[index]).max() <= 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_result_is_the_callers_own(runtime: str) -> None:
    opened = session(runtime)
    first = opened.run(batch(1, 6, 7))
    kept = first.copy()
    second = opened.run(np.zeros_like(batch(1, 6, 7)))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)
    first[:] = 0  # writable, and nothing that the runtime still reads
    opened.run(batch(1, 6, 7))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_lent_is_the_result_and_the_session_runs_on_whatever_became_of_it(runtime: str) -> None:
    opened = session(runtime)
    expected = opened.run(batch(1, 6, 7))
    with opened.lend(batch(1, 6, 7)) as output:
        assert np.array_equal(output, expected)
    with pytest.raises(KeyError), opened.lend(batch(1, 6, 7)):
        raise KeyError
    with pytest.raises(InferenceError), opened.lend(batch(1, 6, 7, channels=4)):
        pass
    assert np.array_equal(opened.run(batch(1, 6, 7)), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_memory_layout_of_a_batch_does_not_matter_and_it_is_not_changed(runtime: str) -> None:
    opened = session(runtime)
    value = batch(1, 6, 7)
    expected = opened.run(value)
    reversed_twice = np.ascontiguousarray(value[:, :, ::-1, ::-1])[:, :, ::-1, ::-1]
    read_only = value.copy()
    read_only.flags.writeable = False
    for layout in (reversed_twice, np.asfortranarray(value), read_only):
        assert np.array_equal(opened.run(layout), expected)
        assert np.array_equal(layout, value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sizes_may_change_from_call_to_call(runtime: str) -> None:
    opened = session(runtime)
    for height, width in ((9, 4), (1, 1), (3, 17), (9, 4)):
        value = batch(1, height, width, seed=height)
        assert np.array_equal(opened.run(value), session(runtime).run(value))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_as_many_threads_as_streams_may_run_at_once(runtime: str) -> None:
    opened = session(runtime, streams=4, io="uint8")
    images = [random_image(20 + index, 30, 3, seed=index)[None] for index in range(12)]
    expected = [opened.run(each) for each in images]
    barrier = threading.Barrier(4)

    def work(part: int) -> list[npt.NDArray[Any]]:
        barrier.wait(timeout=PATIENCE)
        return [opened.run(each) for each in images[part::4]]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for part, outputs in enumerate(results):
        assert all(map(np.array_equal, outputs, expected[part::4]))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_more_threads_make_the_same_pixels(runtime: str) -> None:
    value = batch(1, 60, 50)
    one, two = (
        BACKENDS[runtime].open(MODEL, GraphSpec(), SessionOptions(threads=threads)).run(value) for threads in (1, 2)
    )
    assert np.abs(one - two).max() <= 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (3, 8, 8), (1, 3, 8, 9), (2, 3, 8, 8), (1, 3, 0, 8)])
def test_a_batch_of_the_wrong_shape_fails_by_name_and_does_no_harm(shape: tuple[int, ...], runtime: str) -> None:
    opened = session(runtime, size=(8, 8))
    expected = opened.run(batch(1, 8, 8))
    with pytest.raises(InferenceError, match=runtime) as caught:
        opened.run(np.zeros(shape, dtype=np.float32))
    assert caught.value.hint
    assert not str(caught.value).endswith(".cpp:104:")  # what OpenVINO says first is where in its source it is
    assert len(str(caught.value)) < 350
    assert np.array_equal(opened.run(batch(1, 8, 8)), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_closed_session_says_so(runtime: str) -> None:
    opened = session(runtime)
    opened.close()
    opened.close()
    with pytest.raises(BackendUnavailableError, match="closed") as caught:
        opened.run(batch(1, 4, 4))
    assert "open" in caught.value.hint


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("device", ["cuda:7", "mps", "GPU", ""])
def test_a_device_that_is_not_there_is_refused(device: str, runtime: str) -> None:
    for attempt in (
        lambda: BACKENDS[runtime].reduced_precisions(device),
        lambda: BACKENDS[runtime].open(MODEL, GraphSpec(), SessionOptions(device=device)),
    ):
        with pytest.raises(BackendUnavailableError) as caught:
            attempt()
        assert caught.value.hint


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_precision_that_is_not_there_is_refused_with_a_hint(runtime: str) -> None:
    backend = BACKENDS[runtime]
    offered = backend.reduced_precisions("cpu")
    assert not offered or runtime == "openvino"
    every: tuple[Precision, ...] = ("fp16", "bf16")
    for precision in every:
        settings = SessionOptions(precision=precision, device="cpu")
        if precision in offered:
            backend.open(MODEL, GraphSpec(), settings).close()
        else:
            with pytest.raises(BackendUnavailableError, match=precision) as caught:
                backend.open(MODEL, GraphSpec(), settings)
            assert "fp32" in caught.value.hint


def test_graph_specs_are_equal_when_they_say_the_same() -> None:
    assert GraphSpec(size=(4, 5)) == GraphSpec(size=(4, 5))
    assert hash(GraphSpec()) == hash(GraphSpec())
    different = [
        GraphSpec(fused=False),
        GraphSpec(io="uint8"),
        GraphSpec(grey=True),
        GraphSpec(size=(4, 5)),
        GraphSpec(separate_detail=True),
    ]
    assert len({GraphSpec(), *different}) == 6


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_is_ever_printed_on_standard_output(runtime: str) -> None:
    """It may be a pipe full of pixels. Counted at the file descriptor, where native code writes too."""
    result = run(PROGRAMS / "computes_quietly.py", runtime)
    assert result.stdout == ""
