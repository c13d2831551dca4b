"""Read the tensors of a ``.pth`` file without torch and without running anything that is in it.

torch writes a zip archive: ``<root>/data.pkl`` describes the object, ``<root>/data/<key>`` holds each storage as raw
bytes. A pickle is a program, so this one is run by an interpreter that knows eleven names: ordered dictionaries, two
tensor constructors and the storage types. Any other name ends the reading before anything was called.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import zipfile
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import UnreadableCheckpointError, UnsafeCheckpointError

_STORAGE_TYPES: Final = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

_RESAVE = "save it again with a current torch, or as .safetensors"


def widen_bfloat16(raw: bytes) -> npt.NDArray[np.float32]:
    """Return the float32 values of little-endian bfloat16 bytes (the upper half of a float32), shape [n]."""
    upper = np.frombuffer(raw, dtype="<u2").astype(np.uint32)
    return (upper << 16).view(np.float32)


@dataclass(frozen=True, slots=True)
class _StorageType:
    """Stands for ``torch.FloatStorage`` and its kin."""

    dtype: str


@dataclass(frozen=True, slots=True)
class _RebuildTensor:
    """Stands for ``torch._utils._rebuild_tensor_v2``."""

    def __call__(
        self,
        storage: npt.NDArray[Any],
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: object,
    ) -> npt.NDArray[Any]:
        inside = len(size) == len(stride) and offset >= 0 and all(n >= 0 for n in (*size, *stride))
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
        if not inside or (0 not in size and last >= storage.size):
            msg = "a tensor reaches outside its storage"
            raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again")
        if math.prod(size) > storage.size:  # torch saves dense weights; overlapping views could grow without bound
            msg = "a tensor claims more values than are stored for it"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        steps = tuple(step * storage.itemsize for step in stride)
        return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()


@dataclass(frozen=True, slots=True)
class _RebuildParameter:
    """Stands for ``torch._utils._rebuild_parameter``, which only wraps its first argument."""

    def __call__(self, tensor: npt.NDArray[Any], *_: object) -> npt.NDArray[Any]:
        return tensor


class _TensorUnpickler(pickle.Unpickler):
    """Runs a pickle whose only vocabulary is tensors; a list of what it may name is all the trust there is."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(_member(archive, f"{root}/data.pkl")))
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature of pickle
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _RebuildParameter()
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(_STORAGE_TYPES[name])
        msg = f"the file asks for {module}.{name}, which is not a tensor; nothing was executed"
        raise UnsafeCheckpointError(msg, hint="use a .safetensors file, or a .pth that holds weights only")

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - the signature of pickle
        kind, storage_type, key, _device, count = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            msg = f"the file refers to {kind!r}, which is not a tensor storage"
            raise UnsafeCheckpointError(msg, hint="use a .safetensors file")
        raw = _member(self._archive, f"{self._root}/data/{key}")
        if storage_type.dtype == "bfloat16":
            values: npt.NDArray[Any] = widen_bfloat16(raw)
        else:
            values = np.frombuffer(raw, dtype=storage_type.dtype)
        if values.size < count:
            msg = f"storage {key} holds {values.size} values, {count} were promised"
            raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again")
        return values


def read_torch_archive(data: bytes) -> object:
    """Return the object in a torch zip archive, with a numpy array wherever torch had a tensor.

    Raises:
        UnsafeCheckpointError: the pickle names anything but tensors and dictionaries.
        UnreadableCheckpointError: the archive is damaged, compressed or big-endian.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            root = next((name.split("/")[0] for name in archive.namelist() if name.endswith("/data.pkl")), None)
            if root is None:
                msg = "this zip archive was not written by torch (it has no data.pkl)"
                raise UnreadableCheckpointError(msg, hint="unpack it first if the weights are inside")
            if f"{root}/byteorder" in archive.namelist() and _member(archive, f"{root}/byteorder") != b"little":
                msg = "the file was written on a big-endian machine"
                raise UnreadableCheckpointError(msg, hint=_RESAVE)
            return _TensorUnpickler(archive, root).load()
    except (UnsafeCheckpointError, UnreadableCheckpointError):
        raise
    except Exception as error:  # whatever a damaged archive or a hostile pickle provokes, it is one thing to the user
        msg = f"the .pth file cannot be read ({type(error).__name__}: {error})"
        raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a stored member; torch never compresses, so a compressed one may be a bomb and is refused."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        msg = f"{name} is compressed inside the archive"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    return archive.read(info)
