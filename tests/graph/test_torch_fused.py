"""The fused form in torch is the plain network: every pixel, every size, every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from paragon_core.graph.fuse import for_bytes, for_grey, fuse, fuse_arrays
from paragon_core.graph.torch_fused import FusedParagonSR2
from paragon_core.models.model import load
from paragon_core.models.spec import REVISIONS, SCALES, ModelSpec, Variant, preset
from paragon_core.network import ParagonSR2
from tests.network.random_networks import attentive, random_image, randomised, specs
from tests.reference_vectors import NAMES, TOLERANCE, model_of_case, vectors

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

KINDS = [(variant, revision) for variant, revisions in REVISIONS.items() for revision in revisions]


def both(spec: ModelSpec, seed: int = 0, **options: Any) -> tuple[ParagonSR2, FusedParagonSR2]:
    """Return a plain network in float64 and its fused form, in float64 unless said otherwise."""
    plain = randomised(ParagonSR2(spec), seed)
    options.setdefault("dtype", torch.float64)
    return plain.double(), FusedParagonSR2(fuse_arrays(spec, plain.to_arrays()), **options)


def difference(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest deviation relative to the largest value."""
    assert result.shape == expected.shape
    return float((result.double() - expected).abs().max() / expected.abs().max())


@given(
    spec=specs(),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
@torch.inference_mode()
def test_fused_is_plain_at_every_size(spec: ModelSpec, height: int, width: int, batch: int, seed: int) -> None:
    plain, fused = both(spec, seed)
    x = random_image(height, width, batch=batch, dtype=torch.float64)
    assert difference(fused(x), plain(x)) <= 1e-12


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("variant", "revision"), KINDS)
@torch.inference_mode()
def test_fused_is_plain_at_the_presets_width(variant: Variant, revision: Any, scale: int) -> None:
    whole = preset(variant, scale, revision=revision)
    plain, fused = both(replace(whole, groups=min(whole.groups, 2), blocks=min(whole.blocks, 3)))
    for height, width in ((1, 1), (1, 5), (2, 1), (2, 2), (17, 21)):
        x = random_image(height, width, dtype=torch.float64)
        assert difference(fused(x), plain(x)) <= 1e-12


@pytest.mark.parametrize(("variant", "revision"), KINDS)
@torch.inference_mode()
def test_video_blend_is_the_same(variant: Variant, revision: Any) -> None:
    spec = replace(preset(variant, 2, revision=revision), groups=1, blocks=2, window_size=4)
    plain, fused = both(spec)
    expected_features = features = None
    for frame in range(3):
        x = random_image(9, 6, dtype=torch.float64) * (1 + frame) / 3
        expected, expected_features = plain(x, expected_features, feature_tap=True, blend=0.3)
        out, features = fused(x, features, feature_tap=True, blend=0.3)
        assert difference(out, expected) <= 1e-12
        assert difference(features, expected_features) <= 1e-12


@torch.inference_mode()
def test_a_tensor_of_blend_zero_forgets_the_frame_before() -> None:
    _, fused = both(replace(preset("stream", 2), groups=1, blocks=1))
    x, before = random_image(5, 6, dtype=torch.float64), torch.randn(1, 32, 5, 6, dtype=torch.float64)
    assert torch.equal(fused(x, before, blend=torch.tensor(0.0, dtype=torch.float64)), fused(x))


@pytest.mark.processor
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float16, 5e-3), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize(("variant", "revision"), KINDS)
@torch.inference_mode()
def test_narrow_types_stay_close(variant: Variant, revision: Any, dtype: torch.dtype, tolerance: float) -> None:
    spec = replace(preset(variant, 2, revision=revision), groups=1, blocks=2, window_size=4)
    plain, fused = both(spec, dtype=dtype)
    x = random_image(11, 13)
    out, features = fused(x, feature_tap=True)
    assert (out.dtype, features.dtype) == (torch.float32, dtype)
    assert difference(out, plain(x.double())) <= tolerance


@pytest.mark.processor
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_narrow_types_leave_the_base_path_alone(dtype: torch.dtype) -> None:
    spec = replace(preset("realtime", 2), upsampler_alpha=0.3)
    plain = ParagonSR2(spec, detail_gain=0.0)
    fused = FusedParagonSR2(fuse_arrays(spec, plain.to_arrays()), dtype=dtype)
    x = random_image(11, 13)
    assert difference(fused(x), plain.double()(x.double())) <= 1e-6


@torch.inference_mode()
def test_bytes_and_grey_are_rewrites_of_the_same_network() -> None:
    spec = attentive(upsampler_alpha=0.3)
    plain = randomised(ParagonSR2(spec))
    arrays = plain.to_arrays()
    plain = plain.double()
    x = random_image(7, 9, dtype=torch.float64)
    bytewise = FusedParagonSR2(fuse_arrays(spec, for_bytes(arrays)), dtype=torch.float64)
    assert difference(bytewise(x * 255) / 255, plain(x)) <= 1e-12
    grey = FusedParagonSR2(fuse_arrays(spec, for_grey(arrays)), dtype=torch.float64)
    one = x[:, :1]
    assert difference(grey(one), plain(one.expand(-1, 3, -1, -1)).mean(1, keepdim=True)) <= 1e-12


@torch.inference_mode()
def test_weights_are_constants_in_channels_last() -> None:
    _, fused = both(attentive(), dtype=torch.float32)
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    assert not fused.training
    assert fused.conv_mid.weight.is_contiguous(memory_format=torch.channels_last)
    assert {parameter.dtype for parameter in fused.parameters()} == {torch.float32}
    _, features = fused(random_image(6, 7), feature_tap=True)
    assert features.is_contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def test_reproduces_upstream_in_every_case_of_every_vector(shared: Path) -> None:
    images = [vectors(shared / "vectors")[name] for name in NAMES]
    assert {vector["variant"] for vector in images} == {"realtime", "stream", "photo", "pro"}
    for vector in images:
        tensors = load_file(shared / "vectors" / vector["io"])
        for case in vector["cases"]:
            model = model_of_case(shared / "vectors", vector, case)
            out = FusedParagonSR2(fuse(model))(torch.tensor(tensors[case["input"]])).numpy()
            assert np.abs(out - tensors[case["output"]]).max() <= TOLERANCE[model.spec.variant], (
                vector["name"],
                case["output"],
            )


@torch.inference_mode()
def test_reproduces_upstream_video(shared: Path) -> None:
    tensors = load_file(shared / "vectors/head_stream_x2_video_io.safetensors")
    fused = FusedParagonSR2(fuse(load(shared / "vectors/head_stream_x2.safetensors", upsampler_alpha=0.0)))
    features = None
    for frame in range(3):
        out, features = fused(torch.tensor(tensors[f"f{frame}.in"]), features, feature_tap=True, blend=0.2)
        assert np.abs(out.numpy() - tensors[f"f{frame}.out"]).max() <= 1e-5
        assert np.abs(features.numpy() - tensors[f"f{frame}.feat"]).max() <= 1e-5
