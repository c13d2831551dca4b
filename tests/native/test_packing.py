"""The order of the weights is the one that the kernel reads, for every kind of network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import InputError
from paragon_core.graph.fuse import for_bytes, for_grey, fuse, fuse_arrays
from paragon_core.models.spec import preset
from paragon_core.native.interface import BlockKind
from paragon_core.native.packing import pack, runs
from tests.random_models import random_model, spec

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.models.spec import ModelSpec

KINDS: tuple[tuple[Any, Any, BlockKind], ...] = (
    ("realtime", "v6", BlockKind.NANO_HARDSWISH),
    ("realtime", "v9", BlockKind.NANO_GELU),
    ("realtime", "v11", BlockKind.NANO_GELU),
    ("stream", "v9", BlockKind.STREAM),
    ("stream", "v11", BlockKind.STREAM_CLAMPED),
)


def shapes(of: ModelSpec, planes: int) -> list[tuple[int, ...]]:
    """Return the shapes that docs and kernel agree upon, weights and biases in turns."""
    c, s, p = of.channels, of.scale, planes
    nano = [(2 * c, c), (2 * c,), (2 * c, 3, 3), (2 * c,), (c, 2 * c), (c,)]
    stream = [(c, 3, 3), (c,), (c, 3, 3), (c,), (c, 2 * c), (c,), (4 * c, c), (4 * c,), (4 * c, 3, 3), (4 * c,)]
    bound: list[tuple[int, ...]] = [] if of.product_bound is None else [(1,)]
    block = nano if of.variant == "realtime" else [*stream, (c, 2 * c), (c,), *bound]
    tail = [(p * s * s, c, 4, 4), (p * s * s,), (2 * p * s, c, 1, 5), (2 * p * s,)]
    border = [(2 * c * s, c, 3), (2 * c * s,), (2 * p, c, 3)]
    return [(c, p, 3, 3), (c,), *(block * of.block_count), (c, c, 3, 3), (c,), *tail, *border]


def taken_apart(weights: npt.NDArray[np.float32], of: ModelSpec, planes: int) -> list[npt.NDArray[np.float32]]:
    parts, start = [], 0
    for shape in shapes(of, planes):
        end = start + int(np.prod(shape))
        parts.append(weights[start:end].reshape(shape))
        start = end
    assert start == weights.size
    return parts


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("variant", "revision", "kind"), KINDS)
def test_fields_and_length(variant: Any, revision: Any, kind: BlockKind, scale: int, *, grey: bool) -> None:
    model = random_model(spec(variant, revision=revision, scale=scale, groups=2, upsampler_alpha=0.25))
    fused = fuse_arrays(model.spec, for_grey(model.arrays) if grey else model.arrays)
    packed = pack(fused, 255)
    fields = {name: getattr(packed.fields, name) for name, _ in packed.fields._fields_}
    assert fields == {
        "block": kind,
        "channels": 8,
        "blocks": 4,
        "group": 2 if revision == "v6" else 0,
        "scale": scale,
        "planes": 1 if grey else 3,
        "softening": 0.25,
        "peak": 255,
    }
    assert packed.weights.dtype == np.float32
    assert packed.weights.flags.c_contiguous
    taken_apart(packed.weights, model.spec, fields["planes"])


@pytest.mark.parametrize("alpha", [-0.5, 0.0])
def test_what_does_not_soften_has_no_softening(alpha: float) -> None:
    assert pack(fuse(random_model(spec("realtime", upsampler_alpha=alpha))), 1).fields.softening == 0


def test_parts_are_in_the_order_of_the_table() -> None:
    model = random_model(spec("stream", blocks=1))
    fused = fuse(model)
    (block,) = fused.blocks
    parts = taken_apart(pack(fused, 1).weights, model.spec, 3)
    conv_in, _, near, near_bias, far, _, mix, mix_bias, expand, _, gate, gate_bias, project, _, bound, *_ = parts
    every: Any = block
    for packed, exact in (
        (conv_in, fused.conv_in.weight),
        (near, every.near.weight[:, 0]),
        (near_bias, every.near.bias),
        (far, every.far.weight[:, 0]),
        (mix[:, :8], every.mix_near.weight[:, :, 0, 0]),
        (mix[:, 8:], every.mix_far.weight[:, :, 0, 0]),
        (mix_bias, every.mix_near.bias),
        (expand[:16], every.expand_a.weight[:, :, 0, 0]),
        (expand[16:], every.expand_b.weight[:, :, 0, 0]),
        (gate[16:], every.gate_b.weight[:, 0]),
        (gate_bias[:16], every.gate_a.bias),
        (project, every.project.weight[:, :, 0, 0]),
        (bound, np.array([every.product_bound])),
        (parts[-1], fused.border.column_out.weight[..., 0]),
    ):
        assert np.array_equal(packed, exact.astype(np.float32))


@pytest.mark.parametrize("variant", ["realtime", "stream"])
def test_the_peak_is_in_the_first_layer_and_in_the_tail_only(variant: Any) -> None:
    model = random_model(spec(variant))
    folded = pack(fuse_arrays(model.spec, for_bytes(model.arrays)), 1).weights
    assert np.allclose(pack(fuse(model), 255).weights, folded, rtol=1e-6, atol=0)


def test_networks_that_see_the_whole_image_are_refused() -> None:
    taken = {variant: runs(preset(variant, 2)) for variant in ("realtime", "stream", "photo", "pro")}
    assert taken == {"realtime": True, "stream": True, "photo": False, "pro": False}
    photo = random_model(spec("photo"))
    with pytest.raises(InputError, match="photo") as caught:
        pack(fuse(photo), 1)
    assert caught.value.hint
    with pytest.raises(InputError, match="PhotoWeights"):
        pack(replace(fuse(photo), spec=preset("realtime", 2)), 1)
