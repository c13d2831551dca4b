"""ONNX Runtime on graphics cards of any maker: its plugin for WebGPU, which uses Direct3D 12, Vulkan or Metal."""

from __future__ import annotations

import functools
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from paragon_core.backends.base import Session
from paragon_core.backends.cancellation import Cancellation
from paragon_core.backends.failures import failure, refuse_non_finite, unavailable
from paragon_core.errors import BackendError, BackendUnavailableError
from paragon_core.graph import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paragon_core.backends.base import SessionOptions
    from paragon_core.graph.graph_spec import GraphSpec
    from paragon_core.models.model import Model

#: The device's name in `SessionOptions`; the plugin chooses the card itself.
DEVICE: Final = "webgpu"

_BACKEND: Final = "onnxruntime"
_INSTALL: Final = "pip install 'paragon-sr[webgpu]'"
_DRIVER_HINT: Final = "install the newest driver of the card, on Linux also libvulkan1; or use device cpu"
_NOT_EVEN_ERRORS: Final = 4  # they are raised, and we report them

#: Under this name the plugin is registered. The one in its documentation is left to the program around us: a name that
#: is registered twice ends the process.
_REGISTERED_AS: Final = "paragon.webgpu"

#: All sessions of a process compute on one device, which takes calls of one thread at a time: two runs at once, even of
#: two sessions, end the process (seen with 0.4.0). Reentrant, since a session may be freed while another one runs.
_DEVICE_LOCK: Final = threading.RLock()


