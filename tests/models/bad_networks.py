"""Files that are no usable checkpoint, apart from what a .pth file can do wrong (see `bad_archives`)."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from paragon_core.errors import (
    UnreadableCheckpointError,
    UnsupportedArchitectureError,
    WeightError,
)
from tests.models.bad_checkpoint import kinds
from tests.models.checkpoint_files import (
    SMALL,
    SMALL_PHOTO,
    as_stored,
    raw_safetensors,
    safetensors_file,
    torch_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.models.checkpoint_files import Arrays


def good() -> bytes:
    """Return a whole file, to be damaged."""
    return safetensors_file(as_stored(SMALL))


def _with(**changes: Any) -> Callable[[], bytes]:
    """Return a file with some tensors replaced; keys are written with __ for a dot."""

    def make() -> bytes:
        arrays: dict[str, Any] = as_stored(SMALL) | {key.replace("__", "."): value for key, value in changes.items()}
        return safetensors_file({key: value for key, value in arrays.items() if value is not None})

    return make


def _changed(change: Callable[[Arrays], Arrays | None], spec: Any = SMALL) -> Callable[[], bytes]:
    """Return a file whose tensors went through a function, which may change them in place."""

    def make() -> bytes:
        arrays = as_stored(spec)
        return safetensors_file(change(arrays) or arrays)

    return make


def _header(**tensor_fields: Any) -> Callable[[], bytes]:
    """Return a file of one tensor whose entry in the header is changed; it has four values of four bytes."""
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} | tensor_fields
    return lambda: raw_safetensors({"conv_in.bias": entry}, bytes(16))


def _zeros(shapes: Mapping[str, tuple[int, ...]]) -> Callable[[], bytes]:
    return lambda: safetensors_file({key: np.zeros(shape, np.float32) for key, shape in shapes.items()})


def _spoilt(key: str, value: float, dtype: str = "f4") -> Callable[[], bytes]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key].astype(dtype)
        arrays[key].flat[-1] = value

    return _changed(change)


def _stored_as(dtype: str, bits: int) -> Callable[[], bytes]:
    """Return a file whose only tensor has a type that NumPy need not know."""
    return lambda: raw_safetensors(
        {"w": {"dtype": dtype, "shape": [16], "data_offsets": [0, 2 * bits]}}, bytes(2 * bits)
    )


def _onnx() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [value], [other]))
    return bytes(model.SerializeToString())


def _zip(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for member, content in members:
            file.writestr(member, content)
    return stream.getvalue()


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, bias=as_stored(SMALL)["conv_in.bias"])
    return stream.getvalue()


NOT_A_CHECKPOINT = kinds(
    UnreadableCheckpointError,
    [
        ("empty", b"", "it is empty"),
        ("one byte", b"\x00", "unknown content"),
        ("zeros", bytes(4096), "unknown content"),
        ("web page", b"<!DOCTYPE html>\n<html><head><title>404</title>", "web page"),
        ("web page in small letters", b"<!doctype html>\n<html lang=en>", "web page"),
        ("web page after blank lines", b"\n\n\n\n\n  <html>\n  <body>", "web page"),
        ("git lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 70208\n", "Git LFS"),
        ("gzip of a checkpoint", lambda: gzip.compress(good()), "gzip"),
        ("onnx model", _onnx, "ONNX"),
        ("json", b'{"message": "Not Found", "status": 404}', "unknown content"),
        ("plain text", b"Please log in to download this file.", "unknown content"),
        ("image", b"\x89PNG\r\n\x1a\n" + bytes(100), "unknown content"),
        ("torch before 1.6", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "before 1.6"),
        ("bare pickle", lambda: pickle.dumps({"conv_in.bias": [0.0]}, protocol=4), "unknown content"),
        ("zip around a checkpoint", lambda: _zip(("net.safetensors", good())), "not written by torch"),
        ("npz", _npz, "not written by torch"),
        ("empty zip", _zip, "unknown content"),
        ("half a zip", lambda: torch_file(as_stored(SMALL))[:-40], "cannot be read"),
    ],
)

SAFETENSORS_STRUCTURE = kinds(
    UnreadableCheckpointError,
    [
        ("cut in the length", lambda: good()[:5], "unknown content"),
        ("cut after the length", lambda: good()[:8], "unknown content"),
        ("cut after the first brace", lambda: good()[:9], "damaged or truncated"),
        ("cut in the header", lambda: good()[:400], "damaged or truncated"),
        ("cut after the header", lambda: good()[: 8 + struct.unpack("<Q", good()[:8])[0]], "damaged or truncated"),
        ("cut in the data", lambda: good()[:-1000], "damaged or truncated"),
        ("last byte missing", lambda: good()[:-1], "damaged or truncated"),
        ("a byte too many", lambda: good() + b"\x00", "damaged or truncated"),
        ("length of zero", lambda: raw_safetensors({}, length=0), "damaged or truncated"),
        ("length beyond the file", lambda: raw_safetensors({"a": 1}, length=10_000), "damaged or truncated"),
        ("length beyond memory", lambda: raw_safetensors({"a": 1}, length=2**64 - 1), "damaged or truncated"),
        ("length too short", lambda: raw_safetensors({"a": 1}, length=3), "damaged or truncated"),
        ("header is not json", lambda: raw_safetensors(b"{not json}"), "damaged or truncated"),
        ("header is not text", lambda: raw_safetensors(b'{"\xff\xfe": 1}'), "damaged or truncated"),
        ("header nested a hundred thousand deep", lambda: raw_safetensors(b'{"a":' * 100_000), "damaged or truncated"),
        ("no tensors", lambda: raw_safetensors({}), "no tensors"),
        ("only notes", lambda: raw_safetensors({"__metadata__": {"author": "me"}}), "no tensors"),
        ("notes that are not text", lambda: raw_safetensors({"__metadata__": {"alpha": 0}}), "damaged or truncated"),
        ("entry is a number", lambda: raw_safetensors({"a": 1}), "damaged or truncated"),
        ("type missing", lambda: raw_safetensors({"a": {"shape": [], "data_offsets": [0, 0]}}), "damaged or truncated"),
        ("type unknown", _header(dtype="F33"), "damaged or truncated"),
        ("shape too large for its bytes", _header(shape=[5]), "damaged or truncated"),
        ("shape too small for its bytes", _header(shape=[3]), "damaged or truncated"),
        ("negative shape", _header(shape=[-4]), "damaged or truncated"),
        ("fractional shape", _header(shape=[4.5]), "damaged or truncated"),
        ("shape beyond all bounds", _header(shape=[2**63, 2**63]), "damaged or truncated"),
        ("offsets beyond the end", _header(data_offsets=[0, 32], shape=[8]), "damaged or truncated"),
        ("offsets backwards", _header(data_offsets=[16, 0]), "damaged or truncated"),
        ("offsets that leave a hole", _header(data_offsets=[8, 16], shape=[2]), "damaged or truncated"),
        ("offsets that leave a rest", _header(data_offsets=[0, 8], shape=[2]), "damaged or truncated"),
        ("negative offset", _header(data_offsets=[-16, 16]), "damaged or truncated"),
        (
            "offsets that overlap",
            lambda: raw_safetensors(
                {key: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for key in ("a", "b")}, bytes(16)
            ),
            "damaged or truncated",
        ),
        ("empty tensor with an endless side", _header(shape=[0, 2**63], data_offsets=[0, 0]), "damaged|impossible"),
        (
            "empty tensor with an endless side alone",
            lambda: raw_safetensors({"a": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}}),
            "impossible shape",
        ),
        (
            "sixty-five sides",
            lambda: raw_safetensors({"a": {"dtype": "F32", "shape": [1] * 65, "data_offsets": [0, 4]}}, bytes(4)),
            "impossible shape",
        ),
        ("8-bit floats", _stored_as("F8_E4M3", 8), "stored as F8_E4M3"),
        ("4-bit floats", _stored_as("F4", 4), "stored as F4"),
        ("unsigned 16-bit", _stored_as("U16", 16), "stored as U16"),
        ("complex", _stored_as("C64", 64), "stored as C64"),
        (
            "everything twice, with and without a prefix",
            _changed(lambda arrays: arrays | {f"module.{key}": value for key, value in arrays.items()}),
            "twice",
        ),
    ],
)


def _whole(arrays: Arrays) -> None:
    for key in arrays:
        arrays[key] = np.asarray(np.round(arrays[key]), dtype=np.int8)


def _flat(arrays: Arrays) -> None:
    for key, value in arrays.items():
        arrays[key] = value.reshape(-1)


def _averaging(arrays: Arrays) -> None:
    arrays["base.blur.h.weight"] = np.full_like(arrays["base.blur.h.weight"], 0.2)


WEIGHTS = kinds(
    WeightError,
    [
        ("not a number", _spoilt("conv_mid.weight", np.nan), "conv_mid.weight contains values that are not numbers"),
        ("infinity", _spoilt("conv_out.bias", np.inf), "not numbers"),
        ("minus infinity in half precision", _spoilt("up.0.bias", -np.inf, "f2"), "not numbers"),
        ("double that no float can hold", _spoilt("conv_in.bias", 1e300, "f8"), "not numbers"),
        (
            "signalling double",
            _spoilt("conv_in.bias", struct.unpack("<d", b"\x01\0\0\0\0\0\xf0\x7f")[0], "f8"),
            "not numbers",
        ),
        ("gain is not a number", _with(detail_gain=np.array(np.nan, np.float32)), "detail_gain contains"),
        ("gain with a side", _with(detail_gain=np.ones(1, np.float32)), r"detail_gain is \(1,\), should be \(\)"),
        ("too few biases", _with(conv_mid__bias=np.zeros(3, np.float32)), r"conv_mid.bias is \(3,\), should be \(4,\)"),
        ("kernel of another size", _with(conv_mid__weight=np.zeros((4, 4, 5, 5), np.float32)), "wrong shape"),
        (
            "transposed",
            _changed(lambda arrays: arrays | {"conv_out.weight": np.zeros((4, 3, 3, 3), "f4")}),
            "wrong shape",
        ),
        ("conv_in is a matrix", _with(conv_in__weight=np.zeros((4, 27), np.float32)), "four dimensions"),
        ("everything is flat", _changed(_flat), "four dimensions"),
        ("no channels", _with(conv_in__weight=np.zeros((0, 3, 3, 3), np.float32)), "four dimensions"),
        ("whole numbers", _changed(_whole), "int8 values, not floating-point"),
        ("one tensor of whole numbers", _with(conv_out__bias=np.zeros(3, np.int64)), "conv_out.bias holds int64"),
        ("truth values", _with(conv_in__bias=np.zeros(4, np.bool_)), "conv_in.bias holds bool"),
        ("base blurs otherwise", _changed(_averaging), "base.blur.h.weight is not the fixed kernel"),
        (
            "base learned",
            _with(base__sharp__v__weight=np.zeros((3, 1, 7, 1), np.float32)),
            "base.sharp.v.weight is not",
        ),
    ],
)

_V8_REALTIME = {
    "base_upsampler.sharpen.conv_h.weight": (3, 1, 1, 7),
    "base_upsampler.sharpen.conv_v.weight": (3, 1, 7, 1),
    "base_upsampler.resample_conv.conv_h.weight": (3, 1, 1, 5),
    "base_upsampler.resample_conv.conv_v.weight": (3, 1, 5, 1),
    "conv_in.weight": (16, 3, 3, 3),
    "conv_in.bias": (16,),
    "body.0.blocks.0.net.0.weight": (32, 16, 1, 1),
    "body.0.blocks.0.net.0.bias": (32,),
    "body.0.blocks.0.net.2.weight": (32, 1, 3, 3),
    "body.0.blocks.0.net.2.bias": (32,),
    "body.0.blocks.0.net.4.weight": (16, 32, 1, 1),
    "body.0.blocks.0.net.4.bias": (16,),
    "body.0.content_processor.weight": (16, 16, 1, 1),
    "conv_fuse.weight": (16, 16, 3, 3),
    "conv_fuse.bias": (16,),
    "detail_upsampler.up_conv.weight": (64, 16, 3, 3),
    "detail_upsampler.up_conv.bias": (64,),
    "conv_out.weight": (3, 16, 3, 3),
    "conv_out.bias": (3,),
    "global_detail_gain": (),
}
_V2_NANO = {
    "conv_in.weight": (24, 3, 3, 3),
    "body.0.blocks.0.context.dwconv_h.weight": (3, 1, 9, 1),
    "body.0.blocks.0.transformer.tracked_kernel": (36, 1, 3, 3),
    "body.0.blocks.0.ls1.gamma": (24,),
    "conv_fuse.weight": (24, 24, 3, 3),
    "magic_upsampler.sharpen.conv_h.weight": (24, 1, 1, 7),
    "upsampler.weight": (24, 24, 3, 3),
    "conv_out.weight": (3, 24, 3, 3),
}
_MUNET = {
    "in_conv.weight": (8, 3, 3, 3),
    "down_blocks.0.0.parametrizations.weight.original": (8, 8, 4, 4),
    "up_blocks.0.magic_upsample.sharpen.conv_h.weight": (16, 1, 1, 7),
    "out_conv.bias": (1,),
}
_REAL_ESRGAN = {
    "conv_first.weight": (64, 3, 3, 3),
    "body.0.rdb1.conv1.weight": (32, 64, 3, 3),
    "conv_body.weight": (64, 64, 3, 3),
    "conv_up1.weight": (64, 64, 3, 3),
    "conv_last.weight": (3, 64, 3, 3),
}
_COMPACT = {"body.0.weight": (64, 3, 3, 3), "body.1.weight": (64,), "body.34.weight": (12, 64, 3, 3)}
_CLIP = {"visual.transformer.resblocks.0.attn.in_proj_weight": (96, 32), "visual.transformer.tracked_kernel": (1,)}
_LORA = {"lora_unet_down_blocks_0.lora_down.weight": (4, 32), "lora_unet_down_blocks_0.alpha": ()}


def _without(*keys: str, spec: Any = SMALL) -> Callable[[], bytes]:
    return _changed(lambda arrays: {key: value for key, value in arrays.items() if key not in keys}, spec)


def _without_part(part: str, spec: Any = SMALL) -> Callable[[], bytes]:
    return _changed(lambda arrays: {key: value for key, value in arrays.items() if part not in key}, spec)


def _endless_body(arrays: Arrays) -> None:
    """Name a few blocks in a thousand groups, and a thousand blocks in one group: together a million blocks."""
    for index in range(1000):
        arrays[f"body.{index}.blocks.0.x"] = arrays[f"body.0.blocks.{index}.x"] = np.zeros(1, np.float32)


def _scaled(up: int, spec: Any = SMALL) -> Callable[[], bytes]:
    return _changed(lambda arrays: arrays | {"up.0.weight": np.zeros((up, spec.channels, 3, 3), "f4")}, spec)


_V6 = replace(SMALL, revision="v6")
_TWO = replace(SMALL, groups=2, blocks=2)

OTHER_NETWORKS = kinds(
    UnsupportedArchitectureError,
    [
        ("v8 realtime", _zeros(_V8_REALTIME), "v5 to v8"),
        (
            "v8 by its fusing convolution alone",
            _zeros({"conv_in.weight": (4, 3, 3, 3), "conv_fuse.weight": (4,)}),
            "v5 to v8",
        ),
        ("v2 nano", _zeros(_V2_NANO), "before v5"),
        (
            "v0 by its kernels alone",
            _zeros({"conv_in.weight": (4, 3, 3, 3), "b.transformer.tracked_kernel": (4,)}),
            "before v5",
        ),
        ("munet", _zeros(_MUNET), "not a ParagonSR2 network"),
        ("real-esrgan", _zeros(_REAL_ESRGAN), "not a ParagonSR2 network"),
        ("compact", _zeros(_COMPACT), "not a ParagonSR2 network"),
        ("clip", _zeros(_CLIP), "not a ParagonSR2 network"),
        ("lora", _zeros(_LORA), "not a ParagonSR2 network"),
        ("only counters", _zeros({"step": (), "initted": ()}), "not a ParagonSR2 network"),
        ("a key missing", _without("conv_mid.bias"), "missing: conv_mid.bias"),
        ("a needed key missing", _without("conv_in.weight"), "has no conv_in.weight"),
        ("a buffer missing", _without("base.blur.kernel"), "missing: base.blur.kernel"),
        ("an extra key", _with(extra__weight=np.zeros(1, np.float32)), "unexpected: extra.weight"),
        (
            "extra keys by the hundred",
            _changed(lambda a: a | {f"z{i}": a["conv_in.bias"] for i in range(300)}),
            "295 more",
        ),
        (
            "a key with trailing blank",
            _changed(lambda a: a | {"conv_in.bias ": a.pop("conv_in.bias")}),
            "missing: conv_in",
        ),
        ("no body", _without_part("body."), "0 blocks"),
        ("a block missing", _without_part("body.1.blocks.1.", _TWO), "missing: body.1.blocks.1.conv1.bias"),
        ("a group missing", _without_part("body.0.", _TWO), "unknown kind"),
        ("a million blocks", _changed(_endless_body), "do not form a network"),
        ("blocks of no known kind", _without_part(".conv1."), "unknown kind"),
        ("blocks without a middle", _without_part(".dw."), "missing: body.0.blocks.0.dw.bias"),
        ("one gamma of several", _without("body.1.blocks.0.scale.gamma", spec=_TWO), "body.1.blocks.0.scale.gamma"),
        ("half an attention", _without_part(".attn.proj.", SMALL_PHOTO), "missing: body.0.blocks.0.attn.proj"),
        (
            "attention in one block only",
            _without_part("blocks.1.attn", replace(SMALL_PHOTO, blocks=2)),
            "missing: body",
        ),
        (
            "heads that do not divide",
            _changed(
                lambda a: (
                    a | {"conv_in.weight": np.zeros((6, 3, 3, 3), "f4"), "up.0.weight": np.zeros((24, 6, 3, 3), "f4")}
                ),
                SMALL_PHOTO,
            ),
            "multiple of 4 channels",
        ),
        ("five times larger", _scaled(25 * SMALL.channels), "none of the scales"),
        ("not larger at all", _scaled(SMALL.channels), "none of the scales"),
        ("larger by no square", _scaled(6 * SMALL.channels), "none of the scales"),
        ("grey network", _with(conv_in__weight=np.zeros((4, 1, 3, 3), np.float32)), "only RGB"),
        ("v6 without conv_in", _without("conv_in.weight", spec=_V6), "has no conv_in.weight"),
        ("v6 without upsampler", _without("detail_upsampler.up_conv.weight", spec=_V6), "has no up.0.weight"),
        ("v6 without a bias", _without("body.0.blocks.0.net.4.bias", spec=_V6), "missing: body.0.blocks.0.conv2.bias"),
        ("v6 without gain", _without("global_detail_gain", spec=_V6), "v5 to v8"),
        ("v6 with something more", _changed(lambda a: a | {"extra": np.zeros(1, np.float32)}, _V6), "v5 to v8"),
        ("v6 and v9 mixed", _changed(lambda a: a | as_stored(SMALL), _V6), "v5 to v8"),
    ],
)


def _noted(spec: Any = SMALL, **notes: str) -> Callable[[], bytes]:
    return lambda: safetensors_file(as_stored(spec), notes)


SETTINGS = kinds(
    UnsupportedArchitectureError,
    [
        ("alpha in words", _noted(upsampler_alpha="none"), "upsampler_alpha='none'"),
        ("alpha left out", _noted(upsampler_alpha=""), "upsampler_alpha=''"),
        ("alpha not a number", _noted(upsampler_alpha="nan"), "upsampler_alpha='nan'"),
        ("alpha infinite", _noted(upsampler_alpha="-inf"), "upsampler_alpha='-inf'"),
        ("alpha far out", _noted(upsampler_alpha="1e9"), "upsampler_alpha='1e9'"),
        ("alpha a megabyte long", _noted(upsampler_alpha="x" * 2**20), "upsampler_alpha='x{40}'"),
        ("window of nothing", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="0"), "window_size='0'"),
        ("window negative", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="-16"), "window_size='-16'"),
        (
            "window fractional",
            _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="8.5"),
            "window_size='8.5': not a whole",
        ),
        ("window of 65", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="65"), "must be at most 64, not 65"),
        ("window of 1000", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="1000"), "window_size='1000'"),
        ("window of 400 digits", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="9" * 400), "not a whole number"),
        ("window that is an escape", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="\x1b[2J"), "a whole number"),
        ("window infinite", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="inf"), "window_size='inf'"),
        ("window not a number", _noted(SMALL_PHOTO, upsampler_alpha="0", window_size="nan"), "window_size='nan'"),
    ],
)
