"""The user's folders, and what a name means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paragon_core import load
from paragon_core.errors import InputError, UnreadableCheckpointError
from paragon_core.models.folders import checkpoint_files, find, model_folders
from paragon_core.models.releases import OFFICIAL_RELEASES
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file, torch_file


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders of the user and an empty working directory."""
    first, second, here = tmp_path / "first", tmp_path / "second", tmp_path / "here"
    for folder in (first, second, here):
        folder.mkdir()
    monkeypatch.setenv("PARAGON_MODELS", os.pathsep.join(map(str, (first, tmp_path / "missing", second))))
    monkeypatch.chdir(here)
    return first, second


def put(path: Path, alpha: str) -> None:
    """Write a checkpoint that differs from others by its alpha."""
    path.write_bytes(safetensors_file(as_stored(SMALL), {"upsampler_alpha": alpha}))


def test_the_environment_comes_before_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PARAGON_MODELS", raising=False)
    (own,) = model_folders()
    assert own.is_absolute()
    assert "paragon" in own.parts
    for text, expected in (("", []), (os.pathsep, []), (f"{tmp_path}{os.pathsep}{tmp_path}", [tmp_path])):
        monkeypatch.setenv("PARAGON_MODELS", text)
        assert model_folders() == (*expected, own)
    monkeypatch.setenv("PARAGON_MODELS", os.pathsep.join(["~", "models", str(own)]))
    assert model_folders() == (Path.home(), Path.cwd() / "models", own)


def test_a_path_comes_before_the_box_and_the_box_before_folders(folders: tuple[Path, Path]) -> None:
    first, second = folders
    for folder in folders:
        put(folder / "realtime-2x.safetensors", "0.1")
    put(first / "mine.safetensors", "0.1")
    put(second / "mine.safetensors", "0.2")
    put(second / "other.v2.safetensors", "0.3")
    assert load("realtime-2x").spec.channels == 16
    assert load("mine").spec.upsampler_alpha == 0.1
    assert load("other.v2").spec.upsampler_alpha == 0.3
    put(Path("mine"), "0.4")
    put(Path("realtime-2x"), "0.4")
    assert load("mine").spec.upsampler_alpha == 0.4
    assert load("realtime-2x").spec.upsampler_alpha == 0.4


@pytest.mark.parametrize("missing", ["mine.safetensors", "./mine", Path("mine")])
def test_a_path_is_no_name(folders: tuple[Path, Path], missing: str | Path) -> None:
    put(folders[0] / "mine.safetensors", "0.1")
    with pytest.raises(UnreadableCheckpointError, match="there is no file"):
        load(missing)


def test_safetensors_come_before_pth(folders: tuple[Path, Path]) -> None:
    (folders[0] / "fidelity.pth").write_bytes(torch_file(as_stored(SMALL)))
    assert load("fidelity").name == "fidelity"
    put(folders[0] / "fidelity.SAFETENSORS", "0.2")
    assert load("fidelity").spec.upsampler_alpha == 0.2


def test_only_checkpoints_lying_there_are_named(folders: tuple[Path, Path]) -> None:
    first, _ = folders
    (first / "below").mkdir()
    put(first / "below" / "deeper.safetensors", "0.1")
    (first / "a folder.pth").mkdir()
    for name in ("notes.txt", "._mac.pth", "half.safetensors.part", "net.onnx"):
        (first / name).write_bytes(b"x")
    put(first / "b.safetensors", "0.1")
    put(first / "a.safetensors", "0.1")
    assert [path.name for path in checkpoint_files(first)] == ["a.safetensors", "b.safetensors"]
    assert [find(name) for name in ("deeper", "below/deeper", "a folder", "._mac", "notes", "")] == [None] * 6


def test_unknown_names_are_answered_with_the_known_ones(folders: tuple[Path, Path]) -> None:
    del folders
    with pytest.raises(InputError, match="no model or file named 'mine'") as caught:
        load("mine")
    assert "realtime-2x" in caught.value.hint
    release = OFFICIAL_RELEASES[0].name
    with pytest.raises(InputError) as caught:
        load(release)
    assert f"paragon models pull {release}" in caught.value.hint
