"""ONNX graphs from bytes to bytes in the runtimes that compute exactly: float32 throughout, one thread a call."""

from __future__ import annotations

import functools
import queue
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import openvino

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    Pixels = npt.NDArray[np.uint8]
    Upscale = Callable[[Pixels], Pixels]


def open_openvino(graph: onnx.ModelProto, calls: int) -> Upscale:
    """Return a function that runs a graph in OpenVINO; as many calls as given may be under way at once."""
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": str(calls),
        "INFERENCE_NUM_THREADS": str(calls),
        "ENABLE_CPU_PINNING": False,
    }
    core = _core()
    compiled = core.compile_model(core.read_model(graph.SerializeToString()), "CPU", settings)
    requests: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
    for _ in range(calls):
        requests.put(compiled.create_infer_request())

    def upscale(image: Pixels) -> Pixels:
        request = requests.get()
        try:
            result = request.infer([image[None]], share_inputs=True, share_outputs=True)[0]
            return np.array(result[0])
        finally:
            requests.put(request)

    return upscale


@functools.cache  # what it keeps about signals is mixed up where there are many
def _core() -> openvino.Core:
    return openvino.Core()


def open_onnxruntime(graph: onnx.ModelProto, calls: int) -> Upscale:
    """Return a function that runs a graph in ONNX Runtime, each call on its caller's thread."""
    del calls
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(session.run(None, {"input": image[None]})[0])[0]


#: By the names that Paragon's own backends have.
RUNTIMES: Final[dict[str, Callable[[onnx.ModelProto, int], Upscale]]] = {
    "openvino": open_openvino,
    "onnxruntime": open_onnxruntime,
}
