"""Recognise a ParagonSR2 network from the names and shapes of its tensors alone (spec §2).

Recognition is strict: a file that lacks a tensor, has one too many, or has one of another shape is refused with the
list, because ParagonSR2's relatives share many keys and would load into a plausible but wrong image (spec §9, B10).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import InputError, UnsupportedArchitectureError, WeightError
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.models.spec import FACTORY_ALPHA, SCALES, TOKEN_DIM, TOKENS, ModelSpec, Revision, Variant
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

Shapes = dict[str, tuple[int, ...]]
Arrays = dict[str, npt.NDArray[np.float32]]

_RGB: Final = 3

_LONGEST_KEY: Final = 80
_LONGEST_SHAPES: Final = 150

_V6_KEYS: Final = (
    (r"base_upsampler\.sharpen\.conv_([hv])\.weight", r"base.sharp.\1.weight"),
    (r"base_upsampler\.resample_conv\.conv_([hv])\.weight", r"base.blur.\1.weight"),
    (r"(body\.\d+\.blocks\.\d+)\.net\.0\.(weight|bias)", r"\1.conv1.\2"),
    (r"(body\.\d+\.blocks\.\d+)\.net\.2\.(weight|bias)", r"\1.dw.\2"),
    (r"(body\.\d+\.blocks\.\d+)\.net\.4\.(weight|bias)", r"\1.conv2.\2"),
    (r"conv_fuse\.(weight|bias)", r"conv_mid.\1"),
    (r"detail_upsampler\.up_conv\.(weight|bias)", r"up.0.\1"),
    (r"global_detail_gain", r"detail_gain"),
    (r"conv_(in|out)\.(weight|bias)", r"conv_\1.\2"),
)

_OLDER_FAMILIES: Final = (
    (
        ("magic_upsampler.", "upsampler.weight", ".transformer.tracked_kernel"),
        "a ParagonSR2 of before v5 (dynamic kernels), which is a different network",
    ),
    (
        ("global_detail_gain", "conv_fuse.", "base_upsampler.", "content_processor."),
        "a ParagonSR2 of v5 to v8 with other arithmetic than the published v6 realtime or the released v9 networks",
    ),
)

_OFFICIAL_HINT: Final = "use one of the released v9 or v11 checkpoints, or the v6 realtime one"


def expected_shapes(spec: ModelSpec) -> Shapes:
    """Return every key of upstream's state dict with its shape, fixed kernels included (spec §2)."""
    c, s = spec.channels, spec.scale
    shapes: Shapes = {
        "detail_gain": (),
        "base.sharp.kernel": (7,),
        "base.sharp.h.weight": (_RGB, 1, 1, 7),
        "base.sharp.v.weight": (_RGB, 1, 7, 1),
        "base.blur.kernel": (5,),
        "base.blur.h.weight": (_RGB, 1, 1, 5),
        "base.blur.v.weight": (_RGB, 1, 5, 1),
        **_conv("conv_in", c, _RGB, 3),
    }
    block = _BLOCK_SHAPES[spec.variant](spec)
    for group in range(spec.groups):
        for index in range(spec.blocks):
            shapes |= {f"body.{group}.blocks.{index}.{key}": shape for key, shape in block.items()}
    return shapes | _conv("conv_mid", c, c, 3) | _conv("up.0", c * s * s, c, 3) | _conv("conv_out", _RGB, c, 3)


