"""A reduced precision is used only where it was measured to be accurate and faster; no overflow is returned."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.backends import BACKENDS, BackendInfo, Session, SessionOptions
from paragon_core.backends.engine_backend import EngineBackend
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.errors import NonFiniteError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling import precision as precision_module
from paragon_core.upscaling.precision import (
    MIN_SPEEDUP,
    Closeness,
    PrecisionChoice,
    choose_precision,
    compare,
    measure,
    min_psnr,
)
from paragon_core.upscaling.precision_memory import Trial
from paragon_core.upscaling.trial_images import natural_image, trial_images
from paragon_core.upscaling.upscaler import Upscaler
from tests.quality.odd_backends import Odd, failing, not_numbers, right
from tests.random_models import overflowing_model, random_image, random_model, spec
from tests.reference_backend import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from paragon_core.backends import Backend, Precision
    from paragon_core.models.model import Model

MODEL = random_model(spec("realtime"))
CPU = SessionOptions(device="cpu")
REDUCED = OpenVinoBackend().reduced_precisions("cpu")


def off_by(error: float, share: float = 1.0) -> Callable[[Any, Any], Any]:
    """Return a fault that adds an error, of values in 0..1, to a share of them."""

    def fault(batch: Any, result: Any) -> Any:
        del batch
        wrong = np.random.default_rng(0).random(result.shape) < share
        wrong.flat[0] = True
        return result + np.where(wrong, error, 0).astype(np.float32)

    return fault


def accurate(precision: Precision, *, error: float = 0.0, speedup: float = 2.0) -> Trial:
    return Trial(precision=precision, max_error=error, psnr=200.0, image="noise", speedup=speedup)


# --- the rule --------------------------------------------------------------------------------------------------------


@given(bits=st.integers(1, 16), share=st.floats(0, 1))
def test_the_limits_are_one_level_at_most_and_half_a_level_on_average(bits: int, share: float) -> None:
    levels = 2**bits - 1
    assert Closeness(max_error=share / levels, psnr=min_psnr(bits)).within(bits)
    assert not Closeness(max_error=1.001 / levels, psnr=math.inf).within(bits)
    assert not Closeness(max_error=0.0, psnr=min_psnr(bits) - 0.01).within(bits)
    steps = np.arange(2**bits) / levels
    assert all(Closeness(max_error=step, psnr=math.inf).within(bits) for step in np.diff(steps))
    exact = np.zeros(1000)
    off = compare(exact + 0.5 / levels, exact)
    assert off.psnr == pytest.approx(min_psnr(bits))


def test_what_is_not_a_number_is_within_no_limit() -> None:
    for value in (np.nan, np.inf):
        found = compare(np.array([0.0, value]), np.zeros(2))
        assert not found.within(1)
    assert not compare(np.zeros(3), np.zeros(2)).within(1)


def test_the_fastest_accurate_precision_is_taken_for_each_depth() -> None:
    choice = PrecisionChoice(
        trials=(accurate("fp16", error=0.9 / 1023, speedup=1.5), accurate("bf16", error=0.9 / 255, speedup=2.0))
    )
    assert [choice.precision(bits) for bits in (8, 10, 12, 16)] == ["bf16", "fp16", "fp32", "fp32"]
    slow = PrecisionChoice(trials=(accurate("fp16", speedup=MIN_SPEEDUP - 0.01), accurate("bf16", speedup=math.nan)))
    assert slow.precision(8) == "fp32"
    assert PrecisionChoice(trials=()).precision(8) == "fp32"


def test_reasons_say_what_was_measured() -> None:
    trials = (
        accurate("fp16", speedup=0.8),
        Trial(precision="bf16", max_error=19 / 255, psnr=40.0, image="checkers"),
    )
    choice = PrecisionChoice(trials=trials)
    assert "0.80 times that of fp32" in choice.reason("fp16", 8)
    assert "19 levels of 8 bits (40.0 dB) from fp32 on checkers" in choice.reason("bf16", 8)
    assert "2.00 times as fast" in PrecisionChoice(trials=(accurate("fp16"),)).reason("fp16", 8)
    assert "overflows on dots" in PrecisionChoice(trials=(Trial(precision="fp16", image="dots"),)).reason("fp16", 8)
    assert "no kernel" in PrecisionChoice(trials=(Trial(precision="fp16", failure="no kernel"),)).reason("fp16", 8)
    assert "not offered" in PrecisionChoice(trials=()).reason("fp16", 8)
    assert "nothing is faster" in PrecisionChoice(trials=()).reason("fp32", 8)
    assert choice.reason("fp32", 8) == "no reduced precision is both accurate and faster"
    assert PrecisionChoice(trials=(accurate("fp16"),)).reason("fp32", 8) == "fp16 is as good and faster"


# --- the measurement -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "share", "trusted"),
    [
        (0.0, 1.0, True),
        (0.49 / 255, 1.0, True),
        (0.9 / 255, 1.0, False),  # too much on average
        (0.9 / 255, 1e-4, True),  # few pixels, one level
        (1.1 / 255, 1e-4, False),  # few pixels, more than one level
    ],
)
def test_floats_are_measured(error: float, share: float, trusted: bool) -> None:
    backend = Odd(fast="fp16", fp32=right, fp16=off_by(error, share))
    choice = measure(backend, MODEL, GraphSpec(), CPU)
    assert choice.precision(8) == ("fp16" if trusted else "fp32")


@pytest.mark.parametrize(("fault", "reason"), [(not_numbers, "overflows on checkers"), (failing, "no kernel")])
@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_a_precision_that_fails_is_not_trusted(fault: Any, reason: str, io: Any) -> None:
    choice = measure(Odd(fast="fp16", fp32=right, fp16=fault), MODEL, GraphSpec(io=io), CPU)
    assert choice.precision(8) == "fp32"
    assert reason in choice.reason("fp16", 8)


def test_a_precision_that_is_wrong_on_hard_images_only_is_not_trusted() -> None:
    photo = trial_images()["an image like a photograph"][None].transpose(0, 3, 1, 2) / np.float32(255)

    def hard_only(batch: Any, result: Any) -> Any:
        return result if np.array_equal(batch, photo) else result + np.float32(2 / 255)

    choice = measure(Odd(fast="fp16", fp32=right, fp16=hard_only), MODEL, GraphSpec(), CPU)
    assert choice.precision(8) == "fp32"
    assert "checkers" in choice.reason("fp16", 8)


def test_a_precision_that_is_not_faster_is_not_trusted() -> None:
    class Slow(Odd):
        """Does the work of fp32, and more of it in fp16."""

        def open(self, model: Model, spec: GraphSpec, options: SessionOptions) -> Any:
            other = {"fp32": "fp16", "fp16": "fp32"}[options.precision]
            return super().open(model, spec, replace(options, precision=other))  # type: ignore[arg-type]

    choice = measure(Slow(fast="fp16", fp32=right, fp16=right), MODEL, GraphSpec(), CPU)
    assert choice.precision(8) == "fp32"
    assert "not faster" in choice.reason("fp16", 8)


@pytest.mark.parametrize(("accelerator", "sides"), [("", {640, 360}), ("cuda", {1920, 1080})])
def test_a_card_is_timed_with_large_images(accelerator: str, sides: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones cost as much in fp16 as in fp32 there: their launches."""
    monkeypatch.setattr(precision_module, "_LONGEST_RUN", math.inf)  # however busy the machine is
    seen: set[tuple[int, ...]] = set()

    class Swift(Session):
        def run(self, batch: Any) -> Any:
            seen.add(batch.shape)
            return np.repeat(np.repeat(batch, 2, axis=1), 2, axis=2)

        def close(self) -> None:
            pass

    class Timed(Odd):
        def probe(self) -> BackendInfo:
            return replace(super().probe(), accelerator=accelerator)

        def open(self, *_: Any) -> Any:
            return Swift()

    measure(Timed(fast="fp16", fp32=right, fp16=right), MODEL, GraphSpec(io="uint8"), SessionOptions())
    assert seen == {(1, 96, 96, 3), (1, min(sides), max(sides), 3)}


