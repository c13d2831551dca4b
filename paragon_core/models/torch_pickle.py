"""Run the pickle of a torch archive without obeying anything that weights do not need.

A pickle is a program, and Python's own interpreter of it obeys too much even when the names it may look up are
restricted: it sets attributes, fills a memo of any size, hashes what recursion cannot reach the end of. So this one is
run by an interpreter that knows only the instructions that torch writes for a state dict, and of names only ordered
dictionaries, two tensor constructors and the storage types. Anything else ends the reading before it was obeyed.

Nothing in the file is trusted with memory or time either: instructions, tensors and dimensions are counted, and a
number is used only if it is a plain int within bounds, so that sums and products of numbers are exact.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from paragon_core.errors import UnreadableCheckpointError, UnsafeCheckpointError
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The pickle of the largest network with its EMA and its optimizer takes 1.4 MB.
MOST_BYTES: Final = 4 * 2**20

#: The same has 200,000 instructions for 5,700 tensors.
_MOST_INSTRUCTIONS: Final = 400_000
_MOST_TENSORS: Final = 10_000

_MOST_DIMENSIONS: Final = 64  # NumPy's bound
_LARGEST_COUNT: Final = 2**40
_LONGEST_STORAGE_KEY: Final = 100

#: Integers beyond 64 bits can be chosen so that thousands of them share a hash, and make a dictionary slow.
_LARGEST_KEY: Final = 2**63

_STORAGE_TYPES: Final = {
    "DoubleStorage": ("<f8", 8),
    "FloatStorage": ("<f4", 4),
    "HalfStorage": ("<f2", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("<i8", 8),
    "IntStorage": ("<i4", 4),
    "ShortStorage": ("<i2", 2),
    "CharStorage": ("i1", 1),
    "ByteStorage": ("u1", 1),
    "BoolStorage": ("?", 1),
}

_DICTIONARY: Final = ("collections", "OrderedDict")
_TENSOR: Final = ("torch._utils", "_rebuild_tensor_v2")
_PARAMETER: Final = ("torch._utils", "_rebuild_parameter")
_NAMES: Final = frozenset({_DICTIONARY, _TENSOR, _PARAMETER, *(("torch", name) for name in _STORAGE_TYPES)})

_DAMAGED: Final = "the file is damaged: download it again"
_RESAVE: Final = "save it again with a current torch, or as .safetensors"
_WEIGHTS_ONLY: Final = "use a .safetensors file, or a .pth that holds weights only"


@dataclass(frozen=True, kw_only=True, eq=False)
class Storage:
    """Values of one type in the archive, unread."""

    key: str
    """Name of its member in the archive's folder of data."""
    dtype: str
    """NumPy's name of the type as stored, or "bfloat16"."""
    itemsize: int
    """Bytes of each value."""
    count: int
    """Number of values that the archive holds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor in the archive, unread; it is inside its storage and has at most as many values."""

    storage: Storage
    """Where its values are."""
    offset: int
    """First value."""
    size: tuple[int, ...]
    """Shape."""
    stride: tuple[int, ...]
    """Values from one to the next along each axis."""

    @property
    def bytes(self) -> int:
        """Number of bytes of its values as stored."""
        return math.prod(self.size) * self.storage.itemsize


def run_torch_pickle(pickled: bytes, held: Mapping[str, int]) -> object:
    """Return the object that the pickle describes, with a `StoredTensor` wherever torch had a tensor.

    Where an instruction meets values that it cannot work on, Python's own exception leaves.

    Args:
        pickled: the program.
        held: number of bytes of each storage in the archive, by its key.

    Raises:
        UnsafeCheckpointError: an instruction or a name that weights do not need.
        UnreadableCheckpointError: too long, or a tensor that does not fit its storage.

    """
    if len(pickled) > MOST_BYTES:
        raise _too_long()
    return _Interpreter(held).run(pickled)


@dataclass(frozen=True)
class _Name:
    """One of the names in `_NAMES`, looked up by the pickle."""

    module: str
    name: str


def _too_long() -> UnreadableCheckpointError:
    msg = "the .pth file describes more than any ParagonSR2 network and its training state"
    return UnreadableCheckpointError(msg, hint="save the network's state_dict() only")


def _is_count(value: object) -> bool:
    """Return whether a value is a plain int that can be a count; bool and NumPy's integers are not."""
    return type(value) is int and 0 <= value <= _LARGEST_COUNT


def _is_plain_key(key: object) -> bool:
    """Return whether a key is hashed quickly; hashing a tuple of tuples of tuples can overflow the stack."""
    if type(key) is int:
        return abs(key) <= _LARGEST_KEY
    return key is None or type(key) in {str, float, bool}


