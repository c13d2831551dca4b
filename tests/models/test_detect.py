"""From tensors alone back to the network they belong to, and no network from what only resembles one."""

from __future__ import annotations

import json
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from paragon_core.errors import UnsupportedArchitectureError, WeightError
from paragon_core.models.detect import detect, expected_shapes
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.models.spec import (
    FACTORY_ALPHA,
    FACTORY_WINDOW,
    REVISIONS,
    SCALES,
    ModelSpec,
    Revision,
    Variant,
    preset,
)
from tests.models.checkpoint_files import SMALL, SMALL_PHOTO, as_stored, published_v6, random_arrays, specs
from tests.models.parameter_counts import COUNTS

if TYPE_CHECKING:
    from pathlib import Path

#: Tensors of the first block that decide what the others should be.
TELLS_THE_KIND = (
    "conv1.weight",
    "dw3.weight",
    "norm.scale",
    "scale.gamma",
    "attn.qkv.weight",
    "token_ca.token_dict",
    "window_attn.qkv.weight",
)


def recognised(spec: ModelSpec) -> ModelSpec:
    """Return what can be known of a network from its tensors: the two settings that are in none are the factory's."""
    return replace(spec, upsampler_alpha=FACTORY_ALPHA[spec.variant], window_size=FACTORY_WINDOW)


@given(spec=specs(), seed=st.integers(0, 100), dtype=st.sampled_from(["f4", "f8", "f2"]))
@settings(max_examples=200, deadline=None)
def test_any_network_is_recognised_from_its_tensors(spec: ModelSpec, seed: int, dtype: str) -> None:
    stored = {key: value.astype(dtype) for key, value in reversed(as_stored(spec, seed).items())}
    found, arrays = detect(stored)
    assert found == recognised(spec)
    assert [(key, value.shape) for key, value in arrays.items()] == list(expected_shapes(spec).items())
    for key, value in random_arrays(spec, seed).items():
        assert arrays[key].dtype == np.float32
        assert arrays[key].flags.c_contiguous
        exact = key.endswith(".kernel") and spec.revision == "v6"  # these are not in the file
        assert np.array_equal(arrays[key], value if exact else value.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("variant", "revision"), [(v, r) for v, revisions in REVISIONS.items() for r in revisions])
def test_presets_are_recognised(variant: Variant, revision: Revision, scale: int) -> None:
    spec = preset(variant, scale, revision=revision)
    shapes = expected_shapes(spec)
    zeros = {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}  # takes no memory
    fixed = {key: value for key, value in random_arrays(SMALL).items() if key.startswith("base.")}
    stored = zeros | fixed
    found, arrays = detect(published_v6(stored) if revision == "v6" else stored)
    assert found == spec
    assert {key: value.shape for key, value in arrays.items()} == shapes


@pytest.mark.parametrize(("variant", "revision", "parameters", "keys"), COUNTS)
def test_shapes_have_upstreams_counts(
    variant: Variant, revision: Revision, parameters: dict[int, int], keys: int
) -> None:
    for scale, count in parameters.items():
        shapes = expected_shapes(preset(variant, scale, revision=revision))
        assert len(shapes) == keys
        assert sum(prod(shape) for key, shape in shapes.items() if not key.endswith(".kernel")) == count


@pytest.mark.parametrize("spec", [SMALL, SMALL_PHOTO, replace(SMALL, revision="v6")], ids=lambda spec: spec.revision)
def test_input_is_neither_changed_nor_shared(spec: ModelSpec) -> None:
    stored = as_stored(spec)
    before = {key: value.copy() for key, value in stored.items()}
    _, arrays = detect(stored)
    for value in arrays.values():
        value[...] = 7
    assert stored.keys() == before.keys()
    assert all(np.array_equal(stored[key], before[key]) for key in before)


def test_memory_order_of_the_input_does_not_matter() -> None:
    stored = {key: np.asarray(value, order="F") for key, value in as_stored(SMALL_PHOTO).items()}
    big_endian = {key: value.astype(">f4") for key, value in stored.items()}
    for arrays in (detect(stored)[1], detect(big_endian)[1]):
        for key, value in random_arrays(SMALL_PHOTO).items():
            assert np.array_equal(arrays[key], value)
            assert arrays[key].dtype.isnative


@given(spec=specs(), data=st.data())
@settings(deadline=None)
def test_a_network_without_one_of_its_tensors_is_refused_by_its_name(spec: ModelSpec, data: st.DataObject) -> None:
    stored = as_stored(replace(spec, revision="v9") if spec.revision == "v6" else spec)
    key = data.draw(st.sampled_from(sorted(stored)))
    del stored[key]
    tells_the_kind = {f"body.0.blocks.0.{part}" for part in TELLS_THE_KIND}
    if key == "body.0.blocks.0.scale.gamma" and spec.block_count == 1 and spec.variant in {"realtime", "stream"}:
        assert detect(stored)[0].revision == "v9"  # which has no such tensors
        return
    with pytest.raises(UnsupportedArchitectureError) as caught:
        detect(stored)
    assert caught.value.hint
    if key not in tells_the_kind:
        assert caught.value.missing == (key,)
        assert key in str(caught.value)


