"""The way of an image over an NVIDIA card, on a card made of the processor that does everything as late as it may.

What a card computes, and how fast, is for tests/gpu.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch

from paragon_core.backends import BACKENDS, PlaneSession, SessionOptions
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.staging import Layout
from paragon_core.backends.torch import TorchBackend
from paragon_core.backends.torch_cuda import CudaFrames, CudaSession, _Form
from paragon_core.backends.torch_network import TorchNetwork, Work, on_samples
from paragon_core.errors import BackendUnavailableError, InferenceError, NonFiniteError, OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling.upscaler import Upscaler
from tests.backends.slow_card import SlowCard
from tests.random_models import batch, random_image, random_model, spec
from tests.upscalers import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.backends import Precision
    from paragon_core.models.model import Model

torch.set_num_threads(1)

CPU = torch.device("cpu")
MODEL = random_model(spec("realtime"))
TORCH = BACKENDS["torch"]


def opened(
    model: Model = MODEL,
    form: GraphSpec = GraphSpec(),  # noqa: B008 - frozen
    *,
    card: SlowCard | None = None,
    lanes: int = 1,
    precision: Precision = "fp32",
    network: Callable[[torch.Tensor], torch.Tensor] | None = None,
    work: Work | None = None,
    on_device_time: Callable[[float], None] | None = None,
) -> CudaSession:
    made: Any = card or SlowCard()
    levels = form.fused and form.io == "uint8"
    network = network or TorchNetwork(model, form, precision=precision, device=CPU, levels=levels)
    work = work or on_samples(network, CPU, levels=levels)
    frames = CudaFrames(work, made, CPU, scale=model.spec.scale, lanes=lanes, on_device_time=on_device_time)
    return CudaSession(frames, form, scale=model.spec.scale, trim=made.trim)


def kernels(form: GraphSpec) -> Work:
    """Return what takes the place of the Triton kernels: samples as they are go in and come out."""
    network = TorchNetwork(MODEL, form, precision="fp32", device=CPU)

    def work(image: torch.Tensor, out: torch.Tensor, finite: torch.Tensor, *, clip: bool) -> None:
        peak = 1 if image.is_floating_point() else torch.iinfo(image.dtype).max
        values = network(image.to(torch.float32) / peak)
        finite.fill_(int(values.isfinite().all()))
        if clip or peak != 1:
            values = values.clamp(0, 1)
        out.copy_(values if peak == 1 else (values * peak).round())

    return work


class OnSlowCard(TorchBackend):
    """torch, as if the processor were an NVIDIA card."""

    name = "slow card"

    def __init__(self) -> None:
        self.card = SlowCard()

    def probe(self) -> Any:
        return replace(super().probe(), accelerator="cuda", streams=3)

    def free_memory(self, device: str) -> int | None:
        del device
        return 2**30

    def reduced_precisions(self, device: str) -> tuple[Precision, ...]:
        del device
        return ()

    def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
        return opened(model, spec, card=self.card, lanes=options.streams, precision=options.precision)


# --- pixels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_a_batch_is_what_the_processor_makes_of_it(io: Any, *, grey: bool, fused: bool) -> None:
    form = GraphSpec(io=io, grey=grey, fused=fused)
    channels = 1 if grey else 3
    value = batch(2, 9, 12, channels) if io == "float32" else random_image(9, 12, channels)[None].repeat(2, 0)
    expected = TORCH.open(MODEL, form, SessionOptions(device="cpu")).run(value)
    session = opened(form=form)
    for _ in range(4):  # eager at first, then as a graph
        result = session.run(value)
        assert result.dtype == expected.dtype
        assert np.abs(result.astype(np.float64) - expected).max() <= (1 if io == "uint8" else 1e-5)
        assert (result != expected).mean() <= (0.001 if io == "uint8" else 1)


def test_the_detail_path_sees_the_second_half() -> None:
    form = GraphSpec(separate_detail=True)
    value = batch(1, 9, 12, channels=6)
    expected = TORCH.open(MODEL, form, SessionOptions(device="cpu")).run(value)
    assert np.abs(opened(form=form).run(value) - expected).max() <= 1e-5


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(("io", "separate"), [("float32", False), ("float32", True), ("uint8", False)])
def test_kernels_of_our_own_get_samples_as_they_are(io: Any, *, separate: bool, grey: bool) -> None:
    form = GraphSpec(io=io, grey=grey, separate_detail=separate)
    value = batch(1, 9, 12, form.channels) if io == "float32" else random_image(9, 12, form.channels)[None]
    expected = TORCH.open(MODEL, form, SessionOptions(device="cpu")).run(value)
    session = opened(form=form, work=kernels(form))
    for _ in range(4):  # one by one at first, then as a graph
        assert np.abs(session.run(value).astype(np.float64) - expected).max() <= (1 if io == "uint8" else 1e-5)
    if io == "float32":
        value[0, 0, 3, 4] = np.nan
        with pytest.raises(NonFiniteError):
            session.run(value)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("options", [{}, {"tile": 24}, {"padding": "zero", "tile": (30, 24), "concurrency": 2}])
def test_images_of_all_kinds_are_those_of_another_runtime(
    channels: tuple[int, ...], dtype: str, options: dict[str, Any]
) -> None:
    image = random_image(41, 35, *channels, dtype=dtype)
    with (
        Upscaler(MODEL, backend=OnSlowCard(), precision="fp32", **options) as upscaler,
        Upscaler(MODEL, backend=OnnxRuntimeBackend(), device="cpu", precision="fp32", **options) as exact,
    ):
        result, expected = upscaler(image), exact(image)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    difference = np.abs(result.astype(np.float64) - expected)
    if dtype.startswith("uint"):
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 0.01
    else:
        assert difference.max() <= (1e-3 if dtype == "float16" else ROUNDING)


def test_a_network_that_sees_the_whole_image_keeps_its_windows_in_tiles() -> None:
    model, image = random_model(spec("photo")), random_image(101, 90, 3, dtype="float32")
    with (
        Upscaler(model, backend=OnSlowCard(), precision="fp32", tile=76) as upscaler,
        Upscaler(model, backend=OnnxRuntimeBackend(), device="cpu", precision="fp32", tile=76) as exact,
    ):
        assert np.abs(upscaler(image) - exact(image)).max() <= ROUNDING


@pytest.mark.parametrize("clip", [True, False])
def test_planes_are_written_where_they_are(*, clip: bool) -> None:
    planes = [np.asfortranarray(random_image(20, 30, 3, dtype="float32")[..., channel] * 1.4) for channel in range(3)]
    frames: list[list[Any]] = []
    for backend in (OnSlowCard(), OnnxRuntimeBackend()):
        out = [np.full((80, 60), 5, np.float32)[::2].copy() for _ in range(3)]
        with Upscaler(MODEL, backend=backend, precision="fp32", clip=clip) as upscaler:
            for _ in range(3):
                upscaler.upscale_planes(planes, [plane[:, ::-1] for plane in out])
        frames.append(out)
    for ours, theirs in zip(*frames, strict=True):
        assert np.abs(ours - theirs).max() <= ROUNDING
        assert (ours.max() <= 1) == clip


def test_with_the_tile_cache_batches_are_run() -> None:
    backend = OnSlowCard()
    image = random_image(60, 60, 3)
    with Upscaler(MODEL, backend=backend, precision="fp32", reuse=True, tile=40) as upscaler:
        first = upscaler(image)
        computed = upscaler.tiles_computed
        assert np.array_equal(upscaler(image), first)
        assert upscaler.tiles_computed == computed
        assert upscaler.tiles_reused > 0


def test_threads_do_not_mix_their_pixels() -> None:
    session = opened(form=GraphSpec(io="uint8"), lanes=3)
    images = [random_image(11, 13, 3, seed=seed)[None] for seed in range(6)]
    expected = [opened(form=GraphSpec(io="uint8")).run(each) for each in images]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            results = list(pool.map(session.run, images * 3))
            assert all(map(np.array_equal, results, expected * 3))


# --- order -----------------------------------------------------------------------------------------------------------


def test_a_tile_goes_up_is_computed_and_comes_down_and_only_its_end_is_waited_for() -> None:
    card = SlowCard()
    opened(form=GraphSpec(io="uint8"), card=card).run(random_image(4, 6, 3)[None])
    assert card.told == [
        "lane 1: upload",
        "compute: wait for lane 1",
        "compute: run",
        "lane 1: wait for compute",
        "lane 1: download",
        "lane 1: download",
        "lane 1: wait",
    ]
    assert card.buffers == [((4, 6, 3), "uint8"), ((8, 12, 3), "uint8"), ((1,), "uint8")]


def test_samples_travel_in_their_own_type() -> None:
    for dtype in ("uint16", "float32"):
        backend = OnSlowCard()
        with Upscaler(MODEL, backend=backend, precision="fp32", padding="zero") as upscaler:
            upscaler(random_image(4, 6, 3, dtype=dtype))
        assert backend.card.buffers == [((4, 6, 3), dtype), ((8, 12, 3), dtype), ((1,), "uint8")]


def test_the_third_tile_of_a_size_is_a_graph_and_another_size_begins_again() -> None:
    card = SlowCard()
    session = opened(form=GraphSpec(io="uint8"), card=card)
    for width in (6, 6, 6, 6, 7, 6):
        session.run(random_image(4, width, 3)[None])
    work = [
        told.removeprefix("compute: ") for told in card.told if told in {"record", "compute: run", "compute: replay"}
    ]
    assert work == ["run", "run", "record", "replay", "replay", "run", "run"]
    assert len(card.buffers) == 3 * 3


def test_the_card_tells_the_time_of_each_tile_as_layers_and_as_a_graph() -> None:
    seconds: list[float] = []
    session = opened(on_device_time=seconds.append)
    for seed in range(4):
        session.run(batch(1, 9, 12, seed=seed))
    assert seconds == [0.25] * 4


def test_one_caller_at_a_time_takes_memory_once() -> None:
    card = SlowCard()
    session = opened(form=GraphSpec(io="uint8"), card=card, lanes=3)
    for _ in range(4):
        session.run(random_image(4, 6, 3)[None])
    assert len(card.buffers) == 3


def test_where_no_graph_can_be_recorded_layers_go_on_being_launched(caplog: pytest.LogCaptureFixture) -> None:
    card = SlowCard()
    card.refuses_graphs = True
    session = opened(form=GraphSpec(io="uint8"), card=card)
    image = random_image(4, 6, 3)[None]
    with caplog.at_level(logging.INFO):
        results = [session.run(image) for _ in range(4)]
    assert all(np.array_equal(result, results[0]) for result in results)
    assert [record.getMessage() for record in caplog.records] == [
        "torch records no CUDA graph: operation not permitted when stream is capturing"
    ]


def test_one_session_serves_all_sizes() -> None:
    backend = OnSlowCard()
    opened_specs: list[GraphSpec] = []

    class Noted(OnSlowCard):
        def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
            opened_specs.append(spec)
            return backend.open(model, spec, options)

    planes = [random_image(8, 8, 1, dtype="float32")[..., 0] for _ in range(3)]
    with Upscaler(MODEL, backend=Noted(), precision="fp32") as upscaler:
        opened_specs.clear()
        upscaler.upscale_planes(planes, [np.empty((16, 16), np.float32) for _ in range(3)])
        upscaler.upscale_planes(planes, [np.empty((16, 16), np.float32) for _ in range(3)])
    assert {each.size for each in opened_specs} <= {None}


def _form_of(width: int, height: int) -> _Form:
    given, result = (
        Layout(shape=(3, scale * height, scale * width), dtype=np.dtype("float32"), interleaved=False)
        for scale in (1, 2)
    )
    return _Form(given=given, result=result, clip=False)


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_values_that_are_not_numbers_are_an_error_and_the_session_goes_on() -> None:
    bad = [True]

    def network(image: torch.Tensor) -> torch.Tensor:
        result = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return result / 0 if bad[0] else result

    session = opened(network=network)
    value = batch(1, 4, 5)
    with pytest.raises(NonFiniteError):
        session.run(value)
    bad[0] = False
    assert np.array_equal(session.run(value), value.repeat(2, 2).repeat(2, 3))


def test_fp32_takes_over_for_an_image_that_overflows() -> None:
    class Half(OnSlowCard):
        def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
            if options.precision == "fp32":
                return super().open(model, spec, options)
            return opened(model, spec, network=lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3) * np.nan)

    image = random_image(12, 10, 3)
    results = []
    for backend, precision in ((Half(), "fp16"), (OnSlowCard(), "fp32")):
        with Upscaler(MODEL, backend=backend, precision=precision) as upscaler:  # type: ignore[arg-type]
            results.append(upscaler(image))
    assert np.array_equal(results[0], results[1])


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: out of memory"])
def test_a_full_card_is_told_apart_and_emptied(text: str) -> None:
    card = SlowCard()
    full = [True]

    def network(image: torch.Tensor) -> torch.Tensor:
        if full[0]:
            raise torch.OutOfMemoryError(text)
        return image.repeat_interleave(2, 2).repeat_interleave(2, 3)

    session = opened(network=network, card=card)
    with pytest.raises(OutOfMemoryError, match="memory") as caught:
        session.run(batch(1, 4, 5))
    assert "tiles" in caught.value.hint
    assert caught.value.__context__ is None  # which would hold the tensors of the failed call
    assert card.trimmed == 2
    full[0] = False
    assert session.run(batch(1, 4, 5)).shape == (1, 3, 8, 10)


def test_what_idle_lanes_keep_is_given_up_before_a_tile_is_refused() -> None:
    card = SlowCard()
    work = on_samples(lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3), CPU)
    frames = CudaFrames(work, card, CPU, scale=2, lanes=2)  # type: ignore[arg-type]  # not a card's
    session = CudaSession(frames, GraphSpec(), scale=2, trim=card.trim)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(session.run, [batch(1, 4, 5)] * 20))
    lanes = [frames._lanes.get() for _ in range(2)]  # noqa: SLF001 - only their memory shows what they keep
    for lane in lanes:
        frames._lanes.put(lane)  # noqa: SLF001 - likewise
    take, large = card.buffer, (3, 40, 50)

    def buffer(shape: tuple[int, ...], dtype: Any) -> Any:
        if shape == large and any(lane.buffers is not None for lane in lanes):
            raise RuntimeError("CUDA error: out of memory")
        return take(shape, dtype)

    lanes[0].buffers = frames._buffers(_form_of(5, 4))  # noqa: SLF001 - however the threads went
    card.buffer = buffer  # type: ignore[method-assign]
    assert session.run(batch(1, 40, 50)).shape == (1, 3, 80, 100)
    assert card.trimmed == 1


def test_memory_next_to_the_card_may_be_missing_as_well() -> None:
    card = SlowCard()

    def buffer(shape: tuple[int, ...], dtype: Any) -> Any:
        raise RuntimeError(f"CUDA error: out of memory, {shape}, {dtype}")

    card.buffer = buffer  # type: ignore[method-assign]
    with pytest.raises(OutOfMemoryError):
        opened(card=card).run(batch(1, 4, 5))


@pytest.mark.parametrize("value", [batch(1, 4, 5, channels=4), batch(1, 4, 5)[0], random_image(4, 5, 3)[None]])
def test_another_batch_is_refused_and_does_no_harm(value: Any) -> None:
    session = opened()
    expected = session.run(batch(1, 4, 5))
    with pytest.raises(InferenceError, match="torch"):
        session.run(value)
    assert np.array_equal(session.run(batch(1, 4, 5)), expected)


def test_a_closed_session_says_so() -> None:
    card = SlowCard()
    session = opened(card=card)
    assert isinstance(session, PlaneSession)
    session.close()
    session.close()
    assert card.trimmed == 2
    with pytest.raises(BackendUnavailableError, match="closed"):
        session.run(batch(1, 4, 5))