def test_a_runtime_without_reduced_precisions_is_not_even_started() -> None:
    assert choose_precision(OnnxRuntimeBackend(), MODEL, GraphSpec(), CPU) == PrecisionChoice(trials=())


@pytest.mark.skipif("bf16" not in REDUCED, reason="needs a processor with bfloat16 instructions")
def test_bfloat16_adds_the_base_path_in_float32() -> None:
    """Rounded to 8 bits, as a merged result is, a photograph would be off by 1.2 levels, with 61 dB."""
    image = np.rint(255 * natural_image()[0].transpose(1, 2, 0)).astype(np.uint8)
    results = []
    for precision in ("fp32", "bf16"):
        with Upscaler("realtime-2x", backend="openvino", precision=precision, device="cpu") as upscaler:
            results.append(upscaler(image).astype(int))
    assert np.abs(results[1] - results[0]).max() <= 1
    assert (results[1] != results[0]).mean() < 0.12  # by 0.08 levels on average: one in 12 crosses to the next


# --- overflow --------------------------------------------------------------------------------------------------------


def constant(value: float) -> Model:
    """Return a network whose detail path answers with one value, of 0..1, everywhere."""
    arrays = dict(MODEL.arrays)
    arrays["conv_out.weight"] = np.zeros_like(arrays["conv_out.weight"])
    arrays["conv_out.bias"] = np.full_like(arrays["conv_out.bias"], value)
    arrays["detail_gain"] = np.ones_like(arrays["detail_gain"])
    return replace(MODEL, arrays=arrays)


