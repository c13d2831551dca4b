"""Run engines on an NVIDIA GPU: all lines of Paragon that only a GPU can try are here (tests/gpu).

One stream of the GPU computes; each lane, of which one serves one caller at a time, has a stream that copies, and its
own buffers. So one lane's pixels travel while another's are computed, and the engine's working memory is there once.
"""

from __future__ import annotations

import ctypes
import importlib
import queue
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from paragon_core.backends import tensorrt_build
from paragon_core.backends.failures import failure
from paragon_core.errors import BackendUnavailableError, EngineRefusedError, InferenceError, OutOfMemoryError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paragon_core.backends.tensorrt_build import GraphToBuild
    from paragon_core.engines import Profile

_NAME: Final = "tensorrt"

CUDA_CORE: Final = "pip install cuda-core 'cuda-bindings==13.*'"


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
    ) -> None:
        """Load an engine.

        Raises:
            EngineRefusedError: TensorRT does not take it.
            OutOfMemoryError: the device is full.
            BackendUnavailableError: nothing is installed that gives memory of the GPU.

        """
        self._dtype = np.dtype(graph.io)
        self._static = profile.is_static
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
            self._launch(lane)
            lane.stream.wait_for(self._compute)
        lane.stream.download(lane.output)
        lane.stream.wait()

    def _make_room(self, lane: _Lane, shape: tuple[int, ...]) -> None:
        lane.launch = lane.input = lane.output = None  # free before more is taken
        lane.ran = False
        with self._one_at_a_time:
            if not self._context.set_input_shape(onnx_graph.INPUT, shape):
                raise InferenceError(f"the engine does not take {shape}", hint="please report this")
            produced = tuple(self._context.get_tensor_shape(onnx_graph.OUTPUT))
        lane.input = self._memory.buffer(shape, self._dtype)
        lane.output = self._memory.buffer(produced, self._dtype)

    def _launch(self, lane: _Lane) -> None:
        """Start the computation; where all sizes are the same, from the third time on as a CUDA graph."""
        if lane.launch is not None:
            lane.launch()
        elif self._static and lane.ran and self._capturable():
            lane.launch = self._compute.record(lambda: self._enqueue(lane))
            lane.launch()
        else:  # TensorRT wants to have run once before it is recorded
            self._enqueue(lane)
            lane.ran = True

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


# --- memory and streams ----------------------------------------------------------------------------------------------


class Buffer(Protocol):
    """Memory of the GPU, and as much next to it that the GPU reads and writes quickly."""

    @property
    def array(self) -> npt.NDArray[Any]:
        """The memory next to it."""
        ...

    @property
    def address(self) -> int:
        """Where it is on the GPU."""
        ...


class Stream(Protocol):
    """What the GPU does one after the other."""

    @property
    def handle(self) -> int:
        """CUDA's own handle."""
        ...

    def upload(self, buffer: Any) -> None:  # noqa: ANN401 - of the same kind of memory
        """Copy a buffer's array to the GPU."""
        ...

    def download(self, buffer: Any) -> None:  # noqa: ANN401 - as above
        """Copy a buffer's array from the GPU."""
        ...

    def wait_for(self, other: Any) -> None:  # noqa: ANN401 - as above
        """Wait until the other stream has done what was queued on it until now."""
        ...

    def wait(self) -> None:
        """Wait until all is done."""
        ...

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that starts what ``work`` starts in this stream, as a CUDA graph."""
        ...


class Memory(Protocol):
    """Who gives memory and streams of one GPU."""

    def use(self) -> None:
        """Make it the GPU of this thread."""
        ...

    def stream(self) -> Stream:
        """Return a new stream."""
        ...

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Buffer:
        """Return new memory."""
        ...


def memory_of(device: int) -> Memory:
    """Return memory of a GPU by torch where it is in use anyway, else by cuda.core.

    Raises:
        BackendUnavailableError: there is neither.

    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        with suppress(ImportError):
            return CudaMemory(importlib.import_module("cuda.core"), device)
    with suppress(ImportError):
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            return TorchMemory(torch, device)
    msg = "TensorRT needs cuda-core, or a torch with CUDA, to reach the GPU's memory"
    raise BackendUnavailableError(msg, hint=CUDA_CORE)


