"""The reference network against upstream's own output, and the properties that its users rely on."""

from __future__ import annotations

import copy
import io
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch.nn import functional

from paragon_core.errors import InputError, UnsupportedArchitectureError, WeightError
from paragon_core.models.detect import detect, expected_shapes
from paragon_core.models.model import load
from paragon_core.models.spec import SCALES, ModelSpec, Variant, preset
from paragon_core.network import ParagonSR2
from paragon_core.network.blocks import NanoBlock, RMSNorm, StreamBlock
from paragon_core.quality.evaluate import read_pairs
from paragon_core.quality.metrics import score
from tests.models.parameter_counts import COUNTS
from tests.network.random_networks import attentive, random_image, randomised, specs
from tests.reference_vectors import NAMES, TOLERANCE, model_of_case, vectors

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_reproduces_upstream(shared: Path, name: str) -> None:
    vector = vectors(shared / "vectors")[name]
    tensors = load_file(shared / "vectors" / vector["io"])
    for case in vector["cases"]:
        model = model_of_case(shared / "vectors", vector, case)
        if not case["kwargs"].get("export_safe"):
            count = sum(parameter.numel() for parameter in ParagonSR2.from_model(model).parameters())
            assert count == vector["params"]
        x, expected = torch.tensor(tensors[case["input"]]), torch.tensor(tensors[case["output"]])
        assert (ParagonSR2.from_model(model)(x) - expected).abs().max() <= TOLERANCE[vector["variant"]]
        if case["output64"]:
            exact = ParagonSR2.from_model(model, dtype=torch.float64)(x.double())
            assert (exact - torch.tensor(tensors[case["output64"]])).abs().max() <= 1e-6  # stored as float32


def test_vectors_are_all_covered(shared: Path) -> None:
    vectors = json.loads((shared / "vectors/manifest.json").read_text())["vectors"]
    assert {vector["name"] for vector in vectors if "cases" in vector and "scale" in vector} == set(NAMES)


@torch.inference_mode()
def test_reproduces_upstream_video(shared: Path) -> None:
    tensors = {k: torch.tensor(v) for k, v in load_file(shared / "vectors/head_stream_x2_video_io.safetensors").items()}
    network = ParagonSR2.from_model(load(shared / "vectors/head_stream_x2.safetensors", upsampler_alpha=0.0))
    features = None
    for frame in range(3):
        out, features = network(tensors[f"f{frame}.in"], features, feature_tap=True, blend=0.2)
        assert (out - tensors[f"f{frame}.out"]).abs().max() <= 1e-5
        assert (features - tensors[f"f{frame}.feat"]).abs().max() <= 1e-5
    zeros = torch.zeros_like(tensors["f0.feat"])
    out, features = network(tensors["f0.in"], zeros, feature_tap=True)
    assert (out - tensors["f0.out.zero_prev"]).abs().max() <= 1e-5
    assert (features - tensors["f0.feat.zero_prev"]).abs().max() <= 1e-5


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("variant", "revision", "counts", "tensors"), COUNTS)
def test_counts(variant: Variant, revision: Any, counts: dict[int, int], tensors: int, scale: int) -> None:
    network = ParagonSR2(preset(variant, scale, revision=revision))
    assert sum(parameter.numel() for parameter in network.parameters()) == counts[scale]
    assert len(network.state_dict()) == tensors


@given(spec=specs())
@settings(max_examples=25, deadline=None)
def test_state_dict_is_upstreams_and_is_recognised(spec: ModelSpec) -> None:
    network = ParagonSR2(spec)
    arrays = network.to_arrays()
    assert [(key, array.shape) for key, array in arrays.items()] == list(expected_shapes(spec).items())
    found, canonical = detect(arrays)
    known = replace(found, window_size=spec.window_size, upsampler_alpha=spec.upsampler_alpha)
    if spec.revision == "v6":  # nothing in these keys says v6: only the names in the published file do
        known = replace(known, revision="v6")
    assert known == spec
    again = ParagonSR2.from_arrays(known, canonical)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


