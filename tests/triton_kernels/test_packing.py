"""A packed network, evaluated in float64 as the kernels do it, is the fused one at every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.graph.fuse import for_grey, fuse, fuse_arrays
from paragon_core.models.spec import SCALES, preset
from paragon_core.triton_kernels.packing import (
    LARGEST_CHUNK,
    PackedGroup,
    PackedHardswish,
    PackedNano,
    PackedStream,
    obstacle,
    pack,
    padded_side,
)
from tests.graph.numpy_networks import gelu, hardswish, run
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    from paragon_core.graph.fused_weights import Array
    from paragon_core.models.spec import ModelSpec
    from paragon_core.triton_kernels.packing import PackedBlock, PackedNetwork

NEAR = [(row - 1, column - 1) for row in range(3) for column in range(3)]
FAR = [(3 * row, 3 * column) for row, column in NEAR if row or column]
CELL = [(row - 1, column - 1) for row in range(4) for column in range(4)]
KINDS: tuple[tuple[Any, Any], ...] = (
    ("realtime", "v6"),
    ("realtime", "v9"),
    ("realtime", "v11"),
    ("stream", "v9"),
    ("stream", "v11"),
)


def seen(x: Array, rows: Array, columns: Array) -> Array:
    """Return ``x`` [height, width, channels] at places, zeros outside."""
    height, width, _ = x.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside[..., None], x[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)], 0.0)


def taps(x: Array, places: list[tuple[int, int]]) -> Array:
    """Return [taps, height, width, channels]."""
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    return np.array([seen(x, rows + down, columns + right) for down, right in places])


def outside(x: Array) -> Array:
    """Return 1 where a tap of a 3x3 convolution is outside the image, else 0: [taps, height, width, 1]."""
    return 1 - taps(np.ones((*x.shape[:2], 1)), NEAR)


def block(x: Array, of: PackedBlock) -> Array:
    match of:
        case PackedNano():
            inner = np.einsum("thwc,tcn->hwn", taps(x, NEAR), of.dense.weight) + of.dense.bias
            inner -= np.einsum("thwo,tn->hwn", outside(x), of.edge)
            return np.asarray(x + gelu(inner) @ of.project.weight[0] + of.project.bias)
        case PackedHardswish():
            expanded = hardswish(taps(x, NEAR) @ of.expand.weight[0] + of.expand.bias) * (1 - outside(x))
            inner = np.einsum("thwn,tn->hwn", expanded, of.depthwise) + of.depthwise_bias
            return np.asarray(x + hardswish(inner) @ of.project.weight[0] + of.project.bias)
        case PackedStream():
            mixed = np.einsum("thwc,tcn->hwn", taps(x, NEAR + FAR), of.mix.weight) + of.mix.bias
            a, b = (
                np.einsum("thwc,tcn->hwn", taps(mixed, NEAR), factor.weight)
                + factor.bias
                - np.einsum("thwo,tn->hwn", outside(x), edge)
                for factor, edge in zip(of.factors, of.edges, strict=True)
            )
            return np.asarray(x + (a * b) @ of.project.weight[0] + of.project.bias)
        case PackedGroup():
            y = x
            for inner_block in of.blocks:
                y = block(y, inner_block)
            return x + y


def upscale(x: Array, packed: PackedNetwork) -> Array:
    """Return [scale * height, scale * width, planes] from [height, width, planes]."""
    height, width, planes = x.shape
    scale = packed.scale
    patches = np.moveaxis(taps(x, NEAR), 0, 2).reshape(height, width, 9 * planes)
    features = patches @ packed.head.weight[0, : 9 * planes] + packed.head.bias
    for of in packed.blocks:
        features = block(features, of)
    features = np.einsum("thwc,tcn->hwn", taps(features, NEAR), packed.middle.weight) + packed.middle.bias
    base = x
    if packed.soften is not None:
        around = [(row - 3, column - 3) for row in range(7) for column in range(7)]
        base = np.einsum("thwc,t->hwc", taps(x, around), packed.soften)
    rows, columns = np.mgrid[-1:height, -1:width]
    kinds = 3 * (1 + (rows == height - 1) - (rows == -1)) + 1 + (columns == width - 1) - (columns == -1)
    cells = np.array(packed.tail.bias)[kinds]
    for tap, (down, right) in enumerate(CELL):
        given = seen(features, rows + down, columns + right)
        cells += np.einsum("hwc,hwcn->hwn", given, packed.tail.detail[:, tap][kinds])
        cells += seen(base, rows + down, columns + right) @ packed.tail.base[tap * planes : (tap + 1) * planes]
    cells = cells[:, :, : planes * scale**2].reshape(height + 1, width + 1, scale, scale, planes)
    image = cells.swapaxes(1, 2).reshape(scale * (height + 1), scale * (width + 1), planes)
    return np.asarray(image[scale - 1 : -1, scale - 1 : -1])


def check(of: ModelSpec, height: int, width: int, *, grey: bool, seed: int) -> None:
    model = random_model(of, seed)
    fused = fuse_arrays(model.spec, for_grey(model.arrays) if grey else model.arrays)
    image = np.random.default_rng(seed).random((1 if grey else 3, height, width))
    expected = run(fused, image).transpose(1, 2, 0)
    result = upscale(image.transpose(1, 2, 0), pack(fused))
    assert np.abs(result - expected).max() <= 1e-12 * max(1, np.abs(expected).max())


@given(
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from(SCALES),
    channels=st.sampled_from([5, 16]),
    alpha=st.sampled_from([0.0, 0.3]),
    grey=st.booleans(),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    seed=st.integers(0, 100),
)
@settings(max_examples=40)
def test_it_is_the_same_function(
    *,
    kind: tuple[Any, Any],
    scale: int,
    channels: int,
    alpha: float,
    grey: bool,
    height: int,
    width: int,
    seed: int,
) -> None:
    variant, revision = kind
    of = spec(variant, revision=revision, scale=scale, channels=channels, upsampler_alpha=alpha)
    check(of, height, width, grey=grey, seed=seed)


@pytest.mark.parametrize("groups", [1, 2])
def test_groups_keep_their_skips(groups: int) -> None:
    check(spec("realtime", revision="v6", groups=groups, blocks=3), 4, 5, grey=False, seed=1)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("scale", SCALES)
def test_sides_of_matrices_suit_tensor_cores(scale: int, *, grey: bool) -> None:
    model = random_model(spec("stream", scale=scale, channels=20))
    packed = pack(fuse_arrays(model.spec, for_grey(model.arrays) if grey else model.arrays))
    tail = packed.tail
    assert packed.width == 32
    for side in (packed.width, packed.head.weight.shape[1], tail.base.shape[0], tail.chunk):
        assert side >= 16
        assert side & (side - 1) == 0
    assert tail.chunk <= LARGEST_CHUNK
    assert tail.detail.shape == (9, 16, 32, tail.base.shape[1])
    assert tail.base.shape[1] % tail.chunk == 0
    assert 0 <= tail.base.shape[1] - (1 if grey else 3) * scale**2 < tail.chunk


def test_the_base_path_is_exact_in_half_precision() -> None:
    for scale in SCALES:
        base = pack(fuse(random_model(spec("realtime", scale=scale)))).tail.base
        assert np.array_equal(base.astype(np.float16), base)


def test_padded_sides() -> None:
    assert [padded_side(count) for count in (1, 16, 17, 27, 48, 64)] == [16, 16, 32, 32, 64, 64]


@pytest.mark.parametrize(
    ("of", "reason"),
    [(spec("photo"), "photo"), (preset("pro", 2), "pro"), (spec("realtime", channels=48), "48")],
    ids=["photo", "pro", "wide"],
)
def test_what_there_are_no_kernels_for_is_refused(of: ModelSpec, reason: str) -> None:
    assert reason in obstacle(of)
    with pytest.raises(InputError, match=reason):
        pack(fuse(random_model(of)) if of.variant != "pro" else fuse(random_model(spec("pro"))))


def test_what_there_are_kernels_for() -> None:
    for variant in ("realtime", "stream"):
        for scale in SCALES:
            of: Any = preset(variant, scale)
            assert obstacle(of) == ""
