"""Read a weights file into plain arrays, whatever wrote it, without running code that is in it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors

from paragon_core.errors import OutOfMemoryError, UnreadableCheckpointError, UnsupportedArchitectureError
from paragon_core.models.torch_archive import read_torch_archive, widen_bfloat16
from paragon_core.models.torch_pickle import StoredTensor
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

Arrays = dict[str, npt.NDArray[Any]]
T = TypeVar("T")

#: The largest ParagonSR2 network takes 17 MB, with its EMA and its optimizer 68 MB; a file beyond this is something
#: else.
MAX_BYTES: Final = 128 * 2**20

#: Of that, this much may be the tensors of the network, as stored and as float32.
_MOST_TENSOR_BYTES: Final = 64 * 2**20

#: The largest network has 1,131.
_MOST_TENSORS: Final = 10_000

#: The table of tensors of the largest network takes 0.1 MB.
_LONGEST_HEADER: Final = 2 * 2**20

_LONGEST_PATH: Final = 1000

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

#: How many times larger floats of fewer bits become as float32, by either format's name of their type.
_WIDENED: Final = {"F16": 2, "BF16": 2, "<f2": 2, "bfloat16": 2}

_OWN_NETWORKS: Final = "choose the weights of a ParagonSR2 network"

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
        UnsupportedArchitectureError: more tensors, or larger ones, than any ParagonSR2 network has.
        OutOfMemoryError: there is less memory than reading takes.

    """
    path = Path(path)
    try:
        return _checkpoint(path, _read_bytes(path))
    except MemoryError as error:
        msg = f"there is not enough memory to read {printable(path.name)}"
        raise OutOfMemoryError(msg, hint="close other programs and try again") from error


def _checkpoint(path: Path, data: bytes) -> Checkpoint:
    metadata: dict[str, str] = {}
    if data.startswith(b"PK\x03\x04"):
        arrays = read_torch_archive(data, _unwrap)
    elif data[8:9] == b"{":
        arrays, metadata = _read_safetensors(data)
    else:
        raise _not_a_checkpoint(path, data)
    if not arrays:
        msg = f"{printable(path.name)} holds no tensors"
        raise UnreadableCheckpointError(msg, hint="choose a file with network weights")
    return Checkpoint(
        arrays={key: _widen(value) for key, value in named_plainly(arrays).items()},
        metadata=metadata,
        sha256=hashlib.sha256(data).hexdigest(),
        name=path.stem,
    )


def _read_bytes(path: Path) -> bytes:
    choose = "choose a .safetensors or .pth file that you may read"
    shown = printable(str(path), _LONGEST_PATH)
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            with path.open("rb") as stream:
                return stream.read(status.st_size + 1)  # one that grows meanwhile gets damaged, not endless
    except FileNotFoundError:
        msg = f"there is no file {shown}"
        raise UnreadableCheckpointError(msg, hint="check the spelling and the folder") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte in it
        msg = f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableCheckpointError(msg, hint=choose) from None
    if stat.S_ISREG(status.st_mode):
        size = status.st_size / 2**20
        msg = f"{printable(path.name)} is {size:.0f} MiB; no ParagonSR2 checkpoint is that large"
        raise UnreadableCheckpointError(msg, hint="choose the network weights, not a training state or an archive")
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"  # reading a pipe or a device might never end
    msg = f"{shown} cannot be read: it is {what}"
    raise UnreadableCheckpointError(msg, hint=choose)


def _read_safetensors(data: bytes) -> tuple[Arrays, dict[str, str]]:
    length = int.from_bytes(data[:8], "little")
    if _LONGEST_HEADER < length <= len(data):
        msg = f"the table of tensors takes {length / 2**20:.0f} MiB; no ParagonSR2 network has one that large"
        raise UnsupportedArchitectureError(msg, hint=_OWN_NETWORKS)
    if len(data) - 8 - length > _MOST_TENSOR_BYTES:
        raise _too_large(len(data) - 8 - length)
    try:
        tensors = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]  # the library has no annotation there
        header = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=_without_repeats)
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        msg = f"the .safetensors file is damaged or truncated ({printable(str(error))})"
        raise UnreadableCheckpointError(msg, hint="download it again") from None
    metadata = dict(header.pop("__metadata__", None) or {})
    refuse_giants({key: len(tensor["data"]) * _WIDENED.get(tensor["dtype"], 1) for key, tensor in tensors.items()})
    return {key: _decode(key, tensors[key]) for key in header}, metadata  # the library's order differs from run to run


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary of the pairs; of two with one name the library and `json` might take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a name occurs twice in its header"
        raise ValueError(msg)
    return found


