"""Run ONNX Runtime's sessions on an NVIDIA card with memory that is bound: no copy but those up and down.

Each lane, of which one serves one caller at a time, has memory on the card and next to it, and a stream that copies.
One lane's pixels travel while another's are computed; ONNX Runtime itself runs one batch after the other.

Sessions for one size may be CUDA graphs. ONNX Runtime keeps a graph for each thread and for each pair of addresses, and
nobody may take memory of the card while it records one. So all lanes' graphs are recorded when the session is opened,
and one thread of the session's own starts them. No card was available to run this; tests/gpu is for those who have one.
"""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.failures import failure, refuse_non_finite
from paragon_core.errors import InferenceError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from paragon_core.backends.gpu_memory import Buffer, Memory, Stream
    from paragon_core.graph.graph_spec import GraphSpec

NAME: Final = "onnxruntime"

#: ONNX Runtime records a graph in the second run of a thread.
_RUNS_UNTIL_RECORDED: Final = 2

#: Key of a run's option that tells graphs with other addresses apart.
_GRAPH: Final = "gpu_graph_id"


@dataclass(frozen=True, kw_only=True)
class BoundSession:
    """A session of ONNX Runtime, and what it takes to run it with bound memory."""

    session: Any
    """`onnxruntime.InferenceSession`."""
    new_options: Callable[[], Any]
    """Makes `onnxruntime.RunOptions`."""
    spec: GraphSpec
    """The graph's form."""
    scale: int
    """Factor along both axes."""
    device: tuple[str, int]
    """What ONNX Runtime calls the device: its kind and number."""
    is_graph: bool
    """Whether it was opened to be recorded as a CUDA graph."""
    compute: Stream | None = None
    """The stream that it was given to compute in; None for one of its own."""
    on_device_time: Callable[[float], None] | None = None
    """See `SessionOptions`; never called where it computes in a stream of its own."""


@dataclass(kw_only=True)
class _Lane:
    """What one caller at a time uses."""

    number: int
    stream: Stream
    given: Buffer | None = None
    outputs: tuple[Buffer, ...] = ()
    binding: Any = None


