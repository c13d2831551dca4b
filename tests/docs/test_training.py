"""The page about training says what is, and its examples run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from PIL import Image

from paragon_core.training.adversarial import AdversarialOptions
from paragon_core.training.data import PatchOptions
from paragon_core.training.degradations import Degradations
from paragon_core.training.options import TrainingOptions
from paragon_core.training.recipe import read_recipe
from paragon_core.training.reductions import TRAINING_REDUCERS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/training.md").read_text(encoding="utf-8")
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("paragon ")]
RECIPE, DEGRADATIONS = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_commands_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = RECIPE.replace("steps = 60000", "steps = 4").replace("validate_every = 4000", "validate_every = 2")
    quick = quick.replace("[data]", "[data]\nlow_size = 16\nbatch_size = 2")
    (tmp_path / "my-network.toml").write_text(quick, encoding="utf-8")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name in ("photographs", "drawings"):
        (tmp_path / "tiles" / name).mkdir(parents=True)
        with Image.open(ROOT / "examples/chelsea.png") as image:
            image.convert("RGB").crop((0, 0, 64, 64)).save(tmp_path / "tiles" / name / "tile.png")
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) >= 3
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0, command
    told = capsys.readouterr().out
    for fact in ("realtime", "recipe_sha256", "scores", "psnr_y"):
        assert fact in told
    assert {path.name for path in (tmp_path / "runs/mine").iterdir()} == {
        "last.safetensors",
        "best.safetensors",
        "state.pt",
        "log",
    }


def test_the_degradations_fit_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE + DEGRADATIONS, encoding="utf-8")
    degradations = read_recipe(path).degradations
    assert degradations is not None
    assert set(degradations.reducers) == set(TRAINING_REDUCERS)


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("data", PatchOptions),
        ("training", TrainingOptions),
        ("degradations", Degradations),
        ("adversarial", AdversarialOptions),
    ],
)
def test_the_table_holds_every_field_and_its_default(table: str, kind: type[DataclassInstance]) -> None:
    section = PAGE.partition(f"### [{table}]\n")[2].partition("\n#")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? ?\|", section, flags=re.MULTILINE))
    told.pop("folders", None)
    assert told == {field.name: as_toml(field.default) for field in fields(kind)}


def as_toml(value: Any) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return json.dumps(value)
    return f'"{value}"' if isinstance(value, str) else str(value)
