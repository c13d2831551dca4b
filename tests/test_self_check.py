"""A reduced precision is used only where it was measured to be harmless."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest

from paragon_core.backends import Network, RunSettings
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.openvino import OpenVinoBackend
from paragon_core.errors import InferenceError
from paragon_core.model import bundled, load
from paragon_core.self_check import MAX_ERROR, MIN_PSNR, natural_picture, trusted_precision
from paragon_core.upscaler import Upscaler
from tests.random_models import random_model, spec

MODEL = random_model(spec("realtime"))
CPU = RunSettings(device="cpu")
FAST = {mark for mark in ("BF16", "FP16") if mark in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")}


class Rounding:
    """A session whose results are off by what it is told."""

    def __init__(self, session: Any, error: float, share: float) -> None:
        self.session = session
        self.error = error
        self.share = share

    def run(self, batch: Any) -> Any:
        output = self.session.run(batch)
        wrong = np.random.default_rng(0).random(output.shape) < self.share
        wrong.flat[0] = True
        return output + np.where(wrong, self.error, 0).astype(np.float32)

    def close(self) -> None:
        self.session.close()


class Inexact(OnnxRuntimeBackend):
    """ONNX Runtime with a half precision of known error: the processors of test machines differ."""

    def __init__(self, error: float, share: float = 1.0) -> None:
        self.error = error
        self.share = share

    def fast_precision(self, device: str) -> Any:
        assert device == "cpu"
        return "fp16"

    def open(self, network: Network, settings: RunSettings) -> Any:
        session = super().open(network, RunSettings(device="cpu"))
        return session if settings.precision == "fp32" else Rounding(session, self.error, self.share)


class Failing(Inexact):
    """Opens, and fails when it runs."""

    def open(self, network: Network, settings: RunSettings) -> Any:
        session = super().open(network, settings)
        if settings.precision == "fp16":
            session.run = self.fail
        return session

    def fail(self, batch: Any) -> Any:
        msg = f"no kernel for {batch.shape}"
        raise InferenceError(msg)


def test_the_picture_is_fixed_and_like_a_photograph() -> None:
    image = natural_picture()
    assert image.shape == (1, 3, 96, 96)
    assert image.dtype == np.float32
    assert np.array_equal(image, natural_picture())
    assert image.min() >= 0.05
    assert image.max() <= 0.95
    assert image.std() > 0.1
    neighbours = np.corrcoef(image[0, 0, :, 1:].ravel(), image[0, 0, :, :-1].ravel())[0, 1]
    assert neighbours > 0.8  # white noise has 0


@pytest.mark.parametrize(
    ("error", "share", "trusted"),
    [
        (0.0, 1.0, True),
        (1e-4, 1.0, True),
        (0.9e-3, 1.0, True),  # 60.9 dB
        (1.1e-3, 1.0, False),  # 59.2 dB
        (0.9 * MAX_ERROR, 1e-5, True),  # few pixels, one level
        (1.1 * MAX_ERROR, 1e-5, False),  # few pixels, more than one level
        (np.nan, 1e-5, False),
        (np.inf, 1e-5, False),
    ],
)
def test_both_limits_count(error: float, share: float, trusted: bool) -> None:
    chosen = trusted_precision(Inexact(error, share), Network(model=MODEL), CPU).precision
    assert chosen == ("fp16" if trusted else "fp32")


def test_a_precision_that_fails_is_not_trusted() -> None:
    assert trusted_precision(Failing(0), Network(model=MODEL), CPU).precision == "fp32"


def test_a_runtime_without_a_fast_precision_is_not_even_started() -> None:
    assert trusted_precision(OnnxRuntimeBackend(), Network(model=MODEL), CPU).precision == "fp32"


@pytest.mark.parametrize("name", bundled())
def test_what_auto_chooses_was_measured_on_this_processor(name: str) -> None:
    """In bfloat16 a network of eight bits of mantissa stays within one level only by luck."""
    model = load(name)
    backend = OpenVinoBackend()
    with Upscaler(model, backend="openvino", precision="auto", device="cpu", streams=1) as upscaler:
        chosen = upscaler.precision
    fast = backend.fast_precision("cpu")
    if not FAST:
        assert (fast, chosen) == (None, "fp32")
        return
    assert fast is not None
    exact, rounded = (
        backend.open(Network(model=model), RunSettings(precision=precision)).run(natural_picture()).astype(np.float64)
        for precision in ("fp32", fast)
    )
    error = np.abs(exact - rounded)
    harmless = error.max() <= 1 / 255 and 10 * np.log10(1 / np.mean(error**2)) >= 60
    assert chosen == (fast if harmless else "fp32")
    assert (MAX_ERROR, MIN_PSNR) == (1 / 255, 60)


@pytest.mark.skipif("BF16" not in FAST, reason="needs a processor with bfloat16 instructions")
def test_auto_rejects_a_bfloat16_that_is_too_coarse() -> None:
    """The detail of this network is ten times as strong as a trained one's, and so are the errors."""
    loud = random_model(spec("stream", groups=2, blocks=3))
    with Upscaler(loud, backend="openvino", device="cpu", streams=1) as upscaler:
        assert upscaler.precision == "fp32"
    with Upscaler(loud, backend="openvino", precision="bf16", device="cpu", streams=1) as upscaler:
        assert upscaler.precision == "bf16"
