from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import PureWindowsPath
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paragon_core.engines import BuildOptions, EngineKey, Profile, Target
from paragon_core.engines.key import safe_name
from paragon_core.errors import InputError
from tests.engines.engine_files import key

digits = st.integers(0, 99_999)
capabilities = st.integers(50, 130).map("sm_{}".format)
targets = st.builds(
    Target,
    capabilities=st.lists(capabilities, max_size=6).map(tuple),
    device=st.text(max_size=60),
)
options = st.builds(
    BuildOptions,
    tf32=st.booleans(),
    optimization_level=st.none() | st.integers(0, 5),
    workspace_bytes=st.none() | st.integers(0, 2**40),
    max_aux_streams=st.none() | st.integers(0, 8),
)
values: dict[str, st.SearchStrategy[Any]] = {
    "model": st.text(max_size=200),
    "onnx_sha256": st.binary(min_size=32, max_size=32).map(bytes.hex),
    "flavour": st.sampled_from(["tensorrt_rtx", "tensorrt"]),
    "version": st.tuples(*[st.integers(0, 999)] * 4).map(lambda parts: ".".join(map(str, parts))),
    "target": targets,
    "platform": st.text(max_size=20),
    "cuda_major": digits,
    "precision": st.sampled_from(["fp32", "fp16"]),
    "options": options,
}
keys = st.builds(EngineKey, **values)


def test_every_field_is_tried() -> None:
    assert set(values) == {field.name for field in fields(EngineKey)}


@pytest.mark.parametrize("field", [name for name in values if name != "model"])
@given(data=st.data())
def test_each_field_changes_the_key_and_the_folder(field: str, data: st.DataObject) -> None:
    one, value = data.draw(keys), data.draw(values[field])
    assume(getattr(one, field) != value)
    other = replace(one, **{field: value})
    assert other.id != one.id
    assert other.folder != one.folder


@pytest.mark.parametrize("field", [field.name for field in fields(BuildOptions)])
def test_each_option_changes_the_key(field: str) -> None:
    changes: dict[str, Any] = {field: 3}
    assert key(options=BuildOptions(**changes)).id != key().id


@given(keys)
def test_the_name_of_the_model_changes_the_path_only(one: EngineKey) -> None:
    assert replace(one, model="another").id == one.id


@given(keys)
def test_json_and_back(one: EngineKey) -> None:
    other = EngineKey.from_json(one.as_json())
    assert (other, other.id) == (one, one.id)


def test_the_order_of_the_gpus_is_no_difference() -> None:
    one = Target.parse("sm_89, sm_120,sm_86")
    assert one == Target.parse("sm_86,sm_89,sm_120,sm_86")
    assert one.capabilities == ("sm_86", "sm_89", "sm_120")


@pytest.mark.parametrize("text", ["", "86", "sm86", "sm_86,", "SM_86", "sm_1234"])
def test_what_is_no_gpu_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="compute capability"):
        Target.parse(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("onnx_sha256", "0" * 63),
        ("flavour", "onnxruntime"),
        ("version", "1.7.1"),
        ("version", "1.7.1.116+1"),
        ("version", "1111.1111.1111.1111"),
        ("precision", "int8"),
    ],
)
def test_what_is_no_key_is_refused(field: str, value: str) -> None:
    with pytest.raises(InputError, match=field):
        key(**{field: value})


def test_the_same_key_everywhere() -> None:
    """It is computed by other processes, versions and systems as well: this digest changes with the schema only."""
    assert key().id == "54f7b606ceafb5dd4b891fbb36d42496291ca2abd9b4bdfc98dd9442f562e23a"
    assert str(key().folder) == f"realtime-2x-{key().id[:8]}/sm86+sm89_1.7.1.116_fp16"


def test_labels() -> None:
    assert Target().label == "any"
    assert Target.parse("sm_86,sm_120").label == "sm86+sm120"
    assert Target.parse("sm_75,sm_80,sm_86,sm_89,sm_120").label == "sm75+4more"
    assert Target(capabilities=("sm_89",), device="NVIDIA GeForce RTX 4070, 46 SM").label == "sm89-RTX-4070-46-SM"


@pytest.mark.parametrize(
    ("target", "runs_on", "not_on"),
    [
        ("sm_86,sm_89", ["sm_86", "sm_89"], ["sm_75", "sm_80", "sm_120"]),
        ("", ["sm_80", "sm_86", "sm_89", "sm_120", "sm_121"], ["sm_75", "sm_90", "sm_100"]),
    ],
)
def test_which_gpus_an_engine_runs_on(target: str, runs_on: list[str], not_on: list[str]) -> None:
    parsed = Target.parse(target) if target else Target()
    assert all(parsed.runs_on(capability) for capability in runs_on)
    assert not any(parsed.runs_on(capability) for capability in not_on)


# --- rules of file systems ---------------------------------------------------------------------------------------

RESERVED = ["con", "PRN", "aux", "NUL", "COM1", "lpt9", "com0", "CONIN$", "conout$", "nul.tar", "Aux.onnx"]


def fits_windows(name: str) -> bool:
    # Python 3.13 knows it as os.path.isreserved, on Windows only.
    stem = name.partition(".")[0].upper().rstrip(" ")
    devices = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
        f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
    }
    return bool(re.fullmatch(r"[A-Za-z0-9._+-]+", name)) and stem not in devices and name[-1] not in ". "


@pytest.mark.parametrize(
    "name", [*RESERVED, "", ".", "..", "a. ", "a/b\\c", 'x<>:"|?*', "日本語", "a\0b", "-", "🦊" * 90]
)
def test_awkward_names_become_file_names(name: str) -> None:
    assert fits_windows(safe_name(name, 28))


@given(st.text(max_size=300) | st.sampled_from(RESERVED), st.integers(8, 40))
def test_any_text_becomes_a_file_name(name: str, longest: int) -> None:
    safe = safe_name(name, longest)
    assert len(safe) <= longest
    assert fits_windows(safe)


LONGEST = Profile(minimum=(10000, 10000), optimum=(10001, 10001), maximum=(16384, 16384), batch=999)


@given(keys)
def test_paths_are_short_and_any_file_system_takes_them(one: EngineKey) -> None:
    for extension in (".engine", ".lease9", ".json", ".lock", ".part", ".used"):
        path = PureWindowsPath("engines", "v1", *one.folder.parts, LONGEST.name + extension)
        assert len(str(path)) < 140
        assert all(fits_windows(part) for part in path.parts)
