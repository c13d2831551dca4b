"""Read the tensors of a ``.pth`` file without torch and without running anything that is in it.

torch writes a zip archive: ``<root>/data.pkl`` describes the object (see `torch_pickle`), ``<root>/data/<key>`` holds
each storage as raw bytes. Members are never compressed, so each is a part of the file's own bytes, and no more memory
is taken than these justify.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import ParagonError, UnreadableCheckpointError
from paragon_core.models.torch_pickle import MOST_BYTES, StoredTensor, run_torch_pickle
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Tensors may share a storage, but a file in which thousands share a large one is made to exhaust the memory.
_MOST_SHARING: Final = 4

#: The table of contents of an archive with 5,700 storages takes 0.5 MB.
_LONGEST_READ: Final = 2**20

_LONGEST_ROOT: Final = 300
_LOCAL_HEADER: Final = 30

_DAMAGED: Final = "the file is damaged: download it again"
_RESAVE: Final = "save it again with a current torch, or as .safetensors"


def widen_bfloat16(upper: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Return the float32 values of bfloat16 ones (the upper half of a float32), of the same shape."""
    return (upper.astype(np.uint32) << 16).view(np.float32)


def read_torch_archive(
    data: bytes, choose: Callable[[object], Mapping[str, StoredTensor]]
) -> dict[str, npt.NDArray[Any]]:
    """Return tensors of a torch zip archive as new arrays of their own types; bfloat16 becomes float32.

    Args:
        data: the file's bytes.
        choose: is given the object in the archive, with a `StoredTensor` wherever torch had a tensor, and returns
            those that are wanted. Only they are read.

    Raises:
        UnsafeCheckpointError: the pickle asks for anything but tensors and dictionaries.
        UnreadableCheckpointError: the archive is damaged, compressed or big-endian.

    """
    try:
        with open_archive(io.BytesIO(data)) as archive:
            return _read(archive, memoryview(data), choose)
    except (ParagonError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged archive or a hostile pickle provokes, it is one error to the user
        msg = f"the .pth file cannot be read ({type(error).__name__}: {printable(str(error))})"
        raise UnreadableCheckpointError(msg, hint=_DAMAGED) from error


@contextmanager
def open_archive(stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive of which no more than 1 MiB is read at a time: its table of contents can be no longer."""
    with zipfile.ZipFile(_ShortReads(stream)) as archive:
        yield archive


class _ShortReads:
    """A stream for `zipfile`, which reads the table of contents at once, however long the archive says it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell
        self.seekable = stream.seekable

    def read(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes, or all.

        Raises:
            BadZipFile: there are more than 1 MiB of them.

        """
        data = self._stream.read(_LONGEST_READ + 1 if size < 0 else min(size, _LONGEST_READ + 1))
        if len(data) > _LONGEST_READ:
            msg = "its table of contents is too long"
            raise zipfile.BadZipFile(msg)
        return data


def _read(
    archive: zipfile.ZipFile, data: memoryview, choose: Callable[[object], Mapping[str, StoredTensor]]
) -> dict[str, npt.NDArray[Any]]:
    members = {info.filename: info for info in archive.infolist()}
    root = next((name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if root is None or len(root) > _LONGEST_ROOT:
        msg = "this zip archive was not written by torch (it has no data.pkl)"
        raise UnreadableCheckpointError(msg, hint="unpack it first if the weights are inside")
    if len(members) < len(archive.infolist()):
        msg = "two members of the archive have the same name"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    if sum(info.compress_size for info in members.values()) > len(data):
        msg = "the members of the archive overlap"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    order = members.get(f"{root}/byteorder")
    if order and bytes(_member(archive, data, order)) != b"little":
        msg = "the file was written on a big-endian machine"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    folder = f"{root}/data/"
    storages = {name.removeprefix(folder): info for name, info in members.items() if name.startswith(folder)}
    pickled = members[f"{root}/data.pkl"]
    if pickled.file_size > MOST_BYTES:
        msg = f"the description of the tensors takes {pickled.file_size / 2**20:.0f} MiB"
        raise UnreadableCheckpointError(msg, hint="save the network's state_dict() only")
    held = {key: info.file_size for key, info in storages.items()}
    chosen = choose(run_torch_pickle(bytes(_member(archive, data, pickled)), held))
    if sum(tensor.bytes for tensor in chosen.values()) > _MOST_SHARING * len(data):
        msg = "the tensors claim far more values than the file holds"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    used = {tensor.storage.key for tensor in chosen.values()}
    raw = {key: _member(archive, data, storages[key]) for key in sorted(used)}
    return {name: _cut(raw[tensor.storage.key], tensor) for name, tensor in chosen.items()}


def _member(archive: zipfile.ZipFile, data: memoryview, info: zipfile.ZipInfo) -> memoryview:
    """Return the part of the file that is a member; torch never compresses, so a compressed one may be a bomb."""
    name = printable(info.filename)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        msg = f"{name} is compressed inside the archive"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    with archive.open(info):  # checks the header in front of the member
        pass
    header = data[info.header_offset : info.header_offset + _LOCAL_HEADER]
    begin = info.header_offset + _LOCAL_HEADER
    begin += int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    member = data[begin : begin + info.file_size]
    if len(member) != info.file_size or zlib.crc32(member) != info.CRC:
        msg = f"{name} is damaged (its checksum is wrong)"
        raise UnreadableCheckpointError(msg, hint=_DAMAGED)
    return member


def _cut(raw: memoryview, tensor: StoredTensor) -> npt.NDArray[Any]:
    """Return a copy of a tensor's values; `torch_pickle` has checked that they lie inside."""
    storage = tensor.storage
    values = np.frombuffer(raw, dtype="<u2" if storage.dtype == "bfloat16" else storage.dtype)
    steps = tuple(step * storage.itemsize for step in tensor.stride)
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.size, steps)
    return widen_bfloat16(view) if storage.dtype == "bfloat16" else view.copy()
