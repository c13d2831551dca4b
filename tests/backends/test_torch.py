"""The torch backend behind the seam: the same pixels as the reference network, and failures told by their names."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.backends import torch as backend_module
from paragon_core.backends.base import PlaneSession, Precision, SessionOptions
from paragon_core.backends.torch import TorchBackend, is_nvidia
from paragon_core.errors import BackendUnavailableError, InferenceError, OutOfMemoryError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.models.model import Model
from paragon_core.models.spec import REVISIONS, ModelSpec, Variant, preset
from paragon_core.network import ParagonSR2
from tests.backends.slow_card import SlowCard
from tests.network.random_networks import attentive, random_image, randomised, specs
from tests.upscalers import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

torch.set_num_threads(1)

BACKEND = TorchBackend()
KINDS = [(variant, revision) for variant, revisions in REVISIONS.items() for revision in revisions]
ON_CPU = SessionOptions(device="cpu")


def random_model(spec: ModelSpec, gain: float = 0.1) -> Model:
    """Return a model whose detail is as strong as a trained one's."""
    network = randomised(ParagonSR2(spec))
    network.detail_gain.data.fill_(gain)
    return Model(
        spec=spec,
        arrays=MappingProxyType(network.to_arrays()),
        name="random",
        sha256="",
        metadata={},
        settings_from="test",
    )


def reference(model: Model, values: npt.NDArray[Any], *, grey: bool = False) -> npt.NDArray[np.float64]:
    """Return what the reference network makes of NCHW in 0..1, in float64."""
    x = torch.tensor(values, dtype=torch.float64)
    with torch.inference_mode():
        if grey:
            x = x.expand(-1, 3, -1, -1)
        out = ParagonSR2.from_model(model, dtype=torch.float64)(x)
        if grey:
            out = out.mean(1, keepdim=True)
    return np.asarray(out.numpy(), dtype=np.float64)


def small(variant: Variant, scale: int = 2) -> ModelSpec:
    """Return a network of few channels and blocks."""
    return replace(preset(variant, scale), channels=16, groups=1, blocks=2, window_size=4, upsampler_alpha=0.3)


@pytest.fixture
def model() -> Model:
    return random_model(small("stream"))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_probe_says_what_it_found() -> None:
    info = BACKEND.probe()
    assert info.available
    assert info.version == torch.__version__
    assert info.reason
    assert bool(info.accelerator) is (torch.cuda.is_available() or torch.backends.mps.is_available())


@given(
    spec=specs(),
    fused=st.booleans(),
    grey=st.booleans(),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    batch=st.integers(1, 2),
)
@settings(max_examples=30, deadline=None)
def test_floats_are_the_reference_networks(
    *, spec: ModelSpec, fused: bool, grey: bool, height: int, width: int, batch: int
) -> None:
    model = random_model(spec)
    x = random_image(height, width, batch=batch).numpy()[:, : 1 if grey else 3]
    out = BACKEND.open(model, GraphSpec(fused=fused, grey=grey), ON_CPU).run(x)
    assert out.dtype == np.float32
    expected = reference(model, x, grey=grey)
    assert out.shape == expected.shape
    assert np.abs(out - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.processor
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("variant", "revision"), KINDS)
def test_every_kind_of_network_runs(variant: Variant, revision: Any, *, fused: bool) -> None:
    model = random_model(replace(small(variant), revision=revision))
    x = random_image(11, 7).numpy()
    assert np.abs(BACKEND.open(model, GraphSpec(fused=fused), ON_CPU).run(x) - reference(model, x)).max() <= 1e-5


