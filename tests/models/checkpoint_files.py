"""Checkpoints for the tests, as arrays and as the bytes of files, right ones and damaged ones; no torch is needed."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from safetensors.numpy import save

from paragon_core.models.detect import expected_shapes
from paragon_core.models.kernels import BINOMIAL_TAPS, SOFTENING_TAPS
from paragon_core.models.spec import REVISIONS, SCALES, ModelSpec, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from hypothesis.strategies import DrawFn

    Arrays = dict[str, npt.NDArray[Any]]

#: A small network of the commonest kind.
SMALL = ModelSpec(variant="realtime", revision="v11", scale=2, channels=4, groups=1, blocks=1)

#: A small network with attention.
SMALL_PHOTO = ModelSpec(variant="photo", revision="v9", scale=2, channels=4, groups=1, blocks=1, attention=True)

_FIXED = {"base.sharp": SOFTENING_TAPS, "base.blur": BINOMIAL_TAPS}

_V6_NAMES = {
    "base.sharp.": "base_upsampler.sharpen.conv_",
    "base.blur.": "base_upsampler.resample_conv.conv_",
    "conv_mid.": "conv_fuse.",
    "up.0.": "detail_upsampler.up_conv.",
    "detail_gain": "global_detail_gain",
    ".conv1.": ".net.0.",
    ".dw.": ".net.2.",
    ".conv2.": ".net.4.",
}


@st.composite
def specs(draw: DrawFn) -> ModelSpec:
    """Small networks of every kind."""
    variant: Variant = draw(st.sampled_from(["realtime", "stream", "photo", "pro"]))
    return ModelSpec(
        variant=variant,
        revision=draw(st.sampled_from(REVISIONS[variant])),
        scale=draw(st.sampled_from(SCALES)),
        channels=draw(st.sampled_from([16, 20, 32] if variant == "pro" else [4, 8, 12])),
        groups=draw(st.integers(1, 3)),
        blocks=draw(st.integers(1, 3)),
        attention=variant in {"photo", "pro"} and draw(st.booleans()),
        window_size=draw(st.integers(1, 16)),
        upsampler_alpha=draw(st.sampled_from([0.0, 0.3, -0.2])),
    )


def random_arrays(spec: ModelSpec, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return the tensors of a checkpoint of this network; all but the fixed kernels are noise."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for key, shape in expected_shapes(spec).items():
        taps = next((taps for name, taps in _FIXED.items() if key.startswith(name)), None)
        values = generator.standard_normal(shape) if taps is None else np.resize(taps, shape)
        arrays[key] = np.asarray(values, dtype=np.float32)
    return arrays


def published_v6(arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return the tensors of a v6 network under the names of its published file, which leaves two buffers out."""
    renamed = {}
    for key, value in arrays.items():
        if key.endswith(".kernel"):
            continue
        renamed_key = key
        for ours, theirs in _V6_NAMES.items():
            renamed_key = renamed_key.replace(ours, theirs)
        renamed[renamed_key] = value
    return renamed


def as_stored(spec: ModelSpec, seed: int = 0) -> Arrays:
    """Return random tensors under the names that a published file of this network has."""
    arrays = random_arrays(spec, seed)
    return published_v6(arrays) if spec.revision == "v6" else dict(arrays)


def safetensors_file(arrays: Mapping[str, npt.NDArray[Any]], metadata: dict[str, str] | None = None) -> bytes:
    """Return a safetensors file."""
    return save(dict(arrays), metadata)


def raw_safetensors(header: object, body: bytes = b"", *, length: int | None = None) -> bytes:
    """Return something like a safetensors file; the header is bytes, or anything that JSON can hold."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


# The instructions of a pickle, so that any program can be spelled out, also those that no pickler writes.


def text(value: str) -> bytes:
    """Push a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """Push an integer of any size."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def several(*items: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(items) + b"t"


def numbers(*values: int) -> bytes:
    """Push a tuple of integers."""
    return several(*map(number, values))


def name(module: str, attribute: str) -> bytes:
    """Look up a name in a module."""
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def call(function: bytes, *arguments: bytes) -> bytes:
    """Call a function."""
    return function + several(*arguments) + b"R"


def mapping(items: Mapping[str, bytes]) -> bytes:
    """Push a dictionary."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(key: str, count: int, kind: str = "FloatStorage") -> bytes:
    """Push a storage of the archive."""
    return several(text("storage"), name("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(of: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Push a tensor on a storage, as torch does."""
    hooks = call(name("collections", "OrderedDict"))
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, of, number(offset), numbers(*size), numbers(*stride), b"\x89", hooks)


def program(body: bytes, protocol: int = 2) -> bytes:
    """Return a whole pickle."""
    return b"\x80" + bytes([protocol]) + body + b"."


def archive(
    pickled: bytes, members: Mapping[str, bytes] | None = None, root: str = "net", compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Return a torch archive with these storages (or other members: names with a slash)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr(f"{root}/data.pkl", pickled)
        for key, raw in (members or {}).items():
            file.writestr(key if "/" in key else f"{root}/data/{key}", raw)
    return stream.getvalue()


def torch_program(arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "") -> tuple[bytes, dict[str, bytes]]:
    """Return the pickle (without its frame) and the storages of a dictionary of float32 tensors; prefix them."""
    items, storages = {}, {}
    for index, (key, value) in enumerate(arrays.items()):
        member = f"{prefix}{index}"
        storages[member] = value.astype("<f4").tobytes()
        strides = tuple(step // value.itemsize for step in np.ascontiguousarray(value).strides[: value.ndim])
        items[key] = tensor(storage(member, value.size), 0, value.shape, strides)
    return mapping(items), storages


def torch_file(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return a .pth file as torch writes it."""
    body, storages = torch_program(arrays)
    return archive(program(body), storages | {"net/byteorder": b"little", "net/version": b"3\n"})
