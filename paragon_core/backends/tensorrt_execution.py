"""Run engines on an NVIDIA GPU; what is here and in `gpu_memory` only a GPU can try (tests/gpu).

One stream of the GPU computes; each lane, of which one serves one caller at a time, has a stream that copies, and its
own buffers. So one lane's pixels travel while another's are computed, and the engine's working memory is there once.
"""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends import tensorrt_build
from paragon_core.backends.failures import failure
from paragon_core.backends.gpu_memory import memory_of
from paragon_core.errors import EngineRefusedError, InferenceError, OutOfMemoryError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paragon_core.backends.gpu_memory import Stream
    from paragon_core.backends.tensorrt_build import GraphToBuild
    from paragon_core.engines import Profile

_NAME: Final = "tensorrt"


class TensorRtExecutor:
    """A loaded engine; see `engine_runtime.Executor`."""

    def __init__(
        self,
        trt: Any,  # noqa: ANN401 - imported late
        data: bytes,
        graph: GraphToBuild,
        profile: Profile,
        *,
        device: int,
        lanes: int,
        on_device_time: Callable[[float], None] | None = None,
    ) -> None:
        """Load an engine; `SessionOptions` says what is called with times.

        Raises:
            EngineRefusedError: TensorRT does not take it.
            OutOfMemoryError: the device is full.
            BackendUnavailableError: nothing is installed that gives memory of the GPU.

        """
        self._dtype = np.dtype(graph.io)
        self._static = profile.is_static
        self._on_device_time = on_device_time
        self._memory = memory_of(device)
        try:
            self._memory.use()
            self._engine, self._context = _loaded(trt, data)
            self._compute = self._memory.stream()
            self._lanes: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
            for _ in range(lanes):
                self._lanes.put(_Lane(stream=self._memory.stream()))
        except Exception as error:
            raise failure(_NAME, error) from error
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def lend(self, batch: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Run a batch and lend the lane's own memory; see `engine_runtime.Executor.lend`."""
        if batch.dtype != self._dtype:
            msg = f"the engine takes {self._dtype}, not {batch.dtype}"
            raise InferenceError(msg, hint="please report this")
        lane = self._lanes.get()
        try:
            try:
                self._run(lane, batch)
            except Exception as error:  # cuda.core and torch have exceptions of their own
                lane.input = lane.output = lane.launch = None
                raise failure(_NAME, error) from error
            yield lane.output.array
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        """Release the engine and all memory once nothing is under way."""
        with self._one_at_a_time:
            self._lanes = queue.SimpleQueue()
            self._context = self._engine = None

    def _run(self, lane: _Lane, batch: npt.NDArray[Any]) -> None:
        self._memory.use()
        if lane.input is None or lane.input.array.shape != batch.shape:
            self._make_room(lane, batch.shape)
        np.copyto(lane.input.array, batch)
        lane.stream.upload(lane.input)
        with self._one_at_a_time:
            self._compute.wait_for(lane.stream)
            took = self._launch(lane)
            lane.stream.wait_for(self._compute)
        lane.stream.download(lane.output)
        lane.stream.wait()
        if took is not None and self._on_device_time is not None:
            self._on_device_time(took())

    def _make_room(self, lane: _Lane, shape: tuple[int, ...]) -> None:
        lane.launch = lane.input = lane.output = None  # free before more is taken
        lane.ran = False
        with self._one_at_a_time:
            if not self._context.set_input_shape(onnx_graph.INPUT, shape):
                raise InferenceError(f"the engine does not take {shape}", hint="please report this")
            produced = tuple(self._context.get_tensor_shape(onnx_graph.OUTPUT))
        lane.input = self._memory.buffer(shape, self._dtype)
        lane.output = self._memory.buffer(produced, self._dtype)

    def _launch(self, lane: _Lane) -> Callable[[], float] | None:
        """Start the computation; where all sizes are the same, from the third time on as a CUDA graph.

        Returns what tells its time, if anybody wants to know.
        """
        if lane.launch is None and self._static and lane.ran and self._capturable():
            lane.launch = self._compute.record(lambda: self._enqueue(lane))
        launch = lane.launch or (lambda: self._enqueue(lane))
        lane.ran = True  # once before it is recorded: TensorRT wants it so
        if self._on_device_time is not None:
            return self._compute.timed(launch)
        launch()
        return None

    def _capturable(self) -> bool:
        """Ask TensorRT-RTX whether it can be recorded; full TensorRT can."""
        ask = getattr(self._context, "is_stream_capturable", None)
        return ask is None or bool(ask(self._compute.handle))

    def _enqueue(self, lane: _Lane) -> None:
        context = self._context
        done = (
            context.set_input_shape(onnx_graph.INPUT, lane.input.array.shape)
            and context.set_tensor_address(onnx_graph.INPUT, lane.input.address)
            and context.set_tensor_address(onnx_graph.OUTPUT, lane.output.address)
            and context.execute_async_v3(self._compute.handle)
        )
        if not done:
            raise InferenceError("TensorRT did not run the engine", hint="see its messages: paragon --debug")


def _loaded(trt: Any, data: bytes) -> tuple[Any, Any]:  # noqa: ANN401 - imported late
    with tensorrt_build.captured_log(trt) as log:
        runtime = trt.Runtime(log.logger)
        engine = runtime.deserialize_cuda_engine(data)
        if engine is None:
            raise EngineRefusedError(f"TensorRT refused the engine: {_text(log.problems)}", hint="use another backend")
        context = engine.create_execution_context()
        if context is None:
            raise OutOfMemoryError(f"tensorrt ran out of memory: {_text(log.problems)}", hint="use smaller tiles")
        return (runtime, engine), context


def _text(problems: list[str]) -> str:
    return " ".join(" ".join(problem.split()) for problem in problems)[:600] or "it does not say why"


@dataclass(kw_only=True)
class _Lane:
    """What one caller at a time uses."""

    stream: Stream
    input: Any = None
    output: Any = None
    ran: bool = False
    launch: Callable[[], None] | None = None
