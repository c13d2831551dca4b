"""Images in, larger images out: every kind of image, under every option, in any tiles."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.backends import BACKENDS, SessionOptions
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import BackendUnavailableError, InferenceError, InputError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import load
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL, RADIUS, random_image, random_model, spec
from tests.upscalers import CHANNELS, DTYPES, PRESENT_RUNTIMES, ROUNDING, RUNTIMES, same, shared_upscaler, totals

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.model import Model

    Pixels = npt.NDArray[Any]

#: How far pixels may lie from what the network makes in fp32: half a step, where they are rounded to steps.
TOLERANCE = {
    "uint8": 0.5 + 255 * ROUNDING,
    "uint16": 0.5 + 65535 * ROUNDING,
    "float16": 2**-12 + ROUNDING,
    "float32": ROUNDING,
}


def network_output(image: Pixels, model: Model = MODEL) -> npt.NDArray[np.float64]:
    """Return what the plain network makes of [h, w, 3] of 0..1 in one go, outside the class under test."""
    session = OnnxRuntimeBackend().open(model, GraphSpec(fused=False), SessionOptions())
    output = session.run(image.astype(np.float32).transpose(2, 0, 1)[None])
    return np.asarray(output[0].transpose(1, 2, 0), dtype=np.float64)


# --- every kind of image -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_result_is_of_the_kind_of_the_image(dtype: str, channels: tuple[int, ...], runtime: str) -> None:
    for height, width in ((1, 1), (1, 7), (5, 1), (2, 2), (13, 9)):
        image = random_image(height, width, *channels, dtype=dtype)
        before = image.copy()
        result = shared_upscaler(runtime)(image)
        assert result.dtype == image.dtype
        assert result.shape == (2 * height, 2 * width, *channels)
        assert np.array_equal(image, before)
        assert result.flags.writeable
        if dtype.startswith("f"):
            assert result.min() >= 0
            assert result.max() <= 1


@pytest.mark.processor
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_pixels_are_the_networks(dtype: str, runtime: str) -> None:
    image = random_image(12, 15, 3, dtype=dtype)
    peak = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    expected = np.clip(network_output(image / peak), 0, 1) * peak
    tolerance = TOLERANCE[dtype]
    result = shared_upscaler(runtime, padding="zero")(image)
    assert np.abs(result.astype(np.float64) - expected).max() <= tolerance


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_grey_is_the_mean_over_the_colours_of_a_grey_image(dtype: str) -> None:
    grey = random_image(9, 11, dtype=dtype)
    peak = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    expected = np.clip(network_output(np.stack([grey] * 3, axis=2) / peak).mean(axis=2), 0, 1) * peak
    tolerance = TOLERANCE[dtype]
    upscaler = shared_upscaler(padding="zero")
    result = upscaler(grey)
    assert np.abs(result.astype(np.float64) - expected).max() <= tolerance
    assert np.array_equal(result, upscaler(grey[:, :, None])[:, :, 0])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_without_clipping_floats_are_as_the_network_makes_them(dtype: str) -> None:
    image = random_image(12, 15, 3, dtype=dtype)
    raw = shared_upscaler(clip=False, padding="zero")(image)
    assert np.abs(raw - network_output(image)).max() <= (1e-5 if dtype == "float32" else 5e-3)
    assert raw.min() < 0
    assert raw.max() > 1
    assert np.array_equal(np.clip(raw, 0, 1), shared_upscaler(padding="zero")(image))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_clipped_in_any_case(dtype: str) -> None:
    image = random_image(12, 15, 3, dtype=dtype)
    assert np.array_equal(shared_upscaler(clip=False)(image), shared_upscaler()(image))
    assert {0, np.iinfo(dtype).max} <= set(shared_upscaler()(image).ravel().tolist())


def test_alpha_is_clipped_in_any_case_and_leaves_the_visible_colours_alone() -> None:
    image = random_image(12, 15, 4, dtype="float32")
    image[:, :, 3] = image[:, :, 3].round()
    image[:, :, 3] = np.maximum(image[:, :, 3], 0.01)  # nothing is filled
    result = shared_upscaler(clip=False)(image)
    assert result[:, :, 3].min() >= 0
    assert result[:, :, 3].max() <= 1
    assert np.array_equal(result[:, :, :3], shared_upscaler(clip=False)(np.ascontiguousarray(image[:, :, :3])))


@pytest.mark.processor
@pytest.mark.parametrize("name", ["realtime", "stream", "photo", "pro"])
def test_all_runtimes_and_both_forms_agree_for_every_network(name: str) -> None:
    model = random_model(spec(name, scale=3 if name == "stream" else 2))
    image = random_image(11, 14, 4)  # no multiple of the attention window
    results = []
    for runtime, fused in itertools.product(PRESENT_RUNTIMES, (True, False)):
        if BACKENDS[runtime].obstacle(model.spec, fused=fused, precision="fp32"):
            continue
        with Upscaler(model, backend=runtime, precision="fp32", padding="zero", fused=fused, streams=1) as upscaler:
            results.append(upscaler(image).astype(int))
    assert max(np.abs(result - results[0]).max() for result in results) <= 1
    expected = np.clip(network_output(image[:, :, :3] / 255, model), 0, 1) * 255
    assert np.abs(results[0][:, :, :3] - expected).max() <= 0.51


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_the_memory_layout_of_an_image_does_not_matter(data: st.DataObject) -> None:
    channels = data.draw(st.sampled_from([3, 4]))
    dtype = data.draw(st.sampled_from(["uint8", "float32"]))
    large = random_image(20, 24, channels, dtype=dtype)
    large.flags.writeable = False
    step = st.sampled_from([-3, -2, -1, 1, 2])
    view = large[:: data.draw(step), :: data.draw(step)]
    if data.draw(st.booleans()):
        view = view.transpose(1, 0, 2)
    if channels == 3 and data.draw(st.booleans()):
        view = view[:, :, ::-1]  # BGR
    result = shared_upscaler()(view)
    assert np.array_equal(result, shared_upscaler()(view.copy(order="C")))
    result[:] = 0  # the caller's own


@pytest.mark.parametrize(
    "image", [np.zeros((0, 4, 3), "uint8"), np.zeros((4, 4, 3)), np.full((4, 4), np.nan, "f4"), "a"]
)
def test_what_is_no_image_is_refused_and_does_no_harm(image: Any) -> None:
    with pytest.raises(InputError) as caught:
        shared_upscaler()(image)
    assert caught.value.hint
    shared_upscaler()(random_image(3, 3, 3))


def test_a_network_that_overflows_is_reported() -> None:
    loud = random_model(spec("realtime"))
    arrays = dict(loud.arrays)
    for key in ("conv_in.weight", "conv_mid.weight"):
        arrays[key] = arrays[key] * np.float32(1e30)
    broken = type(loud)(**(vars(loud) | {"arrays": arrays}))
    with Upscaler(broken, backend="onnxruntime", streams=1) as upscaler:
        for channels in ((), (3,)):
            with pytest.raises(InferenceError, match="not numbers") as caught:
                upscaler(random_image(4, 4, *channels, dtype="float32"))
            assert "fp32" in caught.value.hint


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        *({"tile": tile} for tile in (0, -1, (4,), (4, 0), (1, 2, 3), "big", 1.5, None, [64, 64], (64.0, 64.0))),
        *({"streams": streams} for streams in (0, -1)),
        *({"max_memory": limit} for limit in (0, -1)),
        {"backend": "tensorflow"},
        {"precision": "fp8"},
        {"precision": "bf16 ", "backend": "openvino"},
        {"model": "no such model"},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_with_advice(options: dict[str, Any]) -> None:
    defaults: dict[str, Any] = {"model": MODEL, "backend": "onnxruntime"}
    with pytest.raises(InputError) as caught:
        Upscaler(**(defaults | options))
    assert caught.value.hint


def test_a_tile_without_room_for_its_halo_is_refused_with_the_smallest_that_has() -> None:
    with Upscaler(MODEL, backend="onnxruntime", padding="zero", tile=2 * RADIUS, streams=1) as upscaler:
        upscaler(random_image(2 * RADIUS, 2 * RADIUS, 3))
        with pytest.raises(InputError, match="too small") as caught:
            upscaler(random_image(2 * RADIUS + 1, 4, 3))
        assert str(2 * RADIUS + 1) in caught.value.hint


@pytest.mark.parametrize(("backend", "device"), [("openvino", "cuda"), ("onnxruntime", "mps"), ("auto", "tpu")])
def test_a_device_that_is_not_there_is_refused_at_once(backend: str, device: str) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        Upscaler(MODEL, backend=backend, device=device)
    assert caught.value.hint


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_an_explicit_precision_works_or_is_refused_at_once(precision: Any, runtime: str) -> None:
    reduced_ones = BACKENDS[runtime].reduced_precisions("cpu")
    if precision in reduced_ones:
        with Upscaler(load("realtime-2x"), backend=runtime, precision=precision, device="cpu", streams=1) as upscaler:
            assert upscaler.precision_of("uint8") == upscaler.precision_of("float32") == precision
            reduced = upscaler(random_image(20, 20, 3)).astype(int)
        with Upscaler(load("realtime-2x"), backend=runtime, precision="fp32", device="cpu", streams=1) as upscaler:
            assert 0 < np.abs(reduced - upscaler(random_image(20, 20, 3))).max() <= 25
    else:
        with pytest.raises(BackendUnavailableError, match=precision) as caught:
            Upscaler(MODEL, backend=runtime, precision=precision, device="cpu")
        assert "fp32" in caught.value.hint


def test_what_is_in_use_can_be_asked() -> None:
    with Upscaler("realtime-2x", backend="onnxruntime", precision="fp32", streams=1) as upscaler:
        assert (upscaler.backend, upscaler.precision_of("uint8"), upscaler.scale) == ("onnxruntime", "fp32", 2)
        assert upscaler.model.name == "realtime-2x"
    with Upscaler(MODEL, device="cpu", streams=1) as upscaler:
        assert upscaler.backend == PRESENT_RUNTIMES[0]


# --- tiles and progress --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", CHANNELS)
def test_progress_rises_to_the_number_of_tiles(channels: tuple[int, ...]) -> None:
    caller = threading.get_ident()
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        assert threading.get_ident() == caller
        calls.append((done, total))

    with Upscaler(MODEL, backend="onnxruntime", padding="zero", tile=(20, 30), streams=2) as upscaler:
        upscaler(random_image(60, 50, *channels), progress=progress)
    tiles = count_tiles(50, 60)
    if channels in {(2,), (4,)}:  # alpha is continued beyond the edge
        tiles += count_tiles(50 + 2 * RADIUS, 60 + 2 * RADIUS)
    assert {total for _, total in calls} == {tiles}
    assert calls == sorted(calls)
    assert calls[-1][0] == tiles


@pytest.mark.parametrize("area", [900, 2500])
def test_tiles_are_no_larger_than_asked_and_do_not_show(area: int) -> None:
    image = random_image(150, 160, 3)
    with Upscaler(MODEL, backend="onnxruntime", precision="fp32", tile_area=area) as upscaler:
        result = upscaler(image)
        tiles = upscaler.tiles_computed
    assert tiles >= 150 * 160 / area
    with Upscaler(MODEL, backend="onnxruntime", precision="fp32", tile="off") as upscaler:
        assert same(result, upscaler(image))


def test_an_interrupt_ends_the_work_in_the_calling_thread_planes_included() -> None:
    caller = threading.get_ident()

    def interrupt() -> None:
        assert threading.get_ident() == caller
        raise KeyboardInterrupt

    planes = [np.zeros((60, 50), np.float32)] * 3
    out = [np.empty((120, 100), np.float32) for _ in planes]
    with Upscaler(MODEL, backend="onnxruntime", tile=(20, 30), streams=1, interrupt=interrupt) as upscaler:
        with pytest.raises(KeyboardInterrupt):
            upscaler(random_image(60, 50, 3))
        with pytest.raises(KeyboardInterrupt):
            upscaler.upscale_planes(planes, out)


def count_tiles(width: int, height: int) -> int:
    """Return how many tiles of 20x30 pixels cover an image."""
    return -(-(width - 2 * RADIUS) // (20 - 2 * RADIUS)) * -(-(height - 2 * RADIUS) // (30 - 2 * RADIUS))


@pytest.mark.processor
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_even_alpha_keeps_its_value_exactly_around_a_hole(runtime: str) -> None:
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[10:25, 20:35] = 0
    image = np.dstack([np.full((40, 50, 3), 90, np.uint8), alpha])
    with Upscaler(MODEL, backend=runtime, precision="fp32") as upscaler:
        upscaled = upscaler(image)[:, :, 3]
    assert (upscaled[:16] == 255).all()
    assert (upscaled[24:46, 44:66] == 0).all()
    assert len(np.unique(upscaled)) > 2


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_little_memory_means_more_tiles_and_the_same_pixels(dtype: str, runtime: str) -> None:
    image = random_image(150, 130, 3, dtype=dtype)
    results = []
    for limit in (None, 2**20, 2**18):
        with Upscaler(MODEL, backend=runtime, precision="fp32", max_memory=limit, streams=1) as upscaler:
            results.append(totals(upscaler, image))
    counts = [calls[-1][1] for _, calls in results]
    assert counts[0] == 1 < counts[1] < counts[2]
    assert all(same(result, results[0][0]) for result, _ in results[1:])


def test_streams_share_the_tiles_of_an_image() -> None:
    image = random_image(400, 300, 3)
    results = []
    for streams in (1, 2, 3):
        with Upscaler(MODEL, backend="onnxruntime", streams=streams) as upscaler:
            result, calls = totals(upscaler, image)
            assert calls[-1][1] % streams == 0
            results.append(result)
    assert all(same(result, results[0]) for result in results)


def test_photo_without_attention_is_tiled_exactly() -> None:
    model = random_model(spec("photo")).without_attention()
    image = random_image(40, 45, 3, dtype="float32")
    results = []
    for tile in ("off", 25):
        with Upscaler(model, backend="onnxruntime", tile=tile, clip=False, streams=1) as upscaler:
            results.append(upscaler(image))
    assert same(results[0], results[1])


@pytest.mark.parametrize("variant", ["photo", "pro"])
def test_networks_that_see_everything_are_tiled_only_when_they_must(
    variant: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = random_model(spec(variant, window_size=12))
    image = random_image(150, 130, 3)
    with caplog.at_level(logging.WARNING, logger="paragon_core"):
        with Upscaler(model, backend="onnxruntime", streams=2) as upscaler:
            whole, calls = totals(upscaler, image)
            assert calls[-1] == (1, 1)
        assert not caplog.records
        with Upscaler(model, backend="onnxruntime", max_memory=2**24, streams=2) as upscaler:
            tiled, calls = totals(upscaler, image)
            assert calls[-1][1] > 1
    assert "differ a little" in caplog.text
    assert tiled.shape == whole.shape
    expected = np.clip(network_output(image / 255, model), 0, 1) * 255
    assert np.abs(whole - expected).max() <= 0.51
    assert np.abs(tiled - expected).mean() < 25
