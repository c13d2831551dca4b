"""What can be wrong with a .pth file: its archive, its tensors, and the program in its pickle."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from paragon_core.errors import (
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)
from tests.models.bad_checkpoint import kinds
from tests.models.checkpoint_files import (
    SMALL,
    archive,
    as_stored,
    call,
    mapping,
    name,
    number,
    numbers,
    program,
    several,
    storage,
    tensor,
    text,
    torch_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _torch(value: bytes, members: dict[str, bytes] | None = None, **options: Any) -> Callable[[], bytes]:
    """Return a .pth file of one thing under the key of a tensor."""
    return lambda: archive(program(mapping({"conv_in.bias": value})), members, **options)


_FOUR = {"0": bytes(16)}
_STORED = storage("0", 4)


def _cut(*, offset: int = 0, size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,)) -> Callable[[], bytes]:
    """Return a .pth file with a tensor on a storage of four values."""
    return _torch(tensor(_STORED, offset, size, stride), _FOUR)


def _in_small(members: Callable[[dict[str, bytes]], dict[str, bytes]], **options: Any) -> Callable[[], bytes]:
    """Return a whole .pth file whose members went through a function."""

    def make() -> bytes:
        body, storages = torch_program(as_stored(SMALL))
        return archive(program(body), members(storages), **options)

    return make


def _overlapping() -> bytes:
    """Return an archive of twenty members, each of which contains all the following ones."""
    count, inner = 20, bytes(2**16)
    members: list[tuple[str, bytes]] = []
    for index in reversed(range(count)):
        members.append((f"net/data/{index:05}", inner))
        name_of_member = members[-1][0].encode()
        sizes = struct.pack("<3I2H", zlib.crc32(inner), len(inner), len(inner), len(name_of_member), 0)
        inner = struct.pack("<4s5H", b"PK\x03\x04", 20, 0, 0, 0, 33) + sizes + name_of_member + inner
    items = {f"k{i}": tensor(storage(f"{i:05}", 2**14), 0, (2**14,), (1,)) for i in range(count)}
    whole = archive(program(mapping(items)))
    start = int.from_bytes(whole[-6:-2], "little")
    entries = whole[start:-22]
    offset = start
    for key, content in reversed(members):
        sizes = struct.pack("<3I5H2I", zlib.crc32(content), len(content), len(content), len(key), 0, 0, 0, 0, 0, offset)
        entries += struct.pack("<4s6H", b"PK\x01\x02", 20, 20, 0, 0, 0, 33) + sizes + key.encode()
        offset += 30 + len(key)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(entries), start + len(inner), 0)
    return whole[:start] + inner + entries + end


def _wrong_sum() -> bytes:
    whole = bytearray(archive(program(mapping({"w": tensor(_STORED, 0, (4,), (1,))})), {"0": b"abcdefghijklmnop"}))
    whole[whole.index(b"abcdefgh")] ^= 1
    return bytes(whole)


def _encrypted() -> bytes:
    whole = bytearray(_torch(tensor(_STORED, 0, (4,), (1,)), _FOUR)())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := whole.find(mark, start + 1)) >= 0:
            whole[start + offset] |= 1
    return bytes(whole)


def _shared_often() -> bytes:
    items = {f"k{index}": tensor(storage("0", 2**16), 0, (2**16,), (1,)) for index in range(100)}
    return archive(program(mapping(items)), {"0": bytes(2**18)})


_ITSELF = b"}q\x00" + text("params") + b"h\x00s"

TORCH_ARCHIVES = kinds(
    UnreadableCheckpointError,
    [
        ("pth compressed", _in_small(dict, compression=zipfile.ZIP_DEFLATED), "compressed inside"),
        (
            "pth with a bomb of zeros",
            _torch(tensor(_STORED, 0, (4,), (1,)), {"0": bytes(2**22)}, compression=8),
            "compr",
        ),
        (
            "pth without a storage",
            _in_small(lambda s: {k: v for k, v in s.items() if k != "3"}),
            "storage 3 is not in the archive",
        ),
        ("pth without any storage", _in_small(lambda _: {}), "storage 0 is not in"),
        ("pth big-endian", _in_small(lambda s: s | {"net/byteorder": b"big"}), "big-endian"),
        ("pth with a short storage", _in_small(lambda s: s | {"0": s["0"][:-4]}), "were promised"),
        ("pth with a torn storage", _in_small(lambda s: s | {"0": s["0"][:-1]}), "ends inside a value"),
        ("pth with an empty storage", _in_small(lambda s: s | {"0": b""}), "0 values"),
        ("pth with a wrong checksum", _wrong_sum, "checksum is wrong"),
        ("pth encrypted", _encrypted, "encrypted"),
        ("pth with overlapping members", _overlapping, "overlap|Overlap"),
        ("pth with a hundred copies", _shared_often, "far more values"),
        (
            "pth that names a file outside",
            _torch(tensor(storage("../../../../etc/passwd", 4), 0, (4,), (1,))),
            "is not in the archive",
        ),
        ("pth that names an absolute file", _torch(tensor(storage("/etc/passwd", 4), 0, (4,), (1,))), "is not in"),
        ("pth that names its own pickle", _torch(tensor(storage("../data.pkl", 4), 0, (4,), (1,))), "is not in"),
        ("pth offset beyond", _cut(offset=1), "outside its storage"),
        ("pth offset negative", _cut(offset=-1), "not whole numbers within bounds"),
        ("pth offset endless", _cut(offset=2**200, size=(0,)), "not whole numbers within bounds"),
        ("pth size beyond", _cut(size=(5,)), "outside its storage"),
        ("pth size negative", _cut(size=(-4,)), "not whole numbers within bounds"),
        ("pth size endless", _cut(size=(2**62, 2**62), stride=(0, 0)), "not whole numbers within bounds"),
        ("pth size beyond all products", _cut(size=(2**40,) * 64, stride=(0,) * 64), "more values than are stored"),
        (
            "pth size endless but empty",
            _cut(size=(0, 2**62, 2**62), stride=(1, 1, 1)),
            "not whole numbers within bounds",
        ),
        ("pth size large but empty", _cut(size=(0, 2**40, 2**40), stride=(1, 1, 1)), "impossible shape"),
        ("pth size repeated by stride zero", _cut(size=(1000,), stride=(0,)), "more values than are stored"),
        ("pth stride beyond", _cut(size=(2, 2), stride=(3, 1)), "outside its storage"),
        ("pth stride negative", _cut(offset=3, stride=(-1,)), "not whole numbers within bounds"),
        ("pth stride endless", _cut(size=(0,), stride=(2**70,)), "not whole numbers within bounds"),
        ("pth fewer strides than sizes", _cut(size=(2, 2), stride=(1,)), "not alike"),
        ("pth sixty-five sides", _cut(size=(1,) * 65, stride=(1,) * 65), "too many dimensions"),
        (
            "pth size in words",
            _torch(
                call(
                    name("torch._utils", "_rebuild_tensor_v2"),
                    _STORED,
                    number(0),
                    several(text("4")),
                    numbers(1),
                    b"\x89",
                    b"}",
                ),
                _FOUR,
            ),
            "not whole numbers within bounds",
        ),
        (
            "pth size is no tuple",
            _torch(
                call(
                    name("torch._utils", "_rebuild_tensor_v2"), _STORED, number(0), number(4), number(1), b"\x89", b"}"
                ),
                _FOUR,
            ),
            "not alike",
        ),
        (
            "pth tensor of a tensor",
            _torch(tensor(tensor(_STORED, 0, (2, 2), (2, 1)), 1, (3,), (1,)), _FOUR),
            "not a storage",
        ),
        ("pth tensor of text", _torch(tensor(text("0"), 0, (1,), (1,))), "not a storage"),
        ("pth tensor without arguments", _torch(call(name("torch._utils", "_rebuild_tensor_v2"))), "cannot be read"),
        ("pth parameter without arguments", _torch(call(name("torch._utils", "_rebuild_parameter"))), "cannot be read"),
        ("pth storage of negative size", _torch(tensor(storage("0", -1), 0, (4,), (1,)), _FOUR), "was promised"),
        ("pth storage of endless size", _torch(tensor(storage("0", 2**70), 0, (4,), (1,)), _FOUR), "was promised"),
        ("pth storage of more values", _torch(tensor(storage("0", 5), 0, (4,), (1,)), _FOUR), "5 were promised"),
        (
            "pth storage without a name",
            _torch(
                several(text("storage"), name("torch", "FloatStorage"), number(0), text("cpu"), number(4)) + b"Q", _FOUR
            ),
            "no name",
        ),
        (
            "pth storage of three words",
            _torch(several(text("storage"), text("0"), text("cpu")) + b"Q"),
            "cannot be read",
        ),
        ("pth of a tensor alone", lambda: archive(program(tensor(_STORED, 0, (4,), (1,))), _FOUR), "no dictionary"),
        ("pth of a list", lambda: archive(program(b"](" + text("a") + b"e")), "no dictionary"),
        ("pth of a word", lambda: archive(program(text("weights"))), "no dictionary"),
        ("pth of nothing", lambda: archive(program(b"N")), "no dictionary"),
        ("pth of settings only", _torch(number(5)), "no tensors"),
        ("pth of raw storages", _torch(_STORED, _FOUR), "no tensors"),
        ("pth that contains itself", lambda: archive(program(_ITSELF)), "no dictionary"),
        (
            "pth wrapped five times",
            lambda: archive(
                program(
                    mapping(
                        {
                            "params": mapping(
                                {"params": mapping({"params": mapping({"params": mapping({"params": b"}"})})})}
                            )
                        }
                    )
                )
            ),
            "no dictionary",
        ),
        ("pth pickle empty", lambda: archive(b""), "cannot be read"),
        ("pth pickle without end", lambda: archive(b"\x80\x02}"), "cannot be read"),
        ("pth pickle of an end only", lambda: archive(b"."), "cannot be read"),
        ("pth pickle cut in a word", lambda: archive(b"\x80\x02X\xff\x00\x00\x00abc"), "cannot be read"),
        (
            "pth pickle with a word that is no text",
            lambda: archive(program(b"X\x02\x00\x00\x00\xff\xff")),
            "cannot be read",
        ),
        ("pth pickle of noise", lambda: archive(zlib.compress(bytes(100))), "cannot be read"),
        ("pth stores into nothing", lambda: archive(program(text("a") + text("b") + b"s")), "cannot be read"),
        ("pth stores into a word", lambda: archive(program(text("a") + text("b") + text("c") + b"s")), "no dictionary"),
        ("pth stores half a pair", lambda: archive(program(b"}(" + text("a") + b"u")), "cannot be read"),
        ("pth stores without a mark", lambda: archive(program(b"}" + text("a") + text("b") + b"u")), "cannot be read"),
        ("pth appends to a dictionary", lambda: archive(program(b"}" + text("a") + b"a")), "no list"),
        ("pth recalls what it never kept", lambda: archive(program(b"h\x07")), "cannot be read"),
        ("pth keeps nothing", lambda: archive(program(b"\x94")), "cannot be read"),
        ("pth key is a tuple", lambda: archive(program(b"}" + several(text("a")) + b"Ns")), "plain keys"),
        ("pth key is thousands of tuples", lambda: archive(program(b"}N" + b"\x85" * 200_000 + b"Ns")), "plain keys"),
        (
            "pth name is thousands of tuples",
            lambda: archive(program(b"N" + b"\x85" * 200_000 + text("x") + b"\x93")),
            "not text",
        ),
        ("pth calls a word", lambda: archive(program(call(text("print")))), "no constructor"),
        (
            "pth calls a storage type",
            lambda: archive(program(call(name("torch", "FloatStorage"), number(2**40)))),
            "no constructor",
        ),
        ("pth calls a dictionary", lambda: archive(program(call(b"}", text("a")))), "no constructor"),
        (
            "pth calls a tensor",
            lambda: archive(program(call(tensor(_STORED, 0, (4,), (1,)), text("a"))), _FOUR),
            "cannot be read",
        ),
        (
            "pth fills a dictionary by its constructor",
            lambda: archive(program(call(name("collections", "OrderedDict"), b"]"))),
            "no constructor",
        ),
    ],
)

#: What a file would leave behind in the current folder if its program were executed.
TRACE = "executed"
_COMMAND = text(f"echo 1 > {TRACE}")
_PYTHON = text(f"open({TRACE!r}, 'w').close()")


def _program(body: bytes, protocol: int = 2) -> Callable[[], bytes]:
    return lambda: archive(program(body, protocol))


def _opened() -> bytes:
    """Return the reduction of an object of Python's own, as its pickler writes it."""

    class Opening:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (TRACE, "w")

    return archive(pickle.dumps({"params": Opening()}, protocol=2))


