"""Every kind of bad file gives a typed error that says what is wrong and what to do, and does nothing else."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import CheckpointError
from paragon_core.models.model import load
from tests.fresh_python import PROGRAMS, ROOT, run
from tests.models.all_bad_checkpoints import BAD_CHECKPOINTS
from tests.models.fuzz_checkpoints import MOST_BYTES, MOST_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.models.bad_checkpoint import BadCheckpoint


@pytest.mark.parametrize("bad", BAD_CHECKPOINTS, ids=lambda bad: bad.name.replace(" ", "-"))
def test_bad_file_gives_a_typed_error(bad: BadCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fidelity.bin"  # the content decides, not the suffix; the name says nothing that is asked for
    path.write_bytes(bad.bytes())
    with pytest.raises(CheckpointError) as caught:
        load(path)
    error = caught.value
    assert type(error) is bad.error
    assert re.search(bad.says, str(error)), str(error)
    assert len(str(error)) < 600
    assert str(error).isprintable()
    assert len(error.hint.split()) >= 3
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
    assert list(tmp_path.iterdir()) == [path]  # nothing was executed or left behind


def test_kinds_are_many_and_have_names_of_their_own() -> None:
    assert len(BAD_CHECKPOINTS) >= 40
    assert len({bad.name for bad in BAD_CHECKPOINTS}) == len(BAD_CHECKPOINTS)


def test_bad_files_are_refused_quickly_and_with_little_memory(tmp_path: Path) -> None:
    for index, bad in enumerate(BAD_CHECKPOINTS):
        (tmp_path / f"{index}.bin").write_bytes(bad.bytes())
    seconds, peak = json.loads(run(PROGRAMS / "refuses_checkpoints.py", tmp_path, len(BAD_CHECKPOINTS)).stdout)
    slow = {bad.name: used for bad, used in zip(BAD_CHECKPOINTS, seconds, strict=True) if used > MOST_SECONDS}
    assert slow == {}
    assert peak < MOST_BYTES


@pytest.mark.parametrize(
    "name",
    ["oob_read_crash", "memory_bomb_1GiB", "prod_hang_4k", "hash_collisions_20k_keys"],
)
def test_crafted_files_are_refused_by_the_program(shared: Path, name: str) -> None:
    path = shared / "cases" / "checkpoints" / f"{name}.pth"
    if not path.exists():
        pytest.skip("needs the shared cases")
    result = subprocess.run(
        [sys.executable, "-m", "paragon_core.cli.main", "info", str(path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("paragon: error: ")
    assert "hint: " in result.stderr
    assert len(result.stderr) < 600
