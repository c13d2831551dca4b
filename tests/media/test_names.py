"""Names of new files by a pattern."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.media.names import FIELDS, NamePattern

PIECES = st.sampled_from(
    [*(f"{{{name}}}" for name in FIELDS), "_", "x", ".", "..", "/", "\\", ":", " ", "{{", "}}", "é"]
)


@given(pieces=st.lists(PIECES, max_size=6))
def test_every_name_is_one_in_the_same_folder(pieces: list[str]) -> None:
    try:
        pattern = NamePattern(text="".join(pieces))
    except InputError:
        return
    name = pattern.name(stem="photo", made=(40, 30), size="2x", model="realtime-2x") + ".png"
    for kind in (PurePosixPath, PureWindowsPath):
        assert kind(name).name == name
        assert kind("folder", name).parent == kind("folder")
    assert name.strip(" .") != "png"


def test_what_fields_stand_for() -> None:
    pattern = NamePattern(text="{stem}_{width}x{height}_{size}_{model}_{{1}}")
    assert pattern.fields == set(FIELDS)
    assert pattern.needs_size
    assert pattern.name(stem="a.b", made=(4, 3), size="8MP", model="m") == "a.b_4x3_8MP_m_{1}"
    assert not NamePattern(text="{stem}-{size}").needs_size


@pytest.mark.parametrize(
    "text", ["{stem}/x", "C:{stem}", "{}", "{stem.parent}", "{stem[0]}", "{width:,}", "}", "a\nb", " "]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        NamePattern(text=text)
    assert caught.value.hint