class BoundRuns:
    """Runs batches in lanes; safe to use from threads."""

    def __init__(self, bound: BoundSession, memory: Memory, *, lanes: int, one_at_a_time: threading.Lock) -> None:
        """Take streams of a card, and record graphs if the session is made for that.

        Args:
            bound: the session.
            memory: the card's.
            lanes: most callers at once; more wait for each other.
            one_at_a_time: held while ONNX Runtime runs or memory of the card is taken, by all sessions of the process.

        Raises:
            InferenceError: graphs cannot be recorded.
            OutOfMemoryError: the card is full.

        """
        self._bound = bound
        self._memory = memory
        self._one_at_a_time = one_at_a_time
        self._lanes: queue.LifoQueue[_Lane] = queue.LifoQueue()  # so that one caller at a time uses one
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="paragon-graph") if bound.is_graph else None
        try:
            memory.use()
            all_lanes = [_Lane(number=number, stream=memory.stream()) for number in range(lanes)]
            if bound.is_graph:
                self._record(all_lanes)
        except Exception as error:
            self.close()
            raise failure(NAME, error) from error
        for lane in all_lanes:
            self._lanes.put(lane)

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run a batch and lend the lane's own memory; see `Session.lend`."""
        lane = self._lanes.get()
        try:
            try:
                self._run(lane, batch, cancellation or Cancellation())
            except Exception as error:  # the runtime has no exception type of its own
                if not self._bound.is_graph:  # which stays with its addresses
                    lane.binding = lane.given = None
                    lane.outputs = ()
                raise failure(NAME, error) from error
            output, *check = lane.outputs
            if check:
                refuse_non_finite(NAME, check[0].array)
            yield output.array
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        """End the thread of the graphs."""
        if self._thread is not None:
            self._thread.shutdown()

    def _run(self, lane: _Lane, batch: npt.NDArray[Any], cancellation: Cancellation) -> None:
        spec = self._bound.spec
        if batch.dtype != spec.io:
            raise InferenceError(f"the graph takes {spec.io}, not {batch.dtype}", hint="please report this")
        self._memory.use()
        given = lane.given
        if given is None or given.array.shape != batch.shape:
            if self._bound.is_graph:
                raise InferenceError(f"the graph does not take {batch.shape}", hint="please report this")
            with self._one_at_a_time:
                given = self._bind(lane, batch.shape)
        np.copyto(given.array, batch)
        lane.stream.upload(given)
        lane.stream.wait()
        options = self._options(lane)
        with self._one_at_a_time, cancellation.ending(lambda: setattr(options, "terminate", True)):
            took = self._start(lane, options)  # ends when the card is done
        if took is not None and self._bound.on_device_time is not None:
            self._bound.on_device_time(took)
        for output in lane.outputs:
            lane.stream.download(output)
        lane.stream.wait()

    def _start(self, lane: _Lane, options: Any) -> float | None:  # noqa: ANN401 - of a module that is imported late
        """Run what a lane has bound; return the seconds that took on the card, if they can be known."""
        compute = self._bound.compute
        if compute is None or self._bound.on_device_time is None:
            self._call(lane, options)
            return None
        took = compute.timed(lambda: self._call(lane, options))
        compute.wait()
        return took()

    def _call(self, lane: _Lane, options: Any) -> None:  # noqa: ANN401 - as in _start
        run = self._bound.session.run_with_iobinding
        if self._thread is None:
            run(lane.binding, options)
        else:
            self._thread.submit(run, lane.binding, options).result()

    def _options(self, lane: _Lane) -> Any:  # noqa: ANN401 - as in _start
        options = self._bound.new_options()
        if self._bound.is_graph:
            options.add_run_config_entry(_GRAPH, str(lane.number + 1))
        return options

    def _record(self, lanes: list[_Lane]) -> None:
        """Have each lane's graph recorded."""
        spec = self._bound.spec
        if spec.size is None:
            raise InferenceError("only a session for one size can be a graph", hint="please report this")
        width, height = spec.size
        shape = (1, height, width, spec.channels) if spec.io == "uint8" else (1, spec.channels, height, width)
        with self._one_at_a_time:
            for lane in lanes:
                self._bind(lane, shape)
            for lane in lanes:
                for _ in range(_RUNS_UNTIL_RECORDED):
                    self._start(lane, self._options(lane))

    def _bind(self, lane: _Lane, shape: tuple[int, ...]) -> Buffer:
        """Take memory for batches of a shape, and have ONNX Runtime read and write it."""
        bound, spec = self._bound, self._bound.spec
        lane.binding = lane.given = None  # free before more is taken
        lane.outputs = ()
        axes = (1, 2) if spec.io == "uint8" else (2, 3)
        produced = [side * bound.scale if axis in axes else side for axis, side in enumerate(shape)]
        produced[3 if spec.io == "uint8" else 1] = 1 if spec.grey else 3
        given = self._memory.buffer(shape, np.dtype(spec.io))
        outputs = {onnx_graph.OUTPUT: self._memory.buffer(tuple(produced), np.dtype(spec.io))}
        if spec.io == "uint8":
            outputs[onnx_graph.CHECK] = self._memory.buffer(shape[:1], np.dtype(np.float32))
        binding = bound.session.io_binding()
        for bind, name, buffer in (
            (binding.bind_input, onnx_graph.INPUT, given),
            *((binding.bind_output, name, buffer) for name, buffer in outputs.items()),
        ):
            bind(name, *bound.device, buffer.array.dtype.type, buffer.array.shape, buffer.address)
        lane.given, lane.outputs, lane.binding = given, tuple(outputs.values()), binding
        return given
