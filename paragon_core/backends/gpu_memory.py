"""Memory and streams of an NVIDIA GPU, from whichever library is there: torch, or NVIDIA's cuda.core."""

from __future__ import annotations

import ctypes
import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from paragon_core.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

#: Images that are under way at once on a card: one goes up, one is computed, one comes down.
LANES: Final = 3

CUDA_CORE: Final = "pip install cuda-core 'cuda-bindings==13.*'"

#: Of a second: what both libraries give times in.
_MILLISECONDS: Final = 1000


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

    def timed(self, work: Callable[[], None]) -> Callable[[], float]:
        """Call ``work``, which starts something in this stream; return a function that returns the seconds it took.

        Those are the GPU's own, by CUDA's events; they are known when all of it is done.
        """
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
    msg = "cuda-core, or a torch with CUDA, is needed to reach the GPU's memory"
    raise BackendUnavailableError(msg, hint=CUDA_CORE)


class CudaMemory:
    """By NVIDIA's cuda.core."""

    def __init__(self, core: Any, device: int) -> None:  # noqa: ANN401 - imported late
        self._device = core.Device(device)
        self._device.set_current()
        self._pinned = core.LegacyPinnedMemoryResource()
        self._timing = core.EventOptions(timing_enabled=True)
        self._first = self._device.create_stream()  # in which memory is taken

    def use(self) -> None:
        """See `Memory.use`."""
        self._device.set_current()

    def stream(self) -> CudaStream:
        """See `Memory.stream`."""
        return CudaStream(self._device.create_stream(), self._timing)

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

    def __init__(self, stream: Any, timing: Any) -> None:  # noqa: ANN401 - imported late
        self._stream, self._timing = stream, timing
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

    def timed(self, work: Callable[[], None]) -> Callable[[], float]:
        """See `Stream.timed`."""
        start = self._stream.record(options=self._timing)
        work()
        end = self._stream.record(options=self._timing)
        return lambda: float(end - start) / _MILLISECONDS


class TorchMemory:
    """By torch, so that both share what is free."""

    def __init__(self, torch: Any, device: int) -> None:  # noqa: ANN401 - imported late
        self._torch = torch
        self._device = torch.device("cuda", device)

    def use(self) -> None:
        """See `Memory.use`."""
        self._torch.cuda.set_device(self._device)

    def selected(self) -> AbstractContextManager[Any]:
        """Return the block in which it is the GPU of this thread; afterwards the one before is again."""
        return self._torch.cuda.device(self._device)  # type: ignore[no-any-return]  # imported late

    def settle(self) -> None:
        """Wait until what this thread has started on the GPU is done, such as copies of weights.

        Other streams do not wait for it by themselves.
        """
        self._torch.cuda.current_stream(self._device).synchronize()

    def trim(self) -> None:
        """Give memory back that torch keeps for later, on the GPU and next to it."""
        self._torch.cuda.empty_cache()
        accelerator = getattr(self._torch, "accelerator", None)
        empty = getattr(accelerator, "empty_host_cache", None)  # older releases keep what is next to the GPU
        if empty is not None:
            empty()

    def stream(self) -> TorchStream:
        """See `Memory.stream`."""
        return TorchStream(self._torch, self._torch.cuda.Stream(self._device))

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> TorchBuffer:
        """See `Memory.buffer`."""
        kind = getattr(self._torch, dtype.name)
        host = self._torch.empty(shape, dtype=kind, pin_memory=True)
        device = self._torch.empty(shape, dtype=kind, device=self._device)
        self.settle()  # what it was before may still be in use
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
        self._done = torch.cuda.Event(blocking=True)  # the processor has other work while it waits: to encode videos
        self._pool: Any = None

    def run(self, work: Callable[[], None]) -> None:
        """Start in this stream what ``work`` starts."""
        with self._torch.cuda.stream(self._stream):
            work()

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
        self._done.record(self._stream)
        self._done.synchronize()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Stream.record`.

        All graphs of a stream share their working memory: they never run at once, and leave nothing in it.
        """
        if self._pool is None:
            self._pool = self._torch.cuda.graph_pool_handle()
        graph = self._torch.cuda.CUDAGraph()
        # Other threads go on copying, and may take memory.
        with self._torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            work()

        def launch() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return launch

    def timed(self, work: Callable[[], None]) -> Callable[[], float]:
        """See `Stream.timed`."""
        start, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record(self._stream)
        work()
        end.record(self._stream)
        return lambda: float(start.elapsed_time(end)) / _MILLISECONDS
