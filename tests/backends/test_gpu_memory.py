"""Memory and streams of a GPU, held against the real classes: what is called, with what, and in which order."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from unittest.mock import MagicMock, create_autospec

import numpy as np
import pytest

from paragon_core.backends.gpu_memory import CudaMemory, TorchMemory


def test_memory_by_cuda_core() -> None:
    core = pytest.importorskip("cuda.core", reason="pip install cuda-core")
    made = MagicMock()
    device = create_autospec(core.Device, instance=True)
    streams = [create_autospec(core.Stream, instance=True, handle=number) for number in (10, 11, 12)]
    device.create_stream.side_effect = streams
    kept = (ctypes.c_uint8 * 24)()
    host = create_autospec(core.Buffer, instance=True, size=24, handle=ctypes.addressof(kept))
    on_device = create_autospec(core.Buffer, instance=True, size=24, handle=4096)
    device.allocate.return_value = on_device
    made.Device.return_value = device
    made.LegacyPinnedMemoryResource.return_value = create_autospec(core.LegacyPinnedMemoryResource, instance=True)
    made.LegacyPinnedMemoryResource.return_value.allocate.return_value = host

    memory = CudaMemory(made, 1)
    made.Device.assert_called_once_with(1)
    buffer = memory.buffer((2, 3), np.dtype(np.float32))
    device.allocate.assert_called_once_with(24, stream=streams[0])
    buffer.array[...] = 1.5
    assert np.frombuffer(bytes(kept), np.float32).tolist() == [1.5] * 6
    assert buffer.address == 4096
    one, other = memory.stream(), memory.stream()
    assert one.handle == 11
    one.upload(buffer)
    host.copy_to.assert_called_once_with(on_device, stream=streams[1])
    one.download(buffer)
    on_device.copy_to.assert_called_once_with(host, stream=streams[1])
    one.wait_for(other)
    streams[1].wait.assert_called_once_with(streams[2].record.return_value)
    one.wait()
    streams[1].sync.assert_called_once_with()

    def now(*, options: object) -> float:
        assert options is made.EventOptions.return_value
        return next(clock)

    clock = iter((1000.0, 1500.0))  # events are subtracted, which gives milliseconds
    streams[1].record.side_effect = now
    assert one.timed(lambda: None)() == 0.5
    made.EventOptions.assert_called_once_with(timing_enabled=True)
    assert core.EventOptions(timing_enabled=True).timing_enabled

    builder = create_autospec(core.graph.GraphBuilder, instance=True)
    streams[1].create_graph_builder.return_value = builder
    started: list[str] = []
    launch = one.record(lambda: started.append("work"))
    builder.begin_building.assert_called_once_with(mode="thread_local")
    builder.end_building.assert_called_once_with()
    launch()
    builder.complete.return_value.launch.assert_called_once_with(streams[1])
    assert started == ["work"]


def test_memory_by_torch() -> None:
    torch = pytest.importorskip("torch")
    made = SimpleNamespace(
        device=torch.device,
        uint8=torch.uint8,
        cuda=create_autospec(torch.cuda),
        empty=lambda shape, **options: torch.empty(shape, dtype=options["dtype"]),
    )
    memory = TorchMemory(made, 1)
    memory.use()
    made.cuda.set_device.assert_called_once_with(torch.device("cuda", 1))
    buffer = memory.buffer((2, 3), np.dtype(np.uint8))
    assert buffer.array.shape == (2, 3)
    assert buffer.array.dtype == np.uint8
    stream = create_autospec(torch.cuda.Stream, instance=True, cuda_stream=11)
    made.cuda.Stream.return_value = stream
    one = memory.stream()
    assert one.handle == 11
    buffer.array[...] = 7
    one.upload(buffer)
    assert buffer.device.tolist() == [[7] * 3] * 2
    buffer.device.fill_(9)
    one.download(buffer)
    assert buffer.array.tolist() == [[9] * 3] * 2
    one.wait_for(one)
    stream.wait_stream.assert_called_once_with(stream)
    one.wait()
    made.cuda.Event.assert_called_once_with(blocking=True)
    made.cuda.Event.return_value.record.assert_called_once_with(stream)
    made.cuda.Event.return_value.synchronize.assert_called_once_with()
    started: list[str] = []
    one.run(lambda: started.append("work"))
    assert started == ["work"]
    one.record(lambda: started.append("recorded"))()
    made.cuda.CUDAGraph.return_value.replay.assert_called_once_with()
    assert started == ["work", "recorded"]
    one.record(lambda: None)
    pools = [call.kwargs["pool"] for call in made.cuda.graph.call_args_list]
    assert pools == [made.cuda.graph_pool_handle.return_value] * 2
    made.cuda.graph_pool_handle.assert_called_once_with()
    assert {call.kwargs["capture_error_mode"] for call in made.cuda.graph.call_args_list} == {"thread_local"}


def test_torch_tells_the_time_of_what_was_started() -> None:
    torch = pytest.importorskip("torch")
    made = SimpleNamespace(device=torch.device, cuda=create_autospec(torch.cuda))
    stream = create_autospec(torch.cuda.Stream, instance=True, cuda_stream=11)
    made.cuda.Stream.return_value = stream
    one = TorchMemory(made, 0).stream()
    told: list[str] = []
    start, end = (create_autospec(torch.cuda.Event, instance=True) for _ in range(2))
    start.record.side_effect = lambda _stream: told.append("start")
    end.record.side_effect = lambda _stream: told.append("end")
    made.cuda.Event.side_effect = [start, end]
    start.elapsed_time.return_value = 250.0
    took = one.timed(lambda: told.append("work"))
    assert told == ["start", "work", "end"]
    start.elapsed_time.assert_not_called()  # before it is done, CUDA does not know it
    assert took() == 0.25
    start.elapsed_time.assert_called_once_with(end)
    assert [each.record.call_args.args for each in (start, end)] == [(stream,), (stream,)]


def test_torchs_memory_is_selected_settled_and_trimmed() -> None:
    torch = pytest.importorskip("torch")
    made = SimpleNamespace(device=torch.device, cuda=create_autospec(torch.cuda))
    memory = TorchMemory(made, 1)
    with memory.selected():
        made.cuda.device.assert_called_once_with(torch.device("cuda", 1))
    memory.settle()
    made.cuda.current_stream.assert_called_once_with(torch.device("cuda", 1))
    made.cuda.current_stream.return_value.synchronize.assert_called_once_with()
    memory.trim()
    made.cuda.empty_cache.assert_called_once_with()
    made.accelerator = create_autospec(torch.accelerator)
    memory.trim()
    if hasattr(torch.accelerator, "empty_host_cache"):
        made.accelerator.empty_host_cache.assert_called_once_with()
    made.cuda.set_device.assert_not_called()  # the host program's own device stays