@given(spec=specs(), data=st.data())
@settings(deadline=None)
def test_a_network_with_a_tensor_of_another_shape_is_refused(spec: ModelSpec, data: st.DataObject) -> None:
    stored = as_stored(spec)
    key = data.draw(st.sampled_from(sorted(stored)))
    stored[key] = stored[key][..., None]
    with pytest.raises(WeightError, match=r"shape") as caught:
        detect(stored)
    assert caught.value.hint


@given(spec=specs(), extra=st.text(min_size=1, max_size=30))
@settings(deadline=None)
def test_a_network_with_something_more_is_refused(spec: ModelSpec, extra: str) -> None:
    stored = as_stored(spec)
    if extra in stored:
        return
    with pytest.raises(UnsupportedArchitectureError) as caught:
        detect(stored | {extra: np.zeros(1, np.float32)})
    # Some names are those of another family; next to v6 names, any further one is.
    assert caught.value.unexpected == (extra,) or " v5" in str(caught.value)


@given(spec=specs(), data=st.data(), value=st.sampled_from([np.nan, np.inf, -np.inf]))
@settings(deadline=None)
def test_a_network_with_one_value_that_is_no_number_is_refused(
    spec: ModelSpec, data: st.DataObject, value: float
) -> None:
    stored = as_stored(spec)
    key = data.draw(st.sampled_from(sorted(key for key, array in stored.items() if array.size)))
    stored[key] = stored[key].copy()
    stored[key].flat[data.draw(st.integers(0, stored[key].size - 1))] = value
    with pytest.raises(WeightError, match=r"not numbers|not the fixed kernel"):
        detect(stored)


@pytest.mark.parametrize(
    "key", ["base.sharp.h.weight", "base.sharp.v.weight", "base.blur.h.weight", "base.blur.v.weight"]
)
def test_fixed_kernels_must_be_the_fixed_ones_in_every_channel(key: str) -> None:
    stored = as_stored(SMALL)
    stored[key] = stored[key].copy()
    stored[key].flat[-1] += 1e-4
    with pytest.raises(WeightError, match=f"{key} is not the fixed kernel"):
        detect(stored)
    stored[key].flat[-1] -= 1e-4
    assert detect(stored)[0].scale == 2


def test_fixed_kernels_may_have_been_stored_in_half_precision() -> None:
    for dtype in ("f2", "f4"):  # their values are sixteenths and thirty-seconds: exact in any floating-point type
        for taps in (SOFTENING_TAPS, BINOMIAL_TAPS):
            assert np.array_equal(taps.astype(dtype), taps)


@pytest.mark.parametrize("counts", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_v6_is_recognised_with_any_number_of_blocks(counts: tuple[int, int]) -> None:
    spec = replace(SMALL, revision="v6", groups=counts[0], blocks=counts[1], scale=3)
    found, arrays = detect(as_stored(spec))
    assert found == recognised(spec)
    assert np.array_equal(arrays["base.sharp.kernel"], SOFTENING_TAPS.astype("f4"))
    assert np.array_equal(arrays["base.blur.kernel"], BINOMIAL_TAPS.astype("f4"))


def test_v6_under_the_names_of_v9_cannot_be_distinguished_from_v9() -> None:
    """Nothing in the tensors says which activation they were trained with: only the names of the published file do."""
    assert detect(random_arrays(replace(SMALL, revision="v6")))[0].revision == "v9"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v6_2xParagonSR2_Realtime_fidelity", preset("realtime", 2, revision="v6")),
        ("v11_2xParagonSR2_Realtime_fidelity", preset("realtime", 2, revision="v11")),
        ("v9_2xParagonSR2_Stream_fidelity", preset("stream", 2, revision="v9")),
        ("v11_2xParagonSR2_Stream_fidelity", preset("stream", 2, revision="v11")),
        ("v9_2xParagonSR2_Photo_fidelity", preset("photo", 2)),
    ],
)
def test_published_networks_are_recognised(shared: Path, name: str, expected: ModelSpec) -> None:
    stored = load_file(shared / f"weights/{name}.safetensors")
    found, arrays = detect(stored)
    assert found == expected
    assert list(arrays)  # as many values as the file has, plus the buffers that v6 leaves out
    assert sum(map(np.size, arrays.values())) == sum(map(np.size, stored.values())) + 12 * (expected.revision == "v6")


def test_published_network_of_another_family_is_refused_with_the_reason(shared: Path) -> None:
    with pytest.raises(UnsupportedArchitectureError, match=r"before v5 \(dynamic kernels\)") as caught:
        detect(load_file(shared / "weights/v2_2xParagonSR2_Nano_Pretrain.safetensors"))
    assert "released" in caught.value.hint


def test_discriminator_is_refused(shared: Path) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="not a ParagonSR2 network"):
        detect(load_file(shared / "vectors/munet_nf8_m122.safetensors"))


def test_networks_of_the_vectors_are_recognised(shared: Path) -> None:
    vectors: list[dict[str, Any]] = json.loads((shared / "vectors/manifest.json").read_text())["vectors"]
    networks = [vector for vector in vectors if "variant" in vector]
    assert len(networks) > 10
    for vector in networks:
        found, _ = detect(load_file(shared / "vectors" / vector["weights"]))
        revision: Revision = "v11" if vector["rev"] == "head" and vector["variant"] != "photo" else "v9"
        assert found == preset(vector["variant"], vector["scale"], revision=revision), vector["name"]