@given(spec=specs(), height=st.integers(1, 11), width=st.integers(1, 11), batch=st.integers(1, 2))
@settings(max_examples=25, deadline=None)
@torch.inference_mode()
def test_any_size_is_upscaled_and_batches_are_independent(spec: ModelSpec, height: int, width: int, batch: int) -> None:
    network = randomised(ParagonSR2(spec)).double()
    x = random_image(height, width, batch=batch, dtype=torch.float64)
    out = network(x)
    assert out.shape == (batch, 3, height * spec.scale, width * spec.scale)
    assert torch.isfinite(out).all()
    assert torch.allclose(out[-1:], network(x[-1:]), rtol=0, atol=1e-10)


def test_fresh_network_starts_where_upstream_does() -> None:
    for variant, gain in (("realtime", 0.05), ("stream", 0.1), ("photo", 0.1), ("pro", 0.1)):
        network = ParagonSR2(preset(variant, 2))  # type: ignore[arg-type]
        assert network.detail_gain.item() == pytest.approx(gain)
        scales = [tensor for name, tensor in network.named_parameters() if name.endswith(".gamma")]
        assert all(bool((tensor == 1e-5).all()) for tensor in scales)
        frozen = {name for name, tensor in network.named_parameters() if not tensor.requires_grad}
        assert frozen == {f"base.{name}.{axis}.weight" for name in ("sharp", "blur") for axis in "hv"}
    assert ParagonSR2(preset("photo", 2), detail_gain=0.7).detail_gain.item() == pytest.approx(0.7)


@torch.inference_mode()
def test_alpha_softens_the_base_path_and_none_is_clamped() -> None:
    edge = torch.zeros(1, 3, 16, 16)
    edge[..., 8:] = 1
    network = ParagonSR2(preset("realtime", 2), detail_gain=0.0, upsampler_alpha=0.0)
    middle = network(edge)[0, 0, 16]
    assert middle.diff()[8:-8].max() == pytest.approx(0.375)  # figures of spec §9, B2
    softer = ParagonSR2(preset("realtime", 2), detail_gain=0.0, upsampler_alpha=1.0)(edge)[0, 0, 16]
    assert softer.diff()[8:-8].max() == pytest.approx(0.223, abs=1e-3)
    assert torch.equal(ParagonSR2(preset("realtime", 2), detail_gain=0.0, upsampler_alpha=-1.0)(edge)[0, 0, 16], middle)
    with pytest.raises(InputError, match="upsampler_alpha"):
        ParagonSR2(preset("realtime", 2), upsampler_alpha=float("nan"))


@torch.inference_mode()
def test_base_darkens_the_border_as_upstream_does() -> None:
    network = ParagonSR2(preset("realtime", 2), detail_gain=0.0, upsampler_alpha=0.0)
    out = network(torch.ones(1, 3, 8, 8))[0, 0]
    assert out[8, :3].tolist() == pytest.approx([0.6875, 0.9375, 1.0])  # spec §9, B3
    assert float(out[0, 0]) == pytest.approx(0.473, abs=1e-3)


@torch.inference_mode()
def test_attention_modes_agree() -> None:
    exact = randomised(ParagonSR2(attentive())).double()
    flexible = ParagonSR2(attentive(), attention_mode="flex").double().eval()
    flexible.load_state_dict(exact.state_dict())
    for height, width in ((8, 8), (9, 11), (3, 1)):
        x = random_image(height, width, dtype=torch.float64)
        assert (flexible(x) - exact(x)).abs().max() <= 1e-12


