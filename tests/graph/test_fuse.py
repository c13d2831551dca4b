"""Each rewrite is the same function as what it replaces: in float64 to 1e-12 relative, at every pixel, at every size.

Both sides are spelled out in NumPy; `test_fused_network` holds the whole against the reference network in torch.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.graph.fuse import (
    absorb_affine,
    absorb_gain,
    absorb_layer_scale,
    absorb_skip,
    balance_product,
    base_as_cells,
    border_strips,
    collapse_tail,
    for_bytes,
    for_grey,
    fuse,
    fuse_arrays,
    merge_inputs,
    split_mix,
    split_outputs,
    token_attention,
)
from paragon_core.graph.fused_weights import Attention, Convolution, ProWeights, StreamWeights
from paragon_core.models.model import load
from paragon_core.models.spec import SCALES, ModelSpec
from tests.graph.numpy_networks import (
    Plain,
    base_step_by_step,
    convolve,
    in_cells,
    run,
    run_block,
    shuffle,
    without_strips,
)
from tests.models.checkpoint_files import SMALL, SMALL_PHOTO, random_arrays, specs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from paragon_core.graph.fused_weights import Array

scales = st.sampled_from(SCALES)
counts = st.integers(1, 5)
sides = st.integers(1, 6)
seeds = st.integers(0, 1000)


def noise(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def random_convolution(
    outputs: int, inputs: int, side: int, *, seed: int, groups: int = 1, dilation: int = 1
) -> Convolution:
    """Return a convolution that keeps the size of its input."""
    around = dilation * (side // 2)
    weight = noise(outputs, inputs // groups, side, side, seed=seed)
    bias = noise(outputs, seed=seed + 1)
    return Convolution(weight=weight, bias=bias, padding=(around, around), dilation=dilation, groups=groups)


def assert_same(result: Array, expected: Array) -> None:
    """Compare relative to the largest value; where sums happen to cancel, relative to the terms, which are near one."""
    assert result.shape == expected.shape
    assert result.dtype == np.float64
    assert np.abs(result - expected).max() <= 1e-12 * max(float(np.abs(expected).max()), 0.1)


@given(outputs=counts, inputs=counts, height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_layer_scale_and_gain_move_into_the_convolution(
    outputs: int, inputs: int, height: int, width: int, seed: int
) -> None:
    conv, x = random_convolution(outputs, inputs, 3, seed=seed), noise(inputs, height, width, seed=seed + 2)
    gamma = noise(outputs, seed=seed + 3)
    assert_same(convolve(x, absorb_layer_scale(conv, gamma)), gamma[:, None, None] * convolve(x, conv))
    assert_same(convolve(x, absorb_gain(conv, -0.7)), -0.7 * convolve(x, conv))


@given(outputs=counts, inputs=counts, height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_affine_map_moves_into_the_convolution_behind_it(
    outputs: int, inputs: int, height: int, width: int, seed: int
) -> None:
    conv, x = random_convolution(outputs, inputs, 1, seed=seed), noise(inputs, height, width, seed=seed + 2)
    scale, shift = noise(2, inputs, seed=seed + 3)
    plain = convolve(scale[:, None, None] * x + shift[:, None, None], conv)
    assert_same(convolve(x, absorb_affine(conv, scale, shift)), plain)


@given(channels=counts, side=st.sampled_from([1, 3, 5]), height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_skip_moves_into_the_convolution(channels: int, side: int, height: int, width: int, seed: int) -> None:
    conv, x = random_convolution(channels, channels, side, seed=seed), noise(channels, height, width, seed=seed + 2)
    before = conv.weight.copy()
    assert_same(convolve(x, absorb_skip(conv)), x + convolve(x, conv))
    assert np.array_equal(conv.weight, before)


@given(outputs=counts, half=counts, height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_concatenation_is_a_sum_of_two(outputs: int, half: int, height: int, width: int, seed: int) -> None:
    conv = random_convolution(outputs, 2 * half, 1, seed=seed)
    a, b = noise(2, half, height, width, seed=seed + 2)
    first, second = split_mix(conv)
    assert not second.bias.any()
    assert_same(convolve(a, first) + convolve(b, second), convolve(np.concatenate([a, b]), conv))


@given(half=counts, inputs=counts, depthwise=st.booleans(), height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_halves_of_the_output_are_two_convolutions(
    half: int, inputs: int, height: int, width: int, seed: int, *, depthwise: bool
) -> None:
    inputs = 2 * half if depthwise else inputs
    conv = random_convolution(2 * half, inputs, 3, seed=seed, groups=inputs if depthwise else 1)
    x = noise(inputs, height, width, seed=seed + 2)
    seen = np.split(x, 2) if depthwise else (x, x)
    parts = [convolve(part, one) for part, one in zip(seen, split_outputs(conv), strict=True)]
    assert_same(np.concatenate(parts), convolve(x, conv))


@given(outputs=counts, inputs=st.tuples(counts, counts), height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_sum_of_two_is_one_on_both_inputs(
    outputs: int, inputs: tuple[int, int], height: int, width: int, seed: int
) -> None:
    first, second = (random_convolution(outputs, count, 3, seed=seed + 9 * count) for count in inputs)
    a, b = (noise(count, height, width, seed=seed + count) for count in inputs)
    together = convolve(np.concatenate([a, b]), merge_inputs(first, second))
    assert_same(together, convolve(a, first) + convolve(b, second))


@given(scale=scales, maps=st.tuples(counts, counts, counts), height=sides, width=sides, seed=seeds)
@settings(deadline=None, max_examples=150)
def test_tail_and_strips_are_the_two_convolutions(
    scale: int, maps: tuple[int, int, int], height: int, width: int, seed: int
) -> None:
    channels, features, inner = maps
    up = random_convolution(features * scale**2, inner, 3, seed=seed)
    out = random_convolution(channels, features, 3, seed=seed + 2)
    x = noise(inner, height, width, seed=seed + 4)
    plain = convolve(shuffle(convolve(x, up), scale), out)
    collapsed = in_cells(x, collapse_tail(up, out, scale), scale)
    inside = (slice(None), slice(1, -1), slice(1, -1))
    assert np.abs(collapsed[inside] - plain[inside]).max(initial=0) <= 1e-12 * np.abs(plain).max()
    assert_same(without_strips(collapsed, x, border_strips(up, out, scale), scale), plain)


@given(scale=scales, seed=seeds)
@settings(deadline=None, max_examples=20)
def test_tail_alone_is_wrong_in_the_outermost_ring_and_only_there(scale: int, seed: int) -> None:
    up, out = random_convolution(2 * scale**2, 2, 3, seed=seed), random_convolution(3, 2, 3, seed=seed + 2)
    x = noise(2, 4, 5, seed=seed + 4)
    plain = convolve(shuffle(convolve(x, up), scale), out)
    wrong = np.abs(in_cells(x, collapse_tail(up, out, scale), scale) - plain).max(axis=0) > 1e-9
    ring = np.ones_like(wrong)
    ring[1:-1, 1:-1] = False
    assert np.array_equal(wrong, ring)


@given(scale=scales, channels=st.integers(1, 4), height=sides, width=sides, seed=seeds)
@settings(deadline=None)
def test_base_in_cells_is_nearest_and_blur(scale: int, channels: int, height: int, width: int, seed: int) -> None:
    x = noise(channels, height, width, seed=seed)
    assert_same(in_cells(x, base_as_cells(scale, channels), scale), base_step_by_step(x, scale))


@given(alpha=st.floats(1e-3, 2), height=sides, width=sides, seed=seeds)
@settings(deadline=None, max_examples=40)
def test_softening_is_one_convolution(alpha: float, height: int, width: int, seed: int) -> None:
    spec = replace(SMALL, upsampler_alpha=alpha)
    fused, x = fuse_arrays(spec, random_arrays(spec)), noise(3, height, width, seed=seed)
    assert fused.soften is not None
    softened = convolve(x, fused.soften)
    assert_same(in_cells(softened, fused.tail.base, spec.scale), base_step_by_step(x, spec.scale, alpha))


@pytest.mark.parametrize("alpha", [0.0, -0.3])
def test_without_alpha_nothing_softens(alpha: float) -> None:
    assert fuse_arrays(replace(SMALL, upsampler_alpha=alpha), random_arrays(SMALL)).soften is None


def random_stream_block(*, factors: float, projection: float, bound: float | None, seed: int) -> StreamWeights:
    """Return a block on two channels whose factors and projection are of these sizes."""
    wide = [random_convolution(2, 2, 1, seed=seed + index) for index in range(2)]
    expand = [random_convolution(4, 2, 1, seed=seed + 10 + index) for index in range(2)]
    gates = [absorb_gain(random_convolution(4, 4, 3, seed=seed + 20 + index, groups=4), factors) for index in range(2)]
    project = random_convolution(2, 4, 1, seed=seed + 30)
    return StreamWeights(
        near=random_convolution(2, 2, 3, seed=seed + 40, groups=2),
        far=random_convolution(2, 2, 3, seed=seed + 50, groups=2, dilation=3),
        mix_near=wide[0],
        mix_far=replace(wide[1], bias=np.zeros(2)),
        expand_a=expand[0],
        gate_a=gates[0],
        expand_b=expand[1],
        gate_b=gates[1],
        project=replace(project, weight=project.weight * projection),
        product_bound=bound,
    )


@given(
    factors=st.floats(1e-3, 1e3),
    projection=st.floats(1e-7, 10),
    bound=st.one_of(st.none(), st.floats(1e-2, 1e5)),
    height=sides,
    seed=seeds,
)
@settings(deadline=None)
def test_factors_give_to_the_projection_what_they_have_too_much(
    factors: float, projection: float, bound: float | None, height: int, seed: int
) -> None:
    block = random_stream_block(factors=factors, projection=projection, bound=bound, seed=seed)
    balanced, x = balance_product(block), noise(2, height, 4, seed=seed)
    np.testing.assert_array_equal(run_block(x, balanced), run_block(x, block))  # powers of two change no bit
    before, after = (
        max(np.abs(gate.weight).max() for gate in (each.gate_a, each.gate_b)) for each in (block, balanced)
    )
    assert after <= before
    assert after < 2 or np.abs(balanced.project.weight).max() > 0.5


local_specs = specs().filter(lambda spec: spec.variant != "pro").map(lambda spec: replace(spec, attention=False))


@given(spec=local_specs, height=st.integers(1, 9), width=st.integers(1, 9), seed=seeds)
@settings(deadline=None, max_examples=60)
def test_whole_network_is_the_plain_one(spec: ModelSpec, height: int, width: int, seed: int) -> None:
    arrays, x = tame(random_arrays(spec, seed)), noise(3, height, width, seed=seed)
    assert_same(run(fuse_arrays(spec, arrays), x), Plain(spec, arrays)(x))


def tame(arrays: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
    """Shrink weights by their fan-in, so that values keep their size from layer to layer."""
    wide = {key: value for key, value in arrays.items() if value.ndim == 4 and not key.startswith("base.")}
    return arrays | {key: (value / value[0].size ** 0.5).astype(np.float32) for key, value in wide.items()}


@given(spec=local_specs, height=sides, width=sides, seed=seeds)
@settings(deadline=None, max_examples=25)
def test_network_for_bytes_maps_bytes_to_bytes(spec: ModelSpec, height: int, width: int, seed: int) -> None:
    arrays, x = tame(random_arrays(spec, seed)), noise(3, height, width, seed=seed)
    bytewise = for_bytes(arrays)
    assert_same(Plain(spec, bytewise)(255 * x), 255 * Plain(spec, arrays)(x))
    assert_same(run(fuse_arrays(spec, bytewise), 255 * x), 255 * Plain(spec, arrays)(x))


@given(spec=local_specs, height=sides, width=sides, seed=seeds)
@settings(deadline=None, max_examples=25)
def test_network_for_grey_is_the_mean_of_three_channels(spec: ModelSpec, height: int, width: int, seed: int) -> None:
    arrays, grey = tame(random_arrays(spec, seed)), noise(1, height, width, seed=seed)
    plain = Plain(spec, arrays)(np.tile(grey, (3, 1, 1))).mean(axis=0, keepdims=True)
    fused = fuse_arrays(spec, for_grey(arrays))
    assert fused.image_channels == 1
    assert_same(run(fused, grey), plain)


@given(spec=local_specs)
@settings(deadline=None, max_examples=10)
def test_bytes_and_grey_may_be_taken_in_any_order(spec: ModelSpec) -> None:
    arrays = random_arrays(spec)
    one, other = for_grey(for_bytes(arrays)), for_bytes(for_grey(arrays))
    assert one.keys() == other.keys() == arrays.keys()
    for key in one:
        np.testing.assert_allclose(one[key], other[key], rtol=1e-14)


def attend(qkv: Array, channels: int, factor: float) -> Array:
    """Return the attention of [tokens, 3 * channels] with four heads, before its projection (spec §1)."""
    query, key, value = (part.reshape(-1, 4, channels // 4) for part in np.split(qkv, 3, axis=1))
    logits = np.einsum("thc,uhc->htu", query, key) * factor
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares /= shares.sum(axis=2, keepdims=True)
    return np.asarray(np.einsum("htu,uhc->thc", shares, value).reshape(-1, channels))


def attention_of(block: Any) -> Attention:
    assert isinstance(block.attention, Attention)
    return block.attention


@pytest.mark.parametrize(
    ("spec", "norm", "attention", "gamma"),
    [
        (SMALL_PHOTO, "attn_norm", "attn", "scale"),
        (replace(SMALL_PHOTO, variant="pro", revision="v11", channels=16), "norm3", "window_attn", "scale3"),
    ],
)
@given(inside=st.integers(1, 9), outside=st.integers(0, 4), seed=seeds)
@settings(deadline=None, max_examples=30)
def test_attention_has_norm_head_size_and_layer_scale_inside(
    spec: ModelSpec, norm: str, attention: str, gamma: str, *, inside: int, outside: int, seed: int
) -> None:
    """Tokens outside the image are zeros behind the norm, and must stay so (spec §8.2)."""
    channels = spec.channels
    arrays = {key: value.astype(np.float64) for key, value in random_arrays(spec, seed).items()}
    part = {key.removeprefix("body.0.blocks.0."): value for key, value in arrays.items()}
    normalised = noise(inside, channels, seed=seed)
    tokens = np.concatenate(
        [normalised * part[f"{norm}.scale"].ravel() + part[f"{norm}.bias"].ravel(), np.zeros((outside, channels))]
    )
    qkv = tokens @ part[f"{attention}.qkv.weight"].T + part[f"{attention}.qkv.bias"]
    plain = attend(qkv, channels, (channels // 4) ** -0.5)
    plain = plain @ part[f"{attention}.proj.weight"].T + part[f"{attention}.proj.bias"]
    plain *= part[f"{gamma}.gamma"].ravel()

    fused = attention_of(fuse_arrays(spec, arrays).blocks[0])
    known = np.tile(fused.qkv_bias, (inside + outside, 1))
    known[:inside] += normalised @ fused.qkv_weight.T + fused.token_bias
    assert_same(attend(known, channels, 1.0) @ fused.project_weight.T + fused.project_bias, plain)


def test_windows_are_shifted_in_every_other_block_of_the_whole_body() -> None:
    spec = replace(SMALL_PHOTO, groups=2, blocks=3, window_size=6)
    blocks = fuse_arrays(spec, random_arrays(spec)).blocks
    assert [attention_of(block).shift for block in blocks] == [0, 3, 0, 3, 0, 3]
    assert {attention_of(block).window for block in blocks} == {6}


@given(channels=st.sampled_from([16, 20, 32]), pixels=st.integers(1, 7), seed=seeds)
@settings(deadline=None, max_examples=30)
def test_token_attention_is_two_convolutions_around_a_softmax(channels: int, pixels: int, seed: int) -> None:
    spec = replace(SMALL, variant="pro", channels=channels)
    arrays = {key: value.astype(np.float64) for key, value in random_arrays(spec, seed).items()}
    part = {key.removeprefix("body.0.blocks.0."): value for key, value in arrays.items()}
    normalised = noise(channels, pixels, 1, seed=seed)

    def linear(x: Array, name: str) -> Array:
        return np.asarray(x @ part[f"token_ca.{name}.weight"].T + part[f"token_ca.{name}.bias"])

    tokens = (part["norm4.scale"] * normalised + part["norm4.bias"])[:, :, 0].T
    dictionary = part["token_ca.token_dict"][0]
    logits = linear(tokens, "q_proj") @ linear(dictionary, "k_proj").T / 4
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    plain = part["scale4.gamma"].ravel() * linear(shares @ linear(dictionary, "v_proj"), "out_proj")

    to_logits, to_values = token_attention(arrays, "body.0.blocks.0.")
    folded = convolve(normalised, to_logits)
    folded = np.exp(folded - folded.max(axis=0))
    result = convolve(folded / folded.sum(axis=0), to_values)[:, :, 0].T
    assert_same(result, plain)


def test_channel_weights_are_kept_as_they_are() -> None:
    spec = replace(SMALL, variant="pro", channels=32)
    arrays = random_arrays(spec)
    (block,) = fuse_arrays(spec, arrays).blocks
    assert isinstance(block, ProWeights)
    assert block.attention is None
    assert np.array_equal(block.squeeze, arrays["body.0.blocks.0.channel_attn.fc.0.weight"])
    assert np.array_equal(block.excite, arrays["body.0.blocks.0.channel_attn.fc.2.weight"])
    assert np.array_equal(block.channel_gain, arrays["body.0.blocks.0.scale2.gamma"].ravel())


def parts_of(value: object) -> Iterator[object]:
    """Walk through dataclasses and tuples to what they hold."""
    if is_dataclass(value):
        for field in fields(value):
            yield from parts_of(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from parts_of(item)
    else:
        yield value


@given(spec=specs())
@settings(deadline=None, max_examples=40)
def test_fusing_is_in_float64_and_changes_nothing_it_is_given(spec: ModelSpec) -> None:
    arrays = random_arrays(spec)
    for array in arrays.values():
        array.flags.writeable = False
    fused = fuse_arrays(spec, arrays)
    found = [part for part in parts_of(fused) if isinstance(part, np.ndarray)]
    assert len(found) >= 20
    assert {array.dtype for array in found} == {np.dtype(np.float64)}
    assert all(np.isfinite(array).all() for array in found)
    assert fused.image_channels == 3
    assert fused.spec == spec
    assert len(fused.blocks) == (spec.groups if spec.revision == "v6" else spec.block_count)


def test_a_bundled_model_is_the_plain_one() -> None:
    model = load("realtime-2x")
    x = np.random.default_rng(0).random((3, 13, 10))
    assert_same(run(fuse(model), x), Plain(model.spec, model.arrays)(x))