def backends_here() -> list[Backend]:
    return [BACKENDS[name] for name in ("onnxruntime", "openvino", "torch") if BACKENDS[name].probe().available]


@pytest.mark.parametrize("backend", [*backends_here(), EngineBackend(Reference())], ids=lambda each: each.name)
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_bytes_that_overflow_in_fp32_are_an_error(
    backend: Backend, channels: tuple[int, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = constant(3e38)  # times 255 it is infinite
    arrays = dict(model.arrays) | {"conv_in.weight": np.full_like(model.arrays["conv_in.weight"], 3e38)}
    arrays["conv_out.weight"] = MODEL.arrays["conv_out.weight"]
    cache = tmp_path_factory.mktemp("cache") / "cache"
    with (
        Upscaler(replace(model, arrays=arrays), backend=backend, precision="fp32", streams=1, cache=cache) as upscaler,
        pytest.raises(NonFiniteError, match="not numbers") as caught,
        np.errstate(all="ignore"),
    ):
        upscaler(random_image(12, 10, *channels))
    assert caught.value.hint


@pytest.mark.parametrize("backend", backends_here(), ids=lambda each: each.name)
def test_huge_values_that_are_numbers_are_no_error(backend: Backend) -> None:
    """The sum that checks bytes overflows; the image is then computed in floats, where each value is looked at."""
    with Upscaler(constant(1e36), backend=backend, precision="fp32", streams=1) as upscaler:
        assert (upscaler(random_image(12, 10, 3)) == 255).all()


class Overflowing(Odd):
    """Right in fp32; in fp16 it overflows on bright images."""

    name = "overflowing"

    def __init__(self) -> None:
        super().__init__(fast="fp16", fp32=right, fp16=self.overflow)

    @staticmethod
    def overflow(batch: Any, result: Any) -> Any:
        return np.full_like(result, np.nan) if batch.mean() > 0.6 else result


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_fp32_takes_over_for_an_image_that_overflows(dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    peak = 1 if dtype == "float32" else np.iinfo(dtype).max
    dark = (random_image(20, 24, 3, dtype=dtype) * 0.5).astype(dtype)
    bright = np.full((20, 24, 3), peak, dtype=dtype)
    with (
        Upscaler(MODEL, backend=Overflowing(), precision="fp16", device="cpu", streams=1, tile=(20, 20)) as upscaler,
        Upscaler(MODEL, backend=OnnxRuntimeBackend(), precision="fp32", device="cpu", streams=1) as exact,
        caplog.at_level(logging.WARNING),
    ):
        assert upscaler.precision_of(dtype) == "fp16"
        for image in (dark, bright, dark):
            result = upscaler(image)
            assert np.abs(result.astype(np.float64) - exact(image)).max() <= (0 if dtype == "uint8" else 1e-5 * peak)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "not numbers in fp16" in messages[0]
    assert "fp32" in messages[0]


@pytest.mark.skipif("fp16" not in REDUCED, reason="needs a processor with half-precision instructions")
@pytest.mark.parametrize("name", ["checkers", "one-pixel lines", "dots"])
def test_a_network_that_overflows_in_real_half_precision_gives_the_pixels_of_fp32(name: str) -> None:
    image = trial_images()[name]
    model = overflowing_model()
    results = []
    for precision in ("fp16", "fp32"):
        with Upscaler(model, backend="openvino", precision=precision, device="cpu", streams=1) as upscaler:
            results.append(upscaler(image))
    assert np.array_equal(results[0], results[1])
