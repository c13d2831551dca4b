"""The way of a batch over an NVIDIA card in ONNX Runtime, on a card made of the processor that is as late as it may be.

ONNX Runtime is real, and computes on the processor with bound memory; what a card computes is for tests/gpu.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnxruntime
import pytest

from paragon_core.backends import SessionOptions
from paragon_core.backends import onnxruntime as backend_module
from paragon_core.backends.onnxruntime import BoundOnnxRuntimeSession, OnnxRuntimeBackend, OnnxRuntimeSession
from paragon_core.backends.onnxruntime_cuda import PROVIDER, Settings, settings
from paragon_core.backends.onnxruntime_execution import BoundRuns, BoundSession
from paragon_core.errors import BackendUnavailableError, InferenceError, NonFiniteError, OutOfMemoryError
from paragon_core.graph import onnx_graph
from paragon_core.graph.graph_spec import GraphSpec
from tests.backends.slow_card import SlowCard
from tests.random_models import batch, random_image, random_model, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paragon_core.backends import Session
    from paragon_core.backends.gpu_memory import Stream

MODEL = random_model(spec("realtime"))
CPU = OnnxRuntimeBackend()


class Recording:
    """A real session that writes down who runs it, and as which graph."""

    def __init__(self, form: GraphSpec, model: Any = MODEL) -> None:
        graph = onnx_graph.build(model, form, merge_base=False, check=form.io == "uint8")
        self.session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        self.runs: list[tuple[str, str]] = []

    def io_binding(self) -> Any:
        return self.session.io_binding()

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        try:
            graph = options.get_run_config_entry("gpu_graph_id")
        except RuntimeError:
            graph = ""
        self.runs.append((threading.current_thread().name, graph))
        self.session.run_with_iobinding(binding, options)


def bound(
    form: GraphSpec = GraphSpec(),  # noqa: B008 - frozen
    *,
    card: SlowCard | None = None,
    lanes: int = 1,
    is_graph: bool = False,
    session: Any = None,
    on_device_time: Callable[[float], None] | None = None,
) -> BoundRuns:
    card = card or SlowCard()
    return BoundRuns(
        BoundSession(
            session=session or Recording(form),
            new_options=onnxruntime.RunOptions,
            spec=form,
            scale=2,
            device=("cpu", 0),
            is_graph=is_graph,
            compute=cast("Stream", card.stream()) if on_device_time else None,
            on_device_time=on_device_time,
        ),
        card,
        lanes=lanes,
        one_at_a_time=threading.Lock(),
    )


def value(form: GraphSpec, height: int = 9, width: int = 12, seed: int = 0) -> Any:
    if form.io == "uint8":
        return random_image(height, width, form.channels, seed=seed)[None]
    return batch(1, height, width, channels=form.channels, seed=seed)


def expected(form: GraphSpec, given: Any) -> Any:
    return CPU.open(MODEL, form, SessionOptions(device="cpu")).run(given)


# --- pixels ----------------------------------------------------------------------------------------------------------

FORMS = [
    GraphSpec(),
    GraphSpec(io="uint8"),
    GraphSpec(grey=True),
    GraphSpec(io="uint8", grey=True),
    GraphSpec(separate_detail=True),
    GraphSpec(fused=False, io="uint8"),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_bound_memory_gives_the_pixels_of_copies(form: GraphSpec) -> None:
    runs = bound(form)
    for width in (12, 12, 7, 12):
        given = value(form, width=width, seed=width)
        with runs.lend(given) as output:
            assert np.array_equal(output, expected(form, given))


def test_a_batch_of_several_images_is_bound_as_a_whole() -> None:
    form = GraphSpec(io="uint8")
    given = np.concatenate([value(form, seed=seed) for seed in range(3)])
    with bound(form).lend(given) as output:
        assert np.array_equal(output, expected(form, given))


@pytest.mark.parametrize("form", [GraphSpec(size=(12, 9)), GraphSpec(size=(12, 9), io="uint8")], ids=str)
def test_graphs_give_the_same_pixels(form: GraphSpec) -> None:
    runs = bound(form, is_graph=True, lanes=2)
    for seed in range(4):
        given = value(form, seed=seed)
        with runs.lend(given) as output:
            assert np.array_equal(output, expected(form, given))
    runs.close()


@pytest.mark.parametrize("is_graph", [False, True])
def test_threads_do_not_mix_their_pixels(*, is_graph: bool) -> None:
    form = GraphSpec(size=(12, 9))
    runs = bound(form, is_graph=is_graph, lanes=3)
    images = [value(form, seed=seed) for seed in range(6)]
    wanted = [expected(form, each) for each in images]

    def work(index: int) -> bool:
        with runs.lend(images[index]) as output:
            return bool(np.array_equal(output, wanted[index]))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, list(range(6)) * 10))
    runs.close()


# --- order -----------------------------------------------------------------------------------------------------------


def test_memory_is_bound_once_for_a_size() -> None:
    card, form = SlowCard(), GraphSpec(io="uint8")
    runs = bound(form, card=card)
    for width in (12, 12, 12, 7):
        with runs.lend(value(form, width=width)):
            pass
    assert card.buffers == [
        ((1, 9, 12, 3), "uint8"),
        ((1, 18, 24, 3), "uint8"),
        ((1,), "float32"),
        ((1, 9, 7, 3), "uint8"),
        ((1, 18, 14, 3), "uint8"),
        ((1,), "float32"),
    ]
    assert card.told[:5] == [
        "compute: upload",
        "compute: wait",
        "compute: download",
        "compute: download",
        "compute: wait",
    ]


def test_all_graphs_are_recorded_at_first_and_run_by_one_thread_with_an_own_number_each() -> None:
    form, card = GraphSpec(size=(12, 9)), SlowCard()
    session = Recording(form)
    runs = bound(form, card=card, is_graph=True, lanes=2, session=session)
    assert [graph for _, graph in session.runs] == ["1", "1", "2", "2"]
    taken = len(card.buffers)
    with runs.lend(value(form)), runs.lend(value(form)):
        pass
    assert {graph for _, graph in session.runs[4:]} == {"1", "2"}
    assert len({thread for thread, _ in session.runs}) == 1
    assert threading.current_thread().name not in {thread for thread, _ in session.runs}
    assert len(card.buffers) == taken
    runs.close()


def test_without_graphs_the_callers_thread_runs() -> None:
    session = Recording(GraphSpec())
    with bound(session=session).lend(value(GraphSpec())):
        pass
    assert session.runs == [(threading.current_thread().name, "")]


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_a_graph_takes_its_size_only_and_goes_on() -> None:
    form = GraphSpec(size=(12, 9))
    runs = bound(form, is_graph=True)
    with pytest.raises(InferenceError, match="does not take"), runs.lend(value(form, width=7)):
        pass
    with runs.lend(value(form)) as output:
        assert np.array_equal(output, expected(form, value(form)))
    runs.close()


@pytest.mark.parametrize("wrong", [batch(1, 9, 12, channels=4), value(GraphSpec(io="uint8")), batch(1, 9, 12)[0]])
def test_another_batch_is_refused_and_does_no_harm(wrong: Any) -> None:
    form = GraphSpec()
    runs = bound(form)
    with pytest.raises(InferenceError), runs.lend(wrong):
        pass
    with runs.lend(value(form)) as output:
        assert np.array_equal(output, expected(form, value(form)))


def test_bytes_of_what_is_not_a_number_are_an_error() -> None:
    arrays = {name: np.full_like(array, np.nan) for name, array in MODEL.arrays.items() if name == "conv_out.bias"}
    form = GraphSpec(io="uint8")
    session = Recording(form, replace(MODEL, arrays=dict(MODEL.arrays) | arrays))
    with pytest.raises(NonFiniteError), bound(form, session=session).lend(value(form)):
        pass


def test_a_full_card_is_told_apart() -> None:
    card = SlowCard()

    def buffer(*_: Any) -> Any:
        raise RuntimeError("CUDA error: out of memory")

    card.buffer = buffer  # type: ignore[method-assign, assignment]
    with pytest.raises(OutOfMemoryError), bound(card=card).lend(value(GraphSpec())):
        pass
    with pytest.raises(OutOfMemoryError):
        bound(GraphSpec(size=(12, 9)), card=card, is_graph=True)


@pytest.mark.parametrize("is_graph", [False, True])
def test_the_card_tells_the_time_of_each_run(*, is_graph: bool) -> None:
    form, seconds = GraphSpec(size=(12, 9)), list[float]()
    runs = bound(form, is_graph=is_graph, lanes=2, on_device_time=seconds.append)
    assert seconds == []  # graphs are recorded without
    for seed in range(3):
        with runs.lend(value(form, seed=seed)) as output:
            assert np.array_equal(output, expected(form, value(form, seed=seed)))
    assert seconds == [0.25] * 3
    runs.close()


# --- opening ---------------------------------------------------------------------------------------------------------


def test_settings_end_with_those_that_every_version_takes() -> None:
    for precision in ("fp32", "fp16"):
        for may_be_graph in (True, False):
            tried = settings(1, precision=precision, may_be_graph=may_be_graph)
            assert tried[-1] == Settings(number=1)
            assert len(set(tried)) == len(tried)
            for each in tried:
                name, chosen = each.provider
                assert name == PROVIDER
                assert chosen["device_id"] == "1"
                assert chosen["use_tf32"] == "0"
                assert chosen["cudnn_conv_algo_search"] == "HEURISTIC"
                assert (chosen.get("prefer_nhwc") == "1") == each.prefers_nhwc
                assert (chosen.get("enable_cuda_graph") == "1") == each.is_graph
            assert tried[0].is_graph == may_be_graph
            assert tried[0].prefers_nhwc == (precision == "fp16")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that opens a session on a card of which ONNX Runtime takes some settings only."""
    tried: list[dict[str, str]] = []
    sessions: list[Session] = []

    def make(
        form: GraphSpec, refused: set[str], precision: Any = "fp16", memory: Any = None, on_device_time: Any = None
    ) -> Any:
        class Choosy(Recording):
            def __init__(self, data: bytes, _options: Any, *, providers: list[Any], enable_fallback: int) -> None:
                del data
                assert not enable_fallback
                tried.append(providers[0][1])
                for option in refused & set(providers[0][1]):
                    raise RuntimeError(f"no {option}\nhere")
                super().__init__(form)

            def get_providers(self) -> list[str]:
                return [PROVIDER]

            def run(self, *given: Any) -> Any:
                return self.session.run(*given)

        runtime = SimpleNamespace(
            InferenceSession=Choosy, SessionOptions=onnxruntime.SessionOptions, RunOptions=onnxruntime.RunOptions
        )
        monkeypatch.setattr(backend_module, "_import", lambda: runtime)
        monkeypatch.setattr(backend_module, "_memory", lambda _: memory)
        monkeypatch.setattr(backend_module, "BoundSession", on_cpu)
        monkeypatch.setattr(backend_module.OnnxRuntimeBackend, "_lacks_cuda", "")
        options = SessionOptions(precision=precision, device="cuda:1", on_device_time=on_device_time)
        sessions.append(OnnxRuntimeBackend().open(MODEL, form, options))
        return sessions[-1], tried

    yield make
    for session in sessions:
        session.close()


