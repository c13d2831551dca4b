"""Reading weights files: what is in them arrives unchanged, and nothing else does."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paragon_core.errors import CheckpointError, InputError, UnreadableCheckpointError
from paragon_core.models.checkpoint import MAX_BYTES, Checkpoint, read_checkpoint
from paragon_core.models.detect import expected_shapes
from paragon_core.models.model import from_checkpoint, load
from tests.fresh_python import PROGRAMS, run
from tests.models.checkpoint_files import (
    SMALL,
    archive,
    as_stored,
    mapping,
    program,
    random_arrays,
    raw_safetensors,
    safetensors_file,
    torch_file,
    torch_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable

on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")

FILES = {"safetensors": safetensors_file(as_stored(SMALL)), "torch": torch_file(as_stored(SMALL))}


def read(content: bytes, folder: Path, name: str = "net.safetensors") -> Checkpoint:
    path = folder / name
    path.write_bytes(content)
    return read_checkpoint(path)


def same(arrays: dict[str, Any], expected: dict[str, Any]) -> None:
    assert arrays.keys() == expected.keys()
    for key, value in arrays.items():
        assert value.shape == expected[key].shape, key
        assert np.array_equal(value, expected[key]), key


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "net", "net.v1.bin", "Netz \u00e4\u6587.PTH"])
def test_content_decides_not_the_suffix(kind: str, name: str, tmp_path: Path) -> None:
    checkpoint = read(FILES[kind], tmp_path, name)
    same(checkpoint.arrays, dict(random_arrays(SMALL)))
    assert checkpoint.name == Path(name).stem
    assert checkpoint.sha256 == hashlib.sha256(FILES[kind]).hexdigest()
    assert checkpoint.metadata == {}


def test_tensors_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    keys = [f"k{index}" for index in range(50)]
    entries = {key: {"dtype": "U8", "shape": [], "data_offsets": [at, at + 1]} for at, key in enumerate(keys)}
    assert list(read(raw_safetensors(entries, bytes(50)), tmp_path).arrays) == keys
    assert list(read(FILES["torch"], tmp_path).arrays) == list(random_arrays(SMALL))


def test_metadata_arrives(tmp_path: Path) -> None:
    notes = {"upsampler_alpha": "0.25", "author": "J\u00fcrgen \u6587", "empty": ""}
    assert read(safetensors_file(as_stored(SMALL), notes), tmp_path).metadata == notes


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_floats_are_widened_or_rounded_to_float32(dtype: type[np.floating], tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((3, 4)).astype(dtype)
    array = read(safetensors_file({"w": values}), tmp_path).arrays["w"]
    assert array.dtype == np.float32
    assert np.array_equal(array, values.astype(np.float32))


@given(upper=st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=20))
def test_bfloat16_is_the_upper_half_of_a_float32(upper: list[int]) -> None:
    stored = np.array(upper, dtype="<u2")
    entry = {"dtype": "BF16", "shape": [len(upper), 1], "data_offsets": [0, stored.nbytes]}
    with tempfile.TemporaryDirectory() as folder:
        array = read(raw_safetensors({"w": entry}, stored.tobytes()), Path(folder)).arrays["w"]
    assert array.dtype == np.float32
    assert array.shape == (len(upper), 1)
    assert (array.view(np.uint32).reshape(-1) >> 16).tolist() == upper


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8", "bool"])
def test_whole_numbers_stay_what_they_are(dtype: str, tmp_path: Path) -> None:
    values = np.array([0, 1, 1, 0]).astype(dtype)
    array = read(safetensors_file({"w": values}), tmp_path).arrays["w"]
    assert array.dtype == dtype
    assert np.array_equal(array, values)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,) * 20])
def test_odd_shapes_stay_what_they_are(shape: tuple[int, ...], tmp_path: Path) -> None:
    assert read(safetensors_file({"w": np.zeros(shape, np.float32)}), tmp_path).arrays["w"].shape == shape


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrapped_networks_are_removed(prefix: str, tmp_path: Path) -> None:
    arrays = {prefix + key: value for key, value in as_stored(SMALL).items()}
    same(read(safetensors_file(arrays), tmp_path).arrays, dict(random_arrays(SMALL)))
    same(read(torch_file(arrays), tmp_path).arrays, dict(random_arrays(SMALL)))


def test_only_prefixes_are_removed(tmp_path: Path) -> None:
    arrays = {key: np.zeros(1, np.float32) for key in ("a.module.b", "module", "modules.c")}
    assert set(read(safetensors_file(arrays), tmp_path).arrays) == {"a.module.b", "module", "modules.c"}


def test_counters_of_an_ema_are_dropped(tmp_path: Path) -> None:
    counters = {"step": np.zeros((), np.int64), "initted": np.ones((), np.bool_)}
    same(read(safetensors_file(as_stored(SMALL) | counters), tmp_path).arrays, dict(random_arrays(SMALL)))


@pytest.mark.parametrize(
    ("wrapped", "chosen"),
    [
        (("params_ema",), "params_ema"),
        (("params",), "params"),
        (("state_dict",), "state_dict"),
        (("params", "params_ema"), "params_ema"),
        (("state_dict", "params"), "params"),
    ],
)
def test_averaged_weights_are_preferred(wrapped: tuple[str, ...], chosen: str, tmp_path: Path) -> None:
    programs: dict[str, bytes] = {}
    storages: dict[str, bytes] = {}
    for seed, key in enumerate(wrapped):
        body, stored = torch_program(as_stored(SMALL, seed), prefix=f"{key}-")
        programs[key] = body
        storages |= stored
    rest = {"iter": b"K\x05", "metadata": b"}", "name": b"X\x01\x00\x00\x00a", "lr": b"G" + bytes(8), "list": b"]"}
    checkpoint = read(archive(program(mapping(rest | programs)), storages), tmp_path)
    same(checkpoint.arrays, dict(random_arrays(SMALL, wrapped.index(chosen))))


def test_wrappers_may_nest(tmp_path: Path) -> None:
    body, storages = torch_program(as_stored(SMALL))
    nested = program(mapping({"state_dict": mapping({"params": body})}))
    same(read(archive(nested, storages), tmp_path).arrays, dict(random_arrays(SMALL)))


def refused(path: str | Path, says: str) -> None:
    with pytest.raises(UnreadableCheckpointError, match=says) as caught:
        read_checkpoint(path)
    assert caught.value.hint


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    refused(tmp_path / "none.pth", "there is no file .*none.pth")
    refused(tmp_path / "none" / "net.pth", "there is no file")
    refused(tmp_path, "cannot be read: it is a folder")
    refused(tmp_path / "file" / "net.pth", "cannot be read|there is no file")
    refused(tmp_path / ("a" * 5000 + ".pth"), "cannot be read|there is no file")
    refused("a\0b.pth", "cannot be read.*null")


def test_files_that_may_not_be_read_are_refused(tmp_path: Path) -> None:
    if sys.platform == "win32":  # checked here, where the type checker sees it too
        pytest.skip("Windows has no such files")
    path = tmp_path / "net.pth"
    path.write_bytes(FILES["torch"])
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read everything
    try:
        refused(path, "cannot be read: Permission denied")
    finally:
        if root:
            os.seteuid(0)


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such files")
    os.mkfifo(tmp_path / "pipe.pth")
    refused(tmp_path / "pipe.pth", "is not a file")
    refused("/dev/zero", "is not a file")


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "state.pth"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    refused(path, "state.pth is 128 MiB")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory that the system keeps to")
def test_too_little_memory_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(MAX_BYTES)
    assert run(PROGRAMS / "reads_a_checkpoint_without_memory.py", path).stdout.startswith(
        "there is not enough memory to read net.pth"
    )


@on_posix
def test_errors_of_the_disk_are_reported(tmp_path: Path) -> None:
    loop = tmp_path / "loop.pth"
    loop.symlink_to(loop)
    refused(loop, "cannot be read")
    if sys.platform == "linux":
        refused("/proc/self/mem", "cannot be read")  # a file whose first byte cannot be read


@pytest.mark.parametrize("name", ["no-such-model", "a" * 5000, "a\0b"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no model or file named") as caught:
        load(name)
    assert "bundled models: realtime-2x" in caught.value.hint


def loads_or_is_refused(content: bytes) -> None:
    """Check that a damaged file gives a typed error or a network that fits its spec: nothing in between."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = from_checkpoint(read(content, Path(folder)), upsampler_alpha=0.0, window_size=16)
        except CheckpointError as refusal:
            error: CheckpointError | None = refusal
        else:
            error = None
    if error is not None:
        assert str(error)
        assert error.hint
        return
    assert {key: value.shape for key, value in model.arrays.items()} == expected_shapes(model.spec)
    assert all(value.dtype == np.float32 for value in model.arrays.values())
    assert all(np.isfinite(value).all() for value in model.arrays.values())


