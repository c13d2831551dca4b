"""Read the tensors of a ``.pth`` file without torch and without running anything that is in it.

torch writes a zip archive: ``<root>/data.pkl`` describes the object, ``<root>/data/<key>`` holds each storage as raw
bytes. A pickle is a program, and Python's own interpreter of it obeys too much even when the names it may look up are
restricted: it sets attributes, fills a memo of any size, hashes what recursion cannot reach the end of. So this one is
run by an interpreter that knows only the instructions that torch writes for a state dict, and of names only ordered
dictionaries, two tensor constructors and the storage types. Anything else ends the reading before it was obeyed.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from paragon_core.errors import UnreadableCheckpointError, UnsafeCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable

_STORAGE_TYPES: Final = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

_DICTIONARY: Final = ("collections", "OrderedDict")
_TENSOR: Final = ("torch._utils", "_rebuild_tensor_v2")
_PARAMETER: Final = ("torch._utils", "_rebuild_parameter")
_NAMES: Final = frozenset({_DICTIONARY, _TENSOR, _PARAMETER, *(("torch", name) for name in _STORAGE_TYPES)})

#: Tensors may share a storage, but a file in which thousands share a large one is made to exhaust the memory.
_MOST_SHARING: Final = 4

_RESAVE = "save it again with a current torch, or as .safetensors"
_WEIGHTS_ONLY = "use a .safetensors file, or a .pth that holds weights only"


def widen_bfloat16(raw: bytes) -> npt.NDArray[np.float32]:
    """Return the float32 values of little-endian bfloat16 bytes (the upper half of a float32), shape [n]."""
    upper = np.frombuffer(raw, dtype="<u2").astype(np.uint32)
    return (upper << 16).view(np.float32)


def read_torch_archive(data: bytes) -> object:
    """Return the object in a torch zip archive, with a numpy array wherever torch had a tensor.

    Raises:
        UnsafeCheckpointError: the pickle asks for anything but tensors and dictionaries.
        UnreadableCheckpointError: the archive is damaged, compressed or big-endian.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, len(data))
    except (UnsafeCheckpointError, UnreadableCheckpointError):
        raise
    except Exception as error:  # whatever a damaged archive or a hostile pickle provokes, it is one thing to the user
        msg = f"the .pth file cannot be read ({type(error).__name__}: {error})"
        raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again") from error


