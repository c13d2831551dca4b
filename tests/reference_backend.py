"""A runtime of engines without a GPU, by TensorRT's rules, on ONNX Runtime: for tests of everything around engines.

A test passes it as ``Upscaler(backend=EngineBackend(Reference()))``.
"""

from __future__ import annotations

import hashlib
import json
import queue
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from paragon_core.backends.base import BackendInfo, Precision
from paragon_core.backends.engine_runtime import EngineDevice
from paragon_core.backends.failures import failure
from paragon_core.engines import BuildOptions, BuildProgress, EngineKey, Profile, Target
from paragon_core.errors import EngineBuildError, EngineRefusedError, InferenceError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from paragon_core.backends.base import SessionOptions
    from paragon_core.backends.tensorrt_build import GraphToBuild

MAGIC: Final = b"paragon reference engine\n"

#: No TensorRT ever had it.
VERSION: Final = "0.0.0.1"

_CAPABILITY: Final = "sm_86"
_TRIAL_SIDE: Final = 8


class Reference:
    """Builds engines that hold an ONNX graph, and runs them."""

    name = "reference"
    reduced_precisions: tuple[Precision, ...] = ()

    def may_accelerate(self) -> bool:
        """Return False: it runs on the CPU."""
        return False

    def probe(self) -> BackendInfo:
        """Return that it works; see `Backend.probe`."""
        return BackendInfo(name=self.name, available=True, reason="for tests", version=VERSION)

    def device(self, name: str) -> EngineDevice:
        """Return a GPU that is not there."""
        del name
        target = Target(capabilities=(_CAPABILITY,))
        return EngineDevice(index=0, capability=_CAPABILITY, flavour="tensorrt_rtx", target=target)

    def key(
        self, model: str, graph: GraphToBuild, precision: Literal["fp32", "fp16"], device: EngineDevice
    ) -> EngineKey:
        """Return the key of the engines of a graph; see `Runtime.key`."""
        return EngineKey(
            model=model,
            onnx_sha256=hashlib.sha256(graph.onnx).hexdigest(),
            flavour=device.flavour,
            version=VERSION,
            target=device.target,
            platform="reference",
            cuda_major=0,
            precision=precision,
            options=BuildOptions(),
        )

    def build(self, graph: GraphToBuild, profile: Profile, key: EngineKey, progress: BuildProgress) -> bytes:
        """Write magic, header and graph, once ONNX Runtime has taken the graph; see `Runtime.build`."""
        progress(0.0, "parsing")
        try:
            _session(graph.onnx)
        except Exception as error:  # the runtime has no exception type of its own for this
            raise EngineBuildError(f"the graph was refused: {error}", hint="use another backend") from error
        header = {"profile": profile.as_json(), "io": graph.io, "capabilities": key.target.capabilities}
        progress(1.0, "writing")
        return MAGIC + json.dumps(header).encode("ascii") + b"\n" + graph.onnx

    def load(
        self, data: bytes, graph: GraphToBuild, profile: Profile, device: EngineDevice, options: SessionOptions
    ) -> ReferenceExecutor:
        """Load an engine; see `Runtime.load`."""
        if not data.startswith(MAGIC):
            raise EngineRefusedError("these bytes are no engine of the reference runtime", hint="build it again")
        text, _, onnx = data.removeprefix(MAGIC).partition(b"\n")
        try:
            header = json.loads(text)
            built_for = Target(capabilities=tuple(header["capabilities"]))
            profile, dtype = Profile.from_json(header["profile"]), np.dtype(header["io"])
            session = _session(onnx)
        except Exception as error:  # as in build
            raise EngineRefusedError(f"the engine is damaged: {error}", hint="build it again") from error
        if not built_for.runs_on(device.capability) or header["io"] != graph.io:
            raise EngineRefusedError("the engine was built for something else", hint="build it again")
        return ReferenceExecutor(session, profile, dtype, options)


class ReferenceExecutor:
    """A loaded engine that holds a caller to what TensorRT allows; see `engine_runtime.Executor`."""

    def __init__(self, session: Any, profile: Profile, dtype: np.dtype[Any], options: SessionOptions) -> None:
        self._session = session
        self._on_device_time = options.on_device_time
        self._profile = profile
        self._dtype = dtype
        self._axes = (1, 2) if dtype == np.uint8 else (2, 3)
        channels = session.get_inputs()[0].shape[3 if dtype == np.uint8 else 1]
        trial = [1, channels, channels, channels]
        for axis in self._axes:
            trial[axis] = _TRIAL_SIDE
        output = session.run(None, {onnx_graph.INPUT: np.zeros(trial, dtype)})[0]
        self._scale = output.shape[self._axes[0]] // _TRIAL_SIDE
        self._channels = (channels, output.shape[3 if dtype == np.uint8 else 1])
        self._lanes: queue.SimpleQueue[dict[tuple[int, ...], npt.NDArray[Any]]] = queue.SimpleQueue()
        for _ in range(options.streams):
            self._lanes.put({})

    @contextmanager
    def lend(self, batch: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Run a batch and lend the lane's own memory; see `engine_runtime.Executor.lend`."""
        produced = self._shape_of_output(batch)
        lane = self._lanes.get()
        try:
            if produced not in lane:
                lane.clear()
                lane[produced] = np.empty(produced, self._dtype)
            started = time.perf_counter()
            try:
                self._run(batch, lane[produced])
            except Exception as error:  # as in Reference.build
                raise failure(Reference.name, error) from error
            if self._on_device_time is not None:
                self._on_device_time(time.perf_counter() - started)
            yield lane[produced]
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        """Drop the session."""
        self._session = None

    def _shape_of_output(self, batch: npt.NDArray[Any]) -> tuple[int, ...]:
        if batch.dtype != self._dtype or not batch.flags.c_contiguous:
            raise InferenceError(f"the engine takes contiguous {self._dtype}, not this {batch.dtype}")
        height, width = (batch.shape[axis] for axis in self._axes)
        shape = list(batch.shape)
        place = ({1, 2, 3} - set(self._axes)).pop()
        if shape[place] != self._channels[0] or not self._profile.covers((width, height), batch=len(batch)):
            raise InferenceError(f"the engine of {self._profile.name} does not take {batch.shape}")
        for axis in self._axes:
            shape[axis] *= self._scale
        if self._dtype == np.uint8:
            shape[1] += 1  # the check
        shape[place] = self._channels[1]
        return tuple(shape)

    def _run(self, batch: npt.NDArray[Any], output: npt.NDArray[Any]) -> None:
        binding = self._session.io_binding()
        for bind, name, array in (
            (binding.bind_input, onnx_graph.INPUT, batch),
            (binding.bind_output, onnx_graph.OUTPUT, output),
        ):
            bind(name, "cpu", 0, self._dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)


def _session(onnx: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415 - optional, and slow to import

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
