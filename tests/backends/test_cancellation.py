"""Runs that are ended from another thread, in every runtime that can."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.backends.cancellation import Cancellation
from paragon_core.errors import InferenceError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import batch, random_model, spec

SLOW = random_model(spec("photo"))
RUNTIMES = ("openvino", "onnxruntime", pytest.param("torch", marks=pytest.mark.torch))
IN_TIME = 2.0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_run_ends_long_before_its_result_and_the_session_runs_on(runtime: str) -> None:
    session = BACKENDS[runtime].open(SLOW, GraphSpec(), SessionOptions())
    small, large = batch(1, 20, 24), batch(1, 800, 800)
    expected = session.run(small)
    start = time.perf_counter()
    session.run(large)
    whole = time.perf_counter() - start
    cancellation = Cancellation()
    timer = threading.Timer(whole / 20, cancellation.cancel)
    start = time.perf_counter()
    timer.start()
    with pytest.raises(InferenceError), session.lend(large, cancellation):
        pass
    assert time.perf_counter() - start < min(whole / 2, IN_TIME)
    with pytest.raises(InferenceError), session.lend(large, cancellation):  # at once, since it is cancelled for ever
        pass
    assert np.array_equal(session.run(small), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_over_is_not_ended(runtime: str) -> None:
    session = BACKENDS[runtime].open(SLOW, GraphSpec(), SessionOptions())
    cancellation = Cancellation()
    with session.lend(batch(1, 20, 24), cancellation) as output:
        expected = output.copy()
        cancellation.cancel()
        assert np.array_equal(output, expected)
    assert np.array_equal(session.run(batch(1, 20, 24)), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_interrupted_image_in_one_piece_is_not_waited_for(runtime: str) -> None:
    pressed: list[float] = []

    def interrupt() -> None:
        if time.perf_counter() > begun + 0.3:
            pressed.append(time.perf_counter())
            raise KeyboardInterrupt

    image = np.zeros((1200, 1200, 3), np.uint8)
    with Upscaler(SLOW, backend=runtime, precision="fp32", tile="off", interrupt=interrupt) as upscaler:
        begun = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            upscaler(image)
    assert time.perf_counter() - pressed[0] < IN_TIME


def test_ends_are_asked_for_only_while_they_mean_something() -> None:
    cancellation = Cancellation()
    asked: list[str] = []
    with cancellation.ending(lambda: asked.append("over")):
        pass
    with cancellation.ending(lambda: asked.append("under way")):
        cancellation.cancel()
    with cancellation.ending(lambda: asked.append("late")):
        assert asked == ["under way", "late"]
