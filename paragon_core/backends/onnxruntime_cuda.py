"""ONNX Runtime's CUDA provider: whether it computes here.

That a wheel has the provider says little: its libraries of CUDA and cuDNN are other packages, and where they are
missing ONNX Runtime computes on the processor without an error.
"""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from paragon_core.backends import cuda_driver
from paragon_core.errors import BackendUnavailableError
from paragon_core.graph.onnx_nodes import IR_VERSION, OPSET

PROVIDER: Final = "CUDAExecutionProvider"

#: Severity of messages that are not shown, not even errors: they are raised, and we report them.
SILENT: Final = 4

_SIDE: Final = 8
_LIBRARIES_MISSING: Final = "its CUDA or cuDNN libraries are missing or do not load"

_LOG = logging.getLogger(__name__)


def obstacle(runtime: Any) -> str:  # noqa: ANN401 - the module is imported late, so its type is not known here
    """Return why the CUDA provider of this ONNX Runtime does not compute here; empty if it does.

    The driver is asked, the libraries of CUDA and cuDNN that pip installed are loaded, and a convolution is run.
    """
    if PROVIDER not in runtime.get_available_providers():
        return "this ONNX Runtime was built without CUDA"
    try:
        cuda_driver.find()
    except BackendUnavailableError as error:
        return str(error)
    preload(runtime)
    return _failure_of_a_convolution(runtime)


def preload(runtime: Any) -> None:  # noqa: ANN401 - as in obstacle
    """Load the libraries of CUDA and cuDNN that pip installed: the wheel itself does not look for them.

    What ONNX Runtime prints about those that are missing goes to the log.
    """
    load = getattr(runtime, "preload_dlls", None)  # since 1.21
    if load is None:
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):  # standard output may be a pipe full of pixels
            load()
    except Exception as error:  # noqa: BLE001 - what it lacks shows when a session is opened
        _LOG.debug("libraries of CUDA are not loaded in advance: %s", error)
    if said.getvalue():
        _LOG.debug("%s", said.getvalue().strip())


def _failure_of_a_convolution(runtime: Any) -> str:  # noqa: ANN401 - as in obstacle
    """Run a convolution, which needs cuDNN, on the CUDA provider alone; return why that fails, or nothing."""
    options = runtime.SessionOptions()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        # Without the fallback, which prints to standard output and computes on the processor.
        session = runtime.InferenceSession(_convolution(), options, providers=[PROVIDER], enable_fallback=0)
        if PROVIDER not in session.get_providers():
            return _LIBRARIES_MISSING
        (output,) = session.run(None, {"x": np.ones((1, 1, _SIDE, _SIDE), np.float32)})
    except Exception as error:  # noqa: BLE001 - the runtime has no exception type of its own
        text = " ".join(str(error).split()) or type(error).__name__
        return _LIBRARIES_MISSING if "assigned to the default CPU EP" in text else text
    return "" if np.array_equal(output, np.full((1, 1, _SIDE, _SIDE), 2, np.float32)) else "it computes wrong values"


def _convolution() -> bytes:
    """Return a graph that doubles an image by a convolution."""
    shape = [1, 1, _SIDE, _SIDE]
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight[0, 0, 1, 1] = 2
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])],
        "trial",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())
