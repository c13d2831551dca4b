"""Files that ask for more time, memory or trust than their bytes justify."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from paragon_core.errors import UnreadableCheckpointError, UnsafeCheckpointError, UnsupportedArchitectureError
from tests.models.bad_checkpoint import kinds
from tests.models.checkpoint_files import (
    SMALL,
    archive,
    as_stored,
    call,
    mapping,
    name,
    number,
    program,
    raw_safetensors,
    safetensors_file,
    several,
    storage,
    tensor,
    text,
    torch_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_REBUILD = name("torch._utils", "_rebuild_tensor_v2")
_HOOKS = call(name("collections", "OrderedDict"))
_DATA = {"0": bytes(1028), "n": struct.pack("<q", 1), "s": struct.pack("<q", 2**62)}

#: What a whole number may be passed off as.
_NO_NUMBERS = {
    "an array": tensor(storage("n", 1, "LongStorage"), 0, (), ()),
    "a parameter": call(
        name("torch._utils", "_rebuild_parameter"), tensor(storage("n", 1, "LongStorage"), 0, (), ()), b"\x88", _HOOKS
    ),
    "true": b"\x88",
    "a float": b"G" + struct.pack(">d", 1.0),
    "text": text("1"),
    "nothing": b"N",
    "a tuple": several(number(1)),
    "negative": number(-1),
    "beyond 64 bits": number(2**64 + 1),
}


def _one(instructions: bytes) -> Callable[[], bytes]:
    return lambda: archive(program(mapping({"conv_in.weight": instructions})), _DATA)


def _cut(*, offset: bytes = number(0), size: bytes = several(number(1)), stride: bytes = several(number(1))) -> bytes:
    return call(_REBUILD, storage("0", 257), offset, size, stride, b"\x89", _HOOKS)


_EXPANDED = _cut(size=several(number(2**28)), stride=several(number(0)))


def _promised(count: bytes) -> bytes:
    pid = several(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), count) + b"Q"
    return call(_REBUILD, pid, number(0), several(number(1)), several(number(1)), b"\x89", _HOOKS)


NUMBERS = [
    kind
    for what, made in _NO_NUMBERS.items()
    for kind in kinds(
        UnreadableCheckpointError,
        [
            (f"pth offset is {what}", _one(_cut(offset=made)), "not whole numbers within bounds"),
            (f"pth size is {what}", _one(_cut(size=several(made))), "not whole numbers within bounds"),
            (f"pth stride is {what}", _one(_cut(stride=several(made))), "not whole numbers within bounds"),
            (f"pth count is {what}", _one(_promised(made)), "no whole number of them was promised"),
        ],
    )
]


def _crash() -> bytes:
    """Return a file whose offset, sizes and strides wrap around in 64 bits and then seem to lie inside."""
    one, step = (tensor(storage(key, 1, "LongStorage"), 0, (), ()) for key in ("n", "s"))
    wrapping = _cut(size=several(*[one + b"q\x01"] * 3), stride=several(*[step + b"q\x02"] * 3))
    return _one(wrapping)()


def _product(count: int) -> bytes:
    """Return a file with a size of thousands of numbers of 255 bytes, of which the first is kept and recalled."""
    side = number(2**2030 - 1)
    size = b"(" + side + b"q\x01" + b"h\x01" * count + b"t"
    return _one(_cut(size=size, stride=b"(" + b"K\x00" * (count + 1) + b"t"))()


def _colliding(first: int, step: int, count: int) -> bytes:
    """Return a file with a dictionary whose keys have few different hashes."""
    keys = b"".join(number(first + index * step) + b"N" for index in range(count))
    return archive(program(b"}(" + keys + b"u"))


def _many_tensors(count: int) -> bytes:
    """Return a file that cuts thousands of tensors of as many dimensions as possible out of one value."""
    ones = b"(" + b"K\x01" * 64 + b"t"
    first = _REBUILD + b"q\x00(" + storage("0", 1) + b"K\x00" + ones + b"q\x01h\x01\x89}tq\x02R"
    return archive(program(b"](" + first + b"h\x00h\x02R" * count + b"e"), {"0": bytes(4)})


def _many_members(count: int) -> bytes:
    body, storages = torch_program(as_stored(SMALL))
    return archive(program(body), storages | {f"x{index}": b"" for index in range(count)})


def _table(count: int, entry: str = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}') -> bytes:
    return b"{" + ",".join(f'"body.{index}.blocks.0.x":{entry}' for index in range(count)).encode() + b"}"


def _with_junk(junk: str) -> Callable[[], bytes]:
    """Return a file with a field that the format does not know."""
    return lambda: raw_safetensors(
        f'{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4],"junk":{junk}}}}}'.encode(), bytes(4)
    )


def _named_twice() -> bytes:
    whole = safetensors_file(as_stored(SMALL))
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    again = json.dumps({"conv_in.bias": header["conv_in.bias"]}).encode()[1:-1]
    return raw_safetensors(json.dumps(header).encode()[:-1] + b"," + again + b"}", whole[8 + length :])


_LONG_KEY = text("k" * 2**21)

GREEDY = [
    *kinds(
        UnreadableCheckpointError,
        [
            ("pth whose bounds wrap around", _crash, "not whole numbers within bounds"),
            (
                "pth that expands a value to a gigabyte",
                _one(_cut(size=several(number(2**28)), stride=several(number(0)))),
                "more values",
            ),
            ("pth with an endless product", lambda: _product(4000), "too many dimensions"),
            ("pth with a product of 64 long numbers", lambda: _product(63), "not whole numbers"),
            ("pth whose keys have one hash", lambda: _colliding(0, 2**61 - 1, 20_000), "plain keys"),
            ("pth whose keys have few hashes", lambda: _colliding(0, 2**47, 60_000), "no tensors"),
            ("pth described in 5 MiB", lambda: archive(program(text("x" * 5 * 2**20))), "description .* 5 MiB"),
            ("pth of a million instructions", lambda: archive(program(b"]" * 10**6)), "describes more than"),
            (
                "pth nested a hundred thousand deep",
                lambda: archive(program(b"]" * 10**5 + b"a" * (10**5 - 1))),
                "no dictionary",
            ),
            ("pth of a hundred thousand tensors", lambda: _many_tensors(100_000), "describes more than"),
            ("pth of thirty thousand members", lambda: _many_members(30_000), "table of contents is too long"),
            (
                "pth with an endless folder name",
                lambda: archive(program(b"}"), root="r" * 60_000),
                "not written by torch",
            ),
            (
                "pth with an endless name of a storage",
                _one(several(text("storage"), name("torch", "FloatStorage"), _LONG_KEY, text("cpu"), number(1)) + b"Q"),
                "no name",
            ),
            ("pth called with a megabyte of words", _one(_REBUILD + text("x" * 2**20) + b"R"), "arguments are wrong"),
            (
                "pth with one storage of two types",
                _one(several(storage("0", 1), storage("0", 1, "LongStorage"))),
                "two types|ends inside",
            ),
            ("pth called with a persistent id of words", _one(_LONG_KEY + b"Q"), "not a tuple"),
            ("a header with a name twice", _named_twice, "name occurs twice"),
            ("a header with a field twice", _with_junk('{"a":1,"a":2}'), "name occurs twice"),
            ("a header with a number of 5000 digits", _with_junk("1" + "0" * 5000), "damaged or truncated"),
            ("a header nested deeply", _with_junk("[" * 10**5 + "]" * 10**5), "damaged or truncated"),
        ],
    ),
    *kinds(
        UnsafeCheckpointError,
        [("pth that asks for a megabyte of name", _one(name("os", "x" * 2**20)), "asks for os.xxx")],
    ),
    *kinds(
        UnsupportedArchitectureError,
        [
            (
                "a header of 3 MiB",
                lambda: raw_safetensors(b"{" + b" " * 3 * 2**20 + b"}"),
                "table of tensors takes 3 MiB",
            ),
            ("twenty thousand tensors", lambda: raw_safetensors(_table(20_000)), "20,000 tensors"),
            ("ten thousand groups", lambda: raw_safetensors(_table(10_000)), "not a ParagonSR2"),
            ("half a million empty lists", _with_junk("[" + "[]," * 500_000 + "[]]"), "not a ParagonSR2"),
            ("a megabyte of name", lambda: safetensors_file({"\x1b" * 2**18: np.zeros(1, "f4")}), "not a ParagonSR2"),
            ("tensors of 65 MiB", lambda: safetensors_file({"a": np.zeros(65 * 2**18, "f4")}), "65 MiB"),
            ("half floats of 33 MiB", lambda: safetensors_file({"a": np.zeros(33 * 2**19, "f2")}), "66 MiB"),
            (
                "pth tensors of 65 MiB",
                lambda: archive(
                    program(mapping({"a": tensor(storage("0", 65 * 2**18), 0, (65 * 2**18,), (1,))})),
                    {"0": bytes(65 * 2**20)},
                ),
                "65 MiB",
            ),
            (
                "names that would reach the terminal",
                lambda: safetensors_file(as_stored(SMALL) | {"\x1b]0;owned\x07\u202e": np.zeros(1, "f4")}),
                "unexpected: \ufffd]0;owned\ufffd\ufffd",
            ),
        ],
    ),
]