@given(spec=specs(), fused=st.booleans(), grey=st.booleans(), height=st.integers(1, 12), width=st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_bytes_are_rounded_and_clipped_floats(
    *, spec: ModelSpec, fused: bool, grey: bool, height: int, width: int
) -> None:
    model = random_model(spec)
    pixels = (random_image(height, width) * 255).round().byte().permute(0, 2, 3, 1).numpy()[..., : 1 if grey else 3]
    out = BACKEND.open(model, GraphSpec(fused=fused, io="uint8", grey=grey), ON_CPU).run(pixels)
    assert out.dtype == np.uint8
    exact = reference(model, pixels.transpose(0, 3, 1, 2) / 255, grey=grey).transpose(0, 2, 3, 1) * 255
    assert out.shape == exact.shape
    assert np.abs(out - exact.clip(0, 255)).max() <= 0.5 + 1e-2


@pytest.mark.parametrize("io", ["uint8", "float32"])
@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_onnx_runtime_makes_the_same_image(variant: Variant, io: Any) -> None:
    pytest.importorskip("onnxruntime")
    from paragon_core.backends.onnxruntime import OnnxRuntimeBackend  # noqa: PLC0415  (optional)

    model = random_model(small(variant))
    x = random_image(13, 10).numpy()
    if io == "uint8":
        x = np.rint(x.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
    ours, theirs = (backend.open(model, GraphSpec(io=io), ON_CPU).run(x) for backend in (BACKEND, OnnxRuntimeBackend()))
    assert ours.dtype == theirs.dtype
    assert np.abs(ours.astype(float) - theirs).max() <= (1 if io == "uint8" else 1e-5)
    assert (ours != theirs).mean() <= (0.001 if io == "uint8" else 1)


@pytest.mark.processor
@pytest.mark.parametrize("fused", [True, False])
# 83 and 65 dB are usual. Libraries for arm64 may take sums in fp16, too, which costs up to three bits, or 18 dB.
@pytest.mark.parametrize(("precision", "decibels"), [("fp16", 60), ("bf16", 50)])
def test_half_precision_stays_close_or_is_refused(
    model: Model, precision: Precision, decibels: float, *, fused: bool
) -> None:
    wanted = replace(ON_CPU, precision=precision)
    refusal: BackendUnavailableError | None = None
    try:
        session = BACKEND.open(model, GraphSpec(fused=fused), wanted)
    except BackendUnavailableError as error:
        refusal = error
    if refusal is not None:  # the processor has no such instructions
        assert precision in str(refusal)
        assert "fp32" in refusal.hint
        assert precision not in BACKEND.reduced_precisions("cpu")
        return
    x = random_image(24, 24).numpy()
    out = session.run(x)
    assert out.dtype == np.float32
    # Layer by layer the result itself is narrow; the fused form keeps the base path wide.
    needed = decibels if fused else decibels - 15
    assert -10 * np.log10(np.mean((out - reference(model, x)) ** 2)) >= needed


def test_results_are_the_callers_own_and_inputs_are_left_alone(model: Model) -> None:
    session = BACKEND.open(model, GraphSpec(io="uint8"), ON_CPU)
    wide = np.rint(random_image(8, 20).permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    view = wide[:, ::2, 3:11]  # neither contiguous nor, in a moment, writable
    before = view.copy()
    view.flags.writeable = False
    first = session.run(view)
    kept = first.copy()
    session.run(255 - view)
    assert np.array_equal(first, kept)
    first[:] = 0
    assert np.array_equal(session.run(view), kept)
    assert np.array_equal(view, before)


@pytest.mark.usefixtures("two_threads")
def test_concurrent_calls_agree_and_the_thread_count_is_restored(model: Model) -> None:
    session = BACKEND.open(model, GraphSpec(), replace(ON_CPU, streams=4))
    images = [random_image(9, 5 + index).numpy() for index in range(8)]
    alone = [session.run(x) for x in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(session.run, images))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert torch.get_num_threads() == 2


def test_out_of_memory_is_told_apart(model: Model) -> None:
    session = BACKEND.open(model, GraphSpec(), ON_CPU)
    with pytest.raises(OutOfMemoryError) as caught:
        session.run(np.broadcast_to(np.float32(0), (1, 3, 2**22, 2**22)))  # numpy cannot make this contiguous
    assert "tiles" in caught.value.hint
    session._network.module = _Greedy()  # type: ignore[attr-defined]  # noqa: SLF001  (an image that numpy can hold and torch cannot upscale is too slow)
    with pytest.raises(OutOfMemoryError) as caught:
        session.run(random_image(4, 4).numpy())
    assert "tiles" in caught.value.hint
    with pytest.raises(MemoryError):
        session.run(random_image(4, 4).numpy())


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_the_base_path_sees_the_first_half_and_the_detail_path_the_second(
    model: Model,
    fused: bool,
    grey: bool,
) -> None:
    plain, separate = (
        BACKEND.open(model, GraphSpec(fused=fused, grey=grey, separate_detail=separate), ON_CPU)
        for separate in (False, True)
    )
    a, b = (np.random.default_rng(seed).random((1, 1 if grey else 3, 6, 9), np.float32) for seed in (1, 2))

    def both(base: npt.NDArray[Any], detail: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return separate.run(np.concatenate([base, detail], axis=1))

    assert np.abs(both(a, a) - plain.run(a)).max() <= ROUNDING
    assert np.abs(both(a, b) + both(b, a) - plain.run(a) - plain.run(b)).max() <= 2 * ROUNDING
    nothing = both(np.zeros_like(a), b)
    # The base path is linear.
    assert np.abs((both(2 * a, b) - nothing) - 2 * (both(a, b) - nothing)).max() <= 2 * ROUNDING
    assert np.abs(both(a, b) - both(b, a)).max() > 0.01


class _Greedy(torch.nn.Module):
    def forward(self, x: torch.Tensor, **_: object) -> torch.Tensor:
        return torch.empty(2**50, dtype=x.dtype)


def test_other_failures_are_inference_errors(model: Model) -> None:
    session = BACKEND.open(model, GraphSpec(), ON_CPU)
    with pytest.raises(InferenceError, match="torch failed"):
        session.run(np.zeros((1, 4, 8, 8), dtype=np.float32))  # four channels


def test_a_closed_session_says_so(model: Model) -> None:
    session = BACKEND.open(model, GraphSpec(), ON_CPU)
    session.close()
    session.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        session.run(random_image(4, 4).numpy())


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cuda:99", "mps:7", "cpu:1", ""])
def test_absent_devices_are_refused_with_a_hint(model: Model, device: str) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        BACKEND.open(model, GraphSpec(), SessionOptions(device=device))
    assert caught.value.hint
    with pytest.raises(BackendUnavailableError):
        BACKEND.reduced_precisions(device)


def test_reduced_precisions_on_the_cpu_are_those_with_instructions() -> None:
    features = torch.cpu.get_capabilities()
    for precision in ("fp16", "bf16"):
        has = any(value for name, value in features.items() if value is True and name.endswith(precision))
        assert (precision in BACKEND.reduced_precisions("cpu")) == has


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SlowCard:
    """Have torch find an NVIDIA card, which is made of the processor."""
    made = SlowCard()
    monkeypatch.setattr(backend_module, "_device", lambda *_: torch.device("cpu"))
    monkeypatch.setattr(backend_module, "is_nvidia", lambda _: True)
    monkeypatch.setattr(backend_module, "TorchMemory", lambda *_: made)
    monkeypatch.setattr(backend_module, "_has_instructions", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    return made


@pytest.mark.parametrize("io", ["uint8", "float32"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_nvidia_cards_images_go_through_lanes(model: Model, card: SlowCard, io: Any, precision: Precision) -> None:
    session = BACKEND.open(model, GraphSpec(io=io), SessionOptions(device="cuda", precision=precision, streams=2))
    assert isinstance(session, PlaneSession)
    assert card.settled > 0  # weights are there before another stream reads them
    assert BACKEND.probe().streams == 3
    x = random_image(9, 12).numpy()
    value = np.rint(x * 255).astype(np.uint8).transpose(0, 2, 3, 1) if io == "uint8" else x
    exact = BACKEND.open(model, GraphSpec(io=io), SessionOptions(device="cuda"))
    allowed = (2 if io == "uint8" else 0.05) if precision == "bf16" else 1e-6
    assert np.abs(session.run(value).astype(np.float64) - exact.run(value)).max() <= allowed


def test_amd_cards_and_others_go_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_nvidia(torch.device("cpu"))
    assert not is_nvidia(torch.device("mps"))
    monkeypatch.setattr(torch.version, "hip", None)
    assert is_nvidia(torch.device("cuda", 1))
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert not is_nvidia(torch.device("cuda", 1))


def test_a_cards_free_memory_counts_what_torch_keeps_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BACKEND.free_memory("cpu") is None
    monkeypatch.setattr(backend_module, "_device", lambda *_: torch.device("cuda", 1))
    for name, value in {"mem_get_info": (600, 1000), "memory_reserved": 300, "memory_allocated": 100}.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    assert BACKEND.free_memory("cuda:1") == 800


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    BACKEND.open(random_model(attentive()), GraphSpec(), ON_CPU).run(random_image(5, 6).numpy())
    assert capfd.readouterr().out == ""


def test_importing_the_backend_does_not_import_torch() -> None:
    code = "import sys, paragon_core.backends.torch; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
