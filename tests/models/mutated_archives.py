"""Mutate .pth files by their structure: numbers of tensors, instructions of the pickle, fields of the zip archive."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Final

from tests.models.checkpoint_files import (
    SMALL,
    SMALL_PHOTO,
    as_stored,
    call,
    mapping,
    name,
    number,
    program,
    several,
    storage,
    tensor,
    text,
)

if TYPE_CHECKING:
    import random

NETWORKS: Final = tuple(as_stored(spec) for spec in (SMALL, SMALL_PHOTO))

#: Numbers at which sums, products and fixed widths change their behaviour.
NUMBERS: Final = (
    0,
    1,
    2,
    3,
    4,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    2**15,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**40,
    2**61 - 1,
)
HUGE: Final = (2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200, 2**2000)

_TYPES: Final = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}
_WHOLE: Final = ("LongStorage", "IntStorage", "ShortStorage")


def odd_number(chance: random.Random) -> int:
    """Return a number near which something may go wrong."""
    value = chance.choice(NUMBERS if chance.random() < 0.6 else HUGE) + chance.choice((0, 0, -1, 1))
    return -value if chance.random() < 0.25 else value


def _array_of_one(chance: random.Random) -> bytes:
    """Push a tensor without dimensions: to NumPy, a number of fixed width."""
    if chance.random() < 0.3:
        return tensor(storage(chance.choice("01"), 1, chance.choice(list(_TYPES))), 0, (), ())
    kind = chance.choice(_WHOLE)
    return tensor(storage(f"{kind}{chance.randrange(4)}", 1, kind), 0, (), ())


def _odd_value(chance: random.Random, honest: int) -> bytes:
    """Push what a number may be replaced by."""
    makers = (
        lambda: number(odd_number(chance)),
        lambda: number(honest + chance.choice((-1, 1, honest))),
        lambda: b"J" + struct.pack("<i", max(min(-honest, 2**31 - 1), -(2**31))),
        lambda: b"M" + struct.pack("<H", chance.choice((0, 255, 65535))),
        lambda: chance.choice((b"\x88", b"\x89", b"N", b")", b"}", b"]")),
        lambda: b"G" + struct.pack(">d", chance.choice((0.0, float(honest), 1e300, float("nan"), float("inf")))),
        lambda: text(str(honest)),
        lambda: several(number(honest)),
        lambda: _array_of_one(chance),
        lambda: call(name("torch._utils", "_rebuild_parameter"), _array_of_one(chance), b"\x88", b"}"),
        lambda: b"h" + bytes([chance.randrange(4)]),
        lambda: number(honest) + b"q" + bytes([chance.randrange(4)]),
        lambda: name("torch", chance.choice(list(_TYPES))),
    )
    return chance.choice(makers)()


def _tuple_of(chance: random.Random, values: tuple[int, ...], share: float) -> bytes:
    items = [_odd_value(chance, value) if chance.random() < share else number(value) for value in values]
    if chance.random() < share / 3:
        items *= chance.choice((0, 2, 16, 65, 1000))
    elif chance.random() < share / 3:
        items.insert(0, _odd_value(chance, 1))
    if chance.random() < share / 4:
        return chance.choice((b"](" + b"".join(items) + b"e", _odd_value(chance, 4), several(several(*items))))
    return several(*items)


def _any_tensor(chance: random.Random, key: str, shape: tuple[int, ...], count: int, share: float) -> bytes:
    """Push a tensor of which a share of the parts is odd."""
    kind = chance.choice(list(_TYPES)) if chance.random() < share / 3 else "FloatStorage"
    promised = _odd_value(chance, count) if chance.random() < share else number(count)
    named = (
        text(key) if chance.random() > share / 3 else chance.choice((text("0"), text("../data.pkl"), number(0), b"N"))
    )
    pid = several(text("storage"), name("torch", kind), named, text("cpu"), promised)
    offset = _odd_value(chance, 0) if chance.random() < share else number(0)
    step = 1
    if chance.random() < share:  # all of arrays, as the sums and products of which wrap around
        count = chance.choice((1, 1, 2, 3, 4))
        offset = chance.choice((offset, _array_of_one(chance)))
        size, stride = (several(*(_array_of_one(chance) for _ in range(count))) for _ in range(2))
        return call(name("torch._utils", "_rebuild_tensor_v2"), pid + b"Q", offset, size, stride, b"\x89", b"}")
    strides: list[int] = []
    for side in reversed(shape):
        strides.insert(0, step)
        step *= side
    if chance.random() < share / 2:
        strides = [chance.choice((0, 0, 1, stride, 2 * stride)) for stride in strides]
    size, stride = _tuple_of(chance, shape, share), _tuple_of(chance, tuple(strides), share)
    function = name("torch._utils", "_rebuild_tensor_v2")
    made = call(function, pid + b"Q", offset, size, stride, b"\x89", call(name("collections", "OrderedDict")))
    if chance.random() < share / 4:
        made = call(name("torch._utils", "_rebuild_parameter"), made, b"\x88", b"}")
    return made


def _instructions(chance: random.Random, pickled: bytes) -> bytes:
    """Delete, repeat, swap, replace or insert whole instructions."""
    starts = [position for _, _, position in pickletools.genops(pickled) if position is not None]
    parts = [pickled[start:end] for start, end in zip(starts, [*starts[1:], len(pickled)], strict=True)]
    for _ in range(chance.choice((1, 1, 2, 5))):
        at, other = chance.randrange(len(parts)), chance.randrange(len(parts))
        kind = chance.randrange(7)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts[at:at] = [parts[at]] * chance.choice((1, 3, 1000))
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts[at] = parts[other]
        elif kind == 4:
            parts.insert(
                at, chance.choice(pickletools.opcodes).code.encode("latin-1") + chance.randbytes(chance.randrange(6))
            )
        elif kind == 5:
            parts.insert(at, _odd_value(chance, 1))
        else:
            parts[at:other] = []
        if not parts:
            break
    return b"".join(parts)


def _storages_of_one(chance: random.Random) -> dict[str, bytes]:
    """Return what `_array_of_one` reads: mostly powers of two, the products of which wrap around."""
    storages = {}
    for kind in _WHOLE:
        for index in range(4):
            bits = 8 * _TYPES[kind]
            value = 2 ** chance.randrange(bits) + chance.choice((-1, 0, 0, 1))
            value = value if chance.random() < 0.8 else odd_number(chance)
            storages[f"{kind}{index}"] = (value % 2**bits).to_bytes(bits // 8, "little")
    return storages


def _pickled(chance: random.Random) -> tuple[bytes, dict[str, bytes]]:
    """Return a pickle and the storages that go with it."""
    share = chance.choice((0.0, 0.005, 0.01, 0.02, 0.2))
    items, storages = [], _storages_of_one(chance)
    for index, (key, value) in enumerate(chance.choice(NETWORKS).items()):
        raw = value.tobytes()
        if chance.random() < share / 4:
            raw = chance.choice((raw[:-1], raw[:-4], raw + raw, b""))
        if chance.random() > share / 8:
            storages[str(index)] = raw
        named = text(key)
        if chance.random() < share / 4:
            named = chance.choice((_odd_value(chance, index), text("conv_in.weight"), text("\x1b[31m" + key)))
        items.append(named + _any_tensor(chance, str(index), value.shape, value.size, share))
        if chance.random() < share / 8:
            items.append(items[-1])
    body = _wrapped(chance, b"}(" + b"".join(items) + b"u")
    return program(body, chance.choice((2, 2, 3, 4, 5))), storages


def _wrapped(chance: random.Random, body: bytes) -> bytes:
    """Return a dictionary as trainers wrap it, or in odd company, or another in its place."""
    kind = chance.randrange(30)
    if kind < 3:
        wrapper = chance.choice(("params", "params_ema", "state_dict", "x"))
        return mapping({wrapper: body, "iter": _odd_value(chance, 5)})
    if kind == 3:
        return b"}q\x00" + text("params") + b"h\x00s" + text("state_dict") + body + b"s"
    if kind == 4:
        repeated = chance.choice((b"\x85", b"\x94", b"](", b"}", b"q\x01"))
        return body + repeated * chance.choice((1, 1000, 100_000)) + b"0"
    if kind == 5:
        keys = (number(index * (2**61 - 1)) + b"N" for index in range(chance.choice((2, 2000, 20_000))))
        return b"}(" + b"".join(keys) + b"u"
    return body


def _zip_fields(chance: random.Random, whole: bytearray) -> None:
    """Change fields of the headers in front of members, of the table of contents, and of its end."""
    fields = {
        b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4)),
        b"PK\x01\x02": ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4), (46, 4)),
        b"PK\x05\x06": ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    }
    for _ in range(chance.choice((1, 1, 2, 4))):
        mark = chance.choice(list(fields))
        places = []
        at = whole.find(mark)
        while at >= 0:
            places.append(at)
            at = whole.find(mark, at + 1)
        if not places:
            continue
        place = chance.choice(places)
        offset, width = chance.choice(fields[mark])
        before = int.from_bytes(whole[place + offset : place + offset + width], "little")
        after = chance.choice(
            (0, 1, 8, 12, 14, before + 1, before - 1, before ^ 1, 2 * before, 2 ** (8 * width) - 1, len(whole))
        )
        whole[place + offset : place + offset + width] = (after % 2 ** (8 * width)).to_bytes(width, "little")


def _bytes(chance: random.Random, whole: bytearray) -> None:
    for _ in range(chance.choice((1, 3, 10))):
        at = chance.randrange(len(whole) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            whole[at : at + 1] = chance.randbytes(1)
        elif kind == 1:
            del whole[at : at + chance.choice((1, 8, 100))]
        elif kind == 2:
            whole[at:at] = chance.randbytes(chance.choice((1, 8, 100)))
        else:
            del whole[at:]
        if not whole:
            return


def _archive(chance: random.Random, pickled: bytes, storages: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    packed = chance.random() < 0.03
    root = chance.choice(("net", "archive", "a/b", "\u6587", "r" * chance.choice((9, 9, 9, 400))))
    methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA) if packed else (zipfile.ZIP_STORED,)
    members = [(f"{root}/data.pkl", pickled), *((f"{root}/data/{key}", raw) for key, raw in storages.items())]
    if chance.random() < 0.05:
        members.append((f"{root}/byteorder", chance.choice((b"little", b"big", b"", bytes(2**16)))))
    if chance.random() < 0.03:
        members.append(chance.choice(members))
    if chance.random() < 0.02:
        members += [(f"{root}/data/x{index}", b"") for index in range(chance.choice((1000, 20_000)))]
    if chance.random() < 0.1:
        chance.shuffle(members)
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as file:
        warnings.simplefilter("ignore")  # duplicate names
        for member, raw in members:
            file.writestr(zipfile.ZipInfo(member), raw, chance.choice(methods))  # without the time: equal bytes
    return stream.getvalue()


def mutated_archive(chance: random.Random) -> bytes:
    """Return a .pth file of a small network in which something is odd."""
    pickled, storages = _pickled(chance)
    if chance.random() < 0.25:
        pickled = _instructions(chance, pickled)
    if chance.random() < 0.02:
        pickled = pickle.dumps({"a": chance.random(), "b": [chance.randbytes(9), {1}]}, chance.randrange(6))
    whole = bytearray(_archive(chance, pickled, storages))
    if chance.random() < 0.15:
        _zip_fields(chance, whole)
    if chance.random() < 0.06:
        _bytes(chance, whole)
    return bytes(whole)