def on_cpu(**fields: Any) -> BoundSession:
    assert fields.pop("device") == ("cuda", 1)
    return BoundSession(device=("cpu", 0), **fields)


def test_a_session_for_one_size_is_a_graph_with_channels_last(opened: Any) -> None:
    form = GraphSpec(size=(12, 9), io="uint8")
    session, tried = opened(form, set(), memory=SlowCard())
    assert len(tried) == 1
    assert tried[0]["enable_cuda_graph"] == tried[0]["prefer_nhwc"] == "1"
    assert isinstance(session, BoundOnnxRuntimeSession)
    result = session.run(value(form))
    assert np.array_equal(result, expected(form, value(form)))
    session.run(value(form, seed=1))
    assert np.array_equal(result, expected(form, value(form)))  # the caller's own
    session.close()
    session.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        session.run(value(form))


@pytest.mark.parametrize("refused", [set(), {"enable_cuda_graph"}, {"user_compute_stream"}], ids=str)
def test_to_take_the_time_it_computes_in_our_stream_if_it_takes_that(opened: Any, refused: set[str]) -> None:
    form, seconds, card = GraphSpec(size=(12, 9)), list[float](), SlowCard()
    session, tried = opened(form, refused, memory=card, on_device_time=seconds.append)
    assert tried[0]["user_compute_stream"].isdecimal()
    assert refused.isdisjoint(tried[-1])
    assert np.array_equal(session.run(value(form)), expected(form, value(form)))
    assert seconds == ([] if refused == {"user_compute_stream"} else [0.25])


