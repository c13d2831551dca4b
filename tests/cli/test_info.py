from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from paragon_core.cli.main import main
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file

if TYPE_CHECKING:
    from pathlib import Path


def test_the_bundled_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "realtime-2x"]) == 0
    text = capsys.readouterr().out
    assert "variant" in text
    assert "realtime" in text
    assert main(["info", "realtime-2x", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["variant"], facts["scale"], facts["receptive_radius"]) == ("realtime", 2, 7)
    assert len(facts["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "variant", "revision"),
    [("v6_2x*Realtime*", "realtime", "v6"), ("v9_2x*Photo*", "photo", "v9"), ("v11_2x*Stream*", "stream", "v11")],
)
def test_official_files(
    shared: Path, capsys: pytest.CaptureFixture[str], name: str, variant: str, revision: str
) -> None:
    (path,) = (shared / "weights").glob(name)
    assert main(["info", str(path), "--json"]) == 0
    output = capsys.readouterr()
    facts = json.loads(output.out)
    assert (facts["variant"], facts["revision"], facts["upsampler_alpha"]) == (variant, revision, 0)
    assert facts["attention"] == (variant == "photo")
    assert output.err == ""
    assert main(["info", str(path)]) == 0
    assert ("the whole image" in capsys.readouterr().out) == (variant == "photo")


def test_settings_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "realtime-2x", "--alpha", "0.25", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["upsampler_alpha"] == 0.25
    assert "argument" in facts["settings_from"]


def test_notes_are_printable_and_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = {
        "upsampler_alpha": "0",
        "note\x1b[2J": "\x1b]0;owned\x07\x1b[41mred",
        "long": "x" * 10**5,
        "n" * 10**4: "1",
    }
    notes |= {f"note {index}": "" for index in range(1000)}
    path = tmp_path / "a\x1b[31m.safetensors"
    path.write_bytes(safetensors_file(as_stored(SMALL), notes))
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert text.replace("\n", "").isprintable()
    assert len(text) < 20_000
    assert "more notes" in text
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"] == notes


def test_a_refused_file_says_why(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (shared / "weights").glob("v2_*")
    assert main(["info", str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "different network" in output.err
    assert "hint: " in output.err