def recognise(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[ModelSpec, dict[str, npt.NDArray[Any]]]:
    """Return the network's spec and its arrays under v9 names, from names, shapes and types alone: no value is read.

    ``upsampler_alpha`` and ``window_size`` are in no tensor; the spec carries the factory defaults for them.

    Raises:
        UnsupportedArchitectureError: another network; ``missing`` and ``unexpected`` list the keys.
        WeightError: a wrong shape or type.

    """
    renamed = _rename_v6(arrays)
    revision_v6 = renamed is not None
    keyed = dict(arrays) if renamed is None else renamed
    if not revision_v6:
        _refuse_other_families(keyed)
    _refuse_strangers(keyed)
    spec = _infer(keyed, is_v6=revision_v6)
    _compare(spec, keyed, optional={"base.sharp.kernel", "base.blur.kernel"} if revision_v6 else set())
    return spec, keyed


def detect(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[ModelSpec, Arrays]:
    """Return the network's spec and its arrays under upstream's v9 names and in their order; see `recognise`.

    Raises:
        UnsupportedArchitectureError: another network; ``missing`` and ``unexpected`` list the keys.
        WeightError: a wrong shape, values that are not finite, or altered fixed kernels.

    """
    spec, keyed = recognise(arrays)
    order = [key for key in expected_shapes(spec) if key in keyed]
    checked = {key: np.array(keyed[key], dtype=np.float32, order="C") for key in order}
    for key, value in checked.items():
        if not np.isfinite(value).all():
            msg = f"tensor {key} contains values that are not numbers (NaN or infinity)"
            raise WeightError(msg, hint="the training diverged or the file is damaged: use an earlier checkpoint")
    _check_fixed_kernels(checked)
    if spec.revision == "v6":  # the buffers that v6 files leave out
        checked |= {"base.sharp.kernel": SOFTENING_TAPS.astype("f4"), "base.blur.kernel": BINOMIAL_TAPS.astype("f4")}
        checked = {key: checked[key] for key in expected_shapes(spec)}
    return spec, checked


def _rename_v6(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]] | None:
    """Return the arrays under v9 names if every key, and each sort of key, is one of v6 realtime; else None."""
    renamed = {}
    used = set()
    for key, value in arrays.items():
        rule = next((rule for rule in _V6_KEYS if re.fullmatch(rule[0], key)), None)
        if rule is None:
            return None
        used.add(rule)
        renamed[re.sub(*rule, key)] = value
    return renamed if used == set(_V6_KEYS) else None


def _refuse_other_families(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    if "conv_in.weight" not in arrays:  # all relatives have it; strangers may share the other names
        return
    for markers, description in _OLDER_FAMILIES:
        if any(marker in key for key in arrays for marker in markers):
            msg = f"this is {description}"
            raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT)


def _refuse_strangers(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse what lacks one of the tensors that `_infer` looks at, or that every ParagonSR2 has."""
    needed = ("conv_in.weight", "conv_mid.weight", "up.0.weight", "detail_gain", "base.blur.h.weight")
    missing = tuple(key for key in needed if key not in arrays)
    if missing:
        msg = f"this is not a ParagonSR2 network: it has no {', '.join(missing)}"
        raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT, missing=missing)


def _infer(arrays: Mapping[str, npt.NDArray[Any]], *, is_v6: bool) -> ModelSpec:
    conv_in, up = arrays["conv_in.weight"].shape, arrays["up.0.weight"].shape
    if len(conv_in) != 4 or len(up) != 4 or conv_in[0] == 0:  # noqa: PLR2004 - the rank of a convolution
        shapes = printable(f"{conv_in} and {up}", _LONGEST_SHAPES)
        msg = f"conv_in.weight and up.0.weight have shapes {shapes}; convolutions have four dimensions"
        raise WeightError(msg, hint="the file is damaged: download it again")
    if conv_in[1] != _RGB:
        msg = f"the network takes {conv_in[1]} channels; only RGB networks (3 channels) are supported"
        raise UnsupportedArchitectureError(msg, hint="grey images work with RGB networks too")
    scale = next((s for s in SCALES if s * s * conv_in[0] == up[0]), None)
    if scale is None:
        msg = f"up.0.weight upscales {conv_in[0]} to {up[0]} channels, which is none of the scales {SCALES}"
        raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT)
    places = {
        tuple(map(int, m.groups())) for key in arrays if (m := re.match(r"body\.(\d{1,4})\.blocks\.(\d{1,4})\.", key))
    }
    groups, blocks = ({place[axis] for place in places} for axis in (0, 1))
    if not places or len(groups) * len(blocks) > len(arrays):  # then listing what is missing could take forever
        msg = f"the body has {len(places)} blocks in {len(groups)} groups, which do not form a network"
        raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT)
    first = "body.0.blocks.0."
    names = {key.removeprefix(first) for key in arrays if key.startswith(first)}
    variant = _variant_of_block(names)
    revision: Revision = "v9"
    if is_v6:
        revision = "v6"
    elif variant == "pro" or (variant != "photo" and "scale.gamma" in names):
        revision = "v11"
    try:
        return ModelSpec(
            variant=variant,
            revision=revision,
            scale=scale,
            channels=conv_in[0],
            groups=len(groups),
            blocks=len(blocks),
            attention="attn.qkv.weight" in names or "window_attn.qkv.weight" in names,
            upsampler_alpha=FACTORY_ALPHA[variant],
        )
    except InputError as error:
        raise UnsupportedArchitectureError(str(error), hint=_OFFICIAL_HINT) from None


def _variant_of_block(names: set[str]) -> Variant:
    if "token_ca.token_dict" in names:
        return "pro"
    if "dw3.weight" in names:
        return "stream"
    if "norm.scale" in names:
        return "photo"
    if "conv1.weight" in names:
        return "realtime"
    msg = f"the body's blocks are of an unknown kind (they hold {_shortened(tuple(sorted(names))) or 'nothing'})"
    raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT)


def _compare(spec: ModelSpec, arrays: Mapping[str, npt.NDArray[Any]], *, optional: set[str]) -> None:
    expected = expected_shapes(spec)
    missing = tuple(sorted(expected.keys() - arrays.keys() - optional))
    unexpected = tuple(sorted(arrays.keys() - expected.keys()))
    if missing or unexpected:
        parts = [
            f"{what}: {_shortened(keys)}" for what, keys in (("missing", missing), ("unexpected", unexpected)) if keys
        ]
        msg = f"this resembles a ParagonSR2 {spec.variant} network but its tensors differ ({'; '.join(parts)})"
        raise UnsupportedArchitectureError(msg, hint=_OFFICIAL_HINT, missing=missing, unexpected=unexpected)
    wrong = [key for key in arrays if arrays[key].shape != expected[key]]
    if wrong:
        shapes = {key: printable(str(arrays[key].shape), _LONGEST_KEY) for key in wrong[:3]}
        parts = [f"{key} is {shape}, should be {expected[key]}" for key, shape in shapes.items()]
        msg = f"{len(wrong)} tensors have the wrong shape: {'; '.join(parts)}"
        raise WeightError(msg, hint="the file is damaged or was edited: download it again")
    numbers = [key for key, value in arrays.items() if value.dtype.kind != "f"]
    if numbers:
        msg = f"tensor {numbers[0]} holds {arrays[numbers[0]].dtype} values, not floating-point weights"
        raise WeightError(msg, hint="quantised weights are not supported: use float32, float16 or bfloat16")


def _check_fixed_kernels(arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Refuse altered base kernels: upstream's forward would use them, the fused form takes them as known."""
    for name, taps in (("sharp", SOFTENING_TAPS), ("blur", BINOMIAL_TAPS)):
        for key in (f"base.{name}.h.weight", f"base.{name}.v.weight"):
            if not np.allclose(arrays[key].reshape(_RGB, -1), taps, rtol=0, atol=1e-6):
                msg = f"{key} is not the fixed kernel of the base path"
                raise WeightError(msg, hint="the file was altered by a trainer that should have left it alone")


def _shortened(keys: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(printable(key, _LONGEST_KEY) for key in keys[:most]) + (
        f" and {len(keys) - most} more" if len(keys) > most else ""
    )


def _conv(name: str, out: int, inner: int, side: int) -> Shapes:
    return {f"{name}.weight": (out, inner, side, side), f"{name}.bias": (out,)}


def _linear(name: str, out: int, inner: int) -> Shapes:
    return {f"{name}.weight": (out, inner), f"{name}.bias": (out,)}


def _norm(name: str, channels: int) -> Shapes:
    return {f"{name}.scale": (channels, 1, 1), f"{name}.bias": (channels, 1, 1)}


def _convolutional_branch(spec: ModelSpec) -> Shapes:
    c, h = spec.channels, spec.hidden
    return _conv("conv1", h, c, 1) | _conv("dw", h, 1, 3) | _conv("conv2", c, h, 1)


def _gamma(name: str, channels: int) -> Shapes:
    return {f"{name}.gamma": (1, channels, 1, 1)}


def _nano_block(spec: ModelSpec) -> Shapes:
    return _convolutional_branch(spec) | (_gamma("scale", spec.channels) if spec.revision == "v11" else {})


def _stream_block(spec: ModelSpec) -> Shapes:
    c, h = spec.channels, spec.hidden
    return (
        _conv("dw1", c, 1, 3)
        | _conv("dw3", c, 1, 3)
        | _conv("fuse", c, 2 * c, 1)
        | _conv("proj", 2 * h, c, 1)
        | _conv("gate", 2 * h, 1, 3)
        | _conv("out", c, h, 1)
        | (_gamma("scale", c) if spec.revision == "v11" else {})
    )


def _photo_block(spec: ModelSpec) -> Shapes:
    c = spec.channels
    shapes = _norm("norm", c) | _convolutional_branch(spec) | _gamma("scale", c)
    if spec.attention:
        shapes |= _norm("attn_norm", c) | _linear("attn.qkv", 3 * c, c) | _linear("attn.proj", c, c)
    return shapes


def _pro_block(spec: ModelSpec) -> Shapes:
    c, squeezed = spec.channels, spec.channels // 16
    shapes = _norm("norm1", c) | _convolutional_branch(spec) | _gamma("scale1", c)
    shapes |= {"channel_attn.fc.0.weight": (squeezed, c), "channel_attn.fc.2.weight": (c, squeezed)}
    shapes |= _gamma("scale2", c)
    if spec.attention:
        shapes |= _norm("norm3", c) | _linear("window_attn.qkv", 3 * c, c) | _linear("window_attn.proj", c, c)
        shapes |= _gamma("scale3", c)
    shapes |= _norm("norm4", c) | {"token_ca.token_dict": (1, TOKENS, c)}
    for name in ("q_proj", "k_proj"):
        shapes |= _linear(f"token_ca.{name}", TOKEN_DIM, c)
    for name in ("v_proj", "out_proj"):
        shapes |= _linear(f"token_ca.{name}", c, c)
    return shapes | _gamma("scale4", c)


_BLOCK_SHAPES: Final = {"realtime": _nano_block, "stream": _stream_block, "photo": _photo_block, "pro": _pro_block}
