"""Read a weights file into plain arrays, whatever wrote it, without running code that is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import safetensors

from paragon_core.errors import UnreadableCheckpointError
from paragon_core.torch_archive import read_torch_archive, widen_bfloat16

Arrays = dict[str, npt.NDArray[Any]]

#: The largest ParagonSR2 network is below 20 MB; a file beyond this is something else.
MAX_BYTES: Final = 512 * 2**20

_WRAPPERS: Final = ("params_ema", "params", "state_dict")
_PREFIXES: Final = ("module.", "_orig_mod.")
_NOT_WEIGHTS: Final = ("step", "initted")

_DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}

_LOOKALIKES: Final = (
    (b"version https://git-lfs", "it is a Git LFS pointer", "fetch the real file with: git lfs pull"),
    (b"<!DOCTYPE", "it is a web page", "download the file itself, not the page that shows it"),
    (b"<html", "it is a web page", "download the file itself, not the page that shows it"),
    (b"\x08", "it looks like an ONNX model", "Paragon starts from the .safetensors or .pth checkpoint"),
    (b"\x80\x02", "it is a .pth file of torch before 1.6", "save it again with a current torch, or as .safetensors"),
    (b"\x1f\x8b", "it is compressed with gzip", "unpack it first"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The tensors of one file as they were stored, floats widened to float32."""

    arrays: Arrays
    """State-dict keys (wrappers and prefixes removed) and their values."""
    metadata: Mapping[str, str]
    """The file's own notes (safetensors only); empty where there are none."""
    sha256: str
    """Hex digest of the file's bytes."""
    name: str
    """File name without folder and suffix."""


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a ``.safetensors`` or ``.pth`` file; the content decides which, not the suffix.

    Raises:
        UnreadableCheckpointError: missing, truncated, too large or not a weights file.
        UnsafeCheckpointError: a pickle that asks for more than tensors.

    """
    path = Path(path)
    data = _read_bytes(path)
    if data.startswith(b"PK\x03\x04"):
        arrays, metadata = _unwrap(read_torch_archive(data)), {}
    elif data[8:9] == b"{":
        arrays, metadata = _read_safetensors(data)
    else:
        raise _not_a_checkpoint(path, data)
    if not arrays:
        msg = f"{path.name} holds no tensors"
        raise UnreadableCheckpointError(msg, hint="choose a file with network weights")
    return Checkpoint(
        arrays={_strip(key): _widen(value) for key, value in arrays.items() if key not in _NOT_WEIGHTS},
        metadata=metadata,
        sha256=hashlib.sha256(data).hexdigest(),
        name=path.stem,
    )


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            msg = f"{path.name} is {size / 2**20:.0f} MiB; no ParagonSR2 checkpoint is that large"
            raise UnreadableCheckpointError(msg, hint="choose the network weights, not a training state or an archive")
        return path.read_bytes()
    except UnreadableCheckpointError:
        raise
    except FileNotFoundError:
        msg = f"there is no file {path}"
        raise UnreadableCheckpointError(msg, hint="check the spelling and the folder") from None
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror or str(error)
        msg = f"{path} cannot be read: {reason}"
        raise UnreadableCheckpointError(msg, hint="choose a .safetensors or .pth file that you may read") from None


def _read_safetensors(data: bytes) -> tuple[Arrays, dict[str, str]]:
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        msg = f"the .safetensors file is damaged or truncated ({error})"
        raise UnreadableCheckpointError(msg, hint="download it again") from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {key: _decode(key, tensor) for key, tensor in tensors}, dict(header.get("__metadata__") or {})


def _decode(key: str, tensor: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw, shape, dtype = bytes(tensor["data"]), tensor["shape"], tensor["dtype"]
    if dtype == "BF16":
        return widen_bfloat16(raw).reshape(shape)
    if dtype not in _DTYPES:
        msg = f"tensor {key} is stored as {dtype}"
        raise UnreadableCheckpointError(msg, hint="quantised weights are not supported: use float32, float16 or bfloat16")
    return np.frombuffer(raw, dtype=_DTYPES[dtype]).reshape(shape)


def _unwrap(content: object) -> Arrays:
    """Find the state dict inside what a trainer saved: EMA weights first, as upstream does."""
    while isinstance(content, dict):
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if wrapper is None:
            return {key: value for key, value in content.items() if isinstance(value, np.ndarray)}
        content = content[wrapper]
    msg = "the .pth file holds no dictionary of tensors"
    raise UnreadableCheckpointError(msg, hint="save the network's state_dict()")


def _strip(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _widen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _not_a_checkpoint(path: Path, data: bytes) -> UnreadableCheckpointError:
    what, hint = "it is empty" if not data else "unknown content", "choose a .safetensors or .pth file"
    for start, description, remedy in _LOOKALIKES:
        if data.startswith(start):
            what, hint = description, remedy
    return UnreadableCheckpointError(f"{path.name} is not a checkpoint: {what}", hint=hint)