def test_flex_says_once_that_it_falls_back(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    network = randomised(ParagonSR2(attentive(), attention_mode="flex"))
    plain = randomised(ParagonSR2(attentive()))
    x = random_image(9, 11)
    with caplog.at_level(logging.INFO, logger="paragon_core"):
        for _ in range(2):  # flex has no backward pass on the CPU
            network(x).sum().backward()
    plain(x).sum().backward()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "flex attention cannot run here, using sdpa"
    ]
    assert capsys.readouterr().out == ""
    assert torch.equal(network(x), plain(x))


@pytest.mark.parametrize("variant", ["photo", "pro"])
@torch.inference_mode()
def test_without_attention_branch_and_keys_are_absent(variant: Variant) -> None:
    spec = replace(preset(variant, 2), channels=16, groups=1, blocks=2)
    x = random_image(8, 9)
    none = randomised(ParagonSR2(spec, attention_mode="none"))
    safe = randomised(ParagonSR2(spec, export_safe=True))
    assert not none.spec.attention
    assert list(none.state_dict()) == list(safe.state_dict()) == list(expected_shapes(replace(spec, attention=False)))
    assert torch.equal(none(x), safe(x))
    # The branch contributes nothing exactly when its projection gives zeros.
    full = ParagonSR2(spec)
    full.load_state_dict(none.state_dict(), strict=False)
    for name, tensor in full.named_parameters():
        if ".attn.proj." in name or ".window_attn.proj." in name:
            tensor.zero_()
    assert torch.allclose(full(x), none(x), atol=1e-6)


def test_unknown_attention_mode_is_refused() -> None:
    with pytest.raises(InputError, match="sdpa, flex, none"):
        ParagonSR2(attentive(), attention_mode="None")  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", ["realtime", "stream", "photo", "pro"])
def test_checkpointing_gives_the_same_gradients(variant: Variant) -> None:
    spec = replace(preset(variant, 2), channels=16, groups=1, blocks=2, window_size=4)
    plain = randomised(ParagonSR2(spec)).train()
    saving = ParagonSR2(spec, use_checkpointing=True).train()
    saving.load_state_dict(plain.state_dict())
    x = random_image(9, 7)
    for network in (plain, saving):
        network(x).square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        if a.requires_grad:
            assert a.grad is not None, name
            assert b.grad is not None, name
            assert torch.allclose(a.grad, b.grad, rtol=1e-5, atol=1e-6), name


@torch.inference_mode()
def test_half_precision_neither_overflows_in_the_norm_nor_in_the_product() -> None:
    assert torch.equal(RMSNorm(4).half()(torch.full((1, 4, 2, 2), 300.0).half()), torch.ones(1, 4, 2, 2).half())
    for revision, overflows in (("v9", True), ("v11", False)):
        block = StreamBlock(replace(preset("stream", 2), revision=revision, channels=4)).half()  # type: ignore[arg-type]
        block.gate.weight.zero_()
        assert block.gate.bias is not None
        block.gate.bias.fill_(300.0)
        block.out.weight.fill_(1e-4)
        assert bool(block(torch.ones(1, 4, 5, 5).half()).isfinite().all()) is not overflows


@torch.inference_mode()
def test_v6_block_has_two_hardswish_and_no_gelu() -> None:
    block = NanoBlock(replace(preset("realtime", 2), revision="v6")).double()
    x = torch.randn(1, 16, 6, 7, dtype=torch.float64)

    def hardswish(value: torch.Tensor) -> torch.Tensor:
        return value * (value + 3).clamp(0, 6) / 6

    inner = hardswish(functional.conv2d(x, block.conv1.weight, block.conv1.bias))
    inner = hardswish(functional.conv2d(inner, block.dw.weight, block.dw.bias, padding=1, groups=32))
    expected = x + functional.conv2d(inner, block.conv2.weight, block.conv2.bias)
    assert torch.allclose(block(x), expected, rtol=0, atol=1e-14)


