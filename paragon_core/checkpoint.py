"""Read a weights file into plain arrays, whatever wrote it, without running code that is in it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import safetensors

from paragon_core.errors import UnreadableCheckpointError
from paragon_core.torch_archive import read_torch_archive, widen_bfloat16

if TYPE_CHECKING:
    from collections.abc import Mapping

Arrays = dict[str, npt.NDArray[Any]]

#: The largest ParagonSR2 network is below 20 MB; a file beyond this is something else.
MAX_BYTES: Final = 512 * 2**20

_WRAPPERS: Final = ("params_ema", "params", "state_dict")
_MOST_WRAPPERS: Final = 4  # a dictionary in a pickle can contain itself
_PREFIXES: Final = re.compile(r"(?:module\.|_orig_mod\.)+")  # of DistributedDataParallel and torch.compile
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

#: How other files begin, in lower case and without leading blanks.
_LOOKALIKES: Final = (
    (b"version https://git-lfs", "it is a Git LFS pointer", "fetch the real file with: git lfs pull"),
    (b"<!doctype", "it is a web page", "download the file itself, not the page that shows it"),
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
    metadata: dict[str, str] = {}
    if data.startswith(b"PK\x03\x04"):
        arrays = _unwrap(read_torch_archive(data))
    elif data[8:9] == b"{":
        arrays, metadata = _read_safetensors(data)
    else:
        raise _not_a_checkpoint(path, data)
    if not arrays:
        msg = f"{path.name} holds no tensors"
        raise UnreadableCheckpointError(msg, hint="choose a file with network weights")
    return Checkpoint(
        arrays={key: _widen(value) for key, value in _named_plainly(arrays).items() if key not in _NOT_WEIGHTS},
        metadata=metadata,
        sha256=hashlib.sha256(data).hexdigest(),
        name=path.stem,
    )


def _read_bytes(path: Path) -> bytes:
    choose = "choose a .safetensors or .pth file that you may read"
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            return path.read_bytes()
    except FileNotFoundError:
        msg = f"there is no file {path}"
        raise UnreadableCheckpointError(msg, hint="check the spelling and the folder") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte in it
        msg = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableCheckpointError(msg, hint=choose) from None
    if stat.S_ISREG(status.st_mode):
        msg = f"{path.name} is {status.st_size / 2**20:.0f} MiB; no ParagonSR2 checkpoint is that large"
        raise UnreadableCheckpointError(msg, hint="choose the network weights, not a training state or an archive")
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"  # reading a pipe or a device might never end
    msg = f"{path} cannot be read: it is {what}"
    raise UnreadableCheckpointError(msg, hint=choose)


def _read_safetensors(data: bytes) -> tuple[Arrays, dict[str, str]]:
    try:
        tensors = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]  # the library has no annotation there
    except safetensors.SafetensorError as error:
        msg = f"the .safetensors file is damaged or truncated ({error})"
        raise UnreadableCheckpointError(msg, hint="download it again") from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = dict(header.pop("__metadata__", None) or {})
    return {key: _decode(key, tensors[key]) for key in header}, metadata  # the library's order differs from run to run


def _decode(key: str, tensor: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw, shape, dtype = bytes(tensor["data"]), tensor["shape"], tensor["dtype"]
    if dtype != "BF16" and dtype not in _DTYPES:
        msg = f"tensor {key} is stored as {dtype}"
        raise UnreadableCheckpointError(
            msg, hint="quantised weights are not supported: use float32, float16 or bfloat16"
        )
    values = widen_bfloat16(raw) if dtype == "BF16" else np.frombuffer(raw, dtype=_DTYPES[dtype])
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError) as error:  # empty, but with other sides beyond all bounds; or with 65 sides
        msg = f"tensor {key} has an impossible shape ({error})"
        raise UnreadableCheckpointError(msg, hint="download the file again") from None


def _unwrap(content: object) -> Arrays:
    """Find the state dict inside what a trainer saved: EMA weights first, as upstream does."""
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(content, dict):
            break
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if wrapper is None:
            return {str(key): value for key, value in content.items() if isinstance(value, np.ndarray)}
        content = content[wrapper]
    msg = "the .pth file holds no dictionary of tensors"
    raise UnreadableCheckpointError(msg, hint="save the network's state_dict()")


def _named_plainly(arrays: Arrays) -> Arrays:
    """Return the arrays under their keys without the prefixes that wrappers of the network leave."""
    named: Arrays = {}
    for key, value in arrays.items():
        plain = key[prefix.end() :] if (prefix := _PREFIXES.match(key)) else key
        if plain in named:
            msg = f"the file holds {plain} twice, with and without a prefix"
            raise UnreadableCheckpointError(msg, hint="save one network's state_dict() only")
        named[plain] = value
    return named


def _widen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite, and `detect` refuses it
        return array.astype(np.float32)


def _not_a_checkpoint(path: Path, data: bytes) -> UnreadableCheckpointError:
    what, hint = "it is empty" if not data else "unknown content", "choose a .safetensors or .pth file"
    beginning = data[:1024].lstrip(b" \t\r\n").lower()
    for start, description, remedy in _LOOKALIKES:
        if beginning.startswith(start):
            what, hint = description, remedy
    return UnreadableCheckpointError(f"{path.name} is not a checkpoint: {what}", hint=hint)
