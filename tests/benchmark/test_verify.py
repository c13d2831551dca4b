"""What is right, what is wrong, and that "auto" does what is reported about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.backends import BACKENDS
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.backends.torch import TorchBackend
from paragon_core.benchmark.images import as_batch, like_a_photograph
from paragon_core.benchmark.verify import reference, verify
from paragon_core.models.model import load
from paragon_core.upscaling.upscaler import Upscaler
from tests.quality.odd_backends import Absent, Odd, cut, failing, not_numbers, off, off_elsewhere, right
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from paragon_core.benchmark.verify import Finding, Status
    from tests.quality.odd_backends import Fault

MODEL = load("realtime-2x")
IMAGE = as_batch(like_a_photograph(40, 28))


def findings(backend: Odd) -> tuple[bool, dict[str, Finding]]:
    found = verify(MODEL, [backend], IMAGE, rounds=1)
    return found.ok, {finding.precision: finding for finding in found.findings}


def test_all_that_works_here_is_right_and_auto_does_what_is_reported() -> None:
    found = verify(MODEL, list(BACKENDS.values()), IMAGE, rounds=2)
    assert found.ok
    working = [name for name, backend in BACKENDS.items() if backend.probe().available]
    assert {info.name for info in found.missing} == set(BACKENDS) - set(working)
    assert len(found.findings) == 3 * len(working)
    for name in working:
        (used,) = (finding for finding in found.findings if finding.backend == name and finding.used)
        with Upscaler(MODEL, backend=name) as upscaler:
            assert upscaler.precision_of("uint8") == used.precision
        assert used.status == "right"
        assert used.why
    for finding in found.findings:
        if finding.status == "not here":
            assert (finding.closeness, finding.seconds, finding.speed) == (None, None, None)
            assert finding.why
        else:
            assert finding.closeness is not None
            assert finding.closeness.within(8) == (finding.status == "right")
            assert finding.seconds is not None
            assert finding.speed is not None
            assert 0 < finding.speed <= 1
    assert max(finding.speed or 0 for finding in found.findings) == 1
    assert found.size == (40, 28)


@pytest.mark.native
def test_a_backend_that_does_not_run_such_networks_is_listed_as_missing() -> None:
    photo = random_model(spec("photo"))
    found = verify(photo, [BACKENDS["native"], BACKENDS["onnxruntime"]], IMAGE, rounds=1)
    assert found.ok
    assert {finding.backend for finding in found.findings} == {"onnxruntime"}
    (missing,) = found.missing
    assert missing.name == "native"
    assert "not photo" in missing.reason


@pytest.mark.parametrize("fault", [off, off_elsewhere, not_numbers, cut])
def test_wrong_pixels_in_fp32_are_found(fault: Fault) -> None:
    ok, found = findings(Odd(fp32=fault))
    assert not ok
    assert found["fp32"].status == "wrong"
    assert "from the reference" in found["fp32"].why
    assert found["fp16"].status == "not here"


def test_a_backend_that_works_but_for_its_runs_fails() -> None:
    ok, found = findings(Odd(fp32=failing))
    assert not ok
    assert found["fp32"].status == "fails"
    assert "no kernel" in found["fp32"].why


def test_a_backend_without_fp32_fails() -> None:
    ok, found = findings(Odd())
    assert not ok
    assert found["fp32"].status == "fails"


@pytest.mark.parametrize(
    ("fault", "status", "used"),
    [
        (right, "right", True),
        (off, "too coarse", False),
        (not_numbers, "too coarse", False),
        (failing, "fails", False),
        (off_elsewhere, "wrong", True),  # "auto" would use it, because the test image shows nothing
    ],
)
def test_the_rule_of_auto_decides_on_reduced_precisions(fault: Fault, status: Status, used: bool) -> None:
    backend = Odd(fast="fp16", fp32=right, fp16=fault)
    ok, found = findings(backend)
    assert (found["fp16"].status, found["fp16"].used, found["fp32"].used) == (status, used, not used)
    assert found["fp32"].status == "right"
    assert ok == (status not in {"wrong", "fails"})
    with Upscaler(MODEL, backend=backend) as upscaler:
        assert upscaler.precision_of("uint8") == ("fp16" if used else "fp32")
        assert upscaler.precision_of("uint16") == upscaler.precision_of("float32") == "fp32"


def test_a_precision_that_auto_does_not_consider_is_reported() -> None:
    ok, found = findings(Odd(fast="fp16", fp32=right, fp16=right, bf16=off))
    assert ok
    assert found["bf16"].status == "too coarse"
    assert "bf16 is not offered here" in found["bf16"].why


def test_what_is_not_installed_is_listed() -> None:
    found = verify(MODEL, [Absent(), OnnxRuntimeBackend()], IMAGE, rounds=1)
    assert found.ok
    assert [info.reason for info in found.missing] == ["nobody has it"]
    assert {finding.backend for finding in found.findings} == {"onnxruntime"}


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo"])
def test_the_reference_is_the_network_layer_by_layer(variant: str) -> None:
    model = random_model(spec(variant))
    description, result = reference(model, IMAGE)
    with Upscaler(model, backend="onnxruntime", fused=False, clip=False, tile="off", padding="zero") as upscaler:
        expected = upscaler(IMAGE[0].transpose(1, 2, 0))
    assert ("torch" in description) == TorchBackend().probe().available
    assert np.abs(result[0].transpose(1, 2, 0) - expected).max() < 1e-4