class _Interpreter:
    """The state of the program; instructions are named as in `pickletools`.

    The tables of instructions and names below are all the trust there is.
    """

    def __init__(self, held: Mapping[str, int]) -> None:
        self._held = held
        self._storages: dict[str, Storage] = {}
        self._tensors = 0
        self._stack: list[Any] = []
        self._stacks_below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, pickled: bytes) -> object:
        """Run the program to its end."""
        for index, (instruction, argument, _) in enumerate(pickletools.genops(pickled)):
            if index == _MOST_INSTRUCTIONS:
                raise _too_long()
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
        if not isinstance(self._stack[-1], dict) or not _is_plain_key(key):
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
            asked = f"{printable(module)}.{printable(name)}"
            msg = f"the file asks for {asked}, which weights do not need; nothing was executed"
            raise UnsafeCheckpointError(msg, hint=_WEIGHTS_ONLY)
        self._stack.append(_Name(module, name))

    def storage(self, _: object) -> None:
        """Push a storage, given what torch calls its persistent id: "storage", type, key, device, number of values."""
        pid = self._stack.pop()
        if type(pid) is not tuple:
            msg = "a persistent id is not a tuple"
            raise TypeError(msg)
        kind, storage_type, key, _device, count = pid
        if kind != "storage" or not isinstance(storage_type, _Name) or storage_type.name not in _STORAGE_TYPES:
            msg = "the file refers to something outside itself that is not a tensor storage"
            raise UnsafeCheckpointError(msg, hint=_WEIGHTS_ONLY)
        if type(key) is not str or len(key) > _LONGEST_STORAGE_KEY:
            msg = "a storage has no name, or one that torch does not write"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        dtype, itemsize = _STORAGE_TYPES[storage_type.name]
        found = self._storages.get(key)
        if found is None:
            found = self._storages[key] = self._in_archive(key, dtype, itemsize)
        if found.dtype != dtype:
            msg = f"storage {printable(key)} is used as two types of values"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        if not _is_count(count) or count > found.count:
            promised = f", {count} were promised" if _is_count(count) else ", no whole number of them was promised"
            msg = f"storage {printable(key)} holds {found.count} values{promised}"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        self._stack.append(found)

    def _in_archive(self, key: str, dtype: str, itemsize: int) -> Storage:
        if key not in self._held:
            msg = f"storage {printable(key)} is not in the archive"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        count, rest = divmod(self._held[key], itemsize)
        if rest:
            msg = f"storage {printable(key)} ends inside a value"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        return Storage(key=key, dtype=dtype, itemsize=itemsize, count=count)

    def call(self, _: object) -> None:
        """Push what one of the three constructors makes of a tuple of arguments."""
        function, arguments = self._last(2)
        if type(arguments) is not tuple or not isinstance(function, _Name):
            msg = "what is called is no constructor, or its arguments are wrong"
            raise TypeError(msg)
        if function == _Name(*_TENSOR):
            self._stack.append(self._tensor(*arguments[:4]))
        elif function == _Name(*_PARAMETER):  # torch only wraps its first argument
            self._stack.append(arguments[0])
        elif function == _Name(*_DICTIONARY) and not arguments:
            self._stack.append({})
        else:
            msg = "what is called is no constructor, or its arguments are wrong"
            raise TypeError(msg)

    def _tensor(self, storage: object, offset: object, size: object, stride: object) -> StoredTensor:
        """Do what ``torch._utils._rebuild_tensor_v2`` does; offset and stride count values."""
        self._tensors += 1
        if self._tensors > _MOST_TENSORS:
            raise _too_long()
        if not isinstance(storage, Storage):
            msg = "a tensor is made from something that is not a storage"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        if type(size) is not tuple or type(stride) is not tuple or not len(size) == len(stride) <= _MOST_DIMENSIONS:
            msg = "a tensor's size and stride are not alike, or have too many dimensions"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        if type(offset) is not int or not all(map(_is_count, (offset, *size, *stride))):
            msg = "a tensor's offset, size and stride are not whole numbers within bounds"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        values = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if offset > storage.count or (values and last >= storage.count):
            msg = "a tensor reaches outside its storage"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        if values > storage.count:  # torch saves dense weights; overlapping views could grow without bound
            msg = "a tensor claims more values than are stored for it"
            raise UnreadableCheckpointError(msg, hint=_RESAVE)
        if math.prod(max(n, 1) for n in size) > _LARGEST_COUNT:
            msg = "an empty tensor has an impossible shape"
            raise UnreadableCheckpointError(msg, hint=_DAMAGED)
        return StoredTensor(storage=storage, offset=offset, size=size, stride=stride)

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