class WebGpuSession(Session):
    """A network on the graphics card; calls from several threads wait for each other."""

    def __init__(self, runtime: Any, session: Any, *, fixed_size: bool) -> None:  # noqa: ANN401 - imported late
        """Keep a session; with ``fixed_size``, give it memory on the card, where it is recorded and played back."""
        self._runtime = runtime
        self._session = session
        self._recorded = _Recorded(runtime, session) if fixed_size else None

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one batch; see `Session.run`."""
        return self._run(batch, Cancellation())

    @contextmanager
    def lend(self, batch: npt.NDArray[Any], cancellation: Cancellation | None = None) -> Iterator[npt.NDArray[Any]]:
        """Run one batch; see `Session.lend`. Recorded runs are not cancelled: they take a moment."""
        yield self._run(batch, cancellation or Cancellation())

    def close(self) -> None:
        """Release the memory on the card."""
        with _DEVICE_LOCK:
            if self._recorded is not None:
                self._recorded.release()
            self._session = self._recorded = None

    def __del__(self) -> None:
        """Release it also where nobody called `close`, while no other session runs."""
        with suppress(AttributeError, TypeError):  # it was not fully made, or Python is shutting down
            self.close()

    def _run(self, batch: npt.NDArray[Any], cancellation: Cancellation) -> npt.NDArray[Any]:
        batch = np.ascontiguousarray(batch)
        with _DEVICE_LOCK:
            if self._session is None:
                msg = "the session was closed"
                raise BackendUnavailableError(msg, hint="open a new Upscaler")
            try:
                if self._recorded is not None:
                    output, *check = self._recorded.run(batch)
                else:
                    options = self._runtime.RunOptions()
                    with cancellation.ending(lambda: setattr(options, "terminate", True)):
                        output, *check = self._session.run(None, {onnx_graph.INPUT: batch}, options)
            except Exception as error:  # the runtime has no exception type of its own for this
                raise _translated(error) from error
        if check:
            refuse_non_finite(_BACKEND, np.asarray(check[0]))
        return np.asarray(output)


class _Recorded:
    """A session's memory on the card: its first run is recorded there, the others play that back."""

    def __init__(self, runtime: Any, session: Any) -> None:  # noqa: ANN401 - imported late
        self._runtime = runtime
        self._session = session
        self._binding = session.io_binding()
        (self._input,) = (self._memory(value) for value in session.get_inputs())
        self._outputs = [self._memory(value) for value in session.get_outputs()]
        self._binding.bind_ortvalue_input(onnx_graph.INPUT, self._input)
        for value, memory in zip(session.get_outputs(), self._outputs, strict=True):
            self._binding.bind_ortvalue_output(value.name, memory)

    def run(self, batch: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Return copies of the outputs."""
        self._input.update_inplace(batch)
        self._session.run_with_iobinding(self._binding)
        results = [np.empty(memory.shape(), _dtype(memory.data_type())) for memory in self._outputs]
        self._runtime.copy_tensors(self._outputs, [self._runtime.OrtValue.ortvalue_from_numpy(to) for to in results])
        return results

    def release(self) -> None:
        """Let go of the recording, and then of the memory that it reads and writes."""
        self._session.release_captured_graph(0)
        del self._binding, self._input, self._outputs, self._session

    def _memory(self, value: Any) -> Any:  # noqa: ANN401 - imported late
        """Return memory on the card for an input or an output."""
        return self._runtime.OrtValue.ortvalue_from_shape_and_type(value.shape, _dtype(value.type), DEVICE, 0)


def is_meant(device: str) -> bool:
    """Return whether a name of a device is this one's."""
    return device.partition(":")[0] == DEVICE


def find(runtime: Any, device: str) -> Any:  # noqa: ANN401 - the module is imported late
    """Return ONNX Runtime's description of the device.

    Raises:
        BackendUnavailableError: the plugin is missing or does not suit, or it finds no graphics card.

    """
    if device != DEVICE:
        raise BackendUnavailableError(f"WebGPU has no device {device!r}", hint=f"use {DEVICE}: it takes the fastest")
    try:
        import onnxruntime_ep_webgpu as plugin  # noqa: PLC0415 - optional

        with _DEVICE_LOCK:
            found = _devices(runtime, plugin)
            if found is None:
                _register(runtime, plugin.get_library_path())
                found = _devices(runtime, plugin)
    except Exception as error:  # noqa: BLE001 - not only ImportError: broken installations raise whatever they run into
        raise unavailable("ONNX Runtime's plugin for WebGPU", error, hint=_INSTALL) from None
    if found is None:
        msg = "ONNX Runtime's plugin for WebGPU finds no graphics card here"
        raise BackendUnavailableError(msg, hint=_DRIVER_HINT)
    return found


def open_session(runtime: Any, model: Model, spec: GraphSpec, options: SessionOptions) -> WebGpuSession:  # noqa: ANN401 - imported late
    """Build a session; see `Backend.open`.

    All of the network runs on the card. Only where photo and pro take any size, ONNX Runtime computes lengths of axes
    on the processor.
    """
    found = find(runtime, options.device)
    if options.precision == "bf16":
        raise BackendUnavailableError("ONNX Runtime on WebGPU does not run bf16", hint="use precision fp32 or fp16")
    precision: Literal["fp32", "fp16"] = "fp16" if options.precision == "fp16" else "fp32"
    graph = onnx_graph.build(model, spec, precision=precision, merge_base=False, webgpu=True, check=spec.io == "uint8")
    fixed_size = spec.size is not None
    given = runtime.SessionOptions()
    given.intra_op_num_threads = given.inter_op_num_threads = 1
    given.log_severity_level = _NOT_EVEN_ERRORS
    given.enable_mem_pattern = False  # asked for by recording
    if fixed_size or model.spec.receptive_radius is not None:
        given.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    settings = {"preferredLayout": "NCHW", "enableGraphCapture": str(int(fixed_size))}
    try:
        with _DEVICE_LOCK:
            given.add_provider_for_devices([found], settings)
            session = runtime.InferenceSession(graph.SerializeToString(), given, enable_fallback=0)
            return WebGpuSession(runtime, session, fixed_size=fixed_size)
    except Exception as error:
        raise _translated(error) from error


def _translated(error: Exception) -> BackendError:
    """Return our error for one of the plugin, which says the cause at the end of a long text."""
    text = str(error)
    if "WebGPU adapter" in text:
        msg = "WebGPU does not work with the graphics cards and drivers here"
        return BackendUnavailableError(msg, hint=_DRIVER_HINT)
    if "requires f16" in text:
        msg = "this graphics card does not compute in fp16 with WebGPU"
        return BackendUnavailableError(msg, hint="use precision fp32 or auto")
    return failure(_BACKEND, error)


@functools.cache  # an error is not kept: its cause may be fixed
def _register(runtime: Any, library: str) -> None:  # noqa: ANN401 - imported late
    """Load the plugin, but once a process, also where it then has no device."""
    runtime.register_execution_provider_library(_REGISTERED_AS, library)


def _devices(runtime: Any, plugin: Any) -> Any:  # noqa: ANN401 - imported late
    """Return the description of the device; None if there is none, or the plugin is not registered."""
    name = plugin.get_ep_name()
    return next((device for device in runtime.get_ep_devices() if device.ep_name == name), None)


def _dtype(name: str) -> np.dtype[Any]:
    """Return NumPy's type for ONNX Runtime's name of it: "tensor(uint8)"."""
    return np.dtype({"tensor(uint8)": np.uint8, "tensor(float)": np.float32}[name])