@pytest.mark.parametrize(
    ("refused", "last"),
    [({"enable_cuda_graph"}, {"prefer_nhwc"}), ({"prefer_nhwc"}, set()), ({"enable_cuda_graph", "prefer_nhwc"}, set())],
)
def test_what_a_version_does_not_take_is_left_out(
    opened: Any, refused: set[str], last: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    form = GraphSpec(size=(12, 9))
    with caplog.at_level(logging.INFO):
        session, tried = opened(form, refused, memory=SlowCard())
    assert {"enable_cuda_graph", "prefer_nhwc"} & set(tried[-1]) == last
    assert "does without" in caplog.text
    assert np.array_equal(session.run(value(form)), expected(form, value(form)))


def test_what_no_setting_helps_is_an_error(opened: Any) -> None:
    with pytest.raises(InferenceError, match="no use_tf32 here"):
        opened(GraphSpec(), {"use_tf32"}, memory=SlowCard())


def test_without_a_library_for_memory_onnx_runtime_copies_itself(opened: Any) -> None:
    form = GraphSpec(size=(12, 9))
    session, tried = opened(form, set())
    assert "enable_cuda_graph" not in tried[0]
    assert isinstance(session, OnnxRuntimeSession)
    assert np.array_equal(session.run(value(form)), expected(form, value(form)))


def test_a_missing_library_for_memory_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def memory_of(number: int) -> Any:
        raise BackendUnavailableError(f"nothing for card {number}", hint="install it")

    monkeypatch.setattr(backend_module, "memory_of", memory_of)
    with caplog.at_level(logging.INFO):
        assert backend_module._memory(1) is None  # noqa: SLF001 - only a card would show it
    assert "nothing for card 1" in caplog.text