def _read(archive: zipfile.ZipFile, file_size: int) -> object:
    names = archive.namelist()
    root = next((name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl")), None)
    if root is None:
        msg = "this zip archive was not written by torch (it has no data.pkl)"
        raise UnreadableCheckpointError(msg, hint="unpack it first if the weights are inside")
    if f"{root}/byteorder" in names and _member(archive, f"{root}/byteorder") != b"little":
        msg = "the file was written on a big-endian machine"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    return _Interpreter(_Storages(archive, root, file_size)).run(_member(archive, f"{root}/data.pkl"))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a stored member; torch never compresses, so a compressed one may be a bomb and is refused."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        msg = f"{name} is compressed inside the archive"
        raise UnreadableCheckpointError(msg, hint=_RESAVE)
    return archive.read(info)


@dataclass(frozen=True, eq=False)
class _Storage:
    """Values of one storage, shape [n]. Not a bare array, lest a tensor be passed off as a storage."""

    values: npt.NDArray[Any]


@dataclass(frozen=True)
class _Name:
    """One of the names in `_NAMES`, looked up by the pickle."""

    module: str
    name: str


class _Storages:
    """The raw values in an archive, and the tensors cut out of them."""

    def __init__(self, archive: zipfile.ZipFile, root: str, file_size: int) -> None:
        self._archive = archive
        self._root = root
        self._read: dict[str, _Storage] = {}
        self._bytes_left_to_read = file_size
        self._bytes_left_to_copy = _MOST_SHARING * file_size

    def storage(self, pid: tuple[Any, ...]) -> _Storage:
        """Return what torch calls a persistent id: ("storage", storage type, key, device, number of values)."""
        kind, storage_type, key, _device, count = pid
        if kind != "storage" or not isinstance(storage_type, _Name) or storage_type.name not in _STORAGE_TYPES:
            msg = "the file refers to something outside itself that is not a tensor storage"
            raise UnsafeCheckpointError(msg, hint=_WEIGHTS_ONLY)
        if not isinstance(key, str):
            msg = "a storage has no name"
            raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again")
        if key not in self._read:
            self._read[key] = _Storage(self._values(key, _STORAGE_TYPES[storage_type.name]))
        if self._read[key].values.size < count:
            msg = f"storage {key} holds {self._read[key].values.size} values, {count} were promised"
            raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again")
        return self._read[key]

    def _values(self, key: str, dtype: str) -> npt.NDArray[Any]:
        raw = _member(self._archive, f"{self._root}/data/{key}")
        self._bytes_left_to_read -= len(raw)
        if self._bytes_left_to_read < 0:
            msg = "the members of the archive overlap"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        return widen_bfloat16(raw) if dtype == "bfloat16" else np.frombuffer(raw, dtype=dtype)

    def tensor(
        self,
        storage: object,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        *_: object,
    ) -> npt.NDArray[Any]:
        """Do what ``torch._utils._rebuild_tensor_v2`` does; offset and stride count values."""
        if not isinstance(storage, _Storage):
            msg = "a tensor is made from something that is not a storage"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        values = storage.values
        inside = len(size) == len(stride) and 0 <= offset <= values.size and all(n >= 0 for n in (*size, *stride))
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
        if not inside or (0 not in size and last >= values.size):
            msg = "a tensor reaches outside its storage"
            raise UnreadableCheckpointError(msg, hint="the file is damaged: download it again")
        if math.prod(size) > values.size:  # torch saves dense weights; overlapping views could grow without bound
            msg = "a tensor claims more values than are stored for it"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        self._bytes_left_to_copy -= math.prod(size) * values.itemsize
        if self._bytes_left_to_copy < 0:
            msg = "the tensors claim far more values than the file holds"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        steps = tuple(step * values.itemsize for step in stride)
        return np.lib.stride_tricks.as_strided(values[offset:], size, steps).copy()


class _Interpreter:
    """Runs a pickle that torch wrote for tensors in dictionaries; the table of instructions is all the trust there is.

    Instructions are named as in `pickletools`. Where one meets values that it cannot work on, Python's own exception
    leaves `run`.
    """

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._stack: list[Any] = []
        self._stacks_below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, pickled: bytes) -> object:
        """Return the object that the pickle describes.

        Raises:
            UnsafeCheckpointError: an instruction or a name that weights do not need.

        """
        for instruction, argument, _ in pickletools.genops(pickled):
            if instruction.name == "STOP":
                return self._stack.pop()
            if instruction.name in _WITH_VALUE:
                self._stack.append(argument)
            elif instruction.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[instruction.name])
            elif instruction.name in _ACTIONS:
                _ACTIONS[instruction.name](self, argument)
            else:
                msg = f"the file holds the instruction {instruction.name}, which weights do not need; it was not obeyed"
                raise UnsafeCheckpointError(msg, hint=_WEIGHTS_ONLY)
        raise EOFError  # not reached: genops raises at the end of a pickle without STOP

    def ignore(self, _: object) -> None:
        """Do nothing: the version of the format, and the length of the next part."""

    def mark(self, _: object) -> None:
        """Begin a sequence of values for one of the instructions that take all of them."""
        self._stacks_below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._stacks_below.pop()
        return values

    def _last(self, count: int) -> tuple[Any, ...]:
        values = [self._stack.pop() for _ in range(count)]
        return tuple(reversed(values))

    def empty_dict(self, _: object) -> None:
        """Push a dictionary."""
        self._stack.append({})

    def empty_list(self, _: object) -> None:
        """Push a list."""
        self._stack.append([])

    def tuple_since_mark(self, _: object) -> None:
        """Push a tuple of all values since the mark."""
        values = self._since_mark()
        self._stack.append(tuple(values))

    def append(self, _: object) -> None:
        """Append one value to a list."""
        value = self._stack.pop()
        self._list().append(value)

    def appends(self, _: object) -> None:
        """Append all values since the mark to a list."""
        values = self._since_mark()
        self._list().extend(values)

    def _list(self) -> list[Any]:
        if not isinstance(self._stack[-1], list):
            msg = "no list to append to"
            raise TypeError(msg)
        return self._stack[-1]

    def set_item(self, _: object) -> None:
        """Store one value in a dictionary."""
        self._store(*self._last(2))

    def set_items(self, _: object) -> None:
        """Store all pairs since the mark in a dictionary."""
        values = self._since_mark()
        for key, value in zip(values[::2], values[1::2], strict=True):
            self._store(key, value)

    def _store(self, key: object, value: object) -> None:
        """Store under plain keys only: hashing a tuple of tuples of tuples can overflow the stack of the process."""
        if not isinstance(self._stack[-1], dict) or not isinstance(key, str | int | float | None):
            msg = "no dictionary with plain keys"
            raise TypeError(msg)
        self._stack[-1][key] = value

    def remember(self, index: int | None) -> None:
        """Keep the value on top for later."""
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def recall(self, index: int) -> None:
        """Push a value that was kept."""
        self._stack.append(self._memo[index])

    def name(self, module_and_name: str) -> None:
        """Push a name given in the instruction."""
        self._look_up(*module_and_name.split(" ", 1))

    def name_from_stack(self, _: object) -> None:
        """Push a name given by the two values on top."""
        self._look_up(*self._last(2))

    def _look_up(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            msg = "a name is not text"
            raise TypeError(msg)
        if (module, name) not in _NAMES:
            msg = f"the file asks for {module}.{name}, which weights do not need; nothing was executed"
            raise UnsafeCheckpointError(msg, hint=_WEIGHTS_ONLY)
        self._stack.append(_Name(module, name))

    def storage(self, _: object) -> None:
        """Push a storage, given its persistent id."""
        self._stack.append(self._storages.storage(self._stack.pop()))

    def call(self, _: object) -> None:
        """Push what one of the three constructors makes of a tuple of arguments."""
        function, arguments = self._last(2)
        if function == _Name(*_TENSOR):
            self._stack.append(self._storages.tensor(*arguments))
        elif function == _Name(*_PARAMETER):  # torch only wraps its first argument
            self._stack.append(arguments[0])
        elif function == _Name(*_DICTIONARY) and arguments == ():
            self._stack.append({})
        else:
            msg = "what is called is no constructor, or its arguments are wrong"
            raise TypeError(msg)

    def drop_state(self, _: object) -> None:
        """Drop the attributes that an object should get: for a state dict, the version of each layer's format."""
        self._stack.pop()


_WITH_VALUE: Final = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"},
)

