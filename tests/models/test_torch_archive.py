"""The reader of .pth files: what torch writes arrives, and what torch never writes has no effect.

The files are spelled out instruction by instruction, so torch is not needed; `test_torch_archive_real` has torch write
them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.models.torch_archive import read_torch_archive, widen_bfloat16
from paragon_core.models.torch_pickle import StoredTensor
from tests.models.checkpoint_files import (
    SMALL,
    archive,
    call,
    mapping,
    name,
    program,
    random_arrays,
    storage,
    tensor,
    text,
    torch_file,
    torch_program,
)

if TYPE_CHECKING:
    import numpy.typing as npt

FOUR = {"0": np.arange(4, dtype="<f4").tobytes()}


def everything(content: object) -> dict[str, StoredTensor]:
    """Choose all tensors of a dictionary of tensors."""
    assert type(content) is dict
    assert all(isinstance(value, StoredTensor) for value in content.values())
    return content


def read_dictionary(content: bytes) -> dict[str, npt.NDArray[Any]]:
    return read_torch_archive(content, everything)


def read_tensor(instructions: bytes, storages: dict[str, bytes]) -> npt.NDArray[Any]:
    return read_dictionary(archive(program(mapping({"w": instructions})), storages))["w"]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", "<f8"),
        ("FloatStorage", "<f4"),
        ("HalfStorage", "<f2"),
        ("LongStorage", "<i8"),
        ("IntStorage", "<i4"),
        ("ShortStorage", "<i2"),
        ("CharStorage", "i1"),
        ("ByteStorage", "u1"),
        ("BoolStorage", "?"),
    ],
)
def test_every_type_of_storage_is_read(kind: str, dtype: str) -> None:
    values = np.array([0, 1, 1, 0, 1, 1]).astype(dtype)
    array = read_tensor(tensor(storage("0", 6, kind), 0, (2, 3), (3, 1)), {"0": values.tobytes()})
    assert array.dtype == np.dtype(dtype)
    assert np.array_equal(array, values.reshape(2, 3))


def test_bfloat16_is_read() -> None:
    raw = b"\x80\x3f\x00\xc0\x80\x7f\x00\x00"
    array = read_tensor(tensor(storage("0", 4, "BFloat16Storage"), 0, (4,), (1,)), {"0": raw})
    assert array.dtype == np.float32
    assert array.tolist() == [1.0, -2.0, np.inf, 0.0]
    assert widen_bfloat16(np.empty(0, "<u2")).shape == (0,)


@given(data=st.data())
@settings(deadline=None)
def test_any_view_of_a_storage_is_cut_out_of_it(data: st.DataObject) -> None:
    """Permute, skip and offset at random; NumPy's own indexing says what must come out."""
    sides = data.draw(st.lists(st.integers(1, 4), max_size=4))
    whole = np.arange(int(np.prod(sides)), dtype="<f4").reshape(sides)
    view = whole.transpose(data.draw(st.permutations(range(len(sides)))))
    slices = tuple(
        slice(data.draw(st.integers(0, side - 1)), None, data.draw(st.integers(1, 3))) for side in view.shape
    )
    view = view[slices] if slices else view
    offset = (view.ctypes.data - whole.ctypes.data) // 4
    strides = tuple(step // 4 for step in view.strides)
    array = read_tensor(tensor(storage("0", whole.size), offset, view.shape, strides), {"0": whole.tobytes()})
    assert array.shape == view.shape
    assert np.array_equal(array, view)


def test_tensors_may_share_a_storage_and_stay_apart() -> None:
    items = {"a": tensor(storage("0", 4), 0, (4,), (1,)), "b": tensor(storage("0", 4), 2, (2,), (1,))}
    arrays = read_dictionary(archive(program(mapping(items)), FOUR))
    arrays["a"][:] = 9
    assert arrays["b"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("size", [(0,), (0, 3), (2, 0)])
def test_empty_tensors_are_read(size: tuple[int, ...]) -> None:
    strides = (1,) * len(size)
    assert read_tensor(tensor(storage("0", 0), 0, size, strides), {"0": b""}).shape == size
    assert read_tensor(tensor(storage("0", 4), 4, size, strides), FOUR).shape == size


def test_parameters_are_their_tensors() -> None:
    inner = tensor(storage("0", 4), 0, (4,), (1,))
    parameter = call(
        name("torch._utils", "_rebuild_parameter"), inner, b"\x88", call(name("collections", "OrderedDict"))
    )
    assert read_tensor(parameter, FOUR).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("root", ["archive", "net", "a b", "folder/net", "\u6587"])
def test_archives_may_have_any_root(root: str) -> None:
    content = archive(
        program(mapping({"w": tensor(storage("0", 4), 0, (4,), (1,))})), {f"{root}/data/0": FOUR["0"]}, root=root
    )
    assert read_dictionary(content)["w"].tolist() == [0, 1, 2, 3]


def test_attributes_are_dropped() -> None:
    """torch gives a state dict its ``_metadata``; Python's unpickler would let a file replace ``get`` and ``items``."""
    body, storages = torch_program(random_arrays(SMALL))
    attributes = mapping({"_metadata": b"}", "get": name("collections", "OrderedDict"), "__class__": b"N"})
    arrays = read_dictionary(archive(program(body + attributes + b"b"), storages))
    assert arrays.keys() == random_arrays(SMALL).keys()


def test_attributes_of_names_are_dropped() -> None:
    """The type of a storage cannot be made to mean pointers."""
    kind = name("torch", "FloatStorage") + mapping({"dtype": text("O"), "name": text("DoubleStorage")}) + b"b"
    pid = b"(" + text("storage") + kind + text("0") + text("cpu") + b"K\x04tQ"
    assert read_tensor(tensor(pid, 0, (4,), (1,)), FOUR).tolist() == [0, 1, 2, 3]


def test_reading_takes_time_in_proportion() -> None:
    def cpu_seconds(count: int) -> float:
        content = torch_file({f"body.0.blocks.{index}.weight": np.zeros((4, 4), np.float32) for index in range(count)})
        start = time.process_time()
        assert len(read_dictionary(content)) == count
        return time.process_time() - start

    few, many = (min(cpu_seconds(count) for _ in range(3)) for count in (300, 2400))
    assert many < 24 * few  # 8 times; 64 would mean that something grows with the square