class CudaMemory:
    """By NVIDIA's cuda.core."""

    def __init__(self, core: Any, device: int) -> None:  # noqa: ANN401 - imported late
        self._device = core.Device(device)
        self._device.set_current()
        self._pinned = core.LegacyPinnedMemoryResource()
        self._first = self._device.create_stream()  # in which memory is taken

    def use(self) -> None:
        """See `Memory.use`."""
        self._device.set_current()

    def stream(self) -> CudaStream:
        """See `Memory.stream`."""
        return CudaStream(self._device.create_stream())

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> CudaBuffer:
        """See `Memory.buffer`."""
        size = int(np.prod(shape)) * dtype.itemsize
        made = CudaBuffer(self._pinned.allocate(size), self._device.allocate(size, stream=self._first), shape, dtype)
        self._first.sync()
        return made


class CudaBuffer:
    """See `Buffer`."""

    def __init__(self, host: Any, device: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:  # noqa: ANN401 - of whichever library holds the memory
        self.host, self.device = host, device
        self.address = int(device.handle)
        memory = (ctypes.c_uint8 * host.size).from_address(int(host.handle))
        self.array: npt.NDArray[Any] = np.frombuffer(memory, dtype=dtype).reshape(shape)


class CudaStream:
    """See `Stream`."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - imported late
        self._stream = stream
        self.handle = int(stream.handle)

    def upload(self, buffer: CudaBuffer) -> None:
        """See `Stream.upload`."""
        buffer.host.copy_to(buffer.device, stream=self._stream)

    def download(self, buffer: CudaBuffer) -> None:
        """See `Stream.download`."""
        buffer.device.copy_to(buffer.host, stream=self._stream)

    def wait_for(self, other: CudaStream) -> None:
        """See `Stream.wait_for`."""
        self._stream.wait(other._stream.record())

    def wait(self) -> None:
        """See `Stream.wait`."""
        self._stream.sync()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Stream.record`."""
        builder = self._stream.create_graph_builder()
        builder.begin_building(mode="thread_local")  # other lanes go on copying
        try:
            work()
        finally:
            builder.end_building()
        graph = builder.complete()
        return lambda: graph.launch(self._stream)


class TorchMemory:
    """By torch, so that both share what is free."""

    def __init__(self, torch: Any, device: int) -> None:  # noqa: ANN401 - imported late
        self._torch = torch
        self._device = torch.device("cuda", device)

    def use(self) -> None:
        """See `Memory.use`."""
        self._torch.cuda.set_device(self._device)

    def stream(self) -> TorchStream:
        """See `Memory.stream`."""
        return TorchStream(self._torch, self._torch.cuda.Stream(self._device))

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> TorchBuffer:
        """See `Memory.buffer`."""
        kind = getattr(self._torch, dtype.name)
        host = self._torch.empty(shape, dtype=kind, pin_memory=True)
        device = self._torch.empty(shape, dtype=kind, device=self._device)
        self._torch.cuda.current_stream(self._device).synchronize()  # what it was before may still be in use
        return TorchBuffer(host, device)


class TorchBuffer:
    """See `Buffer`."""

    def __init__(self, host: Any, device: Any) -> None:  # noqa: ANN401 - tensors
        self.host, self.device = host, device
        self.address = int(device.data_ptr())
        self.array: npt.NDArray[Any] = host.numpy()


class TorchStream:
    """See `Stream`."""

    def __init__(self, torch: Any, stream: Any) -> None:  # noqa: ANN401 - imported late
        self._torch, self._stream = torch, stream
        self.handle = int(stream.cuda_stream)

    def upload(self, buffer: TorchBuffer) -> None:
        """See `Stream.upload`."""
        with self._torch.cuda.stream(self._stream):
            buffer.device.copy_(buffer.host, non_blocking=True)

    def download(self, buffer: TorchBuffer) -> None:
        """See `Stream.download`."""
        with self._torch.cuda.stream(self._stream):
            buffer.host.copy_(buffer.device, non_blocking=True)

    def wait_for(self, other: TorchStream) -> None:
        """See `Stream.wait_for`."""
        self._stream.wait_stream(other._stream)

    def wait(self) -> None:
        """See `Stream.wait`."""
        self._stream.synchronize()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Stream.record`."""
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            work()

        def launch() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return launch