_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_ACTIONS: Final[dict[str, Callable[[_Interpreter, Any], None]]] = {
    "PROTO": _Interpreter.ignore,
    "FRAME": _Interpreter.ignore,
    "MARK": _Interpreter.mark,
    "EMPTY_DICT": _Interpreter.empty_dict,
    "EMPTY_LIST": _Interpreter.empty_list,
    "TUPLE": _Interpreter.tuple_since_mark,
    "TUPLE1": lambda self, _: self._stack.append(self._last(1)),
    "TUPLE2": lambda self, _: self._stack.append(self._last(2)),
    "TUPLE3": lambda self, _: self._stack.append(self._last(3)),
    "APPEND": _Interpreter.append,
    "APPENDS": _Interpreter.appends,
    "SETITEM": _Interpreter.set_item,
    "SETITEMS": _Interpreter.set_items,
    "BINPUT": _Interpreter.remember,
    "LONG_BINPUT": _Interpreter.remember,
    "MEMOIZE": _Interpreter.remember,
    "BINGET": _Interpreter.recall,
    "LONG_BINGET": _Interpreter.recall,
    "GLOBAL": _Interpreter.name,
    "STACK_GLOBAL": _Interpreter.name_from_stack,
    "BINPERSID": _Interpreter.storage,
    "REDUCE": _Interpreter.call,
    "BUILD": _Interpreter.drop_state,
}
