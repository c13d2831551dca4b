from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from paragon_core.cli.main import main
from paragon_core.models.model import load

torch = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mixture_is_a_checkpoint_that_says_what_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.safetensors"
    assert main(["mix", "realtime-2x", "realtime-box-2x", "--shares", "1,3", "-o", str(path)]) == 0
    assert "25% realtime-2x + 75% realtime-box-2x" in capsys.readouterr().err
    model = load(path)
    assert model.spec == load("realtime-2x").spec
    assert [(part["name"], part["share"]) for part in json.loads(model.metadata["mixture"])] == [
        ("realtime-2x", 0.25),
        ("realtime-box-2x", 0.75),
    ]


def test_without_shares_all_count_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["realtime-2x", "realtime-box-2x", "realtime-lanczos-2x", "realtime-video-2x"]
    assert main(["mix", *models, "-o", str(tmp_path / "m.safetensors")]) == 0
    assert capsys.readouterr().err.count("25%") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["realtime-2x", "realtime-box-2x", "-o", "m.pth"], "does not end in .safetensors"),
        (["realtime-2x", "realtime-box-2x", "-o", "there.safetensors"], "is already there"),
        (["realtime-2x", "-o", "m.safetensors"], "needs two networks"),
        (["realtime-2x", "none", "-o", "m.safetensors"], "there is no model or file named 'none'"),
        (["realtime-2x", "realtime-box-2x", "--shares", "1,0", "-o", "m.safetensors"], "list of positive numbers"),
        (["realtime-2x", "realtime-box-2x", "--shares", "1", "-o", "m.safetensors"], "2 networks and 1 shares"),
    ],
)
def test_mistakes_are_explained_and_nothing_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").write_bytes(b"precious")
    assert main(["mix", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.safetensors"]
    assert (tmp_path / "there.safetensors").read_bytes() == b"precious"
