from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from paragon_core.cli.main import main
from paragon_core.models.model import WEIGHTS, bundled
from paragon_core.models.purposes import PURPOSES
from paragon_core.models.releases import OFFICIAL_RELEASES
from tests.docs.scores import means
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the user."""
    monkeypatch.setenv("PARAGON_MODELS", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "missing")
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["models", "--json", *arguments]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def test_bundled_and_official_models(capsys: pytest.CaptureFixture[str]) -> None:
    facts = listed(capsys)
    assert [model["use"] for model in facts["boxed"]] == list(bundled())
    assert {purpose["model"] for purpose in facts["purposes"]} == set(bundled())
    assert all(set(model["scores"]) == {"Set5", "Set14"} for model in facts["boxed"])
    assert [release["sha256"] for release in facts["official"]] == [release.sha256 for release in OFFICIAL_RELEASES]
    assert not any(release["present"] for release in facts["official"])
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in bundled())
    assert all(purpose.source in text for purpose in PURPOSES)
    assert all(release.name in text for release in OFFICIAL_RELEASES)
    expected = means("realtime-2x")
    assert f"Set5 {expected['Set5']['model']:.2f}, Set14 {expected['Set14']['model']:.2f}" in text


def test_files_in_the_folders(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    further = tmp_path / "further"
    further.mkdir()
    (folder / "mine.safetensors").write_bytes(safetensors_file(as_stored(SMALL)))
    (further / "other.safetensors").write_bytes(safetensors_file(as_stored(SMALL), {"upsampler_alpha": "0.25"}))
    (folder / "a\x1b[31m.pth").write_bytes(b"<html>")
    facts = listed(capsys, "--folder", str(further))
    assert [model["use"] for model in facts["found"]] == ["mine", str(further / "other.safetensors")]
    assert [model["upsampler_alpha"] for model in facts["found"]] == [0.3, 0.25]
    assert [other["reason"] for other in facts["unusable"]] == ["a\ufffd[31m.pth is not a checkpoint: it is a web page"]
    assert [entry["exists"] for entry in facts["folders"]] == [True, False, True]
    assert main(["models"]) == 0
    output = capsys.readouterr()
    assert "alpha 0.3 (assumed)" in output.out
    assert "not usable: " in output.out
    assert "\x1b" not in output.out
    assert output.err == ""


def test_what_is_listed_by_name_is_used_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(Path(str(WEIGHTS / "realtime-2x.safetensors")), folder / "mine.safetensors")
    assert [model["use"] for model in listed(capsys)["found"]] == ["mine"]
    assert main(["info", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"


def test_official_files_are_known_under_any_name(
    shared: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = OFFICIAL_RELEASES[0]
    shutil.copy(shared / "weights" / release.file, folder / "renamed.safetensors")
    facts = listed(capsys)
    assert [found["use"] for found in facts["official"]] == ["renamed"] + [None] * (len(OFFICIAL_RELEASES) - 1)
    assert facts["found"][0]["scores"] == {"Set5": release.set5, "Set14": release.set14}
    assert main(["models"]) == 0
    assert capsys.readouterr().out.count("  present  ") == 1
