"""The lines that only a GPU can run, held against the real classes: what is called, with what, and in which order.

What they compute is for tests/gpu.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, create_autospec

import numpy as np
import pytest

from paragon_core.backends import tensorrt_build, tensorrt_execution
from paragon_core.backends.tensorrt_build import GraphToBuild
from paragon_core.backends.tensorrt_execution import TensorRtExecutor
from paragon_core.engines import IMAGES, Profile
from paragon_core.errors import EngineRefusedError, InferenceError, OutOfMemoryError
from tests.backends.drivers import has_driver

if TYPE_CHECKING:
    from collections.abc import Callable

trt = pytest.importorskip("tensorrt_rtx", reason="pip install 'paragon-sr[tensorrt-rtx]'")

BYTES = GraphToBuild(onnx=b"", io="uint8", channels=3)
STATIC = Profile.static((6, 4))
BATCH = np.arange(72, dtype=np.uint8).reshape(1, 4, 6, 3)


class Buffer:
    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.array: Any = np.zeros(shape, dtype)
        self.address = id(self)


class Stream:
    """Writes down what it is told."""

    def __init__(self, handle: int, told: list[Any]) -> None:
        self.handle, self.told = handle, told

    def upload(self, buffer: Buffer) -> None:
        self.told.append(("upload", self.handle, buffer.array.shape))

    def download(self, buffer: Buffer) -> None:
        self.told.append(("download", self.handle, buffer.array.shape))

    def wait_for(self, other: Stream) -> None:
        self.told.append(("after", self.handle, other.handle))

    def wait(self) -> None:
        self.told.append(("wait", self.handle))

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        work()
        self.told.append("recorded")
        return lambda: self.told.append("replayed")

    def timed(self, work: Callable[[], None]) -> Callable[[], float]:
        self.told.append(("start", self.handle))
        work()
        self.told.append(("end", self.handle))
        return lambda: 0.25


class Memory:
    def __init__(self) -> None:
        self.told: list[Any] = []
        self.streams = 0

    def use(self) -> None:
        pass

    def stream(self) -> Stream:
        self.streams += 1
        return Stream(self.streams, self.told)

    def buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Buffer:
        return Buffer(shape, dtype)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(tensorrt_execution, "memory_of", lambda _device: made)
    return made


def a_tensorrt(memory: Memory | None = None) -> Any:
    """Return the module with a runtime, an engine and a context that check how they are called."""
    context = create_autospec(trt.IExecutionContext, instance=True)
    context.set_input_shape.return_value = context.set_tensor_address.return_value = True
    context.get_tensor_shape.return_value = (1, 8, 12, 3)
    context.is_stream_capturable.return_value = True

    def execute(handle: int) -> bool:
        if memory is not None:
            memory.told.append(("execute", handle))
        return True

    context.execute_async_v3.side_effect = execute
    engine = create_autospec(trt.ICudaEngine, instance=True)
    engine.create_execution_context.return_value = context
    runtime = create_autospec(trt.Runtime, instance=True)
    runtime.deserialize_cuda_engine.return_value = engine
    module = MagicMock(wraps=trt, context=context, engine=engine, runtime=runtime)
    module.ILogger = trt.ILogger
    module.Runtime = MagicMock(return_value=runtime)
    return module


def load(
    module: Any, profile: Profile = STATIC, graph: GraphToBuild = BYTES, lanes: int = 2, **options: Any
) -> TensorRtExecutor:
    return TensorRtExecutor(module, b"engine", graph, profile, device=0, lanes=lanes, **options)


def test_a_batch_goes_up_is_computed_and_comes_down_in_this_order(memory: Memory) -> None:
    module = a_tensorrt(memory)
    executor = load(module)
    module.runtime.deserialize_cuda_engine.assert_called_once_with(b"engine")
    with executor.lend(BATCH) as output:
        assert output.shape == (1, 8, 12, 3)
        assert output.dtype == np.uint8
    lane, compute = 2, 1
    assert memory.told == [
        ("upload", lane, (1, 4, 6, 3)),
        ("after", compute, lane),
        ("execute", compute),
        ("after", lane, compute),
        ("download", lane, (1, 8, 12, 3)),
        ("wait", lane),
    ]
    module.context.set_input_shape.assert_called_with("input", (1, 4, 6, 3))
    assert [call.args[0] for call in module.context.set_tensor_address.call_args_list] == ["input", "output"]


def test_two_callers_have_two_lanes_and_one_stream_computes(memory: Memory) -> None:
    executor = load(a_tensorrt(memory))
    with executor.lend(BATCH) as first, executor.lend(BATCH) as second:
        assert not np.shares_memory(first, second)
    assert memory.streams == 3
    assert {entry[1] for entry in memory.told if entry[0] == "execute"} == {1}
    assert {entry[1] for entry in memory.told if entry[0] == "upload"} == {2, 3}


def test_one_size_is_recorded_once_and_replayed(memory: Memory) -> None:
    executor = load(a_tensorrt(memory), lanes=1)
    for _ in range(4):
        with executor.lend(BATCH):
            pass
    graph = [entry for entry in memory.told if entry in {"recorded", "replayed"} or entry[0] == "execute"]
    assert graph == [("execute", 1), ("execute", 1), "recorded", "replayed", "replayed", "replayed"]


def test_the_time_of_the_computation_is_taken_without_the_copies(memory: Memory) -> None:
    seconds: list[float] = []
    executor = load(a_tensorrt(memory), lanes=1, on_device_time=seconds.append)
    for _ in range(4):
        with executor.lend(BATCH):
            pass
    lane, compute = 2, 1
    kinds = [entry if isinstance(entry, str) else entry[:2] for entry in memory.told]
    around = [("after", compute), ("start", compute), ("execute", compute), ("end", compute), ("after", lane)]
    assert kinds[1:6] == around
    assert kinds[-7:] == [
        ("after", compute),
        ("start", compute),
        "replayed",
        ("end", compute),
        ("after", lane),
        ("download", lane),
        ("wait", lane),
    ]
    assert seconds == [0.25] * 4


@pytest.mark.parametrize("capturable", [True, False])
def test_many_sizes_or_what_cannot_be_recorded_is_started_each_time(memory: Memory, *, capturable: bool) -> None:
    module = a_tensorrt(memory)
    module.context.is_stream_capturable.return_value = capturable
    executor = load(module, IMAGES if capturable else STATIC, lanes=1)
    for _ in range(3):
        with executor.lend(BATCH):
            pass
    assert "recorded" not in memory.told
    assert module.context.execute_async_v3.call_count == 3


def test_another_size_gets_other_buffers(memory: Memory) -> None:
    module = a_tensorrt(memory)
    executor = load(module, IMAGES, lanes=1)
    for size in ((4, 6), (4, 6), (5, 7)):
        module.context.get_tensor_shape.return_value = (1, 2 * size[0], 2 * size[1], 3)
        with executor.lend(np.zeros((1, *size, 3), np.uint8)) as output:
            assert output.shape == (1, 2 * size[0], 2 * size[1], 3)
    assert module.context.get_tensor_shape.call_count == 2


def test_refusals_are_told_with_what_tensorrt_said(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    del memory
    module = a_tensorrt()

    def refuse(_data: bytes) -> None:
        module.Runtime.call_args.args[0].log(trt.ILogger.ERROR, "built for another GPU")

    module.runtime.deserialize_cuda_engine.side_effect = refuse
    with caplog.at_level(logging.DEBUG), pytest.raises(EngineRefusedError, match="built for another GPU"):
        load(module)
    module = a_tensorrt()
    module.engine.create_execution_context.return_value = None
    with pytest.raises(OutOfMemoryError):
        load(module)
    module = a_tensorrt()
    module.context.execute_async_v3.side_effect = None
    module.context.execute_async_v3.return_value = False
    with pytest.raises(InferenceError, match="did not run"), load(module).lend(BATCH):
        pass
    module = a_tensorrt()
    module.context.set_input_shape.return_value = False
    with pytest.raises(InferenceError, match="does not take"), load(module).lend(BATCH):
        pass


def test_another_type_is_refused_before_its_bytes_are_taken_for_pixels(memory: Memory) -> None:
    with pytest.raises(InferenceError, match="uint8, not float32"), load(a_tensorrt()).lend(BATCH.astype(np.float32)):
        pass
    assert memory.told == []


def test_a_real_engine_is_refused_here_without_a_crash_or_a_word_on_stdout(
    memory: Memory, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where there is no driver TensorRT-RTX's own runtime answers, too."""
    del memory
    if tensorrt_build.installed_version() and has_driver():
        pytest.skip("here is a driver")
    with pytest.raises(EngineRefusedError, match=r"TensorRT refused the engine: .*[Cc]uda"):
        load(trt)
    assert capfd.readouterr().out == ""