def structural_ranges(content: bytes) -> list[tuple[int, int]]:
    """Return where a file's structure lies; the rest are values, of which nearly all are as good as any other."""
    if content.startswith(b"PK"):
        pickled = content.index(b"\x80\x02")
        directory = content.index(b"PK\x01\x02")
        return [(0, 40), (pickled, content.index(b"PK\x03\x04", pickled)), (directory, len(content))]
    return [(0, 8), (0, 8 + int.from_bytes(content[:8], "little"))]


def damage(content: bytes) -> st.SearchStrategy[bytes]:
    """Change, insert or delete a few bytes, mostly of the structure, or cut the file off."""
    places = st.one_of(
        *(st.integers(low, high - 1) for low, high in structural_ranges(content)), st.integers(0, len(content) - 1)
    )
    change: st.SearchStrategy[Callable[[bytes], bytes]] = st.one_of(
        st.builds(
            lambda at, bit: lambda b: b[:at] + bytes(value ^ 1 << bit for value in b[at : at + 1]) + b[at + 1 :],
            places,
            st.integers(0, 7),
        ),
        st.builds(
            lambda at, new: lambda b: b[:at] + new + b[at + len(new) :], places, st.binary(min_size=1, max_size=4)
        ),
        st.builds(lambda at, new: lambda b: b[:at] + new + b[at:], places, st.binary(min_size=1, max_size=9)),
        st.builds(lambda at, n: lambda b: b[:at] + b[at + n :], places, st.integers(1, 9)),
        st.builds(
            lambda at, to, n: lambda b: b[:to] + b[at : at + n] + b[to + n :], places, places, st.integers(1, 30)
        ),
        st.builds(lambda at: lambda b: b[:at], places),
    )
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: functools.reduce(_apply, changes, content))


def _apply(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return change(content)


@given(content=damage(FILES["safetensors"]))
@example(content=FILES["safetensors"])
@settings(max_examples=400, deadline=None)
def test_damaged_safetensors_load_or_are_refused(content: bytes) -> None:
    loads_or_is_refused(content)


@given(content=damage(FILES["torch"]))
@example(content=FILES["torch"])
@settings(max_examples=400, deadline=None)
def test_damaged_torch_files_load_or_are_refused(content: bytes) -> None:
    loads_or_is_refused(content)


@pytest.mark.parametrize("kind", FILES)
def test_no_truncated_file_loads(kind: str, tmp_path: Path) -> None:
    content = FILES[kind]
    for length in {*range(0, len(content), 61), *range(len(content) - 30, len(content))}:
        with pytest.raises(CheckpointError):
            read(content[:length], tmp_path)


@given(
    content=st.binary(max_size=200), start=st.sampled_from([b"", b"PK\x03\x04", b"\x20\0\0\0\0\0\0\0{", b"\x80\x02"])
)
@settings(deadline=None)
def test_noise_is_refused(start: bytes, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(CheckpointError):
        read(start + content, Path(folder))