def refuse_giants(sizes: Mapping[str, int]) -> None:
    """Refuse what no ParagonSR2 network is before the memory is taken; ``sizes`` are bytes by tensor.

    Raises:
        UnsupportedArchitectureError: there are more tensors, or larger ones, than any has.

    """
    if len(sizes) > _MOST_TENSORS:
        msg = f"the file holds {len(sizes):,} tensors; no ParagonSR2 network has that many"
        raise UnsupportedArchitectureError(msg, hint=_OWN_NETWORKS)
    if sum(sizes.values()) > _MOST_TENSOR_BYTES:
        raise _too_large(sum(sizes.values()))


def _too_large(size: int) -> UnsupportedArchitectureError:
    msg = f"the tensors take {size / 2**20:.0f} MiB; no ParagonSR2 network is that large"
    return UnsupportedArchitectureError(msg, hint=_OWN_NETWORKS)


def _decode(key: str, tensor: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw, shape, dtype = tensor["data"], tensor["shape"], tensor["dtype"]
    if dtype != "BF16" and dtype not in _DTYPES:
        msg = f"tensor {printable(key)} is stored as {dtype}"
        raise UnreadableCheckpointError(
            msg, hint="quantised weights are not supported: use float32, float16 or bfloat16"
        )
    values = np.frombuffer(raw, dtype="<u2" if dtype == "BF16" else _DTYPES[dtype])
    try:
        values = values.reshape(shape)
    except (ValueError, OverflowError) as error:  # empty, but with other sides beyond all bounds; or with 65 sides
        msg = f"tensor {printable(key)} has an impossible shape ({printable(str(error))})"
        raise UnreadableCheckpointError(msg, hint="download the file again") from None
    return widen_bfloat16(values) if dtype == "BF16" else values.copy()


def _unwrap(content: object) -> dict[str, StoredTensor]:
    """Find the state dict inside what a trainer saved."""
    found = {str(key): value for key, value in unwrapped(content).items() if isinstance(value, StoredTensor)}
    refuse_giants({key: tensor.bytes * _WIDENED.get(tensor.storage.dtype, 1) for key, tensor in found.items()})
    return found


def unwrapped(content: object) -> dict[Any, Any]:
    """Return the innermost dictionary of what a trainer saved: EMA weights first, as upstream does.

    Raises:
        UnreadableCheckpointError: there is none.

    """
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(content, dict):
            break
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if wrapper is None:
            return content
        content = content[wrapper]
    msg = "the .pth file holds no dictionary of tensors"
    raise UnreadableCheckpointError(msg, hint="save the network's state_dict()")


def named_plainly(tensors: Mapping[str, T]) -> dict[str, T]:
    """Return a network's tensors under their keys without the prefixes that wrappers of the network leave.

    Raises:
        UnreadableCheckpointError: a key occurs with and without a prefix.

    """
    named: dict[str, T] = {}
    for key, value in tensors.items():
        plain = key[prefix.end() :] if (prefix := _PREFIXES.match(key)) else key
        if plain in named:
            msg = f"the file holds {printable(plain)} twice, with and without a prefix"
            raise UnreadableCheckpointError(msg, hint="save one network's state_dict() only")
        if plain not in _NOT_WEIGHTS:
            named[plain] = value
    return named


def _widen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite, and `detect` refuses it
        return array.astype(np.float32, copy=False)


def _not_a_checkpoint(path: Path, data: bytes) -> UnreadableCheckpointError:
    what, hint = "it is empty" if not data else "unknown content", "choose a .safetensors or .pth file"
    beginning = data[:1024].lstrip(b" \t\r\n").lower()
    for start, description, remedy in _LOOKALIKES:
        if beginning.startswith(start):
            what, hint = description, remedy
    return UnreadableCheckpointError(f"{printable(path.name)} is not a checkpoint: {what}", hint=hint)