HOSTILE_PICKLES = kinds(
    UnsafeCheckpointError,
    [
        ("pickle os.system", _program(call(name("os", "system"), _COMMAND)), "os.system"),
        ("pickle posix.system", _program(call(name("posix", "system"), _COMMAND)), "posix.system"),
        ("pickle nt.system", _program(call(name("nt", "system"), _COMMAND)), "nt.system"),
        ("pickle subprocess", _program(call(name("subprocess", "getoutput"), _COMMAND)), "subprocess.getoutput"),
        ("pickle exec", _program(call(name("builtins", "exec"), _PYTHON)), "builtins.exec"),
        ("pickle eval of Python 2", _program(call(name("__builtin__", "eval"), _PYTHON)), "__builtin__.eval"),
        ("pickle open by a class", _opened, "open"),
        (
            "pickle getattr",
            _program(call(name("builtins", "getattr"), name("collections", "OrderedDict"), text("x"))),
            "getattr",
        ),
        (
            "pickle name from the stack",
            _program(text("os") + text("system") + b"\x93" + several(_COMMAND) + b"R", 4),
            "os.system",
        ),
        (
            "pickle name with dots",
            _program(text("collections") + text("OrderedDict.fromkeys") + b"\x93", 4),
            "OrderedDict.fromkeys",
        ),
        ("pickle name through a module", _program(name("torch._utils", "torch.os.system")), "torch.os.system"),
        ("pickle name with a blank", _program(name("torch", "FloatStorage system")), "FloatStorage system"),
        ("pickle of an unknown storage", _program(name("torch", "UntypedStorage")), "torch.UntypedStorage"),
        (
            "pickle in a storage",
            _program(call(name("torch.storage", "_load_from_bytes"), text("x"))),
            "_load_from_bytes",
        ),
        ("pickle torch.load", _program(call(name("torch", "load"), text("x"))), "torch.load"),
        ("pickle torch.jit", _program(name("__torch__.net", "Net")), "__torch__.net.Net"),
        ("pickle quantised tensor", _program(name("torch._utils", "_rebuild_qtensor")), "_rebuild_qtensor"),
        ("pickle of numpy", _program(name("numpy._core.multiarray", "_reconstruct")), "_reconstruct"),
        ("pickle of bytes", lambda: archive(pickle.dumps({"a": b"\xff"}, protocol=2)), "_codecs.encode"),
        ("pickle of a set", lambda: archive(pickle.dumps({"a": {1}}, protocol=2)), "set"),
        ("pickle INST", _program(b"(" + _COMMAND + b"ios\nsystem\n"), "INST"),
        ("pickle OBJ", _program(b"(" + name("collections", "OrderedDict") + b"o"), "OBJ"),
        ("pickle OBJ of os.system", _program(b"(" + name("os", "system") + _COMMAND + b"o"), "os.system"),
        ("pickle NEWOBJ", _program(name("collections", "OrderedDict") + b")\x81"), "NEWOBJ"),
        ("pickle NEWOBJ_EX", _program(name("collections", "OrderedDict") + b")}\x92", 4), "NEWOBJ_EX"),
        ("pickle EXT1", _program(b"\x82\x01"), "EXT1"),
        ("pickle EXT2", _program(b"\x83\x01\x01"), "EXT2"),
        ("pickle EXT4", _program(b"\x84\x01\x01\x01\x00"), "EXT4"),
        ("pickle PERSID", _program(b"Pstorage\n"), "PERSID"),
        ("pickle NEXT_BUFFER", _program(b"\x97", 5), "NEXT_BUFFER"),
        ("pickle READONLY_BUFFER", _program(b"\x97\x98", 5), "BUFFER"),
        ("pickle BYTEARRAY8", _program(b"\x96" + struct.pack("<Q", 1) + b"a", 5), "BYTEARRAY8"),
        ("pickle DUP", _program(b"}2"), "DUP"),
        ("pickle POP", _program(b"}}0"), "POP"),
        ("pickle memo by text", _program(b"}p99999999999\n"), "PUT"),
        ("pickle frozenset", _program(b"(\x91", 4), "FROZENSET"),
        (
            "pickle persistent module",
            lambda: archive(
                program(
                    several(text("module"), name("torch", "FloatStorage"), text("0"), text("cpu"), number(4)) + b"Q"
                ),
                _FOUR,
            ),
            "outside itself",
        ),
        (
            "pickle persistent dictionary",
            lambda: archive(
                program(
                    several(text("storage"), name("collections", "OrderedDict"), text("0"), text("cpu"), number(4))
                    + b"Q"
                ),
                _FOUR,
            ),
            "outside itself",
        ),
        (
            "pickle storage type in words",
            lambda: archive(
                program(several(text("storage"), text("FloatStorage"), text("0"), text("cpu"), number(4)) + b"Q"), _FOUR
            ),
            "outside itself",
        ),
    ],
)