@torch.inference_mode()
def test_published_v6_network_scores_what_its_own_code_does(shared: Path) -> None:
    model = load(shared / "weights/v6_2xParagonSR2_Realtime_fidelity.safetensors")
    assert model.spec.revision == "v6"
    network = ParagonSR2.from_model(model)
    scores = []
    for pair in read_pairs(shared / "eval/Set5", 2):
        out = network(torch.tensor(pair.low).permute(2, 0, 1)[None] / 255)[0]
        upscaled = (out.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        scores.append(score(upscaled, pair.high, border=2).psnr_y)
    assert np.mean(scores) == pytest.approx(36.690, abs=0.01)


@given(spec=specs(local=True))
@settings(max_examples=12, deadline=None)
def test_receptive_radius_of_the_spec_is_the_networks(spec: ModelSpec) -> None:
    _assert_radius(spec)


@pytest.mark.parametrize(("variant", "radius"), [("realtime", 7), ("stream", 28)])
def test_receptive_radius_of_the_presets(variant: Variant, radius: int) -> None:
    spec = preset(variant, 2)
    assert spec.receptive_radius == radius
    _assert_radius(spec)


def _assert_radius(spec: ModelSpec) -> None:
    """Check that the output above one input pixel depends on its neighbours up to the radius and no further."""
    radius = spec.receptive_radius
    assert radius is not None
    side = 2 * radius + 5
    centre, scale = radius + 2, spec.scale
    x = random_image(side, side, dtype=torch.float64).requires_grad_()
    network = randomised(ParagonSR2(spec)).double()
    block = slice(centre * scale, (centre + 1) * scale)
    network(x)[..., block, block].sum().backward()
    assert x.grad is not None
    reached = x.grad.abs().amax((0, 1)).nonzero() - centre
    assert int(reached.abs().max()) == radius


def test_wrong_weights_are_refused_by_name() -> None:
    spec = preset("realtime", 2)
    arrays = ParagonSR2(spec).to_arrays()
    with pytest.raises(UnsupportedArchitectureError) as caught:
        ParagonSR2.from_arrays(replace(spec, revision="v9"), arrays)
    assert caught.value.unexpected == tuple(f"body.0.blocks.{index}.scale.gamma" for index in range(3))
    del arrays["conv_mid.bias"]
    with pytest.raises(UnsupportedArchitectureError) as caught:
        ParagonSR2.from_arrays(spec, arrays)
    assert caught.value.missing == ("conv_mid.bias",)
    arrays["conv_mid.bias"] = np.zeros(17, dtype=np.float32)
    with pytest.raises(WeightError, match=r"conv_mid\.bias"):
        ParagonSR2.from_arrays(spec, arrays)


def test_copies_are_independent_and_survive_saving() -> None:
    network = randomised(ParagonSR2(attentive()))
    twin = copy.deepcopy(network)
    stored = io.BytesIO()
    torch.save(network.state_dict(), stored)
    network.to_arrays()["conv_in.weight"][:] = 0
    network.conv_in.weight.data.zero_()
    stored.seek(0)
    network.load_state_dict(torch.load(stored, weights_only=True))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), twin.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("variant", ["stream", "photo", "pro"])
def test_traced_export_is_right_at_every_size(variant: Variant, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    spec = replace(preset(variant, 2), channels=16, groups=1, blocks=2, window_size=4)
    network = randomised(ParagonSR2(spec))
    path = tmp_path / "network.onnx"
    axes = {0: "n", 2: "h", 3: "w"}
    torch.onnx.export(
        network,
        (random_image(8, 8),),
        path,
        opset_version=18,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": axes, "y": axes},
        dynamo=False,
    )
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for height, width in ((8, 8), (7, 10), (1, 3), (12, 5)):  # traced where nothing is padded, run where much is
        x = random_image(height, width, batch=2)
        with torch.inference_mode():
            expected = network(x).numpy()
        assert np.abs(session.run(None, {"x": x.numpy()})[0] - expected).max() <= 2e-5
